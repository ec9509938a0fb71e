//! What Kefu knows of itself goes back in time, or is called by another name.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Case, Plan, Play, size};
use crate::stage::Services;

/// What the simulated WeCom refuses a repeated msgid with.
const MSGID_REPEATED: &str = "95033";

/// A copy of every table, as of one moment.
const COPY: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ;
    DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
            EXECUTE format('CREATE TABLE %I AS TABLE %I', 'copy_of_' || name, name);
        END LOOP;
    END $$;
    COMMIT;";

/// Every table as it was then. An account comes before its conversations.
const RESTORE: &str = "
    BEGIN;
    DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = current_schema() AND NOT starts_with(tablename, 'copy_of_') ORDER BY tablename
        LOOP
            EXECUTE format('TRUNCATE %I CASCADE', name);
            EXECUTE format('INSERT INTO %I OVERRIDING SYSTEM VALUE TABLE %I', name, 'copy_of_' || name);
        END LOOP;
    END $$;
    -- As old as it pretends to be: who held a row then does not any more.
    UPDATE account SET lease_until = 0, wake_at = 0 WHERE lease_owner IS NOT NULL;
    UPDATE conversation SET lease_until = 0, wake_at = 0 WHERE lease_owner IS NOT NULL;
    COMMIT;";

/// Customers who were owed something at the time of the copy, and others who wrote and were answered after it, in
/// several replies: pulled again, their messages would be grouped otherwise.
#[tokio::test]
async fn s57_a_database_restored_from_an_older_copy_answers_nobody_twice() {
    let case = Case::begin("57", "the database restored from an older copy");
    let plan = Plan::usual().set("KEFU_WECOM__MSGID_REPEATED_CODES", MSGID_REPEATED);
    let script = u64::from(plan.messages);
    let mut play = Play::start(Services::own().await, plan).await;
    play.has_answered(size(80, 3_000)).await;
    play.services.sql(COPY).await;
    play.has_answered(script).await;
    let rounds = size(1, 5);
    for round in 1..=rounds {
        say_more(&mut play).await;
        play.has_answered(script + round * MORE).await;
    }
    play.stop_workers().await;
    // The times of WeCom have seconds: from here on they are later than all that was answered.
    sleep(Duration::from_millis(1_100)).await;
    let stopped_at = play
        .services
        .count("SELECT now_ms / 1000 * 1000 FROM clock")
        .await;
    say_more(&mut play).await;
    play.services.sql(RESTORE).await;
    let again = play
        .services
        .count("SELECT count(*) FROM message WHERE handled IS NULL")
        .await;
    play.services.sql(&forget_what_was_answered(stopped_at)).await;
    for _ in 0..2 {
        play.add_worker(&[]).await;
    }
    let began_at = Instant::now();
    play.has_answered(script + (rounds + 1) * MORE).await;
    let recovery = began_at.elapsed();
    let report = play.end().await;
    let note = format!(
        "{again} answered messages owed in the copy, {} missing in it",
        rounds * MORE
    );
    case.end(&report, Some(recovery), note);
}

const MORE: u64 = 21;

async fn say_more(play: &mut Play) {
    for _ in 0..MORE {
        play.say_one_more().await;
    }
}

/// What an operator runs on the restored database before the workers start: what customers said before the old
/// database stopped is history.
fn forget_what_was_answered(stopped_at: i64) -> String {
    format!(
        "BEGIN;
        UPDATE message SET handled = 'history', handled_at = {stopped_at} WHERE handled IS NULL;
        UPDATE outbox SET status = 'cancelled', cancel_reason = 'overtaken', settled_at = {stopped_at}
        WHERE status = 'planned';
        UPDATE account SET first_pull = TRUE, first_woken_at = {stopped_at} + 600000;
        COMMIT;"
    )
}

#[tokio::test]
async fn a_renamed_app_answers_nobody_twice() {
    let case = Case::begin("57b", "the app renamed, with jobs and rows of its old name");
    // What stays in the queue under the old name ends soon: rows and stream have it all.
    let plan = Plan::usual().set("KEFU_QUEUE__RETRY_STEPS", "200ms,500ms,1s");
    let mut play = Play::start(Services::own().await, plan).await;
    play.has_answered(size(80, 3_000)).await;
    // In full size one leaves its leases behind: jobs of the old name cannot take them over, so they run out.
    #[cfg(feature = "chaos")]
    play.workers.remove(0).running.kill().await;
    play.stop_workers().await;
    // What is called now is queued under the old name.
    say_more(&mut play).await;
    play.rename_app("shop").await;
    let recovery = play.ready().await;
    say_more(&mut play).await;
    play.simulator.totals().await;
    play.all_answered().await;
    play.drained().await;
    const WAKE_UPS: &str = "SELECT count(*) FROM dead_letter WHERE kind = 'kf.sync' AND app = 'default' AND reason = 'out_of_attempts'";
    play.letters = play.services.count(WAKE_UPS).await;
    let note = format!("{} wake-ups of the old name given up", play.letters);
    let old_rows = play
        .services
        .count("SELECT count(*) FROM account WHERE app <> 'shop'")
        .await;
    assert_eq!(old_rows, 0);
    let report = play.end().await;
    case.end(&report, Some(recovery), note);
}
