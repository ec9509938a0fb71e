use std::future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use lapin::options::{BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, message};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout, timeout_at};
use tracing::{debug, warn};

use super::link::Link;
use super::properties;
use super::receipt::{ACK_TIMEOUT, Receipt};
use super::silent::Silent;
use super::topology::MISSING_PAUSE;
use super::{RPC_TIMEOUT, Shared};
use crate::Delivery;
use crate::delivery::{Receipt as AnyReceipt, Source};

/// A consumer that got nothing for so long opens its channel again: no stall of the broker or of the client
/// outlives it, whatever its cause.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A consumer that is refused so often in a row says so, once.
const REFUSED_TOLD: u32 = 4;

/// One consumer with a channel of its own and one unacked message at most.
pub(crate) struct Slot {
    source: Source,
    shared: Arc<Shared>,
    open: Option<Open>,
    /// The last channel failed: on the same link wait a little, and declare the queues before the next.
    failed: Option<Failed>,
    /// Times in a row that the broker refused to let it consume.
    refused: u32,
}

struct Failed {
    generation: u64,
    at: Instant,
}

/// A channel that consumes.
struct Open {
    generation: u64,
    channel: Channel,
    deliveries: lapin::Consumer,
    last: Last,
    idle_since: Instant,
}

/// A channel that does not consume yet. Given up, it is closed at once: lapin would keep a consumer that starts
/// later, and the message it is sent, until the connection ends.
struct Opening(Option<Channel>);

enum Next {
    Message(Box<message::Delivery>),
    /// Nothing came for long.
    Idle,
    /// The channel is of no more use.
    Broken,
}

/// What became of the last delivery.
enum Last {
    Settled,
    /// Out; resolves with an error when it is dropped unsettled.
    Out(oneshot::Receiver<()>, Acker),
    Dropped(Acker),
}

impl Slot {
    pub(super) fn new(source: Source, shared: Arc<Shared>) -> Slot {
        Slot {
            source,
            shared,
            open: None,
            failed: None,
            refused: 0,
        }
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        loop {
            if let Some(open) = &mut self.open {
                match open.next().await {
                    Next::Message(message) => return self.delivery(*message),
                    Next::Idle => debug!(queue = self.queue(), "consumer idle; opening it again"),
                    Next::Broken => self.failed = Some(Failed::now(open.generation)),
                }
                self.open = None;
            }
            // Nobody asks a queue while there is no broker.
            self.link().await;
            self.silent().over(&self.shared.address).await;
            let link = self.link().await;
            match timeout(RPC_TIMEOUT, self.consume(&link)).await {
                Ok(Ok(open)) => {
                    self.failed = None;
                    self.refused = 0;
                    self.open = Some(open);
                }
                Ok(Err(error)) => {
                    self.refused += 1;
                    // The first times it is a queue that is being declared again.
                    match self.refused {
                        REFUSED_TOLD => {
                            warn!(queue = self.queue(), error = %error, "cannot consume; trying on")
                        }
                        _ => debug!(queue = self.queue(), error = %error, "cannot consume; trying again"),
                    }
                    // The supervisor finds out whether it can be mended.
                    link.repair.notify_one();
                    self.failed = Some(Failed::now(link.generation));
                }
                Err(_) => {
                    self.silent().note();
                    self.failed = Some(Failed::now(link.generation));
                }
            }
        }
    }

    pub(crate) async fn pause(&mut self) {
        let Some(open) = self.open.take() else { return };
        if matches!(open.last, Last::Settled) {
            // Closing gives back what was sent ahead; if it cannot be told, the broker finds out.
            let _ = timeout(ACK_TIMEOUT, open.channel.close(200, "pause".into())).await;
        }
    }

