//! What a worker tells of failures that go on.

use std::time::Duration;

use crate::harness::{Kefu, Log};

/// A view that is gone, as after a migration by hand. On one thread, so that the log is this test's alone.
#[tokio::test]
async fn what_fails_every_second_is_told_once() {
    let (log, _guard) = Log::capture();
    let kefu = Kefu::with(|setup| setup.set("worker.poll_after", "1h")).await;
    kefu.change("DROP VIEW clock").await;
    let told = ["sweep failed", "no account polled", "dead letters not published"];
    for text in told {
        kefu.until("it is told", async || !log.lines(text).is_empty())
            .await;
    }
    // Two ticks and more, at which each fails again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for text in told {
        let lines = log.lines(text);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}
