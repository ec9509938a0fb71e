use kefu_domain::Millis;
use metrics::counter;
use tracing::warn;

use crate::copy::{self, Copy};
use crate::story::{self, ERROR_BYTES_MAX, Errors, NotedError};
use crate::{InvalidEnvelope, Job, Lane, embedded, rabbit};

/// Longest reason kept with a dead letter, in bytes.
const REASON_BYTES_MAX: usize = 128;

/// One message taken from the queue and not yet settled.
///
/// Dropping it unsettled puts it back, counted as a redelivery.
#[derive(Debug)]
pub struct Delivery {
    pub body: Vec<u8>,
    /// It was delivered before and not settled: its effects may already exist.
    pub redelivered: bool,
    pub job: Result<Job, InvalidEnvelope>,
    /// Why it died; only on deliveries of the dead-letter queue.
    pub death: Option<Death>,
    attempt: u32,
    source: Source,
    receipt: Receipt,
}

/// The story of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// What the worker said, or the broker's own word such as `delivery_limit`.
    pub reason: String,
    pub error: Option<String>,
    /// Where the job lived.
    pub lane: Option<Lane>,
    pub at: Option<Millis>,
}

impl Death {
    /// The broker's word for a message that was delivered too often.
    pub(crate) const DELIVERY_LIMIT: &str = "delivery_limit";

    /// Nobody gave a verdict: the job was delivered too often, each time to a process that died or let go of it.
    /// It may have killed them, or only been there when another job did.
    pub fn is_delivery_limit(&self) -> bool {
        self.reason == Death::DELIVERY_LIMIT
    }
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effects are durable, or there was nothing to do.
    Done,
    /// Transient: comes back to its lane after the step, one attempt spent.
    ///
    /// `step` counts the ladder's steps from 0, see [`Ladder::after`](crate::Ladder::after); beyond the last
    /// means the last.
    Retry { step: usize, error: String },
    /// Comes back to its lane after the step, no attempt spent.
    Parked { step: usize, reason: String },
    /// For good without success: goes to the dead letters. `reason` is one word, `error` at most 2 KiB.
    Dead { reason: String, error: String },
    /// Cut off by a shutdown: goes back to its lane at once, no attempt spent.
    ///
    /// The only verdict besides `Done` that means something for a dead letter; there the others act like it.
    Interrupted,
}

/// What the queue knows after a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Settled,
    /// The verdict did not reach the queue (any more): the message comes again.
    RedeliveryExpected,
}

/// Which queue a delivery came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Lane(Lane),
    Dead,
}

impl Source {
    pub(crate) const ALL: [Source; 4] = [
        Source::Lane(Lane::High),
        Source::Lane(Lane::Medium),
        Source::Lane(Lane::Low),
        Source::Dead,
    ];

    /// Its place in [`Source::ALL`].
    pub(crate) fn index(self) -> usize {
        match self {
            Source::Lane(Lane::High) => 0,
            Source::Lane(Lane::Medium) => 1,
            Source::Lane(Lane::Low) => 2,
            Source::Dead => 3,
        }
    }

    /// The name in the file of the embedded queue.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Source::Lane(lane) => lane.as_str(),
            Source::Dead => "dead",
        }
    }
}

/// A verdict, ready for an engine.
#[derive(Clone, Debug)]
pub(crate) enum Settlement {
    Ack,
    Requeue,
    /// A copy for a retry step of the lane, then ack.
    Later {
        lane: Lane,
        step: usize,
        copy: Copy,
    },
    /// A copy for the dead letters, then ack.
    Bury {
        lane: Lane,
        copy: Copy,
        reason: String,
        error: String,
    },
}

/// The engine's end of a delivery. Dropped unused, it puts the message back.
#[derive(Debug)]
pub(crate) enum Receipt {
    Embedded(embedded::Receipt),
    Rabbit(rabbit::Receipt),
}

impl Delivery {
    /// `attempt` is the engine's own count, for bodies that cannot carry it.
    pub(crate) fn new(
        source: Source,
        body: Vec<u8>,
        redelivered: bool,
        attempt: Option<u32>,
        death: Option<Death>,
        receipt: Receipt,
    ) -> Delivery {
        let mut job = Job::decode(&body);
        let attempt = match &mut job {
            Ok(job) => job.attempt.max(1),
            Err(InvalidEnvelope::UnknownVersion { attempt: counted, .. }) => {
                *counted = (*counted).max(attempt.unwrap_or(1));
                *counted
            }
            Err(InvalidEnvelope::NotAnEnvelope { .. }) => attempt.unwrap_or(1),
        };
        Delivery {
            body,
            redelivered,
            job,
            death,
            attempt,
            source,
            receipt,
        }
    }

