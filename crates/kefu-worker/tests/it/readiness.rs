//! A worker says that it is ready when it takes jobs, and not a round of probes later.

use std::time::{Duration, Instant};

use crate::harness::Kefu;

/// Well below the time between two rounds of probes.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_ready_as_soon_as_it_takes_jobs() {
    let started_at = Instant::now();
    let kefu = Kefu::start().await;
    kefu.until("the worker is ready", async || {
        kefu.health("database").await.0 == "healthy"
    })
    .await;
    assert!(
        started_at.elapsed() < SOON,
        "ready after {:?}",
        started_at.elapsed()
    );
}
