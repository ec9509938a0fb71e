//! Replies that their turn takes back.

use kefu_domain::{CancelReason, Handled, Millis, PartStatus};
use kefu_store::{EventEffect, Owed, PartOutcome};

use crate::harness::*;
use crate::replies::{send, settle, two_parts};

conformance!(
    a_cancelled_reply_owes_its_messages_again_only_if_nothing_left,
    a_cancelled_decision_can_be_made_again,
    a_recalled_message_is_not_owed_again,
);

async fn a_cancelled_reply_owes_its_messages_again_only_if_nothing_left(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    let store = &database.store;
    let reply = &parts[0].reply_id;
    pull(store, vec![says("m2", "wm1", "two", database.now().await)]).await;
    assert!(
        store
            .cancel_reply(&mine.lease, reply, CancelReason::Overtaken, Owed::Again)
            .await
            .unwrap()
    );
    let again = reload(store, &mine.lease).await;
    assert_eq!(owed(&again), ["m1", "m2"]);
    assert!(again.open_parts.is_empty());
    let parts = decide(store, &again, &["c", "d"]).await;
    send(database, &mine, &parts[0]).await;
    let reply = &parts[0].reply_id;
    assert!(
        store
            .cancel_reply(&mine.lease, reply, CancelReason::Human, Owed::Again)
            .await
            .unwrap()
    );
    assert_eq!(database.handled("m1").await, "answered");
    assert_eq!(database.status(&parts[0].msgid).await, "sending");
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    pull(store, vec![says("m3", "wm1", "three", database.now().await)]).await;
    let parts = decide(store, &reload(store, &mine.lease).await, &["e"]).await;
    let owed = Owed::Handled(Handled::Expired);
    let reply = &parts[0].reply_id;
    assert!(
        store
            .cancel_reply(&mine.lease, reply, CancelReason::Expired, owed)
            .await
            .unwrap()
    );
    assert_eq!(database.handled("m3").await, "expired");
}

async fn a_cancelled_decision_can_be_made_again(database: &Database) {
    let (mine, first) = two_parts(database).await;
    let store = &database.store;
    let reply = &first[0].reply_id;
    assert!(
        store
            .cancel_reply(&mine.lease, reply, CancelReason::Overtaken, Owed::Again)
            .await
            .unwrap()
    );
    // The message that overtook it was recalled: the same last message is answered again, and must be said.
    let mine = reload(store, &mine.lease).await;
    let second = decide(store, &mine, &["now", "really", "three"]).await;
    assert_eq!(second.len(), 3);
    assert!(
        second
            .iter()
            .all(|part| part.generation == 1 && part.status == PartStatus::Planned)
    );
    assert!(second.iter().all(|part| part.msgid != first[0].msgid));
    assert_eq!(reload(store, &mine.lease).await.open_parts, second);
    assert_eq!(decide(store, &mine, &["again"]).await.len(), 0);
}

async fn a_recalled_message_is_not_owed_again(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    let store = &database.store;
    let effect = EventEffect::Recall {
        customer: Some(customer("wm1")),
        message: "m1".into(),
    };
    pull(store, vec![event("e1", effect, Millis(1))]).await;
    let reply = &parts[0].reply_id;
    assert!(
        store
            .cancel_reply(&mine.lease, reply, CancelReason::Overtaken, Owed::Again)
            .await
            .unwrap()
    );
    assert_eq!(database.handled("m1").await, "recalled");
    assert!(reload(store, &mine.lease).await.owed.is_empty());
}
