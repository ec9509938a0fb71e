//! The disk spool, with a broker that is gone, frozen and back.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kefu_queue::{Kept, Lane, NotKept, Order, Outlet, PublishError, QueueSettings, SpoolState};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::process::Command;

use crate::bench::{Bench, eventually, settings, soon};
use crate::outlet::{Way, files, large, numbered};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_the_broker_is_gone_reaches_it_afterwards() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let running = way.start().await;
    assert_eq!(running.state(), SpoolState::Empty);
    let wake_ups = running.keep_all(Lane::High, Order::Any, 100, Kept::Spool).await;
    let events = running.keep_all(Lane::Low, Order::Fifo, 40, Kept::Spool).await;
    let health = running.outlet.spool_health().unwrap();
    assert_eq!((health.state, health.jobs), (SpoolState::Holding, 140));
    assert!(health.detail.starts_with("holds 140 jobs of ") && 10_000 < health.bytes);
    assert!(running.outlet.broker_trouble().is_some());

    let _proxy = way.open();
    let (mut came, repeats) = running.take_all(Lane::High, wake_ups.len()).await;
    came.sort_unstable();
    let mut expected = wake_ups;
    expected.sort_unstable();
    assert_eq!((came, repeats), (expected, 0));
    assert_eq!(running.take_all(Lane::Low, events.len()).await, (events, 0));
    running.is_drained().await;
    assert_eq!(running.outlet.broker_trouble(), None);
    running.keep_all(Lane::Low, Order::Fifo, 1, Kept::Broker).await;
    running.end().await;
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_holds_up_nobody_and_a_job_that_arrives_twice_has_one_id() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let proxy = way.open();
    let running = way.start_connected().await;
    running.keep_all(Lane::High, Order::Any, 10, Kept::Broker).await;
    running.take_all(Lane::High, 10).await;
    proxy.freeze();
    let started = Instant::now();
    let mut ids = running.keep_all(Lane::High, Order::Any, 1, Kept::Spool).await;
    assert!(way.settings.spool_after <= started.elapsed());
    // Nobody but the first has waited: a hundred waits would be 25 s.
    let started = Instant::now();
    ids.extend(running.keep_all(Lane::High, Order::Any, 100, Kept::Spool).await);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let trouble = running.outlet.broker_trouble().unwrap();
    assert!(trouble.contains("confirm"), "{trouble}");
    proxy.thaw();
    let (came, _) = running.take_all(Lane::High, ids.len()).await;
    assert_eq!(BTreeSet::from_iter(came), BTreeSet::from_iter(ids.clone()));
    running.is_drained().await;
    // What was published before the freeze comes as well as its copy from the spool: the same job.
    let depths = running.bench.queue.depths().await.unwrap();
    let mut consumer = running.bench.queue.consumer(Lane::High);
    for _ in 0..depths.high {
        let again = running.bench.next(&mut consumer).await;
        assert!(ids.contains(&again.job.as_ref().unwrap().id));
        crate::bench::done(again).await;
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_while_the_spool_is_drained_stay_behind_it() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let running = way.start().await;
    let mut ids = running
        .keep_all(Lane::Medium, Order::Fifo, 150, Kept::Spool)
        .await;
    let proxy = way.open();
    for number in 150..400 {
        let job = numbered(Lane::Medium, number);
        running.keep(&job, Order::Fifo).await.unwrap();
        ids.push(job.id);
        match number {
            300 => proxy.freeze(),
            330 => proxy.thaw(),
            _ => (),
        }
    }
    running.is_drained().await;
    ids.extend(running.keep_all(Lane::Medium, Order::Fifo, 1, Kept::Broker).await);
    let (came, _) = running.take_all(Lane::Medium, ids.len()).await;
    assert_eq!(came, ids);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_refuses_until_the_broker_has_taken_some() {
    let folder = TempDir::new().unwrap();
    let mut way = Way::new(folder.path()).await;
    way.settings.spool_max = 1024 * 1024;
    let running = way.start().await;
    for _ in 0..3 {
        assert_eq!(running.keep(&large(300_000), Order::Any).await, Ok(Kept::Spool));
    }
    let refused = running.keep(&large(300_000), Order::Any).await.unwrap_err();
    assert!(matches!(refused, NotKept::SpoolFull { .. }), "{refused}");
    let health = running.outlet.spool_health().unwrap();
    assert_eq!((health.state, health.jobs), (SpoolState::Full, 3));
    assert!(
        health.detail.contains("queue.spool_max is 1048576"),
        "{}",
        health.detail
    );
    let too_large = running.keep(&large(2_000_000), Order::Any).await.unwrap_err();
    assert!(matches!(too_large, NotKept::Queue(PublishError::TooLarge { .. })));
    let _proxy = way.open();
    eventually(async || running.keep(&large(300_000), Order::Any).await.is_ok()).await;
    running.is_drained().await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_use_is_left_alone_and_taken_over_when_its_process_is_gone() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let first = way.start().await;
    let mut ids = first.keep_all(Lane::Low, Order::Fifo, 20, Kept::Spool).await;
    let second = way.start().await;
    let others = second.keep_all(Lane::Low, Order::Fifo, 5, Kept::Spool).await;
    assert_eq!(second.outlet.spool_health().unwrap().jobs, 5);
    first.crash().await;
    let third = way.start().await;
    // Its own stay behind those it has taken over.
    assert_eq!(third.outlet.spool_health().unwrap().jobs, 20);
    ids.extend(third.keep_all(Lane::Low, Order::Fifo, 5, Kept::Spool).await);
    let _proxy = way.open();
    third.is_drained().await;
    second.is_drained().await;
    let (came, repeats) = third.take_all(Lane::Low, 30).await;
    let came_of =
        |ids: &[String]| -> Vec<String> { came.iter().filter(|id| ids.contains(id)).cloned().collect() };
    assert_eq!((came_of(&ids), came_of(&others), repeats), (ids, others, 0));
    second.stop().await;
    third.end().await;
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clean_stop_left_is_taken_over_by_the_next_start() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let running = way.start().await;
    let ids = running.keep_all(Lane::Low, Order::Fifo, 3, Kept::Spool).await;
    running.stop().await;
    assert_eq!(files(folder.path()).len(), 2, "{:?}", files(folder.path()));
    let _proxy = way.open();
    let running = way.start_connected().await;
    assert_eq!(running.take_all(Lane::Low, 3).await, (ids, 0));
    running.end().await;
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}

/// Set in the process that is killed: the folder, the prefix and the broker.
const VICTIM: [&str; 3] = ["KEFU_TEST_SPOOL", "KEFU_TEST_PREFIX", "KEFU_TEST_URL"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_that_was_kept() {
    let victim = VICTIM.map(|name| std::env::var(name).unwrap_or_default());
    if let [spool, prefix, url] = &victim
        && !spool.is_empty()
    {
        return be_killed(spool, prefix, url).await;
    }
    let folder = TempDir::new().unwrap();
    let spool = folder.path().join("spool");
    let way = Way::new(&spool).await;
    let url = way.settings.url.expose_secret().to_owned();
    let values = [spool.to_str().unwrap(), &way.settings.prefix, &url];
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::kill_9_loses_nothing_that_was_kept"])
        .envs(VICTIM.into_iter().zip(values))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let told = folder.path().join("told");
    let ids = || -> Vec<String> {
        let text = fs::read_to_string(&told).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    // It goes on keeping jobs while it is killed.
    eventually(async || 100 <= ids().len()).await;
    child.kill().await.unwrap();
    soon(child.wait()).await.unwrap();
    let ids = ids();
    let _proxy = way.open();
    let running = way.start_connected().await;
    let (came, _) = running.take_all(Lane::Low, ids.len()).await;
    assert_eq!(came, ids);
    running.is_drained().await;
    running.end().await;
    assert!(files(&spool).is_empty(), "{:?}", files(&spool));
}

/// Keeps jobs for ever and tells of each one after it was kept.
async fn be_killed(spool: &str, prefix: &str, url: &str) {
    use std::io::Write;
    let mut way = Way::new(&PathBuf::from(spool)).await;
    prefix.clone_into(&mut way.settings.prefix);
    way.settings.url = SecretString::from(url);
    let running = way.start().await;
    let mut told = fs::File::create(PathBuf::from(spool).with_file_name("told")).unwrap();
    for number in 0.. {
        let job = numbered(Lane::Low, number);
        assert_eq!(running.keep(&job, Order::Fifo).await, Ok(Kept::Spool));
        told.write_all(format!("{}\n", job.id).as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_stays_and_holds_up_nothing() {
    let folder = TempDir::new().unwrap();
    let way = Way::new(folder.path()).await;
    let name = format!("{}.{:032x}.spool.db", way.settings.prefix, 7);
    fs::write(folder.path().join(&name), "no database".repeat(1000)).unwrap();
    let foreign = format!("other.{:032x}.spool.db", 7);
    fs::write(folder.path().join(&foreign), "of another prefix").unwrap();
    let _proxy = way.open();
    let running = way.start_connected().await;
    running.keep_all(Lane::Low, Order::Fifo, 1, Kept::Broker).await;
    running.end().await;
    let left = files(folder.path());
    assert!(left.contains(&name) && left.contains(&foreign), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_spool_a_broker_that_is_gone_means_no() {
    let folder = TempDir::new().unwrap();
    let mut way = Way::new(folder.path()).await;
    way.settings.spool = String::new();
    let running = way.start().await;
    let refused = running.keep(&large(10), Order::Any).await;
    assert_eq!(refused, Err(NotKept::Queue(PublishError::Unavailable)));
    assert_eq!(running.outlet.spool_health(), None);
    running.stop().await;
}

#[tokio::test]
async fn an_embedded_queue_has_no_spool() {
    let folder = TempDir::new().unwrap();
    let bench = Bench::embedded().await;
    let with_spool = QueueSettings {
        spool: folder.path().join("spool").to_str().unwrap().to_owned(),
        ..bench.settings.clone()
    };
    let (outlet, _driver) = Outlet::open(bench.queue.clone(), &with_spool).await.unwrap();
    assert_eq!(soon(outlet.keep(&large(10), Order::Fifo)).await, Ok(Kept::Broker));
    assert_eq!(outlet.spool_health(), None);
    assert!(files(folder.path()).is_empty());
    bench.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_with_its_setting() {
    let bench = Bench::embedded().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for spool in ["/proc/nowhere", file.to_str().unwrap()] {
        let settings = QueueSettings {
            spool: spool.to_owned(),
            ..settings("amqp://127.0.0.1:1")
        };
        let error = Outlet::open(bench.queue.clone(), &settings).await.unwrap_err();
        let shown = error.to_string();
        let expected = format!("queue.spool: cannot create {spool}: ");
        assert!(error.is_refusal() && shown.starts_with(&expected), "{shown}");
        assert!(
            shown.contains("(os error ") && shown.contains("), as user "),
            "{shown}"
        );
    }
    bench.close().await;
}
