//! Pulling an account's stream to its end, one transaction a page.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use kefu_domain::{ConversationKey, Millis, counted};
use kefu_jobs::{PUBLISH_WITHIN, SayWelcome};
use kefu_outbound::{Api, App};
use kefu_process::clock;
use kefu_process::crash::crash_point;
use kefu_store::{AccountLease, Page, PageOutcome, Released};
use kefu_wecom::ApiError;
use kefu_wecom::client::{SyncPage, SyncRequest};
use kefu_wecom::codes::SYNC_TOKEN_INVALID;
use kefu_wecom::error::Failure;
use metrics::counter;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::catch_up::CatchUp;
use crate::context::Context;
use crate::jobs::fresh;
use crate::lease::LEASE;
use crate::outcome::Fault;
use crate::translate::page_message;

/// A run ends after this many pages or this long, and a successor goes on.
const PAGES_MAX: u32 = 50;
const SOFT_LIMIT: Duration = Duration::from_secs(20);
/// How often the cursor may move under us before that counts as a failure.
const CURSOR_MOVES_MAX: u32 = 3;
/// Pages in one run that may take their whole time limit: each holds the slot for as long. One more, and a successor
/// goes on.
const TIME_OUTS_MAX: u32 = 3;
/// A callback's token is good for 10 min (doc 94670); a little less, for the way there.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(9 * 60);
/// A welcome's code is good for 20 s (doc 96428); clocks differ, and the server is the judge.
const WELCOME_AGE_MAX: Duration = Duration::from_secs(40);

/// How a run ended.
pub(crate) enum Pulled {
    /// Nothing more was wanted, and the lease is given back.
    Drained,
    /// There is more; the lease is still held. A stream of long ago is nobody's hurry.
    Unfinished { catching_up: bool },
}

/// What a run has done so far.
struct Run<'r> {
    started_at: Instant,
    pages: u32,
    cursor_moves: u32,
    time_outs: u32,
    owed: BTreeSet<ConversationKey>,
    catch_up: &'r mut CatchUp,
}

impl Run<'_> {
    fn begin(catch_up: &mut CatchUp) -> Run<'_> {
        Run {
            started_at: Instant::now(),
            pages: 0,
            cursor_moves: 0,
            time_outs: 0,
            owed: BTreeSet::new(),
            catch_up,
        }
    }

    fn is_over(&self) -> bool {
        PAGES_MAX <= self.pages || SOFT_LIMIT <= self.started_at.elapsed() || TIME_OUTS_MAX < self.time_outs
    }

    fn unfinished(&self, lease: &AccountLease) -> Pulled {
        Pulled::Unfinished {
            catching_up: lease.first_pull || lease.catching_up || self.catch_up.is_under_way(),
        }
    }
}

/// Pulls until nothing more is wanted, or for as long as one run may take.
///
/// What comes late is added to `catch_up`, also by a run that fails.
pub(crate) async fn pull(
    context: &Context,
    app: &App,
    lease: AccountLease,
    catch_up: &mut CatchUp,
) -> Result<Pulled, Fault> {
    crash_point("account_claimed");
    let mut run = Run::begin(catch_up);
    let outcome = pull_to_end(context, app, lease, &mut run).await;
    // A run that failed or grew too long has stored messages all the same; they do not wait for the next one.
    context
        .turns
        .hurry(&app.name, std::mem::take(&mut run.owed))
        .await;
    outcome
}

