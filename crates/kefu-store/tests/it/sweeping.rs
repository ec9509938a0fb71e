use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{Due, EventEffect, PageOutcome, WelcomeOutcome};
use secrecy::ExposeSecret;

use crate::harness::*;

conformance!(
    due_rows_are_taken_once_and_come_back_later,
    a_held_row_is_due_when_its_lease_ends,
    two_sweepers_share_nothing,
    a_sweep_takes_no_more_than_its_limit,
    a_welcome_is_taken_once,
    a_late_welcome_is_never_said,
    a_pending_welcome_is_published_once_more,
    an_account_nobody_woke_for_long_is_taken_at_a_slow_pace,
);

async fn a_conversation(database: &Database) {
    pull(
        &database.store,
        vec![says("m1", "wm1", "one", database.now().await)],
    )
    .await;
}

async fn due_rows_are_taken_once_and_come_back_later(database: &Database) {
    let store = &database.store;
    a_conversation(database).await;
    assert!(store.due(200).await.unwrap().is_empty());
    for backoff in [
        60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000,
    ] {
        database.sql("UPDATE conversation SET wake_at = 1").await;
        assert_eq!(store.totals().await.unwrap().due_rows, 1);
        let due = store.due(200).await.unwrap();
        assert_eq!(
            due,
            [Due::Conversation {
                key: key("wm1"),
                app: "default".into()
            }]
        );
        assert!(store.due(200).await.unwrap().is_empty());
        let now = database.now().await;
        let left = database.number("SELECT wake_at FROM conversation").await - now.0;
        assert!((backoff - 5_000..=backoff).contains(&left), "{left}");
    }
    // A worker that takes the row starts the doubling anew.
    turn(store, "wm1", "t1").await;
    assert_eq!(
        database.number("SELECT wake_backoff FROM conversation").await,
        60_000
    );
    let lease = win(store, "j1").await;
    store.park_account(&lease, Duration::ZERO).await.unwrap();
    let due = store.due(200).await.unwrap();
    assert_eq!(
        due,
        [Due::Account {
            corp: corp(),
            account: account(),
            app: "default".into()
        }]
    );
}

async fn a_held_row_is_due_when_its_lease_ends(database: &Database) {
    let store = &database.store;
    a_conversation(database).await;
    turn(store, "wm1", "t1").await;
    let at_the_end = "SELECT count(*) FROM conversation WHERE wake_at = lease_until";
    assert_eq!(database.number(at_the_end).await, 1);
    // A message that comes meanwhile does not move it: its holder is there.
    pull(store, vec![says("m2", "wm1", "two", database.now().await)]).await;
    assert_eq!(database.number(at_the_end).await, 1);
    end_leases(database).await;
    assert_eq!(store.due(200).await.unwrap().len(), 1);
    turn(store, "wm1", "t2").await;
}

async fn two_sweepers_share_nothing(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let messages = (0..60)
        .map(|n| says(&format!("m{n}"), &format!("wm{n}"), "hello", now))
        .collect();
    pull(store, messages).await;
    database.sql("UPDATE conversation SET wake_at = 1").await;
    let (a, b, c) = tokio::join!(store.due(40), store.due(40), store.due(40));
    let mut taken: Vec<_> = [a, b, c].into_iter().flat_map(Result::unwrap).collect();
    taken.extend(store.due(200).await.unwrap());
    assert_eq!(taken.len(), 60);
    let mut keys: Vec<String> = taken.iter().map(|due| format!("{due:?}")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 60);
}

async fn a_sweep_takes_no_more_than_its_limit(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let messages = (0..10)
        .map(|n| says(&format!("m{n}"), &format!("wm{n}"), "hello", now))
        .collect();
    pull(store, messages).await;
    database.sql("UPDATE conversation SET wake_at = 1").await;
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.push(store.due(4).await.unwrap().len());
    }
    assert_eq!(sizes, [4, 4, 2, 0]);
}

fn enters(name: &str, sent_at: Millis) -> kefu_store::PageMessage {
    let effect = EventEffect::EnterSession {
        customer: customer("wm1"),
        welcome_code: Some("CODE".to_owned().into()),
        scene: Some("door".into()),
    };
    event(name, effect, sent_at)
}

async fn welcome(database: &Database, name: &str, sent_at: Millis, after: Millis) -> Vec<String> {
    let store = &database.store;
    let lease = win(store, "j1").await;
    let mut page = page(lease.cursor.as_deref(), name, vec![enters(name, sent_at)]);
    page.welcome_after = after;
    let outcome = store.commit_page(&lease, &page).await.unwrap();
    store.release_account(&lease, lease.wanted).await.unwrap();
    match outcome {
        PageOutcome::Committed { welcomes, .. } => welcomes,
        other => panic!("{other:?}"),
    }
}

