//! Tests that need a process of their own, for what belongs to a whole process: its stderr, its memory.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Set in the process of such a test.
const MARK: &str = "KEFU_TEST_ALONE";

const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn is_alone() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs the test of that name (`module::name`) alone, and returns what it wrote to stderr.
pub(crate) async fn run_alone(test: &str) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, child).await.unwrap().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{stderr}"
    );
    stderr.into_owned()
}
