use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kefu_queue::{InvalidEnvelope, Lane, PublishError, Queue, Roles, Verdict};
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_default;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::bench::{Bench, SOON, done, job, kind, settings, settled};

#[tokio::test]
async fn what_was_published_survives_the_process() {
    let bench = Bench::embedded().await;
    bench.publish(Lane::High, "held").await;
    bench.publish(Lane::High, "free").await;
    bench.publish(Lane::Low, "waits").await;
    let waits = bench.take(Lane::Low).await;
    settled(
        waits,
        Verdict::Retry {
            step: 0,
            error: String::new(),
        },
    )
    .await;
    let held = bench.take(Lane::High).await;
    let (settings, _folder) = bench.close().await;
    assert_eq!(kind(&held), "held");
    drop(held);

    let bench = Bench::open(settings).await;
    let mut consumer = bench.queue.consumer(Lane::High);
    let held = bench.next(&mut consumer).await;
    assert_eq!((kind(&held), held.redelivered), ("held", true));
    done(held).await;
    let free = bench.next(&mut consumer).await;
    assert_eq!((kind(&free), free.redelivered), ("free", false));
    done(free).await;
    let waited = bench.take(Lane::Low).await;
    assert_eq!((kind(&waited), waited.attempt()), ("waits", 2));
    done(waited).await;
    bench.close().await;
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_ends() {
    let bench = Bench::embedded().await;
    let error = Queue::open(&bench.settings, Roles::Both, None).await.unwrap_err();
    assert!(error.is_refusal());
    let shown = error.to_string();
    assert!(
        shown.starts_with("queue.url: ") && shown.contains("another process"),
        "{shown}"
    );
    let (settings, _folder) = bench.close().await;
    Bench::open(settings).await.close().await;
}

#[tokio::test]
async fn one_role_alone_is_refused_with_the_setting_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&format!("sqlite:{}", folder.path().join("q.db").display()));
    for (roles, word) in [(Roles::IngressOnly, "ingress"), (Roles::WorkerOnly, "worker")] {
        let error = Queue::open(&settings, roles, None).await.unwrap_err();
        let shown = error.to_string();
        assert!(
            error.is_refusal() && shown.starts_with("queue.url: ") && shown.contains(word),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_queue_without_its_driver_is_not_available() {
    let bench = Bench::embedded().await;
    let queue = bench.queue.clone();
    bench.close().await;
    let refused = queue.publish(&job(Lane::High, "kf.sync"), SOON).await;
    assert_eq!(refused, Err(PublishError::Unavailable));
    assert!(!queue.health().connected && queue.depths().await.is_err());
    let stop = tokio_util::sync::CancellationToken::new();
    let mut consumer = queue.consumer(Lane::High);
    let waits = tokio::time::timeout(Duration::from_millis(50), consumer.next(&stop)).await;
    assert!(waits.is_err());
    stop.cancel();
    assert!(consumer.next(&stop).await.is_none());
}

#[tokio::test]
async fn bytes_that_are_no_text_come_through_and_can_be_buried() {
    let (settings, _folder) = Bench::embedded().await.close().await;
    let mut database = open_file(&settings).await;
    database
        .execute("INSERT INTO message (queue, body) VALUES ('low', x'ff00fe')")
        .await
        .unwrap();
    database.close().await.unwrap();
    let bench = Bench::open(settings).await;
    let delivery = bench.take(Lane::Low).await;
    assert!(matches!(delivery.job, Err(InvalidEnvelope::NotAnEnvelope { .. })));
    settled(
        delivery,
        Verdict::Dead {
            reason: "unreadable".to_owned(),
            error: "不".to_owned(),
        },
    )
    .await;
    let letter = bench.next(&mut bench.queue.dead_letters()).await;
    assert_eq!(letter.body, [0xff, 0x00, 0xfe]);
    done(letter).await;
    bench.close().await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let (settings, _folder) = Bench::embedded().await.close().await;
    let mut database = open_file(&settings).await;
    database.execute("PRAGMA user_version = 99").await.unwrap();
    database.close().await.unwrap();
    let error = Queue::open(&settings, Roles::Both, None).await.unwrap_err();
    assert!(
        error.is_refusal() && error.to_string().contains("newer version"),
        "{error}"
    );
}

async fn open_file(settings: &kefu_queue::QueueSettings) -> SqliteConnection {
    let path = settings
        .url
        .expose_secret()
        .strip_prefix("sqlite:")
        .unwrap()
        .to_owned();
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .unwrap()
}

/// Counts lines of this thread from `warn` on.
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_file_that_takes_nothing_is_said_once_and_not_at_every_try() {
    let lines = Arc::new(AtomicUsize::new(0));
    let _told = set_default(Lines(Arc::clone(&lines)));
    let bench = Bench::embedded().await;
    bench.publish(Lane::Low, "before").await;
    let mut other = open_file(&bench.settings).await;
    other
        .execute("ALTER TABLE message RENAME TO elsewhere")
        .await
        .unwrap();
    for _ in 0..10 {
        let published = bench.queue.publish(&job(Lane::Low, "lost"), SOON).await;
        assert_eq!(published, Err(PublishError::Unavailable));
    }
    assert_eq!(lines.load(Ordering::Relaxed), 1);
    other
        .execute("ALTER TABLE elsewhere RENAME TO message")
        .await
        .unwrap();
    bench.publish(Lane::Low, "after").await;
    other
        .execute("ALTER TABLE message RENAME TO elsewhere")
        .await
        .unwrap();
    let again = bench.queue.publish(&job(Lane::Low, "lost"), SOON).await;
    assert!(again.is_err());
    assert_eq!(
        lines.load(Ordering::Relaxed),
        1,
        "one that comes and goes is no line each time"
    );
    other
        .execute("ALTER TABLE elsewhere RENAME TO message")
        .await
        .unwrap();
    bench.end().await;
}
