//! A queue that lets nobody consume, because most of its nodes are away: asked on a connection of its own.
//!
//! RabbitMQ holds such a request for a minute, then ends the whole connection with 541 (tried on 3.10), and with it the
//! consumers of all other lanes. What they had is delivered again, and counted.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::RPC_TIMEOUT;
use super::address::Address;
use super::connection::connect;
use super::link::CLOSE_LOST_TIMEOUT;

/// The rest after an answer that did not come.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Below every slot's, so that what the question is sent, and gives back, is little.
const PRIORITY: i16 = -10;

/// What the slots of one queue know of its silence.
pub(super) struct Silent {
    queue: String,
    is_silent: watch::Sender<bool>,
    /// Held by the one who asks.
    asking: Mutex<()>,
}

impl Silent {
    pub(super) fn new(queue: String) -> Silent {
        Silent {
            queue,
            is_silent: watch::Sender::new(false),
            asking: Mutex::new(()),
        }
    }

    /// A consumer had no answer in time.
    pub(super) fn note(&self) {
        if !self.is_silent.send_replace(true) {
            warn!(
                queue = self.queue,
                "queue does not let consume in time; asking on. If the broker answers else, most of the queue's nodes are away: \
                 see `rabbitmq-queues quorum_status`"
            );
        }
    }

    /// Returns when the queue may be consumed from: at once, unless it was silent.
    pub(super) async fn over(&self, address: &Address) {
        if *self.is_silent.borrow() {
            self.over_by(|| asked(address, &self.queue)).await;
        }
    }

    /// One asks, all others wait for the answer.
    async fn over_by<F: Future<Output = bool>>(&self, ask: impl Fn() -> F) {
        let _asking = self.asking.lock().await;
        while *self.is_silent.borrow() {
            if ask().await {
                info!(queue = self.queue, "queue lets consume again");
                self.is_silent.send_replace(false);
                return;
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }
}

/// Whether the queue lets consume, tried where nobody else is hurt.
async fn asked(address: &Address, queue: &str) -> bool {
    let Ok(connection) = connect(address, "kefu question").await else {
        return false;
    };
    let consume = async {
        let channel = connection.create_channel().await?;
        channel.basic_qos(1, BasicQosOptions { global: false }).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-priority".into(), AMQPValue::ShortInt(PRIORITY));
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(queue.into(), "".into(), options, arguments)
            .await
            .map(drop)
    };
    let answered = matches!(timeout(RPC_TIMEOUT, consume).await, Ok(Ok(())));
    // Whether the broker hears the goodbye or not.
    let _ = timeout(CLOSE_LOST_TIMEOUT, connection.close(200, "asked".into())).await;
    answered
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all_and_those_who_go_leave_it_to_the_next() {
        let silent = Arc::new(Silent::new("kefu.low".to_owned()));
        silent.note();
        let asked = Arc::new(AtomicUsize::new(0));
        let wait = || {
            let (silent, asked) = (Arc::clone(&silent), Arc::clone(&asked));
            async move {
                silent
                    .over_by(|| future::ready(3 <= asked.fetch_add(1, Ordering::Relaxed)))
                    .await;
            }
        };
        let begun = Instant::now();
        let given_up = timeout(Duration::from_secs(1), wait()).await;
        assert!(given_up.is_err());
        let mut slots = JoinSet::new();
        for _ in 0..8 {
            slots.spawn(wait());
        }
        slots.join_all().await;
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert_eq!(begun.elapsed(), Duration::from_secs(1) + 2 * ASK_AGAIN_AFTER);
    }
}
