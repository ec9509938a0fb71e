//! `kf.sync`: pages until nothing more is wanted, as the worker's `pull` does.

use std::collections::BTreeSet;
use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{AccountLease, AcquiredAccount, Page, PageOutcome, Released};

use super::{Fault, Verdict, after_failure};
use crate::simulation::broker::{Job, Kind};
use crate::simulation::transitions::LEASE;
use crate::simulation::world::{Hand, Held};

/// Few, so that runs which leave the rest to a successor happen.
const PAGES_MAX: u32 = 4;
const CURSOR_MOVES_MAX: u32 = 3;
const FIRST_RUN_AGE: Duration = Duration::from_secs(600);
const MERGE_WINDOW: i64 = 800;

struct Run {
    pages: u32,
    cursor_moves: u32,
    owed: BTreeSet<String>,
}

enum Pulled {
    Drained,
    Unfinished,
}

pub(super) async fn run(hand: &Hand<'_>, job: &Job, redelivered: bool) -> Verdict {
    let acquired = hand
        .told(
            || format!("asks for the account with {} (redelivered {redelivered})", job.id),
            |world| world.store.acquire_account(&job.id, redelivered, job.received_at),
        )
        .await;
    let AcquiredAccount::Won(lease) = acquired else {
        return Verdict::Done;
    };
    hand.step(|world| world.held[hand.worker] = Some(Held::Account(lease.clone())))
        .await;
    let mut run = Run {
        pages: 0,
        cursor_moves: 0,
        owed: BTreeSet::new(),
    };
    let outcome = to_the_end(hand, lease.clone(), &mut run).await;
    hurry(hand, std::mem::take(&mut run.owed)).await;
    match outcome {
        Ok(Pulled::Drained) | Err(Fault::LeaseLost) => Verdict::Done,
        Ok(Pulled::Unfinished) => {
            hand.told(|| "yields".to_owned(), |world| world.store.yield_account(&lease))
                .await;
            hand.told(
                || "publishes the successor".to_owned(),
                |world| {
                    let now = world.now;
                    world.broker.publish(Kind::Sync, 1, now, now);
                },
            )
            .await;
            Verdict::Done
        }
        Err(Fault::Wait(wait)) => {
            park(hand, &lease, wait).await;
            Verdict::Done
        }
        Err(Fault::Outside | Fault::Own) if job.attempt == 1 && !redelivered && 0 < lease.failures => {
            park(hand, &lease, after_failure(lease.failures - 1).wake_in).await;
            Verdict::Done
        }
        Err(Fault::Outside | Fault::Own) => {
            let next = after_failure(lease.failures);
            let failures = hand
                .told(
                    || "pull failed".to_owned(),
                    |world| world.store.fail_account(&lease, next.wake_in),
                )
                .await;
            match failures {
                0 => Verdict::Done,
                _ => Verdict::Retry(next.delay),
            }
        }
    }
}

async fn park(hand: &Hand<'_>, lease: &AccountLease, wait: Duration) {
    hand.told(
        || format!("parks the account for {wait:?}"),
        |world| world.store.park_account(lease, wait),
    )
    .await;
}

async fn to_the_end(hand: &Hand<'_>, mut lease: AccountLease, run: &mut Run) -> Result<Pulled, Fault> {
    loop {
        let noted = lease.wanted;
        while page(hand, &mut lease, run).await? {
            if PAGES_MAX <= run.pages {
                return Ok(Pulled::Unfinished);
            }
        }
        hurry(hand, std::mem::take(&mut run.owed)).await;
        let released = hand
            .told(
                || format!("gives the account back, wanted {noted}"),
                |world| world.store.release_account(&lease, noted),
            )
            .await;
        match released {
            Released::Free => return Ok(Pulled::Drained),
            Released::Lost => return Err(Fault::LeaseLost),
            Released::Again(fresh) => lease = fresh,
        }
        if PAGES_MAX <= run.pages {
            return Ok(Pulled::Unfinished);
        }
    }
}

async fn page(hand: &Hand<'_>, lease: &mut AccountLease, run: &mut Run) -> Result<bool, Fault> {
    let pulled = hand
        .step(|world| match world.faults && world.chance.hits(40) {
            true => None,
            false => Some(world.wecom.pull(lease.cursor.as_deref())),
        })
        .await
        .ok_or(Fault::Outside)?;
    run.pages += 1;
    let Some(cursor_after) = pulled.next_cursor.or_else(|| lease.cursor.clone()) else {
        return Ok(false);
    };
    let ids: Vec<String> = pulled
        .messages
        .iter()
        .filter_map(|message| message.id.as_ref().map(|id| id.as_str().to_owned()))
        .collect();
    let page = Page {
        cursor_before: lease.cursor.clone(),
        cursor_after: Some(cursor_after.clone()),
        has_more: pulled.has_more,
        lease: LEASE,
        messages: pulled.messages,
        history_before: lease.first_pull.then(|| lease.first_woken_at - FIRST_RUN_AGE),
        welcome_after: Millis(0),
    };
    let outcome = hand
        .told(
            || format!("stores {ids:?} up to {cursor_after}"),
            |world| match world.store.commit_page(lease, &page) {
                PageOutcome::Committed { owed, .. } => Ok(owed),
                other => Err(other),
            },
        )
        .await;
    match outcome {
        Ok(owed) => {
            lease.cursor = Some(cursor_after);
            run.owed
                .extend(owed.into_iter().map(|key| key.customer.as_str().to_owned()));
            Ok(page.has_more)
        }
        Err(PageOutcome::CursorMoved { cursor }) => {
            run.cursor_moves += 1;
            if CURSOR_MOVES_MAX < run.cursor_moves {
                return Err(Fault::Own);
            }
            lease.cursor = cursor;
            Ok(true)
        }
        Err(_) => Err(Fault::LeaseLost),
    }
}

/// Publishes turns for after the merge window; lost with the worker, the rows stand behind them.
async fn hurry(hand: &Hand<'_>, owed: BTreeSet<String>) {
    for customer in owed {
        hand.told(
            || format!("publishes a turn of {customer}"),
            |world| {
                let now = world.now;
                let kind = Kind::Turn(customer.clone());
                world.broker.publish(kind, 1, now, now + MERGE_WINDOW);
            },
        )
        .await;
    }
}