    /// The present link, as soon as there is one; one that failed gets a rest first.
    async fn link(&self) -> Arc<Link> {
        let mut state = self.shared.state.subscribe();
        loop {
            let link = state.borrow_and_update().link.clone();
            let changed = match (link, &self.failed) {
                (Some(link), Some(failed)) if failed.generation == link.generation => {
                    match timeout_at((failed.at + MISSING_PAUSE).into(), state.changed()).await {
                        Ok(changed) => changed,
                        Err(_) => return link,
                    }
                }
                (Some(link), _) => return link,
                (None, _) => state.changed().await,
            };
            if changed.is_err() {
                // The driver ended; only the caller's stop ends the wait.
                return future::pending().await;
            }
        }
    }

    async fn consume(&self, link: &Link) -> lapin::Result<Open> {
        if self
            .failed
            .as_ref()
            .is_some_and(|failed| failed.generation == link.generation)
        {
            self.shared
                .names
                .declare(&link.consume)
                .await
                .map_err(|failed| failed.error)?;
        }
        let opening = Opening(Some(link.consume.create_channel().await?));
        let channel = opening.channel();
        channel.basic_qos(1, BasicQosOptions { global: false }).await?;
        let options = BasicConsumeOptions::default();
        let deliveries = channel
            .basic_consume(self.queue().into(), "".into(), options, FieldTable::default())
            .await?;
        Ok(Open {
            generation: link.generation,
            channel: opening.done(),
            deliveries,
            last: Last::Settled,
            idle_since: Instant::now(),
        })
    }

    fn delivery(&mut self, message: message::Delivery) -> Delivery {
        let attempt = properties::attempt(&message.properties);
        let death = match self.source {
            Source::Lane(_) => None,
            Source::Dead => properties::death(&message.properties, &self.shared.names),
        };
        let (settled, last) = oneshot::channel();
        let open = self.open.as_mut().expect("the message came from it");
        open.last = Last::Out(last, message.acker.clone());
        let receipt = Receipt {
            shared: Arc::clone(&self.shared),
            acker: message.acker,
            channel: open.channel.clone(),
            settled,
        };
        let receipt = AnyReceipt::Rabbit(receipt);
        Delivery::new(
            self.source,
            message.data,
            message.redelivered,
            attempt,
            death,
            receipt,
        )
    }

    fn silent(&self) -> &Silent {
        &self.shared.silent[self.source.index()]
    }

    fn queue(&self) -> String {
        self.shared.names.source(self.source)
    }
}

impl Opening {
    fn channel(&self) -> Channel {
        self.0.clone().expect("taken only by `done`")
    }

    fn done(mut self) -> Channel {
        self.0.take().expect("taken only here")
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(channel) = self.0.take() {
            // The first poll sends the request; nobody needs its answer.
            let _ = channel.close(200, "given up".into()).now_or_never();
        }
    }
}

impl Failed {
    fn now(generation: u64) -> Failed {
        Failed {
            generation,
            at: Instant::now(),
        }
    }
}

impl Open {
    /// Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Next {
        loop {
            match &mut self.last {
                Last::Settled => {
                    let idle_max = sleep_until((self.idle_since + IDLE_MAX).into());
                    return tokio::select! {
                        biased;
                        message = self.deliveries.next() => match message {
                            Some(Ok(message)) => Next::Message(Box::new(message)),
                            Some(Err(_)) | None => Next::Broken,
                        },
                        () = idle_max => Next::Idle,
                    };
                }
                Last::Out(outcome, acker) => {
                    self.last = match outcome.await {
                        Ok(()) => Last::Settled,
                        Err(_) => Last::Dropped(acker.clone()),
                    };
                    self.idle_since = Instant::now();
                }
                Last::Dropped(acker) => {
                    let options = BasicRejectOptions { requeue: true };
                    let rejected = timeout(ACK_TIMEOUT, acker.reject(options)).await;
                    let Ok(Ok(true)) = rejected else {
                        return Next::Broken;
                    };
                    self.last = Last::Settled;
                }
            }
        }
    }
}
