use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::{Acker, Channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Shared;
use super::properties::Burial;
use super::topology::Names;
use crate::backoff::{SETTLE_HOLD_MAX, backoff};
use crate::delivery::Settlement;
use crate::story;
use crate::{PublishError, Settled};

/// Longest wait for one copy's confirm before it is tried again.
const COPY_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait until an ack is written to the socket.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// The broker's end of a delivery: what acks it, and what publishes its copies.
pub(crate) struct Receipt {
    pub(super) shared: Arc<Shared>,
    pub(super) acker: Acker,
    /// Keeps the channel open while the delivery lives; the last one to go gives the message back.
    pub(super) channel: Channel,
    /// Told when the broker has the verdict; dropped untold, the slot puts the message back.
    pub(super) settled: oneshot::Sender<()>,
}

impl Receipt {
    pub(crate) fn step_name(&self, step: usize) -> String {
        self.shared.names.ladder().step(step).name.clone()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.channel.status().connected() && self.acker.usable()
    }

    pub(crate) async fn settle(self, settlement: Settlement) -> Settled {
        let (told, settled) = match &settlement {
            Settlement::Ack => (self.ack().await, Settled::Settled),
            Settlement::Requeue => (self.reject().await, Settled::Settled),
            Settlement::Later { .. } | Settlement::Bury { .. } => {
                // Acked only after the confirm: a crash in between repeats the job, it never loses it.
                if self.publish_held(&settlement).await {
                    (self.ack().await, Settled::Settled)
                } else {
                    (self.reject().await, Settled::RedeliveryExpected)
                }
            }
        };
        if !told {
            // Dropping `self.settled` makes the slot give up the channel, and the message with it.
            return Settled::RedeliveryExpected;
        }
        // Nobody listens when the slot is gone.
        let _ = self.settled.send(());
        settled
    }

    /// Publishes the copy, again and again; false when the delivery is no longer ours or time is up.
    async fn publish_held(&self, settlement: &Settlement) -> bool {
        let started = Instant::now();
        let mut failures = 0;
        while self.is_ours() && started.elapsed() < SETTLE_HOLD_MAX {
            match self.publish(settlement).await {
                Ok(()) => return true,
                Err(error) if failures == 0 => {
                    warn!(error = %error, "copy of a job not confirmed; holding it")
                }
                Err(_) => (),
            }
            sleep(backoff(failures)).await;
            failures += 1;
        }
        false
    }

    async fn publish(&self, settlement: &Settlement) -> Result<(), PublishError> {
        let names = &self.shared.names;
        match settlement {
            Settlement::Later { lane, step, copy } => {
                let key = Names::retry_key(*lane, names.ladder().step(*step));
                self.shared
                    .publish(&names.retry(), &key, copy, None, COPY_TIMEOUT)
                    .await
            }
            Settlement::Bury {
                lane,
                copy,
                reason,
                error,
            } => {
                let burial = Burial {
                    lane: *lane,
                    reason,
                    error,
                    at: story::now(),
                };
                self.shared
                    .publish(&names.dead(), "", copy, Some(burial), COPY_TIMEOUT)
                    .await
            }
            Settlement::Ack | Settlement::Requeue => Ok(()),
        }
    }

    async fn ack(&self) -> bool {
        let acked = timeout(ACK_TIMEOUT, self.acker.ack(BasicAckOptions::default())).await;
        matches!(acked, Ok(Ok(true)))
    }

    /// `reject`, never `nack`: the delivery limit of 4.3 does not count the latter.
    async fn reject(&self) -> bool {
        let options = BasicRejectOptions { requeue: true };
        let rejected = timeout(ACK_TIMEOUT, self.acker.reject(options)).await;
        matches!(rejected, Ok(Ok(true)))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("acker", &self.acker)
            .finish_non_exhaustive()
    }
}
