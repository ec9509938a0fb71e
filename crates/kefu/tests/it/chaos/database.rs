//! PostgreSQL killed, restarted, frozen and failing under a whole Kefu: work waits, and goes on by itself.

use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
#[cfg(feature = "chaos")]
use tokio::time::sleep_until;
use tokio::time::{Instant, sleep};

use super::{Case, Plan, Play, size};
use crate::stage::{Callers, Instance, Services, app, eventually, kefu};

/// What a worker says when it notices, and when it goes on.
const CLOSED: &str = "database does not answer";
const OPENED: &str = "database takes writes again";

#[tokio::test]
async fn s24_a_killed_and_restarted_database_delays_messages_and_no_callback() {
    let case = Case::begin(
        "24",
        size("PostgreSQL killed", "PostgreSQL killed, later restarted"),
    );
    let postgres = Instance::start("s24", &["postgres"]).await;
    let mut play = Play::start(Services::with(&[&postgres]).await, Plan::usual()).await;
    let callers = Callers::start(&play.ingress.callback_url(), size(50, 100));
    play.has_answered(size(50, 2_000)).await;
    postgres.kill("postgres").await;
    have_said(&play, CLOSED).await;
    // With callbacks and nowhere to put what they bring, for a while.
    sleep(size(Duration::from_secs(1), Duration::from_secs(10))).await;
    postgres.start_again("postgres").await;
    let killed = back(&play).await;
    check_recovery(killed);
    #[cfg(feature = "chaos")]
    let restarted = {
        play.has_answered(6_000).await;
        postgres.halt("postgres").await;
        postgres.start_again("postgres").await;
        // So quick that the workers may not have missed it.
        play.ready().await
    };
    #[cfg(feature = "chaos")]
    check_recovery(restarted);

    let answers = callers.end().await;
    // In the normal test run others keep disk and processors so busy that a call may have to be repeated.
    assert_eq!(answers.given_up, 0, "{:?}", answers.statuses);
    #[cfg(feature = "chaos")]
    answers.check_all_taken_within(Duration::from_millis(500));
    let taken = i64::try_from(answers.taken).unwrap();
    play.events += taken;
    let report = play.end().await;
    let note = format!(
        "{taken} callbacks taken and stored, {:?}, p99 {:?}",
        answers.statuses,
        answers.p99()
    );
    #[cfg(feature = "chaos")]
    let note = format!("{note}; restarted: ready after {:.1} s", restarted.as_secs_f64());
    case.end(&report, Some(killed), note);
}

/// From now until every worker takes jobs again and is ready.
async fn back(play: &Play) -> Duration {
    let began_at = Instant::now();
    have_said(play, OPENED).await;
    play.ready().await;
    began_at.elapsed()
}

/// Waits until every worker has said this.
async fn have_said(play: &Play, part: &str) {
    for worker in &play.workers {
        eventually(part, async || {
            let log = worker.running.log();
            let says = |line: &serde_json::Value| line["message"].as_str()?.contains(part).then_some(());
            log.iter().find_map(says)
        })
        .await;
    }
}

/// Waits until every worker says that it has no database.
#[cfg(feature = "chaos")]
async fn not_ready(play: &Play) {
    for worker in &play.workers {
        eventually("the worker is not ready", async || {
            let (status, ready) = worker.get("/health/ready").await?;
            let names_it =
                |reason: &serde_json::Value| reason.as_str()?.starts_with("database").then_some(());
            (status == 503).then(|| ready["reasons"].as_array()?.iter().find_map(names_it))?
        })
        .await;
    }
}

