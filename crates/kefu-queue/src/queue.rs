use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kefu_settings::SettingsError;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::copy::{self, Copy};
use crate::delivery::Source;
use crate::embedded::{self, Embedded};
use crate::job::BODY_BYTES_MAX;
use crate::rabbit::{self, Rabbit};
use crate::{Delivery, Job, Ladder, Lane, PublishError, QueueError, QueueSettings, Roles};

/// The queue, whichever engine runs it. Cheap to clone; works from any thread and runtime.
#[derive(Clone)]
pub struct Queue {
    engine: Engine,
    ladder: Arc<Ladder>,
}

#[derive(Clone)]
enum Engine {
    Rabbit(Rabbit),
    Embedded(Embedded),
}

/// Keeps the queue running: connects again, declares what is missing, or writes the file.
#[must_use = "nothing is delivered unless the driver runs"]
pub struct Driver {
    engine: DriverEngine,
}

enum DriverEngine {
    Rabbit(Box<rabbit::Supervisor>),
    Embedded(Box<embedded::Writer>),
}

/// One slot: takes one message at a time, the next only after that one is settled or dropped.
pub struct Consumer {
    engine: ConsumerEngine,
}

enum ConsumerEngine {
    Rabbit(Box<rabbit::Slot>),
    Embedded(embedded::Slot),
}

/// Messages that wait, by queue; those out with a consumer are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub retry: Vec<RetryDepth>,
    pub dead: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryDepth {
    pub lane: Lane,
    /// Name of the step, such as `5s`.
    pub step: String,
    pub waiting: u64,
}

/// What the engine knows of itself, without asking the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueHealth {
    pub connected: bool,
    /// A resource alarm of the broker stops publishing.
    pub blocked: bool,
    pub detail: String,
}

