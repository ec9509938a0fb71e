//! Stopping: one token for the whole process, and what happens when a task ends.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{exit, stderr};

/// Exit code of a process that a second Ctrl-C cut off, as shells expect it.
const EXIT_INTERRUPTED: u8 = 130;

/// Longest list of what was left, in entries: one a part of the process, so more is a fault of ours.
const LEFT_MAX: usize = 16;

static STOP: Mutex<Stop> = Mutex::new(Stop {
    asked: None,
    left: Vec::new(),
});

/// The stop of this process, for its last line.
struct Stop {
    asked: Option<Instant>,
    left: Vec<String>,
}

/// What a part of the process leaves for the next one, such as `3 jobs, which go back to their lanes`.
pub fn leave(what: impl Into<String>) {
    let mut stop = STOP.lock().unwrap_or_else(PoisonError::into_inner);
    if stop.left.len() < LEFT_MAX {
        stop.left.push(what.into());
    }
}

/// Says that the stop is over, where one was asked for by a signal.
pub(crate) fn last_line() {
    let stop = STOP.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(asked) = stop.asked else { return };
    let seconds = asked.elapsed().as_secs_f64();
    info!(seconds, "stopped after {seconds:.1} s, {}", told(&stop.left));
}

fn told(left: &[String]) -> String {
    match left.is_empty() {
        true => "nothing left".to_owned(),
        false => format!("left: {}", left.join("; ")),
    }
}

/// A token that is cancelled by the first SIGTERM or SIGINT. The second one ends the process at once, with 70 or 130.
///
/// Called once, in `main`, inside the runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "listens for as long as the process lives: nobody could join it"
)]
pub fn stop_on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let (name, _) = either(&mut terminate, &mut interrupt).await;
        STOP.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(Instant::now());
        info!(
            signal = name,
            "stopping on {name}; a second signal ends the process at once"
        );
        token.cancel();
        let (name, code) = either(&mut terminate, &mut interrupt).await;
        warn!(signal = name, "ended by a second {name}");
        stderr::flush();
        std::process::exit(i32::from(code));
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, u8) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", exit::UNEXPECTED),
        _ = interrupt.recv() => ("SIGINT", EXIT_INTERRUPTED),
    }
}

/// Waits for every task; the first one to end, for whatever reason, stops the others.
///
/// Ending before `stop` is an error even without one of its own. Of several errors the first is returned.
pub async fn supervise(
    mut tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(joined) = tasks.join_next().await {
        let ended = match joined.context("task panicked").flatten() {
            Ok(()) if !stop.is_cancelled() => Err(anyhow!("task ended before shutdown")),
            ended => ended,
        };
        stop.cancel();
        outcome = outcome.and(ended);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(first: anyhow::Result<()>) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move {
            token.cancelled().await;
            Ok(())
        });
        tasks.spawn(async move { first });
        supervise(tasks, stop).await
    }

    #[test]
    fn the_last_line_tells_what_was_left() {
        let left = |texts: &[&str]| told(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(left(&[]), "nothing left");
        assert_eq!(left(&["1 job"]), "left: 1 job");
        assert_eq!(left(&["1 job", "2 replies"]), "left: 1 job; 2 replies");
    }

    #[tokio::test]
    async fn a_task_that_ends_early_stops_the_others_and_is_an_error() {
        assert_eq!(
            check(Ok(())).await.unwrap_err().to_string(),
            "task ended before shutdown"
        );
        assert_eq!(
            check(Err(anyhow!("broken"))).await.unwrap_err().to_string(),
            "broken"
        );
    }

    #[tokio::test]
    async fn ending_after_the_stop_is_fine_and_a_panic_is_not() {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { Ok(()) });
        stop.cancel();
        supervise(tasks, stop.clone()).await.unwrap();

        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("on purpose") });
        assert_eq!(
            supervise(tasks, stop).await.unwrap_err().to_string(),
            "task panicked"
        );
    }
}
