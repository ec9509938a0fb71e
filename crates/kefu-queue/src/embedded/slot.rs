use std::future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{ANSWER_TIMEOUT, Command, Embedded, Shared};
use crate::backoff::{SETTLE_HOLD_MAX, backoff};
use crate::delivery::{Receipt as AnyReceipt, Settlement, Source};
use crate::{Death, Delivery, Settled};

/// One consumer: at most one lease out.
pub(crate) struct Slot {
    source: Source,
    queue: Embedded,
    /// Kept across cancelled calls, so that what the writer hands over is not lost.
    asked: Option<oneshot::Receiver<Taken>>,
    /// Resolves when the last delivery was settled or dropped.
    last: Option<oneshot::Receiver<()>>,
}

/// A leased message on its way to a slot.
pub(crate) struct Taken {
    pub(super) lease: Lease,
    pub(super) body: Vec<u8>,
    pub(super) deliveries: i64,
    pub(super) attempt: Option<u32>,
    pub(super) death: Option<Death>,
}

/// The right to settle a row; dropped unsettled, the row goes back.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) seq: i64,
    pub(super) shared: Arc<Shared>,
    pub(super) held: bool,
}

pub(crate) struct Receipt {
    lease: Lease,
    queue: Embedded,
    /// Dropped with the receipt, after the lease: the slot goes on.
    _last: oneshot::Sender<()>,
}

impl Slot {
    pub(super) fn new(source: Source, queue: Embedded) -> Slot {
        Slot {
            source,
            queue,
            asked: None,
            last: None,
        }
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        if let Some(last) = &mut self.last {
            // Never sent to: an error is the drop, which is what is waited for.
            let _ = last.await;
            self.last = None;
        }
        loop {
            if let Some(asked) = &mut self.asked {
                let taken = asked.await;
                self.asked = None;
                if let Ok(taken) = taken {
                    return self.delivery(taken);
                }
            }
            let permit = self.queue.commands.reserve().await;
            let Ok(permit) = permit else {
                // The writer ended; only the caller's stop ends the wait.
                return future::pending().await;
            };
            let (answer, asked) = oneshot::channel();
            permit.send(Command::Take {
                source: self.source,
                answer,
            });
            self.asked = Some(asked);
        }
    }

    pub(crate) fn pause(&mut self) {
        self.asked = None;
    }

    fn delivery(&mut self, taken: Taken) -> Delivery {
        let (settled, last) = oneshot::channel();
        self.last = Some(last);
        let receipt = Receipt {
            lease: taken.lease,
            queue: self.queue.clone(),
            _last: settled,
        };
        let redelivered = 1 < taken.deliveries;
        let receipt = AnyReceipt::Embedded(receipt);
        Delivery::new(
            self.source,
            taken.body,
            redelivered,
            taken.attempt,
            taken.death,
            receipt,
        )
    }
}

impl Receipt {
    pub(crate) fn step_name(&self, step: usize) -> String {
        self.lease.shared.ladder.step(step).name.clone()
    }

    /// Copy and removal are one transaction here; what cannot be written is held and tried again.
    pub(crate) async fn settle(mut self, settlement: Settlement) -> Settled {
        let started = Instant::now();
        let mut failures = 0;
        loop {
            match self.attempt(&settlement).await {
                Some(settled) => {
                    self.lease.held = false;
                    return settled;
                }
                None if started.elapsed() < SETTLE_HOLD_MAX && !self.queue.commands.is_closed() => {
                    sleep(backoff(failures)).await;
                    failures += 1;
                }
                None => return Settled::RedeliveryExpected,
            }
        }
    }

    /// `None` when the writer could not say.
    async fn attempt(&self, settlement: &Settlement) -> Option<Settled> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Settle {
            seq: self.lease.seq,
            settlement: settlement.clone(),
            answer,
        };
        let written = async {
            self.queue.commands.send(command).await.ok()?;
            answered.await.ok()
        };
        timeout(ANSWER_TIMEOUT, written)
            .await
            .ok()
            .flatten()
            .map(|()| Settled::Settled)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.held {
            self.shared.abandon(self.seq);
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