async fn pull_to_end(
    context: &Context,
    app: &App,
    mut lease: AccountLease,
    run: &mut Run<'_>,
) -> Result<Pulled, Fault> {
    loop {
        let noted = lease.wanted;
        while pull_page(context, app, &mut lease, run).await? {
            if run.is_over() {
                return Ok(run.unfinished(&lease));
            }
        }
        // Only now: a later page may hold a servicer's answer, or take a question back.
        let owed = std::mem::take(&mut run.owed);
        context.turns.hurry(&app.name, owed).await;
        crash_point("turns_hurried");
        match context.store.release_account(&lease, noted).await? {
            Released::Free => {
                crash_point("account_released");
                return Ok(Pulled::Drained);
            }
            Released::Lost => return Err(Fault::LeaseLost),
            Released::Again(fresh) => lease = fresh,
        }
        if run.is_over() {
            return Ok(run.unfinished(&lease));
        }
    }
}

/// Pulls and stores one page; whether there is more.
async fn pull_page(
    context: &Context,
    app: &App,
    lease: &mut AccountLease,
    run: &mut Run<'_>,
) -> Result<bool, Fault> {
    let Some(page) = fetch(context, app, lease, run).await? else {
        return Ok(true);
    };
    crash_point("page_pulled");
    run.pages += 1;
    let cursor_after = page.next_cursor.clone().or_else(|| lease.cursor.clone());
    let stuck = stuck(&page, lease.cursor.as_deref(), cursor_after.as_deref());
    if cursor_after.is_none() && stuck.is_none() {
        // An account where nothing has ever been said.
        return Ok(false);
    }
    let now = Millis(clock::now_ms());
    let stored = Page {
        cursor_before: lease.cursor.clone(),
        cursor_after: cursor_after.clone(),
        // Without a cursor nobody knows that this was the end.
        has_more: page.has_more || stuck.is_some(),
        lease: LEASE,
        messages: page
            .messages
            .iter()
            .map(|message| page_message(message, now, context.replies.welcomes()))
            .collect(),
        history_before: lease
            .first_pull
            .then(|| lease.first_woken_at - context.first_run_age),
        welcome_after: now - WELCOME_AGE_MAX,
    };
    match context.store.commit_page(lease, &stored).await? {
        PageOutcome::Committed {
            owed,
            welcomes,
            stored,
            repeated,
            unreadable,
            late,
        } => {
            crash_point("page_committed");
            count(lease, stored, repeated, unreadable);
            run.catch_up.add(late);
            if let Some(cursor) = &cursor_after {
                context
                    .state
                    .mirror_cursor(&app.name, lease.account.as_str(), cursor)
                    .await;
            }
            lease.cursor = cursor_after;
            run.owed.extend(owed);
            welcome(context, app, &welcomes).await;
            match stuck {
                Some(why) => Err(Fault::Own(anyhow!(why))),
                None => Ok(page.has_more),
            }
        }
        PageOutcome::CursorMoved { cursor } => {
            run.cursor_moves += 1;
            if CURSOR_MOVES_MAX < run.cursor_moves {
                return Err(Fault::Own(anyhow!("the cursor keeps moving under the lease")));
            }
            lease.cursor = cursor;
            Ok(true)
        }
        PageOutcome::LeaseLost => Err(Fault::LeaseLost),
    }
}

/// Why the next pull would get this page again and again. Its messages are stored all the same: they are known
/// by their ids, and customers are answered while WeCom's cursor misbehaves.
fn stuck(page: &SyncPage, before: Option<&str>, after: Option<&str>) -> Option<&'static str> {
    match after {
        _ if page.has_more && before == after => {
            Some("WeCom says there is more, but its cursor does not move")
        }
        None if !page.messages.is_empty() => Some("WeCom hands out messages without a cursor"),
        _ => None,
    }
}

