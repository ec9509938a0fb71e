use std::time::Duration;

use kefu_domain::{CancelReason, Handled, Purpose, RowRef, Step};
use kefu_store::{Due, Handover, HandoverEnd, Owed, PartOutcome, PoolCode, Released, Turn, Whose};

use crate::harness::*;

conformance!(
    a_hand_over_is_decided_once_and_owed_until_it_ends,
    a_hand_over_of_nothing_owed_is_none,
    a_lost_hand_over_writes_nothing,
    a_refused_hand_over_owes_its_messages_again_and_asks_no_more,
    a_hand_over_whose_text_failed_is_made_all_the_same,
    a_hand_over_is_said_once_however_often_it_is_decided,
    a_hand_over_that_is_given_up_fails_its_messages,
    a_hand_over_given_up_after_its_text_failed_can_be_replayed,
    a_hand_over_that_an_older_version_forgot_wakes,
);

pub(crate) const WAIT: Duration = Duration::from_secs(600);

pub(crate) fn handover(turn: &Turn, text: Option<&str>) -> Handover {
    Handover {
        asked: turn.owed.iter().map(|message| message.id.clone()).collect(),
        answers: turn.owed.last().unwrap().id.clone(),
        text: text.map(str::to_owned),
    }
}

pub(crate) fn code(name: &str) -> PoolCode {
    PoolCode {
        code: name.to_owned(),
        handover: Some("someone comes".to_owned()),
        waiting: Some(("please wait".to_owned(), WAIT)),
    }
}

/// A customer has asked for a person, and it is decided.
pub(crate) async fn decided(database: &Database, text: Option<&str>) -> Turn {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "a person", database.now().await)]).await;
    let turn = turn(store, "wm1", "t1").await;
    let decided = store
        .decide_handover(&turn.lease, &handover(&turn, text))
        .await
        .unwrap();
    assert_eq!(decided, Some(true));
    reload(store, &turn.lease).await
}

/// What is said first has left.
pub(crate) async fn said(database: &Database, turn: &Turn) {
    let store = &database.store;
    let msgid = &turn.open_parts[0].msgid;
    assert!(store.mark_sending(&turn.lease, msgid).await.unwrap());
    store
        .settle_part(&turn.lease, msgid, &PartOutcome::Sent)
        .await
        .unwrap();
}

/// What is said first was refused for good.
async fn fail_text(database: &Database, turn: &Turn) {
    let store = &database.store;
    let msgid = &turn.open_parts[0].msgid;
    store.mark_sending(&turn.lease, msgid).await.unwrap();
    let failed = PartOutcome::Failed {
        code: Some(95_001),
        error: "spent".to_owned(),
        handled: Handled::Failed,
    };
    store.settle_part(&turn.lease, msgid, &failed).await.unwrap();
}

pub(crate) async fn end(database: &Database, turn: &Turn, code: Option<&PoolCode>) -> HandoverEnd {
    let ended = database
        .store
        .end_handover(&turn.lease, Handled::Pool, code)
        .await;
    ended.unwrap().unwrap()
}

async fn a_hand_over_is_decided_once_and_owed_until_it_ends(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    assert_eq!(database.handled("m1").await, "pool");
    assert_eq!(turn.next_step(), Step::Say(0));
    let part = &turn.open_parts[0];
    assert_eq!(
        (part.purpose, part.text.as_str()),
        (Purpose::Handover, "someone comes")
    );
    assert_eq!(turn.handover.as_deref(), Some(part.reply_id.as_str()));

    let again = handover(&turn_of(&turn, "m1"), Some("someone comes"));
    assert_eq!(
        store.decide_handover(&turn.lease, &again).await.unwrap(),
        Some(false)
    );
    assert_eq!(database.number("SELECT count(*) FROM outbox").await, 1);

    // What comes meanwhile waits for the move, and the lease is not given back before it.
    pull(store, vec![says("m2", "wm1", "hello", database.now().await)]).await;
    let turn = reload(store, &turn.lease).await;
    assert_eq!(turn.next_step(), Step::Say(0));
    said(database, &turn).await;
    let turn = reload(store, &turn.lease).await;
    assert_eq!(turn.next_step(), Step::Transfer);
    store
        .set_handled(&turn.lease, &[id("m2")], Handled::Pool)
        .await
        .unwrap();
    let turn = reload(store, &turn.lease).await;
    let release = async || {
        store
            .release_conversation(&turn.lease, turn.wanted)
            .await
            .unwrap()
    };
    assert_eq!(release().await, Released::Again(()));
    assert_eq!(end(database, &turn, None).await.messages, 1);
    assert_eq!(reload(store, &turn.lease).await.next_step(), Step::Release);
    assert_eq!(release().await, Released::Free);
    // Nothing is left to end.
    assert_eq!(database.number("SELECT count(*) FROM notice").await, 0);
}

