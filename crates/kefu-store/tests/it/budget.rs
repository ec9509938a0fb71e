//! The five messages that follow one of a customer's.

use kefu_domain::Millis;
use kefu_store::{PartOutcome, Released};

use crate::harness::*;
use crate::replies::{send, settle, two_parts};

conformance!(
    a_new_message_opens_the_budget_again,
    a_clock_from_the_future_does_not_shut_the_budget,
    the_budget_counts_what_left,
    what_left_before_a_message_was_pulled_counts_against_it,
);

async fn a_new_message_opens_the_budget_again(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    assert_eq!((mine.budget.used, mine.budget.customer_wrote_at), (0, Some(now)));
    let parts = decide(store, &mine, &["a", "b"]).await;
    for part in &parts {
        assert!(store.mark_sending(&mine.lease, &part.msgid).await.unwrap());
        // A resend is the same part.
        assert!(store.mark_sending(&mine.lease, &part.msgid).await.unwrap());
    }
    assert_eq!(reload(store, &mine.lease).await.budget.used, 2);
    // An older message that comes late gives nothing back.
    pull(store, vec![says("m0", "wm1", "late", Millis(now.0 - 5000))]).await;
    let budget = reload(store, &mine.lease).await.budget;
    assert_eq!((budget.used, budget.customer_wrote_at), (2, Some(now)));
    end_parts(database, now.0 - 10_000).await;
    pull(store, vec![says("m2", "wm1", "new", Millis(now.0 + 1000))]).await;
    assert_eq!(reload(store, &mine.lease).await.budget.used, 0);
}

/// All parts went out, at this time.
async fn end_parts(database: &Database, at: i64) {
    let sql = format!("UPDATE outbox SET status = 'sent', settled_at = {at}");
    database.sql(&sql).await;
}

async fn a_clock_from_the_future_does_not_shut_the_budget(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "far", Millis(i64::MAX))]).await;
    let mine = turn(store, "wm1", "t1").await;
    assert!(mine.budget.customer_wrote_at.unwrap() <= database.now().await);
    let parts = decide(store, &mine, &["a"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    end_parts(database, 1).await;
    pull(store, vec![says("m2", "wm1", "now", database.now().await)]).await;
    assert_eq!(reload(store, &mine.lease).await.budget.used, 0);
}

async fn the_budget_counts_what_left(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["1", "2", "3", "4", "5", "6"]).await;
    for (sent, part) in (0..5).zip(&parts) {
        assert_eq!(reload(store, &mine.lease).await.budget.used, sent);
        send(database, &mine, part).await;
        settle(database, &mine, part, PartOutcome::Sent).await;
    }
    let mine = reload(store, &mine.lease).await;
    assert_eq!(mine.budget.parts_left(), 0);
    // The sixth waits for the customer's next message; nothing is owed meanwhile.
    assert_eq!(mine.open_parts.len(), 1);
    assert_eq!(
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap(),
        Released::Free
    );
    database
        .sql("UPDATE outbox SET settled_at = 1 WHERE status = 'sent'")
        .await;
    pull(store, vec![says("m2", "wm1", "two", database.now().await)]).await;
    let mine = turn(store, "wm1", "t2").await;
    assert_eq!((mine.budget.parts_left(), mine.open_parts.len()), (5, 1));
}

/// WeCom's five count from the message on; which of two came first is not certain within 2 s.
async fn what_left_before_a_message_was_pulled_counts_against_it(database: &Database) {
    let store = &database.store;
    let (mine, parts) = two_parts(database).await;
    for part in &parts {
        send(database, &mine, part).await;
    }
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    let second = database.now().await.0 / 1000 * 1000;
    for (number, settled_at, status, expected) in [
        // Ended after the message; just before it; long before it.
        (0, second + 1, "sent", 1),
        (1, second - 1_999, "sent", 1),
        (2, second - 2_001, "sent", 0),
        (3, second - 1_999, "failed", 1),
        // On its way since before it.
        (4, second - 1_999, "sending", 2),
        (5, second - 60_000, "sending", 1),
    ] {
        let (other, settled) = match status {
            "sending" => ("sending", "NULL".to_owned()),
            other => (other, (second - 60_000).to_string()),
        };
        database
            .sql(&format!(
                "UPDATE outbox SET settled_at = {settled_at}, sending_at = 1 WHERE part = 1;
                UPDATE outbox SET status = '{other}', settled_at = {settled}, sending_at = 1 WHERE part = 2"
            ))
            .await;
        let said = says(&format!("n{number}"), "wm1", "two", Millis(second));
        pull(store, vec![said]).await;
        let used = reload(store, &mine.lease).await.budget.used;
        assert_eq!(used, expected, "{number}: {settled_at} {status}");
    }
}