/// Asks for the next page, for a smaller one while it is more than WeCom sends in time, or more than we take. `None`
/// once that has taken so long that the run is over; without any page it has failed.
async fn fetch(
    context: &Context,
    app: &App,
    lease: &mut AccountLease,
    run: &mut Run<'_>,
) -> Result<Option<SyncPage>, Fault> {
    let sizes = &context.page_sizes;
    let (corp, account) = (lease.corp.clone(), lease.account.clone());
    loop {
        let error = match fetch_once(context, app, lease).await? {
            Ok(page) => {
                sizes.double(&corp, &account);
                return Ok(Some(page));
            }
            Err(error) => error,
        };
        run.time_outs += u32::from(error.failure == Failure::TimedOut);
        let is_too_much = matches!(error.failure, Failure::TooLarge(_) | Failure::TimedOut);
        let smaller = if is_too_much {
            sizes.halve(&corp, &account)
        } else {
            None
        };
        match smaller {
            Some(limit) if run.time_outs <= TIME_OUTS_MAX => {
                info!(account.id = %account, "asking for a page of {limit} messages: {error}");
            }
            Some(_) if 0 < run.pages => return Ok(None),
            _ => return Err(Fault::of_wecom(app, error)),
        }
    }
}

/// With the callback's token while it is fresh.
async fn fetch_once(
    context: &Context,
    app: &App,
    lease: &mut AccountLease,
) -> Result<Result<SyncPage, ApiError>, Fault> {
    if let Some(called_at) = lease.token_at {
        app.heard(called_at);
    }
    let now = Millis(clock::now_ms());
    let is_fresh = lease.token_at.is_some_and(|at| now.since(at) < TOKEN_AGE_MAX);
    if lease.token.is_some() && is_fresh {
        match ask(context, app, lease, lease.token.clone(), Api::Sync).await? {
            Err(error) if error.code() == Some(SYNC_TOKEN_INVALID) => {
                info!(account.id = %lease.account, "callback token refused, pulling without one");
                lease.token = None;
            }
            outcome => return Ok(outcome),
        }
    }
    ask(context, app, lease, None, Api::SyncWithoutToken).await
}

async fn ask(
    context: &Context,
    app: &App,
    lease: &AccountLease,
    token: Option<String>,
    api: Api,
) -> Result<Result<SyncPage, ApiError>, Fault> {
    let request = SyncRequest {
        limit: context.page_sizes.of(&lease.corp, &lease.account),
        cursor: lease.cursor.clone(),
        token,
        open_kfid: Some(lease.account.as_str().to_owned()),
        ..SyncRequest::default()
    };
    let outbound = &context.outbound;
    let asked = outbound.call(app, api, || outbound.wecom().sync_msg(&app.name, &request));
    Ok(asked.await?)
}

async fn welcome(context: &Context, app: &App, ids: &[String]) {
    for id in ids {
        // Lost, it is late: the row is swept once more within the code's life.
        if let Err(error) = context
            .queue
            .publish(&fresh(&SayWelcome { id: id.clone() }, &app.name), PUBLISH_WITHIN)
            .await
        {
            warn!("welcome not published: {error}");
        }
    }
}

fn count(lease: &AccountLease, stored: u64, repeated: u64, unreadable: u64) {
    counter!("kefu_messages_pulled_total", "outcome" => "stored").increment(stored);
    counter!("kefu_messages_pulled_total", "outcome" => "repeated").increment(repeated);
    counter!("kefu_messages_pulled_total", "outcome" => "unreadable").increment(unreadable);
    debug!(account.id = %lease.account, stored, repeated, "pulled a page of {}", counted(stored + repeated, "message"));
    if unreadable > 0 {
        warn!(account.id = %lease.account, "{} could not be read: stored raw", counted(unreadable, "message"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_ends_after_so_many_pages_time_outs_or_seconds() {
        let mut catch_up = CatchUp::default();
        let mut run = Run::begin(&mut catch_up);
        run.pages = PAGES_MAX - 1;
        run.time_outs = TIME_OUTS_MAX;
        assert!(!run.is_over());
        run.pages += 1;
        assert!(run.is_over());
        run.pages = 1;
        run.time_outs += 1;
        assert!(run.is_over(), "whichever pages they were of");
        run.time_outs = 0;
        tokio::time::advance(SOFT_LIMIT).await;
        assert!(run.is_over());
    }
}
