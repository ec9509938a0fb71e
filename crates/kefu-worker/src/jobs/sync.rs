//! `kf.sync`: pulls an account's messages under the lease on its row.
//!
//! The job is only a wake-up. Who finds the account held leaves a note on the row and is done; the holder pulls
//! again until nobody has left a note since its last pull.

use anyhow::anyhow;
use kefu_domain::{AccountId, CorpId, Millis};
use kefu_jobs::{JobKind, PUBLISH_WITHIN, SyncAccount, stand_in};
use kefu_outbound::{AWAY, App};
use kefu_process::crash::crash_point;
use kefu_queue::{Job, Lane, PublishError, Verdict};
use kefu_store::{AccountLease, AccountRow, AcquireAccount, AcquiredAccount};
use tracing::{debug, error, info, warn};

use super::fresh;
use crate::accounts::{Listed, refresh};
use crate::catch_up::CatchUp;
use crate::context::Context;
use crate::lease::{LEASE, guarded};
use crate::letter::OUT_OF_ATTEMPTS;
use crate::outcome::{Fault, JobError};
use crate::pull::{Pulled, pull};
use crate::row::{after_failure, contained};

pub(super) async fn run(context: &Context, job: &Job, redelivered: bool) -> Result<Verdict, JobError> {
    let asked = SyncAccount::read(job)?;
    let Some(account) = asked.account else {
        // The token is the app's, not the account's.
        let token = asked.token.as_deref().map(|token| (token, job.received_at));
        match context.outbound.apps().get(&job.app) {
            Some(_) => wake_accounts_of(context, &job.app, token).await?,
            None => wake_rows_of(context, &job.app, token).await?,
        }
        return Ok(Verdict::Done);
    };
    let app = app_of(context, &job.app, &account).await?;
    if !app.serves(&account) {
        debug!(account.id = %account, "account is not among apps.{}.accounts", app.name);
        return Ok(Verdict::Done);
    }
    let ask = AcquireAccount {
        corp: &app.corp,
        account: &account,
        app: &app.name,
        job_id: &job.id,
        redelivered,
        token: asked.token.as_deref(),
        received_at: job.received_at,
        lease: LEASE,
    };
    let catch_up = CatchUp::after(asked.late);
    // What was begun before may have noted its failure and published no copy.
    let is_first = job.attempt == 1 && !redelivered;
    let acquired = context.store.acquire_account(ask).await;
    match acquired.map_err(|error| JobError::of_acquire(error, redelivered))? {
        AcquiredAccount::Held => {
            catch_up.tell_so_far(&account);
            Ok(Verdict::Done)
        }
        AcquiredAccount::Won(lease) => hold(context, app, lease, is_first, catch_up)
            .await
            .map_err(JobError::under_lease),
    }
}

/// The app to pull an account as. Under a name that is not in the settings it is the one that serves the account's row:
/// apps are renamed, and what was queued before keeps the old name.
async fn app_of<'c>(context: &'c Context, name: &str, account: &AccountId) -> Result<&'c App, JobError> {
    if let Some(app) = context.outbound.apps().get(name) {
        return Ok(app);
    }
    let mut rows = context.store.accounts_called(account).await?;
    rows.sort_by_key(|row| row.app != name);
    rows.iter()
        .find_map(|row| context.outbound.apps().of_row(&row.app, &row.corp, account))
        .ok_or_else(|| unknown(name))
}

/// Pulls what is known under a name that is not in the settings, as the apps that serve it now.
async fn wake_rows_of(context: &Context, name: &str, token: Option<(&str, Millis)>) -> Result<(), JobError> {
    let rows = context.store.accounts(name).await?;
    let served = |row: &AccountRow| context.outbound.apps().of_row(name, &row.corp, &row.account);
    if !rows.iter().any(|row| served(row).is_some()) {
        return Err(unknown(name));
    }
    for row in rows {
        if let Some(app) = served(&row) {
            publish(context, app, &row.account, Lane::High, token)
                .await
                .map_err(|error| JobError::Retry(anyhow::Error::new(error)))?;
        }
    }
    Ok(())
}

/// While workers are replaced one by one, another may know the app already.
fn unknown(app: &str) -> JobError {
    JobError::Retry(anyhow!("app {app} is not in the settings"))
}

/// Pulls while the lease lasts, then writes to the row how it went.
async fn hold(
    context: &Context,
    app: &App,
    lease: AccountLease,
    is_first: bool,
    mut catch_up: CatchUp,
) -> Result<Verdict, JobError> {
    let work = guarded(pull(context, app, lease.clone(), &mut catch_up), || {
        context.store.extend_account(&lease, LEASE)
    });
    let outcome = contained(context.job_limit, work).await;
    match &outcome {
        Ok(Pulled::Unfinished { .. }) => (),
        Ok(Pulled::Drained) => catch_up.tell_end(&lease.account),
        Err(Fault::LeaseLost | Fault::Wait(..)) => catch_up.tell_so_far(&lease.account),
        Err(_) => catch_up.tell_this_run(&lease.account),
    }
    match outcome {
        Ok(Pulled::Drained) | Err(Fault::LeaseLost) => Ok(Verdict::Done),
        Ok(Pulled::Unfinished { catching_up }) => succeed(context, app, &lease, catching_up, &catch_up).await,
        Err(Fault::StoreAway(error)) => Err(JobError::StoreAway(error)),
        Err(Fault::Wait(wait, _)) => {
            context.store.park_account(&lease, wait).await?;
            Ok(Verdict::Done)
        }
        Err(fault) => failed(context, &lease, is_first, &fault).await,
    }
}