    /// The execution this delivery stands for, from 1, also where the body cannot tell.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether a verdict can still reach the queue. If not, the message is being given out again.
    pub fn is_ours(&self) -> bool {
        match &self.receipt {
            // Its file is this process's own.
            Receipt::Embedded(_) => true,
            Receipt::Rabbit(receipt) => receipt.is_ours(),
        }
    }

    /// The errors of earlier executions that travel with the job; of a dead letter also the one it died of.
    pub fn errors(&self) -> Errors {
        match &self.job {
            Ok(job) => job.errors(),
            Err(InvalidEnvelope::UnknownVersion { .. }) => serde_json::from_slice(&self.body)
                .map(|envelope| Errors::of(&envelope))
                .unwrap_or_default(),
            Err(InvalidEnvelope::NotAnEnvelope { .. }) => Errors::default(),
        }
    }

    /// Tells the queue how the execution ended; a copy is confirmed before the original is acked.
    ///
    /// While a copy cannot be confirmed the delivery is held and tried again, for at most ten minutes.
    pub async fn settle(self, verdict: Verdict) -> Settled {
        let settlement = self.settlement(verdict);
        let step = match &settlement {
            Settlement::Later { lane, step, copy } if copy.attempt != self.attempt => Some((*lane, *step)),
            _ => None,
        };
        let (settled, step_name) = match self.receipt {
            Receipt::Embedded(receipt) => {
                let name = step.map(|(_, step)| receipt.step_name(step));
                (receipt.settle(settlement).await, name)
            }
            Receipt::Rabbit(receipt) => {
                let name = step.map(|(_, step)| receipt.step_name(step));
                (receipt.settle(settlement).await, name)
            }
        };
        match (settled, step.zip(step_name)) {
            (Settled::Settled, Some(((lane, _), step))) => {
                counter!("kefu_retries_total", "lane" => lane.as_str(), "step" => step).increment(1);
            }
            (Settled::Settled, None) => (),
            (Settled::RedeliveryExpected, _) => {
                counter!("kefu_redeliveries_expected_total").increment(1);
                let id = self.job.as_ref().map_or("", |job| job.id.as_str());
                warn!(
                    job.id = id,
                    "verdict on a job did not reach the queue; it comes again"
                );
            }
        }
        settled
    }

    fn settlement(&self, verdict: Verdict) -> Settlement {
        let Source::Lane(lane) = self.source else {
            return if verdict == Verdict::Done {
                Settlement::Ack
            } else {
                Settlement::Requeue
            };
        };
        match verdict {
            Verdict::Done => Settlement::Ack,
            Verdict::Interrupted => Settlement::Requeue,
            Verdict::Retry { step, error } => {
                let error = copy::shorten(&error, ERROR_BYTES_MAX);
                let noted = NotedError {
                    at: story::now(),
                    text: error.clone(),
                };
                let copy = copy::of_next_attempt(&self.body, &self.job, self.attempt, noted);
                Settlement::Later {
                    lane,
                    step,
                    copy: Copy {
                        note: Some(error),
                        ..copy
                    },
                }
            }
            Verdict::Parked { step, reason } => {
                let copy = copy::of_same_attempt(&self.body, &self.job, self.attempt);
                let reason = copy::shorten(&reason, ERROR_BYTES_MAX);
                Settlement::Later {
                    lane,
                    step,
                    copy: Copy {
                        note: Some(reason),
                        ..copy
                    },
                }
            }
            Verdict::Dead { reason, error } => {
                let error = copy::shorten(&error, ERROR_BYTES_MAX);
                let noted = NotedError {
                    at: story::now(),
                    text: error.clone(),
                };
                Settlement::Bury {
                    lane,
                    copy: copy::of_last_attempt(&self.body, &self.job, self.attempt, noted),
                    reason: copy::shorten(&reason, REASON_BYTES_MAX),
                    error,
                }
            }
        }
    }
}
