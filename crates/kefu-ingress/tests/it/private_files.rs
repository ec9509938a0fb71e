//! The executable keeps its files to itself; what files there are is shown with the command `kefu`.

use std::fs;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::{Duration, sleep, timeout};

use crate::client::DEADLINE;
use crate::running::{AES_KEY, CORP_ID, TOKEN};

#[tokio::test]
async fn the_executable_makes_files_for_its_own_user_alone() {
    let mut child = Command::new("sh")
        .args(["-c", "umask 022; exec \"$0\"", env!("CARGO_BIN_EXE_kefu-ingress")])
        .env_clear()
        .env("KEFU_APPS__DEFAULT__CORP_ID", CORP_ID)
        .env("KEFU_APPS__DEFAULT__TOKEN", TOKEN)
        .env("KEFU_APPS__DEFAULT__ENCODING_AES_KEY", AES_KEY)
        .env("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
        // Nobody is there, so it waits.
        .env("AMQP_URL", "amqp://127.0.0.1:1/")
        .env("KEFU_QUEUE__SPOOL", "")
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let is_tight = async {
        while !fs::read_to_string(&status).unwrap().contains("Umask:\t0077\n") {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, is_tight).await.unwrap();
}
