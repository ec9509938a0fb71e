use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use kefu_state::{State, StateSettings};
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, IntoConnectionInfo};
use tokio::time::{Instant, sleep};
use tracing::subscriber::DefaultGuard;

/// How long an event may take that does come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn settings(url: &str) -> StateSettings {
    StateSettings {
        url: url.into(),
        pool: 16,
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_millis(500),
    }
}

pub(crate) async fn memory() -> State {
    State::open(&settings("memory:")).await.unwrap()
}

pub(crate) async fn redis() -> State {
    State::open_with_prefix(&settings(&redis_url()), &prefix().await)
        .await
        .unwrap()
}

/// A missing service is a failure, never a skip.
pub(crate) fn redis_url() -> String {
    let Ok(url) = std::env::var("REDIS_URL") else {
        panic!("REDIS_URL is not set: run `eval \"$(scripts/services start)\"` in the root, then the tests");
    };
    url
}

pub(crate) fn redis_info() -> ConnectionInfo {
    redis_url().into_connection_info().unwrap()
}

/// A prefix of keys for one test; nothing of an earlier run is left under it.
pub(crate) async fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!(
        "test-{}-{}:",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    forget(&prefix).await;
    prefix
}

/// What FLUSHALL would do to this test's keys.
pub(crate) async fn forget(prefix: &str) {
    let mut raw = raw().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{prefix}*"))
        .query_async(&mut raw)
        .await
        .unwrap();
    for key in keys {
        let _: () = redis::cmd("DEL").arg(key).query_async(&mut raw).await.unwrap();
    }
}

/// A connection of the test itself, to look behind the curtain.
pub(crate) async fn raw() -> MultiplexedConnection {
    redis::Client::open(redis_info())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

/// Asks until the answer is yes.
pub(crate) async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ask().await {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen within {DEADLINE:?}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// What this thread logs while it lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> (Log, DefaultGuard) {
        // With one subscriber in the process, tracing asks only the thread that meets a log line first whether
        // anybody listens, and remembers a no. A second, global one makes it ask all of them.
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| {
            let silent = tracing_subscriber::fmt().with_writer(io::sink).finish();
            tracing::subscriber::set_global_default(silent).unwrap();
        });
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Lines of our own crate at this level.
    pub(crate) fn count(&self, level: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(level) && line.contains("kefu_state"))
            .count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