impl Queue {
    /// Opens the engine that `queue.url` names.
    ///
    /// A broker that answers and refuses is an error (`is_refusal`), one that does not answer is not:
    /// the driver goes on trying. Call it on the multi-thread runtime that will run the driver.
    /// `tls` is needed for `amqps://` and ignored otherwise.
    pub async fn open(
        settings: &QueueSettings,
        roles: Roles,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<(Queue, Driver), QueueError> {
        Queue::check(settings, roles)?;
        let ladder = Arc::new(check::ladder(settings)?);
        let url = settings.url.expose_secret();
        if let Some(path) = url.strip_prefix("sqlite:") {
            let (embedded, writer) = embedded::open(path, Arc::clone(&ladder)).await?;
            let driver = Driver {
                engine: DriverEngine::Embedded(Box::new(writer)),
            };
            Ok((
                Queue {
                    engine: Engine::Embedded(embedded),
                    ladder,
                },
                driver,
            ))
        } else {
            let names = rabbit::Names::new(&settings.prefix, Arc::clone(&ladder));
            let (rabbit, supervisor) = rabbit::open(url, names, roles, tls).await?;
            let driver = Driver {
                engine: DriverEngine::Rabbit(Box::new(supervisor)),
            };
            Ok((
                Queue {
                    engine: Engine::Rabbit(rabbit),
                    ladder,
                },
                driver,
            ))
        }
    }

    /// Whether the broker takes us; nothing is declared, and an embedded queue is not touched.
    pub async fn visit(
        settings: &QueueSettings,
        roles: Roles,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<(), QueueError> {
        Queue::check(settings, roles)?;
        match settings.is_embedded() {
            true => Ok(()),
            false => rabbit::visit(settings.url.expose_secret(), roles, tls).await,
        }
    }

    /// Whether the settings are possible for a process with these roles; nothing is opened.
    pub fn check(settings: &QueueSettings, roles: Roles) -> Result<(), SettingsError> {
        Queue::problems(settings, roles)
            .into_iter()
            .next()
            .map_or(Ok(()), Err)
    }

    /// Everything that is wrong with the settings, for a process with these roles; nothing is opened.
    pub fn problems(settings: &QueueSettings, roles: Roles) -> Vec<SettingsError> {
        check::problems(settings, roles)
    }

    /// Puts the job into its lane; `Ok` means it is durable.
    ///
    /// `within` bounds everything: waiting for a free channel, writing, and the confirm.
    pub async fn publish(&self, job: &Job, within: Duration) -> Result<(), PublishError> {
        let body = job.encode();
        if BODY_BYTES_MAX < body.len() {
            return Err(PublishError::TooLarge { bytes: body.len() });
        }
        self.publish_copy(job.lane, copy::of_job(job, body), within).await
    }

    pub(crate) async fn publish_copy(
        &self,
        lane: Lane,
        copy: Copy,
        within: Duration,
    ) -> Result<(), PublishError> {
        match &self.engine {
            Engine::Rabbit(rabbit) => rabbit.publish(lane, copy, within).await,
            Engine::Embedded(embedded) => embedded.publish(lane, copy, within).await,
        }
    }

    /// A slot of the lane.
    pub fn consumer(&self, lane: Lane) -> Consumer {
        self.slot(Source::Lane(lane))
    }

    /// A slot of the dead letters; its deliveries carry their [`Death`](crate::Death).
    pub fn dead_letters(&self) -> Consumer {
        self.slot(Source::Dead)
    }

    fn slot(&self, source: Source) -> Consumer {
        let engine = match &self.engine {
            Engine::Rabbit(rabbit) => ConsumerEngine::Rabbit(Box::new(rabbit.slot(source))),
            Engine::Embedded(embedded) => ConsumerEngine::Embedded(embedded.slot(source)),
        };
        Consumer { engine }
    }

    pub async fn depths(&self) -> Result<Depths, QueueError> {
        match &self.engine {
            Engine::Rabbit(rabbit) => rabbit.depths().await,
            Engine::Embedded(embedded) => embedded.depths().await,
        }
    }

    /// Deletes the exchanges and queues of this prefix, with all that waits in them.
    ///
    /// For measurements and tests under a prefix of their own. Nothing of it may be in use; an embedded queue is
    /// a file and goes with its folder.
    pub async fn delete(&self) -> Result<(), QueueError> {
        match &self.engine {
            Engine::Rabbit(rabbit) => rabbit.delete().await,
            Engine::Embedded(_) => Ok(()),
        }
    }

    pub fn health(&self) -> QueueHealth {
        match &self.engine {
            Engine::Rabbit(rabbit) => rabbit.health(),
            Engine::Embedded(embedded) => embedded.health(),
        }
    }

    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    pub(crate) fn shared_ladder(&self) -> Arc<Ladder> {
        Arc::clone(&self.ladder)
    }
}

impl Driver {
    /// Runs until `stop`, then closes cleanly.
    ///
    /// Give it a token that fires after the consumers have settled: without the driver nothing can be
    /// published, acked or put back any more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), QueueError> {
        match self.engine {
            DriverEngine::Rabbit(supervisor) => supervisor.run(stop).await,
            DriverEngine::Embedded(writer) => {
                writer.run(stop).await;
                Ok(())
            }
        }
    }
}

impl Consumer {
    /// The next message; waits across reconnects, and while the last one is neither settled nor dropped.
    ///
    /// `None` only after `stop`. Safe in `select!`: a message is never lost by dropping the future, at worst it
    /// comes again marked as redelivered.
    pub async fn next(&mut self, stop: &CancellationToken) -> Option<Delivery> {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.pause().await;
                None
            }
            delivery = async {
                match &mut self.engine {
                    ConsumerEngine::Rabbit(slot) => slot.next().await,
                    ConsumerEngine::Embedded(slot) => slot.next().await,
                }
            } => Some(delivery),
        }
    }

    /// Stops consuming until the next call of `next`; what lies taken but unread goes back.
    pub async fn pause(&mut self) {
        match &mut self.engine {
            ConsumerEngine::Rabbit(slot) => slot.pause().await,
            ConsumerEngine::Embedded(slot) => slot.pause(),
        }
    }
}

impl Depths {
    pub fn lane(&self, lane: Lane) -> u64 {
        match lane {
            Lane::High => self.high,
            Lane::Medium => self.medium,
            Lane::Low => self.low,
        }
    }

    pub(crate) fn set(&mut self, source: Source, ready: u64) {
        match source {
            Source::Lane(Lane::High) => self.high = ready,
            Source::Lane(Lane::Medium) => self.medium = ready,
            Source::Lane(Lane::Low) => self.low = ready,
            Source::Dead => self.dead = ready,
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").finish_non_exhaustive()
    }
}