/// The turn as if it had read this message.
fn turn_of(turn: &Turn, message: &str) -> Turn {
    let mut turn = turn.clone();
    turn.owed = vec![kefu_store::OwedMessage {
        id: id(message),
        msgtype: "text".to_owned(),
        text: None,
        menu_id: None,
        sent_at: turn.now,
        person_refused: false,
    }];
    turn
}

async fn a_hand_over_of_nothing_owed_is_none(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "a person", database.now().await)]).await;
    let turn = turn(store, "wm1", "t1").await;
    store
        .set_handled(&turn.lease, &[id("m1")], Handled::Human)
        .await
        .unwrap();
    let decided = store
        .decide_handover(&turn.lease, &handover(&turn, Some("x")))
        .await;
    assert_eq!(decided.unwrap(), Some(false));
    let turn = reload(store, &turn.lease).await;
    assert_eq!((turn.next_step(), turn.handover), (Step::Release, None));
    assert_eq!(database.handled("m1").await, "human");
}

async fn a_lost_hand_over_writes_nothing(database: &Database) {
    let store = &database.store;
    let old = decided(database, None).await;
    end_leases(database).await;
    let new = turn(store, "wm1", "t2").await;
    assert_eq!(new.next_step(), Step::Transfer);
    let asked = handover(&turn_of(&old, "m1"), None);
    assert_eq!(store.decide_handover(&old.lease, &asked).await.unwrap(), None);
    assert_eq!(store.refuse_handover(&old.lease).await.unwrap(), None);
    let ended = store
        .end_handover(&old.lease, Handled::Human, Some(&code("c1")))
        .await;
    assert_eq!(ended.unwrap(), None);
    assert_eq!(database.handled("m1").await, "pool");
    assert_eq!(reload(store, &new.lease).await.next_step(), Step::Transfer);
}

async fn a_refused_hand_over_owes_its_messages_again_and_asks_no_more(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m0", "wm1", "taken back", database.now().await)]).await;
    let turn = decided(database, Some("someone comes")).await;
    said(database, &turn).await;
    database
        .sql("UPDATE message SET recalled = TRUE WHERE msgid = 'm0'")
        .await;
    pull(store, vec![says("m2", "wm1", "hello", database.now().await)]).await;
    assert_eq!(store.refuse_handover(&turn.lease).await.unwrap(), Some(2));
    let turn = reload(store, &turn.lease).await;
    assert_eq!((owed(&turn), turn.next_step()), (vec!["m1", "m2"], Step::Answer));
    assert!(turn.owed.iter().all(|message| message.person_refused));
    assert_eq!(database.handled("m0").await, "recalled");
    // Only what comes later asks again.
    pull(store, vec![says("m3", "wm1", "a person", database.now().await)]).await;
    let turn = reload(store, &turn.lease).await;
    let refused: Vec<bool> = turn.owed.iter().map(|message| message.person_refused).collect();
    assert_eq!(refused, [true, true, false]);
    // Nothing was decided: nobody is on duty.
    assert_eq!(store.refuse_handover(&turn.lease).await.unwrap(), Some(0));
    let turn = reload(store, &turn.lease).await;
    assert!(turn.owed.iter().all(|message| message.person_refused));
    let parts = decide(store, &turn, &["nobody is there"]).await;
    assert_eq!(
        parts.len(),
        1,
        "its msgid is another than that of the text before"
    );
}

