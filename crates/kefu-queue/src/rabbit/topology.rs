use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use crate::delivery::Source;
use crate::{Ladder, Lane, Step};

// The arguments are part of the queues' names: a changed one is a 406 on every installed system.

/// Bodies a queue holds before it refuses more, in bytes.
const QUEUE_BYTES_MAX: i64 = 2 * 1024 * 1024 * 1024;

/// Deliveries a job survives without being settled: its process dies, its connection is lost.
const LANE_DELIVERY_LIMIT: i64 = 20;

/// Practically none. −1 drops a message at its first requeue on 3.10, and 4.x takes none as 20.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000;

/// How long a queue that was found missing stays so before it is declared again.
///
/// RabbitMQ 3.10 tells the consumers of a deleted queue after some 30 ms. When the queue is back before that,
/// it ties them to the new one instead and never sends them what it counts as delivered.
pub(super) const MISSING_PAUSE: Duration = Duration::from_secs(1);

/// Names of exchanges and queues under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    ladder: Arc<Ladder>,
}

/// A declaration that failed, and of what.
#[derive(Debug)]
pub(super) struct DeclareError {
    pub(super) name: String,
    pub(super) error: lapin::Error,
}

impl Names {
    pub(crate) fn new(prefix: &str, ladder: Arc<Ladder>) -> Names {
        Names {
            prefix: prefix.to_owned(),
            ladder,
        }
    }

    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The exchange of the lanes; keys are their names. It has no alternate exchange: what such a one takes
    /// counts as routed, and a mandatory publish would not come back.
    pub(super) fn work(&self) -> String {
        format!("{}.work", self.prefix)
    }

    /// The exchange of the retry steps; keys are `<lane>.<step>`.
    pub(super) fn retry(&self) -> String {
        format!("{}.retry", self.prefix)
    }

    /// Exchange and queue of the dead letters.
    pub(super) fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    pub(super) fn lane(&self, lane: Lane) -> String {
        format!("{}.{lane}", self.prefix)
    }

    pub(super) fn retry_key(lane: Lane, step: &Step) -> String {
        format!("{lane}.{}", step.name)
    }

    pub(super) fn retry_queue(&self, lane: Lane, step: &Step) -> String {
        format!("{}.retry.{}", self.prefix, Names::retry_key(lane, step))
    }

    pub(super) fn source(&self, source: Source) -> String {
        match source {
            Source::Lane(lane) => self.lane(lane),
            Source::Dead => self.dead(),
        }
    }

    /// The lane of a queue's name, of a lane or of one of its retry steps.
    pub(super) fn lane_of(&self, queue: &str) -> Option<Lane> {
        let rest = queue.strip_prefix(&self.prefix)?.strip_prefix('.')?;
        let rest = rest.strip_prefix("retry.").unwrap_or(rest);
        Lane::parse(rest.split('.').next()?)
    }

    /// Declares everything; what already exists alike stays as it is.
    ///
    /// All requests go out at once, and the broker takes them in their order: one round trip, not forty, which on a
    /// slow line are longer than any time limit here.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), DeclareError> {
        let channel = channel(connection).await?;
        let queues = self.queues();
        let mut requests = Vec::new();
        for (name, kind) in [
            (self.work(), ExchangeKind::Direct),
            (self.retry(), ExchangeKind::Direct),
            (self.dead(), ExchangeKind::Fanout),
        ] {
            requests.push(declare_exchange(&channel, name, kind).boxed());
        }
        for queue in &queues {
            requests.push(declare_queue(&channel, queue).boxed());
        }
        for queue in &queues {
            requests.push(bind(&channel, queue).boxed());
        }
        // One that is refused ends the channel, and with it all that come later: the first error is the true one.
        for declared in join_all(requests).await {
            declared?;
        }
        // Only the channel's number is given back; a failure to do so shows at the next use.
        let _ = channel.close(200, "declared".into()).await;
        Ok(())
    }

    /// All queues, in the order in which they are declared.
    fn queues(&self) -> Vec<QueueToDeclare> {
        let mut queues = vec![QueueToDeclare {
            name: self.dead(),
            exchange: self.dead(),
            key: String::new(),
            arguments: dead_arguments(),
        }];
        for lane in Lane::ALL {
            queues.push(QueueToDeclare {
                name: self.lane(lane),
                exchange: self.work(),
                key: lane.as_str().to_owned(),
                arguments: lane_arguments(&self.dead()),
            });
            queues.extend(self.ladder.steps().iter().map(|step| QueueToDeclare {
                name: self.retry_queue(lane, step),
                exchange: self.retry(),
                key: Names::retry_key(lane, step),
                arguments: retry_arguments(&self.work(), lane, step),
            }));
        }
        queues
    }

    /// Deletes everything, with what waits in it.
    pub(super) async fn delete(&self, connection: &Connection) -> Result<(), DeclareError> {
        let channel = channel(connection).await?;
        let retry = Lane::ALL
            .into_iter()
            .flat_map(|lane| self.ladder.steps().iter().map(move |step| (lane, step)))
            .map(|(lane, step)| self.retry_queue(lane, step));
        let lanes = Lane::ALL.into_iter().map(|lane| self.lane(lane));
        for name in lanes.chain(retry).chain([self.dead()]) {
            let deleted = channel
                .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
                .await;
            deleted.map_err(|error| DeclareError { name, error })?;
        }
        for name in [self.work(), self.retry(), self.dead()] {
            let deleted = channel
                .exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default())
                .await;
            deleted.map_err(|error| DeclareError { name, error })?;
        }
        Ok(())
    }
}