/// Generous in the normal test run, where others keep the machine busy.
#[track_caller]
fn check_recovery(recovery: Duration) {
    let most = size(Duration::from_secs(20), Duration::from_secs(5));
    assert!(recovery <= most, "ready {recovery:?} after the database answered");
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s25_a_frozen_database_is_noticed_in_seconds_and_wedges_no_pool() {
    const FROZEN: Duration = Duration::from_secs(30);
    let case = Case::begin("25", "PostgreSQL SIGSTOP, 30 s");
    let postgres = Instance::start("s25", &["postgres"]).await;
    let play = Play::start(Services::with(&[&postgres]).await, Plan::usual()).await;
    play.has_answered(1_000).await;
    postgres.freeze("postgres").await;
    let frozen_at = Instant::now();
    not_ready(&play).await;
    let noticed = frozen_at.elapsed();
    // A probe every 5 s, with 2 s for its answer.
    assert!(noticed <= Duration::from_secs(8), "noticed after {noticed:?}");
    have_said(&play, CLOSED).await;
    let closed = frozen_at.elapsed();
    assert!(closed <= Duration::from_secs(11), "no more jobs after {closed:?}");
    // The length of the fault.
    sleep_until(frozen_at + FROZEN).await;
    postgres.thaw("postgres").await;
    let recovery = back(&play).await;
    // One wait of the gate's prober and one of the health's.
    assert!(recovery <= Duration::from_secs(10), "ready after {recovery:?}");
    let report = play.end().await;
    let note = format!(
        "not ready after {:.1} s, no jobs taken after {:.1} s",
        noticed.as_secs_f64(),
        closed.as_secs_f64()
    );
    case.end(&report, Some(recovery), note);
}

/// Every 50th transaction that writes: a serialisation failure, a deadlock and a cut connection in turn. A sequence
/// counts, because it is not rolled back.
const FAULTS: &str = "
    CREATE SEQUENCE transactions;
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE number BIGINT;
    BEGIN
        IF current_setting('kefu_test.counted', true) = 'yes' THEN
            RETURN NULL;
        END IF;
        PERFORM set_config('kefu_test.counted', 'yes', true);
        number := nextval('transactions');
        IF number % 150 = 0 THEN
            RAISE EXCEPTION 'injected' USING ERRCODE = '40001';
        ELSIF number % 150 = 50 THEN
            RAISE EXCEPTION 'injected' USING ERRCODE = '40P01';
        ELSIF number % 150 = 100 THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            -- Where it takes effect.
            PERFORM pg_sleep(1);
        END IF;
        RETURN NULL;
    END $$;";

#[tokio::test]
async fn s26_transactions_that_fail_now_and_then_are_done_again() {
    let case = Case::begin("26", "every 50th transaction: 40001, 40P01 or a cut connection");
    let services = Services::own().await;
    let migrate = kefu(&["migrate"]).set_all(&app()).set_all(&services.settings());
    migrate.end().await.check_code(0);
    let triggers = ["message", "conversation", "outbox", "account"].map(|table| {
        format!(
            "CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION fault();"
        )
    });
    services.sql(&format!("{FAULTS}{}", triggers.concat())).await;
    let play = Play::start(services, Plan::usual()).await;
    play.simulator.totals().await;
    let faults = play
        .services
        .count("SELECT last_value / 50 FROM transactions")
        .await;
    assert!(size(5, 100) <= faults, "{faults} faults");
    let report = play.end().await;
    case.end(&report, None, format!("{faults} faults"));
}

/// Their leases stand for 60 s from the last sign of life.
#[tokio::test]
async fn s26_jobs_whose_rows_others_hold_leave_no_lease_behind() {
    let case = Case::begin(
        "26b",
        "rows held by others while jobs begin again, and while they end",
    );
    let plan = Plan {
        customers: 20,
        messages: 40,
        pause: "100ms",
        workers: 0,
        ..Plan::usual()
    };
    let messages = u64::from(plan.messages);
    let mut play = Play::start(Services::own().await, plan).await;
    play.worker_dies_at("account_claimed").await;
    // Its jobs come again.
    let postgres = play.services.postgres.clone();
    tokio::join!(hold_rows(&postgres, "account"), play.add_worker(&[]));
    let free_at = Instant::now();
    play.has_answered(messages).await;
    check_no_lease_was_waited_for(free_at);
    // A reply is said, and its turn cannot be ended.
    let slow = json!({ "api": "kf/send_msg", "kind": "delay", "delay": "2s" });
    play.simulator.fault(slow).await;
    play.say_one_more().await;
    eventually("a reply is on its way", async || {
        let sending = "SELECT count(*) FROM outbox WHERE status = 'sending'";
        (play.services.count(sending).await == 1).then_some(())
    })
    .await;
    hold_rows(&play.services.postgres, "conversation").await;
    let free_at = Instant::now();
    eventually("the lease is given back", async || {
        let leases = "SELECT count(*) FROM conversation WHERE lease_owner IS NOT NULL";
        (play.services.count(leases).await == 0).then_some(())
    })
    .await;
    let recovery = check_no_lease_was_waited_for(free_at);
    let report = play.end().await;
    case.end(&report, Some(recovery), "");
}

/// Another transaction holds all rows of a table, for longer than the statements of a job's end wait together.
async fn hold_rows(postgres: &str, table: &str) {
    const HELD: Duration = Duration::from_secs(8);
    let mut holder = PgConnection::connect(postgres).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let lock = AssertSqlSafe(format!("SELECT 1 FROM {table} FOR UPDATE"));
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    // The length of the fault.
    sleep(HELD).await;
    held.rollback().await.unwrap();
}

#[track_caller]
fn check_no_lease_was_waited_for(free_at: Instant) -> Duration {
    let recovery = free_at.elapsed();
    assert!(
        recovery < Duration::from_secs(20),
        "went on {recovery:?} after the rows were free"
    );
    recovery
}
