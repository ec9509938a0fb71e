use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use lapin::{Connection, Event};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RPC_TIMEOUT;
use super::address::Address;
use super::connection::{ConnectError, connect};
use super::publisher::Publisher;
use super::topology::Names;
use crate::Roles;
use crate::lock::lock;

/// Longest goodbye to a broker …
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// … and to one that is lost: the next connection waits behind it.
pub(super) const CLOSE_LOST_TIMEOUT: Duration = Duration::from_millis(500);

/// What everybody sees of the connection to the broker.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) link: Option<Arc<Link>>,
    pub(super) detail: String,
}

/// One pair of connections, with the queues declared. Never repaired: a new one takes its place.
pub(super) struct Link {
    /// Counts the links of this process.
    pub(super) generation: u64,
    pub(super) publisher: Publisher,
    /// Consumes, declares, counts: never publishes, so that alarms do not stop it.
    pub(super) consume: Connection,
    /// Somebody found it dead.
    pub(super) failed: Notify,
    /// Somebody found an exchange, queue or binding missing.
    pub(super) repair: Notify,
    /// Attached before anything can happen; the supervisor takes them.
    events: Mutex<Option<BoxStream<'static, (Side, Event)>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Publish,
    Consume,
}

impl State {
    pub(super) fn up(link: Arc<Link>) -> State {
        State {
            detail: format!("connected (connection {})", link.generation),
            link: Some(link),
        }
    }

    pub(super) fn down(detail: String) -> State {
        State { link: None, detail }
    }

    /// Nobody is there, or nobody who answers.
    pub(super) fn unanswered(reason: &str) -> State {
        State::down(format!(
            "broker does not answer: {reason}; start RabbitMQ, or check queue.url"
        ))
    }
}

impl Link {
    pub(super) async fn connect(
        address: &Address,
        names: &Names,
        generation: u64,
    ) -> Result<Arc<Link>, ConnectError> {
        let role = address.roles.as_str();
        let second = if address.roles == Roles::IngressOnly {
            "control"
        } else {
            "consume"
        };
        let publish = connect(address, &format!("kefu {role} publish")).await?;
        let publish_events = publish.events_listener().map(|event| (Side::Publish, event));
        let consume = connect(address, &format!("kefu {role} {second}")).await?;
        let consume_events = consume.events_listener().map(|event| (Side::Consume, event));
        let declared = timeout(RPC_TIMEOUT, names.declare(&consume)).await;
        let late = |_| ConnectError::Unavailable(format!("queues not declared within {RPC_TIMEOUT:?}"));
        declared.map_err(late)??;
        let events = futures::stream::select(publish_events, consume_events).boxed();
        Ok(Arc::new(Link {
            generation,
            publisher: Publisher::new(publish),
            consume,
            failed: Notify::new(),
            repair: Notify::new(),
            events: Mutex::new(Some(events)),
        }))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.consume.status().connected() && self.publisher.is_connected()
    }

    pub(super) fn take_events(&self) -> BoxStream<'static, (Side, Event)> {
        let events = lock(&self.events).take();
        events.unwrap_or_else(|| futures::stream::pending().boxed())
    }

    pub(super) async fn close(&self, within: Duration) {
        let consume = self.consume.close(200, "bye".into());
        let publish = self.publisher.connection().close(200, "bye".into());
        // Whether the broker hears the goodbyes or not, this side is done with it.
        let _ = timeout(within, async { tokio::join!(consume, publish) }).await;
    }
}
