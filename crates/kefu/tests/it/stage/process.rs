use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{DEADLINE, eventually};

/// A call of the real executable with nothing in its environment but `PATH`.
pub(crate) fn kefu(arguments: &[&str]) -> Call {
    call(env!("CARGO_BIN_EXE_kefu"), arguments)
}

/// The same from a shell that lets everybody read what is made there, as most do.
pub(crate) fn kefu_for_all(arguments: &[&str]) -> Call {
    let started = ["-c", "umask 022; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_kefu")];
    call("sh", &[&started, arguments].concat())
}

fn call(program: &str, arguments: &[&str]) -> Call {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Nobody puts a settings file there.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Call {
        command,
        input: Vec::new(),
    }
}

/// A process that is not started yet.
pub(crate) struct Call {
    command: Command,
    input: Vec<u8>,
}

impl Call {
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<str>) -> Call {
        self.command.env(name, value.as_ref());
        self
    }

    pub(crate) fn set_all(self, settings: &[(String, String)]) -> Call {
        settings
            .iter()
            .fold(self, |call, (name, value)| call.set(name, value))
    }

    pub(crate) fn unset(mut self, name: &str) -> Call {
        self.command.env_remove(name);
        self
    }

    /// Works in this folder.
    pub(crate) fn within(mut self, folder: &Path) -> Call {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Call {
        self.input = bytes.into();
        self
    }

    pub(crate) async fn end(self) -> Ended {
        self.start().await.ended().await
    }

    pub(crate) async fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let heard = Arc::new(Heard::default());
        let mut readers = JoinSet::new();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let said = Arc::clone(&heard);
        readers.spawn(async move {
            let mut stdout = stdout;
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut chunk).await {
                said.stdout.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        let said = Arc::clone(&heard);
        readers.spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                said.stderr.lock().unwrap().push(line);
            }
        });
        let mut stdin = child.stdin.take().unwrap();
        // Who does not read its input has closed the pipe already.
        let _ = stdin.write_all(&self.input).await;
        Running {
            child,
            heard,
            readers,
        }
    }
}

/// What a process wrote so far.
#[derive(Default)]
struct Heard {
    stdout: Mutex<Vec<u8>>,
    stderr: Mutex<Vec<String>>,
}

/// A process that runs; dropping it kills it.
pub(crate) struct Running {
    child: Child,
    heard: Arc<Heard>,
    readers: JoinSet<()>,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<String>,
}

impl Running {
    pub(crate) fn stdout(&self) -> Vec<u8> {
        self.heard.stdout.lock().unwrap().clone()
    }

    /// The lines on stderr so far.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.heard.stderr.lock().unwrap().clone()
    }

    /// The log lines so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.stderr();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The first log line whose message has this in it.
    pub(crate) async fn says(&self, part: &str) -> Value {
        eventually(part, async || {
            let has = |line: &Value| {
                line["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(part))
            };
            self.log().into_iter().find(has)
        })
        .await
    }

    /// What follows `before` on a line of stderr, up to a blank or comma.
    pub(crate) async fn notes(&self, before: &str) -> String {
        eventually(before, async || {
            let lines = self.stderr();
            let rest = lines
                .iter()
                .find_map(|line| Some(line.split_once(before)?.1.to_owned()))?;
            Some(rest.split([' ', ',']).next().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Asks it to end, as an operator or a service manager does.
    pub(crate) async fn terminate(&self) {
        let pid = self.pid();
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {pid}"))
            .status()
            .await;
        assert!(sent.unwrap().success());
    }

    /// Ends it as a crash would: nothing is finished, nothing is said.
    pub(crate) async fn kill(mut self) {
        self.kill_now().await;
    }

    /// The same, while it stays where it is. Returns when it is gone.
    pub(crate) async fn kill_now(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it is gone, and leaves it where it is.
    pub(crate) async fn exited(&mut self) {
        let gone = timeout(DEADLINE, self.child.wait()).await;
        assert!(gone.is_ok(), "still runs after {DEADLINE:?}");
    }

    #[cfg(feature = "chaos")]
    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn ended(self) -> Ended {
        self.ended_within(DEADLINE).await
    }

    pub(crate) async fn ended_within(mut self, limit: Duration) -> Ended {
        let status = timeout(limit, self.child.wait()).await;
        let Ok(status) = status else {
            panic!("still runs after {limit:?}");
        };
        while self.readers.join_next().await.is_some() {}
        Ended {
            code: status.unwrap().code(),
            stdout: self.heard.stdout.lock().unwrap().clone(),
            stderr: self.stderr(),
        }
    }
}

/// A failed test shows what its processes said last.
impl Drop for Running {
    #[expect(
        clippy::print_stderr,
        reason = "the test harness shows it with the failed test"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.stderr();
            let last = lines.len().saturating_sub(30);
            eprintln!(
                "process {:?} said last:\n{}",
                self.child.id(),
                lines[last..].join("\n")
            );
        }
    }
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Its whole output as one JSON object on one line.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "{self:?}");
        serde_json::from_str(&text).unwrap()
    }

    #[track_caller]
    pub(crate) fn check_code(&self, expected: i32) {
        assert_eq!(self.code, Some(expected), "{self:?}");
    }
}
