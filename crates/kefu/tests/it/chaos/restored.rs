//! What Kefu knows of itself goes back in time, or is called by another name.

use tokio::time::Instant;

use super::{Case, Plan, Play, size};
use crate::stage::{Instance, Services, eventually, metric};

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
/// several replies: pulled again, their messages are grouped otherwise, together with what was said since. Nobody
/// tells the workers anything, and WeCom's refusal of a repeated msgid is not known to them either.
#[tokio::test]
async fn s57_a_database_restored_from_an_older_copy_answers_nobody_twice() {
    let case = Case::begin("57", "the database restored from an older copy, twice");
    // Other tests wipe what they share.
    let redis = Instance::start("s57", &["redis"]).await;
    let mut play = Play::start(Services::with(&[&redis]).await, Plan::usual()).await;
    play.has_answered(size(80, 3_000)).await;
    play.services.sql(COPY).await;
    play.has_answered(play.said()).await;
    let rounds = size(1, 5);
    for _ in 0..rounds {
        say_more(&mut play).await;
        play.has_answered(play.said()).await;
    }

    play.stop_workers().await;
    say_more(&mut play).await;
    play.services.sql(RESTORE).await;
    let again = play
        .services
        .count("SELECT count(*) FROM message WHERE handled IS NULL")
        .await;
    for _ in 0..2 {
        play.add_worker(&[]).await;
    }
    let began_at = Instant::now();
    at_rest(&play).await;
    let recovery = began_at.elapsed();
    say_more(&mut play).await;
    at_rest(&play).await;
    let stopped = said_before(&play).await;

    // Once more, under workers at work.
    play.services.sql(RESTORE).await;
    say_more(&mut play).await;
    at_rest(&play).await;
    let running = said_before(&play).await - stopped;
    assert!(0.0 < stopped && 0.0 < running, "{stopped} and {running}");
    let report = play.end().await;
    let note = format!(
        "{again} messages owed in the copy, {} missing in it; {stopped} and, under running workers, {running} known as answered",
        rounds * MORE
    );
    case.end(&report, Some(recovery), note);
}

/// The copy may catch a reply planned or on its way that was then dropped, or refused, and said in other words under
/// another msgid: WeCom would take the old one.
#[tokio::test]
async fn s57_replies_on_their_way_in_the_copy_are_not_said_again() {
    let case = Case::begin("57c", "replies on their way in the copy, and said since");
    let redis = Instance::start("s57c", &["redis"]).await;
    let plan = Plan {
        messages: 0,
        workers: 1,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::with(&[&redis]).await, plan).await;
    for _ in 0..2 {
        play.say_one_more().await;
    }
    play.has_answered(2).await;
    play.stop_workers().await;
    play.services.sql(ON_THEIR_WAY).await;
    play.add_worker(&[]).await;
    at_rest(&play).await;
    let known = said_before(&play).await;
    let statuses: String = play
        .services
        .one("SELECT string_agg(concat_ws(' ', status, cancel_reason), ', ' ORDER BY status) FROM outbox")
        .await;
    assert_eq!((known, &*statuses), (2.0, "cancelled said_before, sent"));
    let report = play.end().await;
    case.end(&report, None, "one planned, one on its way");
}

/// One reply is planned, the other's call was begun, both under other msgids than what was said.
const ON_THEIR_WAY: &str = "
    BEGIN;
    UPDATE outbox SET msgid = reverse(msgid), reply_id = reverse(msgid), settled_at = NULL, attempts = 0,
        status = CASE WHEN msgid = (SELECT min(msgid) FROM outbox) THEN 'planned' ELSE 'sending' END;
    UPDATE message SET reply_id = reverse(reply_id);
    UPDATE conversation SET wake_at = 0;
    COMMIT;";

const MORE: u64 = 21;

async fn say_more(play: &mut Play) {
    for _ in 0..MORE {
        play.say_one_more().await;
    }
}

/// Waits until everything customers have said is pulled (again) and has come to an end.
async fn at_rest(play: &Play) {
    const ENDED: &str = "
        SELECT count(*) FROM message
        WHERE origin = 'customer' AND handled IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM outbox WHERE status IN ('planned', 'sending'))";
    let said = i64::try_from(play.said()).unwrap();
    eventually("all that was said has come to an end", async || {
        (play.services.count(ENDED).await == said).then_some(())
    })
    .await;
}

/// Messages that the workers of now found answered in a life the database has forgotten.
async fn said_before(play: &Play) -> f64 {
    let mut messages = 0.0;
    for worker in &play.workers {
        messages += metric(&worker.metrics().await, "kefu_said_before_total", &[]);
    }
    messages
}

#[tokio::test]
async fn a_renamed_app_answers_nobody_twice() {
    let case = Case::begin("57b", "the app renamed, with jobs and rows of its old name");
    // Short, so that a job which nobody took for its own would be a letter by the end.
    let plan = Plan::usual().set("KEFU_QUEUE__RETRY_STEPS", "200ms,500ms,1s");
    let mut play = Play::start(Services::own().await, plan).await;
    play.has_answered(size(80, 3_000)).await;
    // In full size one leaves its leases behind, and jobs of the old name which take them over.
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
    let old_rows = play
        .services
        .count("SELECT count(*) FROM account WHERE app <> 'shop'")
        .await;
    assert_eq!(old_rows, 0);
    let report = play.end().await;
    case.end(&report, Some(recovery), "no job of the old name given up");
}
