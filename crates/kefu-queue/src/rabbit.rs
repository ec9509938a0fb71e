//! The queue on RabbitMQ 3.10 to 4.x, through lapin.
//!
//! Publishing and consuming have a connection each: a broker with a resource alarm stops everything on a
//! connection that publishes, acks included, but leaves one alone that only consumes.
//! lapin's own recovery is off, because it can end silently; the supervisor connects again instead.

mod address;
mod connection;
mod link;
mod properties;
mod publisher;
mod receipt;
mod silent;
mod slot;
mod supervisor;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::sync::watch;
use tokio::time::timeout;

use self::address::Address;
use self::connection::ConnectError;
use self::link::{Link, State};
pub(crate) use self::receipt::Receipt;
use self::silent::Silent;
pub(crate) use self::slot::Slot;
pub(crate) use self::supervisor::Supervisor;
pub(crate) use self::topology::Names;
use crate::copy::Copy;
use crate::delivery::Source;
use crate::{Depths, Lane, PublishError, QueueError, QueueHealth, RetryDepth, Roles};

/// Longest wait for any answer of the broker that no caller bounds.
const RPC_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Rabbit {
    shared: Arc<Shared>,
}

/// What publishers, slots and the supervisor share.
pub(crate) struct Shared {
    address: Address,
    names: Names,
    state: watch::Sender<State>,
    /// In the order of [`Source::ALL`].
    silent: [Silent; Source::ALL.len()],
}

/// Longest time for a connection that is not needed any more to end.
const VISIT_END_MAX: Duration = Duration::from_secs(1);

/// Whether the URL can be read.
pub(crate) fn check(url: &str) -> Result<(), QueueError> {
    address::read(url).map(drop)
}

fn refused(address: &Address, reason: &str) -> QueueError {
    QueueError::url(format!("{} refused: {reason}", address.shown))
}

/// Connects and goes away again, without declaring anything.
pub(crate) async fn visit(
    url: &str,
    roles: Roles,
    tls: Option<rustls::ClientConfig>,
) -> Result<(), QueueError> {
    let address = Address::parse(url, roles, tls)?;
    match connection::connect(&address, "kefu settings check").await {
        Ok(connection) => {
            // What was to be learnt is learnt.
            let _ = timeout(VISIT_END_MAX, connection.close(200, "checked".into())).await;
            Ok(())
        }
        Err(ConnectError::Refused(reason)) => Err(refused(&address, &reason)),
        Err(ConnectError::Unavailable(reason)) => Err(QueueError::Unavailable { reason }),
    }
}

/// Tries to connect once; a broker that does not answer is left to the supervisor.
pub(crate) async fn open(
    url: &str,
    names: Names,
    roles: Roles,
    tls: Option<rustls::ClientConfig>,
) -> Result<(Rabbit, Supervisor), QueueError> {
    let address = Address::parse(url, roles, tls)?;
    let silent = Source::ALL.map(|source| Silent::new(names.source(source)));
    let shared = Arc::new(Shared {
        address,
        names,
        silent,
        state: watch::Sender::default(),
    });
    let first = match Link::connect(&shared.address, &shared.names, 1).await {
        Ok(link) => Ok(link),
        Err(ConnectError::Refused(reason)) => {
            return Err(refused(&shared.address, &reason));
        }
        Err(ConnectError::Unavailable(reason)) => {
            shared.state.send_replace(State::unanswered(&reason));
            Err(reason)
        }
    };
    let supervisor = Supervisor::new(Arc::clone(&shared), first);
    Ok((Rabbit { shared }, supervisor))
}

impl Rabbit {
    pub(crate) async fn publish(&self, lane: Lane, copy: Copy, within: Duration) -> Result<(), PublishError> {
        let exchange = self.shared.names.work();
        self.shared
            .publish(&exchange, lane.as_str(), &copy, None, within)
            .await
    }

    pub(crate) fn slot(&self, source: Source) -> Slot {
        Slot::new(source, Arc::clone(&self.shared))
    }

    pub(crate) fn health(&self) -> QueueHealth {
        let state = self.shared.state.borrow();
        match &state.link {
            Some(link) => QueueHealth {
                connected: link.is_connected(),
                blocked: link.publisher.is_blocked(),
                detail: state.detail.clone(),
            },
            None => QueueHealth {
                connected: false,
                blocked: false,
                detail: state.detail.clone(),
            },
        }
    }

    pub(crate) async fn depths(&self) -> Result<Depths, QueueError> {
        let Some(link) = self.shared.link() else {
            return Err(QueueError::Unavailable {
                reason: self.health().detail,
            });
        };
        let late = |_| QueueError::TimedOut { after: RPC_TIMEOUT };
        let failed = |error: lapin::Error| QueueError::Unavailable {
            reason: error.to_string(),
        };
        timeout(RPC_TIMEOUT, self.count(&link))
            .await
            .map_err(late)?
            .map_err(failed)
    }

    pub(crate) async fn delete(&self) -> Result<(), QueueError> {
        let Some(link) = self.shared.link() else {
            return Err(QueueError::Unavailable {
                reason: self.health().detail,
            });
        };
        let failed = |topology::DeclareError { name, error }| QueueError::Unavailable {
            reason: format!("{name} cannot be deleted: {error}"),
        };
        let late = |_| QueueError::TimedOut { after: RPC_TIMEOUT };
        timeout(RPC_TIMEOUT, self.shared.names.delete(&link.consume))
            .await
            .map_err(late)?
            .map_err(failed)
    }

    async fn count(&self, link: &Link) -> lapin::Result<Depths> {
        let names = &self.shared.names;
        let channel = link.consume.create_channel().await?;
        let ready = async |name: String| {
            let options = QueueDeclareOptions::durable().passive();
            let queue = channel
                .queue_declare(name.into(), options, FieldTable::default())
                .await?;
            lapin::Result::Ok(u64::from(queue.message_count()))
        };
        let mut depths = Depths::default();
        for lane in Lane::ALL {
            depths.set(Source::Lane(lane), ready(names.lane(lane)).await?);
            for step in names.ladder().steps() {
                let waiting = ready(names.retry_queue(lane, step)).await?;
                depths.retry.push(RetryDepth {
                    lane,
                    step: step.name.clone(),
                    waiting,
                });
            }
        }
        depths.set(Source::Dead, ready(names.dead()).await?);
        Ok(depths)
    }
}

impl Shared {
    fn link(&self) -> Option<Arc<Link>> {
        self.state.borrow().link.clone()
    }

    /// `death` is set for copies that go to the dead letters.
    async fn publish(
        &self,
        exchange: &str,
        key: &str,
        copy: &Copy,
        death: Option<properties::Burial<'_>>,
        within: Duration,
    ) -> Result<(), PublishError> {
        let link = self.link().ok_or(PublishError::Unavailable)?;
        let properties = properties::write(copy, death);
        let outcome = link
            .publisher
            .publish(exchange, key, copy, properties, within)
            .await;
        match &outcome {
            Err(PublishError::Returned) => link.repair.notify_one(),
            Err(PublishError::TimedOut) if link.publisher.is_silent() => link.failed.notify_one(),
            _ => (),
        }
        outcome
    }
}
