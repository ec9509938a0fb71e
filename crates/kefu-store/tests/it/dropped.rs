//! Replies that a page overtakes between their decision and their first part.

use kefu_domain::{Millis, PartStatus};
use kefu_store::{EventEffect, Handover, Page, PageMessage, PageOutcome, PartOutcome, Released};

use crate::harness::*;

conformance!(
    a_reply_not_begun_is_dropped_when_its_message_is_taken_back,
    a_reply_not_begun_is_dropped_when_a_person_answered,
    a_reply_that_has_begun_is_left_alone,
    only_replies_whose_conversation_is_held_are_dropped,
    what_is_said_of_a_hand_over_is_left_alone,
    a_dropped_reply_wakes_a_row_that_is_at_rest,
);

fn recall(name: &str, from: Option<&str>, message: &str) -> PageMessage {
    let effect = EventEffect::Recall {
        customer: from.map(customer),
        message: message.to_owned(),
    };
    event(name, effect, Millis(1_000))
}

fn owed_by(outcome: PageOutcome) -> Vec<String> {
    let PageOutcome::Committed { owed, .. } = outcome else {
        panic!("not stored: {outcome:?}");
    };
    owed.iter().map(|key| key.customer.to_string()).collect()
}

async fn reasons(database: &Database) -> String {
    let sql = "SELECT min(status) || ' ' || min(cancel_reason) || ' ' || count(*) FROM outbox
        WHERE status = 'cancelled'";
    database.text(sql).await
}

async fn a_reply_not_begun_is_dropped_when_its_message_is_taken_back(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "one", now), says("m2", "wm1", "two", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    let read = reload(store, &mine.lease).await;
    // With and without the name of its customer.
    let outcome = pull(
        store,
        vec![recall("e1", None, "m1"), recall("e2", Some("wm1"), "never")],
    )
    .await;
    assert_eq!(owed_by(outcome), ["wm1"]);
    assert_eq!(reasons(database).await, "cancelled recalled 2");
    assert!(!store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    let released = store.release_conversation(&mine.lease, read.wanted).await;
    assert_eq!(released.unwrap(), Released::Again(()));
    let read = reload(store, &mine.lease).await;
    assert_eq!((owed(&read), read.open_parts.len()), (vec!["m2"], 0));
    assert_eq!(database.handled("m1").await, "recalled");
    // What is left is answered under msgids of its own.
    let again = decide(store, &read, &["a"]).await;
    assert_ne!(again[0].msgid, parts[0].msgid);
    pull(store, vec![recall("e3", Some("wm1"), "m2")]).await;
    assert_eq!(database.handled("m2").await, "recalled");
    let read = reload(store, &mine.lease).await;
    assert!(read.owed.is_empty() && read.open_parts.is_empty());
}

async fn a_reply_not_begun_is_dropped_when_a_person_answered(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let ago = |seconds: i64| Millis(now.0 - seconds * 1_000);
    pull(
        store,
        vec![
            says("m1", "wm1", "one", ago(20)),
            says("m2", "wm1", "two", ago(10)),
        ],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    decide(store, &mine, &["a"]).await;
    // Before both of them: the reply is about something else.
    let outcome = pull(store, vec![servicer_says("s1", "wm1", ago(30))]).await;
    assert!(owed_by(outcome).is_empty());
    assert_eq!(reload(store, &mine.lease).await.open_parts.len(), 1);
    let outcome = pull(store, vec![servicer_says("s2", "wm1", ago(15))]).await;
    assert_eq!(owed_by(outcome), ["wm1"]);
    assert_eq!(reasons(database).await, "cancelled human 1");
    let read = reload(store, &mine.lease).await;
    assert_eq!((owed(&read), read.open_parts.len()), (vec!["m2"], 0));
    assert_eq!(database.handled("m1").await, "human");
}

async fn a_reply_that_has_begun_is_left_alone(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    for step in 0..2 {
        let (event, answer) = (format!("e{step}"), format!("s{step}"));
        pull(
            store,
            vec![recall(&event, None, "m1"), servicer_says(&answer, "wm1", now)],
        )
        .await;
        assert_eq!(database.handled("m1").await, "answered");
        let left: Vec<_> = reload(store, &mine.lease).await.open_parts;
        assert_eq!(left.last().map(|part| part.status), Some(PartStatus::Planned));
        store
            .settle_part(&mine.lease, &parts[0].msgid, &PartOutcome::Sent)
            .await
            .unwrap();
    }
}

async fn only_replies_whose_conversation_is_held_are_dropped(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "one", now), says("m2", "wm2", "two", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    let theirs = turn(store, "wm2", "t2").await;
    decide(store, &mine, &["a"]).await;
    decide(store, &theirs, &["b"]).await;
    // The event names another customer than the message's own.
    pull(
        store,
        vec![recall("e1", Some("wm2"), "m1"), servicer_says("s1", "wm3", now)],
    )
    .await;
    assert_eq!(reload(store, &mine.lease).await.open_parts.len(), 1);
    assert_eq!(reload(store, &theirs.lease).await.open_parts.len(), 1);
}

async fn what_is_said_of_a_hand_over_is_left_alone(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "a person", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let handover = Handover {
        asked: vec![id("m1")],
        answers: id("m1"),
        text: Some("someone comes".to_owned()),
    };
    store.decide_handover(&mine.lease, &handover).await.unwrap();
    pull(
        store,
        vec![recall("e1", None, "m1"), servicer_says("s1", "wm1", now)],
    )
    .await;
    let read = reload(store, &mine.lease).await;
    assert_eq!((read.open_parts.len(), read.handover.is_some()), (1, true));
    assert_eq!(database.handled("m1").await, "pool");
}

/// As the budget leaves it: planned, and nothing owed.
async fn a_dropped_reply_wakes_a_row_that_is_at_rest(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    decide(store, &mine, &["a"]).await;
    let released = store.release_conversation(&mine.lease, mine.wanted).await;
    assert_eq!(released.unwrap(), Released::Free);
    let lease = win(store, "j1").await;
    let page = Page {
        cursor_before: lease.cursor.clone(),
        ..page(None, "end", vec![recall("e1", None, "m1")])
    };
    store.commit_page(&lease, &page).await.unwrap();
    let wakes_in = database
        .number("SELECT wake_at - now_ms FROM conversation, clock")
        .await;
    assert!((1..=10_000).contains(&wakes_in), "{wakes_in}");
}