async fn a_hand_over_whose_text_failed_is_made_all_the_same(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    fail_text(database, &turn).await;
    assert_eq!(reload(store, &turn.lease).await.next_step(), Step::Transfer);
    let ended = end(database, &turn, Some(&code("c1"))).await;
    assert_eq!(database.handled("m1").await, "pool");
    // The code says what could not be said before.
    let notice = store.notice(&ended.notice.unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (notice.purpose, notice.text.as_str()),
        (Purpose::Handover, "someone comes")
    );
}

async fn a_hand_over_is_said_once_however_often_it_is_decided(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    said(database, &turn).await;
    store.refuse_handover(&turn.lease).await.unwrap();
    let turn = reload(store, &turn.lease).await;
    let again = store
        .decide_handover(&turn.lease, &handover(&turn, Some("someone comes")))
        .await;
    assert_eq!(again.unwrap(), Some(true));
    let turn = reload(store, &turn.lease).await;
    assert_eq!((turn.open_parts.len(), turn.next_step()), (0, Step::Transfer));

    // Dropped before it left, it is said under another msgid.
    database.sql("DELETE FROM outbox").await;
    store.refuse_handover(&turn.lease).await.unwrap();
    let mut msgids = Vec::new();
    for _ in 0..2 {
        let turn = reload(store, &turn.lease).await;
        let asked = handover(&turn, Some("someone comes"));
        store.decide_handover(&turn.lease, &asked).await.unwrap();
        let turn = reload(store, &turn.lease).await;
        let reply_id = turn.open_parts[0].reply_id.clone();
        store
            .cancel_reply(&turn.lease, &reply_id, CancelReason::SaidBefore, Owed::Again)
            .await
            .unwrap();
        store.refuse_handover(&turn.lease).await.unwrap();
        msgids.push(reply_id);
    }
    assert_ne!(msgids[0], msgids[1]);
}

async fn a_hand_over_that_is_given_up_fails_its_messages(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    said(database, &turn).await;
    let failed = store.fail_conversation(&turn.lease, WAIT, Whose::Ours, "x").await;
    assert_eq!(failed.unwrap(), 1);
    database.sql("UPDATE conversation SET wake_at = 1").await;
    let turn = crate::harness::turn(store, "wm1", "t2").await;
    assert_eq!(turn.next_step(), Step::Transfer, "a failure forgets nothing");
    let ended = store
        .give_up_conversation(&turn.lease, Handled::Failed, None)
        .await;
    assert_eq!(ended.unwrap(), Some(1));
    assert_eq!(database.handled("m1").await, "failed");
    let turn = crate::harness::turn(store, "wm1", "t3").await;
    assert_eq!(turn.next_step(), Step::Release);
}

async fn a_hand_over_given_up_after_its_text_failed_can_be_replayed(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    fail_text(database, &turn).await;
    assert_eq!(database.handled("m1").await, "failed");
    let ended = store
        .give_up_conversation(&turn.lease, Handled::Failed, None)
        .await;
    assert_eq!(ended.unwrap(), Some(1));
    let row = RowRef::Conversation(key("wm1"));
    assert!(store.restart_row(&row).await.unwrap());
    let turn = crate::harness::turn(store, "wm1", "t2").await;
    assert_eq!(owed(&turn), ["m1"], "nothing has left, so it is owed again");
}

async fn a_hand_over_that_an_older_version_forgot_wakes(database: &Database) {
    let turn = decided(database, None).await;
    database
        .sql("UPDATE conversation SET lease_owner = NULL, lease_until = NULL, wake_at = NULL")
        .await;
    let due = database.store.due(200).await.unwrap();
    let woken = Due::Conversation {
        key: turn.lease.key.clone(),
        app: "default".to_owned(),
    };
    assert_eq!(due, [woken]);
}
