//! A pipe behind stderr that nobody reads: Kefu answers, works and stops all the same, and says later what it dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::stage::{DEADLINE, Simulator, app, eventually, http, metric};

/// Far above what a stop takes, the second for the last lines included.
const STOP_MAX: Duration = Duration::from_secs(20);

struct Unread {
    kefu: Child,
    simulator: Simulator,
    /// `http://host:port`.
    url: String,
    _folder: TempDir,
}

impl Unread {
    /// With lines of everything, so that they are soon more than the pipe and the memory before it hold.
    async fn start() -> Unread {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start().await;
        let address = free_address();
        let kefu = start(folder.path(), &address, &simulator.url);
        let url = format!("http://{address}");
        let unread = Unread {
            kefu,
            simulator,
            url,
            _folder: folder,
        };
        eventually("it is ready", async || {
            let answer = http()
                .get(format!("{}/health/ready", unread.url))
                .send()
                .await
                .ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        unread
            .simulator
            .call_back(&format!("{}/callback", unread.url))
            .await;
        unread
    }

    async fn dropped(&self) -> f64 {
        let metrics = http().get(format!("{}/metrics", self.url)).send().await.unwrap();
        metric(
            &metrics.text().await.unwrap(),
            "kefu_log_lines_dropped_total",
            &[],
        )
    }

    /// Customers write and are answered while nobody reads, until there is no room for a line.
    async fn fill(&self) {
        let client = http();
        eventually("lines are dropped", async || {
            for _ in 0..200 {
                let forged = client
                    .post(format!("{}/callback?nonce=1", self.url))
                    .body("<xml/>");
                assert_eq!(forged.send().await.unwrap().status(), 400);
            }
            (0.0 < self.dropped().await).then_some(())
        })
        .await;
        self.simulator.says("wang", json!({ "text": "hi" })).await;
        self.simulator.answers("wang", 1).await;
    }

    async fn terminate(&mut self) -> Option<i32> {
        let pid = self.kefu.id().unwrap().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status()
            .await;
        assert!(sent.unwrap().success());
        let ended = timeout(DEADLINE, self.kefu.wait()).await;
        ended.expect("it does not end").unwrap().code()
    }
}

fn free_address() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.local_addr().unwrap().to_string()
}

fn start(folder: &Path, address: &str, wecom: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_kefu"))
        .arg("run")
        .env_clear()
        .envs(app())
        .env("KEFU_INGRESS__LISTEN", address)
        .env("KEFU_WORKER__LISTEN", "127.0.0.1:0")
        .env("KEFU_WECOM__API_BASE", wecom)
        .env("KEFU_LOG__LEVEL", "trace,kefu=trace")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn callbacks_are_answered_and_a_stop_is_a_stop_while_nobody_reads() {
    let mut unread = Unread::start().await;
    unread.fill().await;
    let asked_at = Instant::now();
    assert_eq!(unread.terminate().await, Some(0));
    assert!(asked_at.elapsed() < STOP_MAX, "{:?}", asked_at.elapsed());
}

#[tokio::test]
async fn what_was_dropped_is_said_once_somebody_reads_and_the_last_line_is_written() {
    let mut unread = Unread::start().await;
    unread.fill().await;
    let mut lines = BufReader::new(unread.kefu.stderr.take().unwrap()).lines();
    let mut next = async || -> Option<Value> {
        let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("no whole line: {line}")))
    };
    let told = loop {
        let line = next().await.unwrap();
        if line["message"]
            .as_str()
            .unwrap()
            .contains("log lines were dropped")
        {
            break line;
        }
    };
    assert!(0 < told["dropped"].as_u64().unwrap(), "{told}");
    let (code, last) = tokio::join!(unread.terminate(), async {
        let mut last = Value::Null;
        while let Some(line) = next().await {
            last = line;
        }
        last
    });
    assert_eq!(code, Some(0));
    assert!(
        last["message"].as_str().unwrap().starts_with("stopped after "),
        "{last}"
    );
}
