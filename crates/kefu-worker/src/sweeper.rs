//! Brings back what was forgotten: rows whose `wake_at` has passed get their job published again.
//!
//! Lost copies, dead holders, wiped queues and pauses all end here. One process sweeps at a time.

use std::sync::Arc;
use std::time::Duration;

use kefu_domain::counted;
use kefu_jobs::{PUBLISH_WITHIN, SayWelcome};
use kefu_process::crash::crash_point;
use kefu_process::{Seldom, clock, every};
use kefu_store::Due;
use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::context::Context;
use crate::jobs::{fresh, hurry_notice, poll_account, wake_account};
use crate::outcome::is_away;
use crate::turns::TurnJob;

const TICK: Duration = Duration::from_secs(1);
/// Rows of one tick: a backlog comes back at a pace the lanes can take.
const ROWS_MAX: u32 = 200;
/// At most one account is polled in this time, over all workers.
const POLL_PACE: Duration = Duration::from_secs(3);
/// Between two lines about what fails at every tick.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Lines about what fails at every tick.
struct Failures {
    sweeps: Seldom,
    polls: Seldom,
}

/// What is taken at the stop and not published costs its rows one backoff.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    let context = context.as_ref();
    let failures = Failures {
        sweeps: Seldom::every(TOLD_EVERY),
        polls: Seldom::every(TOLD_EVERY),
    };
    every(TICK, &stop, || async {
        if context.gate.is_open() && takes_jobs(context) {
            sweep(context, &failures).await;
        }
    })
    .await
}

/// While the broker takes nothing, what is due stays due: taken and not published, it would wait longer each time.
fn takes_jobs(context: &Context) -> bool {
    let queue = context.queue.health();
    queue.connected && !queue.blocked
}

async fn sweep(context: &Context, failures: &Failures) {
    if !context.poll_after.is_zero() {
        poll(context, failures).await;
    }
    let due = match context.store.due(ROWS_MAX).await {
        Ok(due) => due,
        Err(error) => {
            if is_away(&error) {
                context.gate.doubt(&error);
            } else if let Some(more) = failures.sweeps.line(clock::now_ms()) {
                warn!(
                    error = &error as &dyn std::error::Error,
                    more, "sweep failed: {error}"
                );
            }
            return;
        }
    };
    if due.is_empty() {
        return;
    }
    crash_point("rows_taken");
    info!(
        due.rows = due.len(),
        "waking {} whose time has come",
        counted(due.len(), "row")
    );
    let (mut turns, mut failed) = (Vec::new(), Vec::new());
    for row in due {
        match row {
            Due::Conversation { key, app } => turns.push(TurnJob {
                key,
                app,
                trace: None,
                swept: true,
            }),
            Due::Account { corp, account, app } => {
                counter!("kefu_swept_total", "row" => "account").increment(1);
                let woken = wake_account(context, &app, &corp, &account).await;
                failed.extend(woken.err().map(|error| error.to_string()));
            }
            Due::Notice { id, app } => {
                counter!("kefu_swept_total", "row" => "notice").increment(1);
                hurry_notice(context, &app, id).await;
            }
            Due::Welcome { id, app } => {
                counter!("kefu_swept_total", "row" => "welcome").increment(1);
                let welcome = fresh(&SayWelcome { id }, &app);
                let published = context.queue.publish(&welcome, PUBLISH_WITHIN).await;
                failed.extend(published.err().map(|error| error.to_string()));
            }
        }
    }
    // One line for all: a full queue refuses a whole sweep.
    if let Some(error) = failed.first() {
        let jobs = counted(failed.len(), "job");
        warn!("{jobs} of pulls and welcomes not published, the rows will wake again: {error}");
    }
    counter!("kefu_swept_total", "row" => "conversation").increment(turns.len() as u64);
    context.turns.publish(turns).await;
}

/// Pulls an account that no callback has woken for long: a callback may have been lost.
async fn poll(context: &Context, failures: &Failures) {
    let stale = match context.store.take_stale(context.poll_after, POLL_PACE).await {
        Ok(Some(stale)) => stale,
        Ok(None) => return,
        Err(error) => {
            if let Some(more) = failures.polls.line(clock::now_ms()) {
                warn!(
                    error = &error as &dyn std::error::Error,
                    more, "no account polled: {error}"
                );
            }
            return;
        }
    };
    debug!(account.id = %stale.account, "polling account {}", stale.account);
    counter!("kefu_polls_total").increment(1);
    if let Err(error) = poll_account(context, &stale.app, &stale.corp, &stale.account).await {
        warn!("poll not published, the row will wake: {error}");
    }
}
