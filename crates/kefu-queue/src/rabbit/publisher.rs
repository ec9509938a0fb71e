use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use super::connection::is_missing;
use crate::PublishError;
use crate::copy::Copy;
use crate::lock::lock;

/// Channels that publish at the same time; further publishers wait for one.
const CHANNELS_MAX: usize = 64;

/// So many publishes in a row without a confirm …
const TIMEOUTS_MAX: u32 = 3;

/// … over at least this time mean that the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A pool of channels with at most one publish outstanding on each.
///
/// lapin hands a returned message to whichever confirm of the channel it completes next; alone on its
/// channel, a publish can only get its own.
pub(super) struct Publisher {
    connection: Connection,
    permits: Semaphore,
    idle: Mutex<Vec<Channel>>,
    blocked: AtomicBool,
    silence: Mutex<Silence>,
}

/// Publishes that timed out since the last confirm.
#[derive(Default)]
struct Silence {
    timeouts: u32,
    since: Option<Instant>,
}

impl Publisher {
    pub(super) fn new(connection: Connection) -> Publisher {
        Publisher {
            connection,
            permits: Semaphore::new(CHANNELS_MAX),
            idle: Mutex::default(),
            blocked: AtomicBool::new(false),
            silence: Mutex::default(),
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
        *lock(&self.silence) = Silence::default();
    }

    /// Whether nothing was confirmed for so long that only a new connection can help. An alarm is no such case.
    pub(super) fn is_silent(&self) -> bool {
        let silence = lock(&self.silence);
        let long = silence.since.is_some_and(|since| SILENCE_MAX < since.elapsed());
        TIMEOUTS_MAX <= silence.timeouts && long && !self.is_blocked()
    }

    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        copy: &Copy,
        properties: BasicProperties,
        within: Duration,
    ) -> Result<(), PublishError> {
        if self.is_blocked() {
            return Err(PublishError::Blocked);
        }
        if !self.is_connected() {
            return Err(PublishError::Unavailable);
        }
        match timeout(within, self.publish_on_a_channel(exchange, key, copy, properties)).await {
            Ok(outcome) => {
                if matches!(
                    outcome,
                    Ok(()) | Err(PublishError::Returned | PublishError::Nacked)
                ) {
                    *lock(&self.silence) = Silence::default();
                }
                outcome
            }
            // The channel went with the future: a late confirm must not meet the next publish.
            Err(_) => {
                let mut silence = lock(&self.silence);
                silence.timeouts += 1;
                silence.since.get_or_insert_with(Instant::now);
                Err(PublishError::TimedOut)
            }
        }
    }

    async fn publish_on_a_channel(
        &self,
        exchange: &str,
        key: &str,
        copy: &Copy,
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| PublishError::Unavailable)?;
        let channel = self.channel().await.map_err(|_| PublishError::Unavailable)?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let written = channel
            .basic_publish(exchange.into(), key.into(), options, &copy.body, properties)
            .await;
        let confirm = written.map_err(|_| PublishError::Unavailable)?;
        let outcome = match confirm.await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                let id = returned.delivery.properties.message_id().as_ref();
                if id.map(|id| id.as_str()) != copy.id.as_deref() {
                    error!(
                        channel = channel.id(),
                        "returned message belongs to another publish"
                    );
                    return Err(PublishError::TimedOut);
                }
                Err(PublishError::Returned)
            }
            Ok(Confirmation::Nack(None)) => Err(PublishError::Nacked),
            Ok(Confirmation::NotRequested) => return Err(PublishError::TimedOut),
            // The exchange is gone, and the channel with it.
            Err(error) if is_missing(&error) => return Err(PublishError::Returned),
            // Cut while waiting: it may have arrived.
            Err(_) => return Err(PublishError::TimedOut),
        };
        lock(&self.idle).push(channel);
        outcome
    }

    async fn channel(&self) -> lapin::Result<Channel> {
        let idle = lock(&self.idle).pop();
        if let Some(channel) = idle.filter(|channel| channel.status().connected()) {
            return Ok(channel);
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}
