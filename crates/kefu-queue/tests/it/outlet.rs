//! An outlet of its own for every test, with a broker behind a port that the test opens, freezes and closes.

use std::collections::BTreeSet;
use std::path::Path;

use kefu_faults::{FaultProxy, free_port};
use kefu_queue::{Job, Kept, Lane, NotKept, Order, Outlet, QueueSettings, SpoolState};
use lapin::uri::AMQPUri;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, amqp_url, done, eventually, settings, soon};

/// Where the broker can be reached, and where it cannot before [`Way::open`].
pub(crate) struct Way {
    pub(crate) settings: QueueSettings,
    port: u16,
    upstream: String,
}

/// One process with a queue and an outlet.
pub(crate) struct Running {
    pub(crate) bench: Bench,
    pub(crate) outlet: Outlet,
    driver: JoinSet<()>,
    stop: CancellationToken,
}

impl Way {
    pub(crate) async fn new(spool: &Path) -> Way {
        let mut uri: AMQPUri = amqp_url().parse().unwrap();
        let upstream = format!("{}:{}", uri.authority.host, uri.authority.port);
        let port = free_port().unwrap();
        uri.authority.host = "127.0.0.1".to_owned();
        uri.authority.port = port;
        let settings = QueueSettings {
            spool: spool.to_str().unwrap().to_owned(),
            ..settings(&uri.to_string())
        };
        Way {
            settings,
            port,
            upstream,
        }
    }

    pub(crate) fn open(&self) -> FaultProxy {
        FaultProxy::start_at(self.port, &self.upstream).unwrap()
    }

    pub(crate) async fn start(&self) -> Running {
        let bench = Bench::open(self.settings.clone()).await;
        let (outlet, spool) = Outlet::open(bench.queue.clone(), &self.settings).await.unwrap();
        let stop = CancellationToken::new();
        let mut driver = JoinSet::new();
        driver.spawn(spool.run(stop.clone()));
        Running {
            bench,
            outlet,
            driver,
            stop,
        }
    }

    /// Started, and connected to the broker.
    pub(crate) async fn start_connected(&self) -> Running {
        let running = self.start().await;
        eventually(async || running.bench.queue.health().connected).await;
        running
    }
}

impl Running {
    pub(crate) async fn keep(&self, job: &Job, order: Order) -> Result<Kept, NotKept> {
        soon(self.outlet.keep(job, order)).await
    }

    /// Keeps numbered jobs; answers their ids in that order.
    pub(crate) async fn keep_all(&self, lane: Lane, order: Order, count: u32, expected: Kept) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            let job = numbered(lane, number);
            assert_eq!(self.keep(&job, order).await, Ok(expected), "{number}");
            ids.push(job.id);
        }
        ids
    }

    pub(crate) fn state(&self) -> SpoolState {
        self.outlet.spool_health().unwrap().state
    }

    pub(crate) async fn is_drained(&self) {
        eventually(async || self.state() == SpoolState::Empty).await;
    }

    /// Takes until every id has come; the ids as they came first, and how many came again.
    pub(crate) async fn take_all(&self, lane: Lane, count: usize) -> (Vec<String>, usize) {
        let mut consumer = self.bench.queue.consumer(lane);
        let (mut ids, mut seen, mut repeats) = (Vec::new(), BTreeSet::new(), 0);
        while ids.len() < count {
            let delivery = self.bench.next(&mut consumer).await;
            let id = delivery.job.as_ref().unwrap().id.clone();
            done(delivery).await;
            match seen.insert(id.clone()) {
                true => ids.push(id),
                false => repeats += 1,
            }
        }
        (ids, repeats)
    }

    /// As at the end of a process; the broker's queues stay.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        soon(self.driver.join_next()).await.unwrap().unwrap();
        self.bench.close().await;
    }

    /// The spool's driver vanishes in the middle of what it does, and its lock with it.
    pub(crate) async fn crash(mut self) {
        self.driver.shutdown().await;
        drop(self.outlet);
        self.bench.close().await;
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        soon(self.driver.join_next()).await.unwrap().unwrap();
        self.bench.end().await;
    }
}

pub(crate) fn numbered(lane: Lane, number: u32) -> Job {
    Job {
        payload: json!({ "number": number }),
        ..crate::bench::job(lane, "app.event")
    }
}

/// A job of about this size.
pub(crate) fn large(bytes: usize) -> Job {
    Job {
        payload: json!("x".repeat(bytes)),
        ..crate::bench::job(Lane::High, "kf.sync")
    }
}

/// Names of what lies in the folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