/// A queue with what fills it.
struct QueueToDeclare {
    name: String,
    exchange: String,
    key: String,
    arguments: FieldTable,
}

async fn declare_exchange(channel: &Channel, name: String, kind: ExchangeKind) -> Result<(), DeclareError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel
        .exchange_declare(name.as_str().into(), kind, options, FieldTable::default())
        .await;
    declared.map_err(|error| DeclareError { name, error })
}

async fn declare_queue(channel: &Channel, queue: &QueueToDeclare) -> Result<(), DeclareError> {
    let (name, arguments) = (queue.name.as_str().into(), queue.arguments.clone());
    let declared = channel
        .queue_declare(name, QueueDeclareOptions::durable(), arguments)
        .await;
    declared.map(drop).map_err(|error| queue.failed(error))
}

async fn bind(channel: &Channel, queue: &QueueToDeclare) -> Result<(), DeclareError> {
    let (name, exchange) = (queue.name.as_str().into(), queue.exchange.as_str().into());
    let (key, options) = (queue.key.as_str().into(), QueueBindOptions::default());
    let bound = channel
        .queue_bind(name, exchange, key, options, FieldTable::default())
        .await;
    bound.map_err(|error| queue.failed(error))
}

impl QueueToDeclare {
    fn failed(&self, error: lapin::Error) -> DeclareError {
        DeclareError {
            name: self.name.clone(),
            error,
        }
    }
}

async fn channel(connection: &Connection) -> Result<Channel, DeclareError> {
    let failed = |error| DeclareError {
        name: "a channel".to_owned(),
        error,
    };
    connection.create_channel().await.map_err(failed)
}

fn lane_arguments(dead: &str) -> FieldTable {
    let mut arguments = dead_lettering(dead);
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongLongInt(LANE_DELIVERY_LIMIT),
    );
    arguments
}

fn retry_arguments(work: &str, lane: Lane, step: &Step) -> FieldTable {
    let ttl = i64::try_from(step.delay.as_millis()).unwrap_or(i64::MAX);
    let mut arguments = dead_lettering(work);
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(ttl));
    arguments.insert("x-dead-letter-routing-key".into(), text(lane.as_str()));
    arguments
}

fn dead_arguments() -> FieldTable {
    let mut arguments = every_queue();
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongLongInt(DEAD_DELIVERY_LIMIT),
    );
    arguments
}

/// With the overflow of [`every_queue`] the broker dead-letters at least once, else it may lose.
fn dead_lettering(exchange: &str) -> FieldTable {
    let mut arguments = every_queue();
    arguments.insert("x-dead-letter-exchange".into(), text(exchange));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments
}

fn every_queue() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert(
        "x-max-length-bytes".into(),
        AMQPValue::LongLongInt(QUEUE_BYTES_MAX),
    );
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_operators_see() {
        let names = Names::new("kefu", Arc::new(Ladder::parse("5s,1h").unwrap()));
        assert_eq!(
            (names.work(), names.dead()),
            ("kefu.work".to_owned(), "kefu.dead".to_owned())
        );
        let queue = names.retry_queue(Lane::High, &names.ladder().steps()[1]);
        assert_eq!(queue, "kefu.retry.high.1h");
        assert_eq!(names.lane_of(&queue), Some(Lane::High));
        assert_eq!(names.lane_of("kefu.low"), Some(Lane::Low));
        assert_eq!(
            (names.lane_of("kefu.dead"), names.lane_of("other.low")),
            (None, None)
        );
    }
}
