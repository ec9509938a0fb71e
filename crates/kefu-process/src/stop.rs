//! Stopping: one token for the whole process, and what happens when a task ends.

use std::io;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::exit;

/// Exit code of a process that a second Ctrl-C cut off, as shells expect it.
const EXIT_INTERRUPTED: u8 = 130;

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
        info!(
            signal = name,
            "stopping on {name}; a second signal ends the process at once"
        );
        token.cancel();
        let (name, code) = either(&mut terminate, &mut interrupt).await;
        warn!(signal = name, "ended by a second {name}");
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