async fn failed(
    context: &Context,
    lease: &AccountLease,
    is_first: bool,
    fault: &Fault,
) -> Result<Verdict, JobError> {
    let text = fault.to_string();
    let is_outside = matches!(fault, Fault::Outside(_));
    if is_first && 0 < lease.failures {
        // One copy climbs the ladder for the row already. Further wake-ups look once and leave: were each to climb
        // as well, a storm of callbacks during an outage would become a storm of pulls.
        let wake_in = after_failure(context.queue.ladder(), lease.failures - 1).wake_in;
        context.store.park_account(lease, wake_in).await?;
        return Ok(Verdict::Done);
    }
    let next = after_failure(context.queue.ladder(), lease.failures);
    match is_outside {
        true => warn!(account.id = %lease.account, "pull failed, trying again: {text}"),
        false => error!(account.id = %lease.account, "pull failed: {text}"),
    }
    if context.store.fail_account(lease, next.wake_in, &text).await? == 0 {
        // Somebody else holds the row by now, and tries again if need be.
        return Ok(Verdict::Done);
    }
    match next.exhausted && !is_outside {
        // The row still wakes at the pace of the last step: the messages are at WeCom for three days.
        true => Ok(Verdict::Dead {
            reason: OUT_OF_ATTEMPTS.to_owned(),
            error: text,
        }),
        false => Ok(next.retry(&text)),
    }
}

/// A long stream is pulled by several jobs, so that none runs into its time limit.
async fn succeed(
    context: &Context,
    app: &App,
    lease: &AccountLease,
    catching_up: bool,
    catch_up: &CatchUp,
) -> Result<Verdict, JobError> {
    let lane = if catching_up { Lane::Low } else { Lane::High };
    info!(account.id = %lease.account, job.lane = lane.as_str(), "stream is long: pulling on in another job");
    // Released first: the successor must not find the lease held and leave.
    context.store.yield_account(lease).await?;
    crash_point("account_yielded");
    let mut asked = of_account(app, &lease.account);
    asked.late = catch_up.note();
    let successor = Job {
        lane,
        ..fresh(&asked, &app.name)
    };
    if let Err(error) = context.queue.publish(&successor, PUBLISH_WITHIN).await {
        warn!("successor not published, the row will wake: {error}");
        catch_up.tell_so_far(&lease.account);
    }
    Ok(Verdict::Done)
}

/// Publishes a pull of one account, for a row that is due.
pub(crate) async fn wake_account(
    context: &Context,
    app: &str,
    corp: &CorpId,
    account: &AccountId,
) -> Result<(), PublishError> {
    match context.outbound.apps().of_row(app, corp, account) {
        Some(app) => {
            let job = stand_in(fresh(&of_account(app, account), &app.name));
            context.queue.publish(&job, PUBLISH_WITHIN).await
        }
        None => Ok(()),
    }
}

/// Publishes a pull of an account that nobody woke.
pub(crate) async fn poll_account(
    context: &Context,
    app: &str,
    corp: &CorpId,
    account: &AccountId,
) -> Result<(), PublishError> {
    match context.outbound.apps().of_row(app, corp, account) {
        Some(app) => publish(context, app, account, Lane::Low, None).await,
        None => Ok(()),
    }
}

/// Asks WeCom which accounts the app has, and pulls all that are known.
pub(crate) async fn wake_accounts_of(
    context: &Context,
    name: &str,
    token: Option<(&str, Millis)>,
) -> Result<(), JobError> {
    let Some(app) = context.outbound.apps().get(name) else {
        return Ok(());
    };
    if let Some((_, called_at)) = token {
        app.heard(called_at);
    }
    let listed = refresh(context, app).await?;
    for row in context.store.accounts(name).await? {
        publish(context, app, &row.account, Lane::High, token)
            .await
            .map_err(|error| JobError::Retry(anyhow::Error::new(error)))?;
    }
    match listed {
        Listed::All => Ok(()),
        Listed::Waits(why) => Err(JobError::Parked(why)),
        Listed::Nothing if app.breaker.check().is_err() => Err(JobError::Parked(AWAY)),
        Listed::Nothing => Err(JobError::Retry(anyhow!(
            "WeCom did not list the accounts, one may be unknown"
        ))),
    }
}

async fn publish(
    context: &Context,
    app: &App,
    account: &AccountId,
    lane: Lane,
    token: Option<(&str, Millis)>,
) -> Result<(), PublishError> {
    let asked = SyncAccount {
        token: token.map(|(token, _)| token.to_owned()),
        ..of_account(app, account)
    };
    let mut job = fresh(&asked, &app.name);
    job.lane = lane;
    if let Some((_, called_at)) = token {
        job.received_at = called_at;
    }
    context.queue.publish(&job, PUBLISH_WITHIN).await
}

fn of_account(app: &App, account: &AccountId) -> SyncAccount {
    SyncAccount {
        corp: Some(app.corp.clone()),
        account: Some(account.clone()),
        ..SyncAccount::default()
    }
}
