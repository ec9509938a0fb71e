//! An opened queue of its own for every test, on either engine.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_queue::{
    Consumer, Delivery, Driver, Job, Lane, Queue, QueueError, QueueSettings, Roles, Settled, Verdict,
};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes, so that only a hang fails.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Long enough that something would have come.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

pub(crate) const FIRST_STEP: Duration = Duration::from_millis(200);
pub(crate) const STEPS: &str = "200ms,400ms";

pub(crate) struct Bench {
    pub(crate) queue: Queue,
    pub(crate) stop: CancellationToken,
    pub(crate) settings: QueueSettings,
    driver: JoinSet<Result<(), QueueError>>,
    driver_stop: CancellationToken,
    folder: Option<TempDir>,
}

impl Bench {
    pub(crate) async fn embedded() -> Bench {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("deep/queue.db");
        let mut bench = Bench::open(settings(&format!("sqlite:{}", path.display()))).await;
        bench.folder = Some(folder);
        bench
    }

    pub(crate) async fn rabbit() -> Bench {
        Bench::open(settings(&amqp_url())).await
    }

    pub(crate) async fn open(settings: QueueSettings) -> Bench {
        let (queue, driver) = Queue::open(&settings, Roles::Both, None).await.unwrap();
        Bench::around(queue, driver, settings)
    }

    pub(crate) fn around(queue: Queue, driver: Driver, settings: QueueSettings) -> Bench {
        let driver_stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run(driver_stop.clone()));
        let stop = CancellationToken::new();
        Bench {
            queue,
            stop,
            settings,
            driver: tasks,
            driver_stop,
            folder: None,
        }
    }

    /// Ends the driver; the folder or the broker's queues stay.
    pub(crate) async fn close(mut self) -> (QueueSettings, Option<TempDir>) {
        self.driver_stop.cancel();
        soon(self.driver.join_next()).await.unwrap().unwrap().unwrap();
        (self.settings, self.folder)
    }

    pub(crate) async fn end(self) {
        let (settings, folder) = self.close().await;
        if folder.is_none() {
            delete_queues(&settings.prefix).await;
        }
    }

    pub(crate) async fn publish(&self, lane: Lane, kind: &str) -> Job {
        let job = job(lane, kind);
        self.queue.publish(&job, SOON).await.unwrap();
        job
    }

    pub(crate) async fn next(&self, consumer: &mut Consumer) -> Delivery {
        soon(consumer.next(&self.stop)).await.expect("not stopped")
    }

    /// Takes the next message of the lane with a consumer of its own.
    pub(crate) async fn take(&self, lane: Lane) -> Delivery {
        let mut consumer = self.queue.consumer(lane);
        self.next(&mut consumer).await
    }

    pub(crate) async fn nothing_comes(&self, consumer: &mut Consumer) {
        assert!(
            timeout(A_WHILE, consumer.next(&self.stop)).await.is_err(),
            "something came"
        );
    }
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("happens soon")
}

pub(crate) fn settings(url: &str) -> QueueSettings {
    QueueSettings {
        url: SecretString::from(url),
        prefix: format!("test-{:016x}", rand::random::<u64>()),
        spool: String::new(),
        spool_after: Duration::from_millis(250),
        spool_max: 1 << 30,
        retry_steps: STEPS.to_owned(),
    }
}

pub(crate) fn job(lane: Lane, kind: &str) -> Job {
    Job::new(
        kind,
        "default",
        lane,
        json!({"account": "wk1"}),
        Millis(1_700_000_000_000),
    )
}

pub(crate) fn kind(delivery: &Delivery) -> &str {
    &delivery.job.as_ref().unwrap().kind
}

pub(crate) async fn done(delivery: Delivery) {
    assert_eq!(soon(delivery.settle(Verdict::Done)).await, Settled::Settled);
}

pub(crate) async fn settled(delivery: Delivery, verdict: Verdict) {
    assert_eq!(soon(delivery.settle(verdict)).await, Settled::Settled);
}

/// Waits until the condition holds; for facts nobody announces.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(mut condition: F) {
    soon(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub(crate) fn amqp_url() -> String {
    std::env::var("AMQP_URL").expect(r#"AMQP_URL is not set; run: eval "$(scripts/services start)""#)
}

/// A channel beside the code under test.
pub(crate) async fn raw_channel() -> (Connection, Channel) {
    let connection = Connection::connect(&amqp_url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) async fn delete_queues(prefix: &str) {
    let (_connection, channel) = raw_channel().await;
    let steps: Vec<&str> = STEPS.split(',').collect();
    let mut queues = vec![format!("{prefix}.dead")];
    for lane in Lane::ALL {
        queues.push(format!("{prefix}.{lane}"));
        queues.extend(steps.iter().map(|step| format!("{prefix}.retry.{lane}.{step}")));
    }
    for queue in queues {
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    for exchange in ["work", "retry", "dead"] {
        let name = format!("{prefix}.{exchange}");
        channel
            .exchange_delete(name.into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
    }
}