async fn a_welcome_is_taken_once(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let ids = welcome(database, "e1", now, Millis(now.0 - 20_000)).await;
    assert_eq!(ids[0].len(), kefu_domain::MSGID_LENGTH);
    let taken = store.take_welcome(&ids[0]).await.unwrap().unwrap();
    assert_eq!((taken.customer, taken.app.as_str()), (customer("wm1"), "default"));
    assert_eq!(taken.code.expose_secret(), "CODE");
    assert_eq!(taken.event_at, now);
    assert!(store.take_welcome(&ids[0]).await.unwrap().is_none());
    assert!(store.take_welcome("nobody").await.unwrap().is_none());
    store
        .settle_welcome(&ids[0], &WelcomeOutcome::Sent, "hello")
        .await
        .unwrap();
    let late = WelcomeOutcome::Failed {
        code: Some(1),
        error: "late".into(),
    };
    store.settle_welcome(&ids[0], &late, "hello").await.unwrap();
    assert_eq!(database.text("SELECT status FROM welcome").await, "sent");
    assert_eq!(database.text("SELECT text FROM welcome").await, "hello");
    // Repeating the page gives no second welcome.
    pull(store, vec![enters("e1", now)]).await;
    assert_eq!(database.number("SELECT count(*) FROM welcome").await, 1);
    // WeCom could not deliver it.
    let effect = EventEffect::SendFailed {
        msgid: ids[0].clone(),
        fail_type: 10,
    };
    pull(store, vec![event("e9", effect, now)]).await;
    assert_eq!(database.text("SELECT status FROM welcome").await, "failed");
    for (name, outcome, status) in [
        ("e2", WelcomeOutcome::Late, "late"),
        ("e3", WelcomeOutcome::Unknown { error: "cut".into() }, "unknown"),
        (
            "e4",
            WelcomeOutcome::Failed {
                code: None,
                error: "no".into(),
            },
            "failed",
        ),
    ] {
        let ids = welcome(database, name, now, Millis(0)).await;
        store.take_welcome(&ids[0]).await.unwrap().unwrap();
        store.settle_welcome(&ids[0], &outcome, "").await.unwrap();
        let sql = format!("SELECT status FROM welcome WHERE id = '{}'", ids[0]);
        assert_eq!(database.text(&sql).await, status);
    }
}

async fn a_late_welcome_is_never_said(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let old = Millis(now.0 - 45_000);
    assert!(
        welcome(database, "e1", old, Millis(now.0 - 40_000))
            .await
            .is_empty()
    );
    assert_eq!(database.text("SELECT status FROM welcome").await, "late");
    // Young when the page was read, too old when the sweeper comes by.
    let ids = welcome(database, "e2", old, Millis(0)).await;
    database.sql("UPDATE welcome SET wake_at = 1").await;
    assert!(store.due(200).await.unwrap().is_empty());
    assert!(store.take_welcome(&ids[0]).await.unwrap().is_none());
    assert_eq!(
        database
            .number("SELECT count(*) FROM welcome WHERE status = 'late'")
            .await,
        2
    );
}

async fn a_pending_welcome_is_published_once_more(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let ids = welcome(database, "e1", now, Millis(0)).await;
    assert!(store.due(200).await.unwrap().is_empty());
    database.sql("UPDATE welcome SET wake_at = 1").await;
    let due = store.due(200).await.unwrap();
    assert_eq!(
        due,
        [Due::Welcome {
            id: ids[0].clone(),
            app: "default".into()
        }]
    );
    assert!(store.due(200).await.unwrap().is_empty());
    store.take_welcome(&ids[0]).await.unwrap().unwrap();
    // Its process died: the outcome is never known.
    database.sql("UPDATE welcome SET taken_at = 1").await;
    store.due(200).await.unwrap();
    assert_eq!(database.text("SELECT status FROM welcome").await, "unknown");
}

async fn an_account_nobody_woke_for_long_is_taken_at_a_slow_pace(database: &Database) {
    let store = &database.store;
    let (old, pace) = (Duration::from_secs(90), Duration::from_secs(3));
    pull(store, vec![]).await;
    assert_eq!(
        store.take_stale(old, pace).await.unwrap(),
        None,
        "it was pulled just now"
    );
    database
        .sql("UPDATE account SET pulled_at = pulled_at - 100000, wake_at = NULL")
        .await;
    let stale = store.take_stale(old, pace).await.unwrap().unwrap();
    assert_eq!((stale.corp, stale.account), (corp(), account()));
    assert!(store.due(200).await.unwrap().is_empty(), "it is pulled now");
    database.sql("UPDATE account SET wake_at = NULL").await;
    assert_eq!(
        store.take_stale(old, pace).await.unwrap(),
        None,
        "it was taken just now"
    );
    database
        .sql("UPDATE account SET polled_at = polled_at - 100000")
        .await;
    assert!(store.take_stale(old, pace).await.unwrap().is_some());
}

/// SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_waits_for_nobody_who_holds_a_forgotten_hand_over() {
    let database = postgres().await;
    a_conversation(&database).await;
    database
        .sql("UPDATE conversation SET handover = 'x', wake_at = NULL")
        .await;
    let Raw::Postgres(mut holder) = database.raw().await else {
        panic!("not PostgreSQL");
    };
    sqlx::raw_sql("BEGIN; UPDATE conversation SET wanted = wanted")
        .execute(&mut holder)
        .await
        .unwrap();
    assert_eq!(database.store.due(200).await.unwrap(), []);
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let due = Due::Conversation {
        key: key("wm1"),
        app: "default".into(),
    };
    assert_eq!(database.store.due(200).await.unwrap(), [due]);
    drop(holder);
    database.remove().await;
}
