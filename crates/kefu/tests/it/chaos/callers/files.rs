//! More callers than there are file descriptors.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{CALLS_PER_SECOND, Case, all_stored, called_only};
use crate::stage::{Callers, Role, eventually, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s50_an_ingress_without_file_descriptors_sheds_and_recovers() {
    const FILES: usize = 256;
    const IDLE: usize = 400;
    let case = Case::begin("50", "256 file descriptors, 400 idle connections");
    let mut play = called_only().await;
    limit_files(&play.ingress, FILES).await;
    let before = play.ingress.running.usage().files;
    let mut idle = JoinSet::new();
    for _ in 0..IDLE {
        idle.spawn(stay_connected(play.ingress.url.clone()));
    }
    eventually("the ingress is at its limit", async || {
        (FILES - 2 <= play.ingress.running.usage().files).then_some(())
    })
    .await;
    let callers = Callers::start(&play.ingress.callback_url(), 5);
    let before_limit = play.ingress.running.usage().cpu;
    let measured_at = Instant::now();
    // Long enough to see somebody spin.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seconds = measured_at.elapsed().as_secs_f64();
    let at_limit = play.ingress.running.usage().files;
    let busy = (play.ingress.running.usage().cpu - before_limit).as_secs_f64() / seconds;
    assert!(busy < 0.5, "{busy:.2} of a core at the limit");
    assert!(FILES - 32 <= at_limit, "{at_limit} files are open");
    idle.shutdown().await;
    let closed_at = Instant::now();
    eventually("callbacks are taken again", async || {
        let answer = http().get(format!("{}/health/ready", play.ingress.url));
        let answer = answer.timeout(Duration::from_secs(1)).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let recovery = closed_at.elapsed();
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    let after = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = after.end().await;
    after.check_all_taken_within(Duration::from_millis(500));
    let meanwhile = callers.end().await;
    assert_eq!(meanwhile.given_up, 0, "{:?}", meanwhile.statuses);
    eventually("the files are closed", async || {
        (play.ingress.running.usage().files < before + 64).then_some(())
    })
    .await;
    all_stored(&mut play, after.taken + meanwhile.taken).await;
    let note = format!(
        "{at_limit} files open at the limit, {:.0} % of a core; callbacks meanwhile {:?}, afterwards all 200, p99 {} ms",
        busy * 100.0,
        meanwhile.statuses,
        after.p99().as_millis()
    );
    case.end(&play.end().await, Some(recovery), note);
}

/// Says nothing, and comes again as often as it is cut off.
async fn stay_connected(url: String) {
    let mut rest = Vec::new();
    loop {
        if let Ok(mut stream) = TcpStream::connect(url.trim_start_matches("http://")).await {
            // A reset is an end, too.
            let _ = stream.read_to_end(&mut rest).await;
            rest.clear();
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn limit_files(role: &Role, most: usize) {
    let limited = tokio::process::Command::new("prlimit")
        .arg(format!("--pid={}", role.running.pid()))
        .arg(format!("--nofile={most}:{most}"))
        .status()
        .await;
    assert!(limited.unwrap().success());
}
