//! What a turn reads of what was said before.

use kefu_domain::{Handled, Millis, PartStatus};
use kefu_store::Speaker;

use crate::harness::*;

conformance!(
    history_is_what_was_said_in_order,
    what_was_not_ours_to_answer_is_no_open_question,
);

async fn history_is_what_was_said_in_order(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "question", now), says("m2", "wm1", "more", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["answer", "never sent"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    store
        .settle_part(&mine.lease, &parts[0].msgid, &kefu_store::PartOutcome::Sent)
        .await
        .unwrap();
    database
        .sql("UPDATE message SET received_at = received_at - 1000")
        .await;
    pull(store, vec![servicer_says("s1", "wm1", Millis(now.0 - 1))]).await;
    database
        .sql("UPDATE message SET received_at = received_at + 1000 WHERE msgid = 's1'")
        .await;
    pull(store, vec![says("m3", "wm1", "open", now)]).await;
    let again = reload(store, &mine.lease).await;
    let said: Vec<_> = again
        .history
        .iter()
        .map(|line| (line.who, line.text.as_deref().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            (Speaker::Customer, "question"),
            (Speaker::Customer, "more"),
            (Speaker::Us, "answer"),
            (Speaker::Servicer, "servicer"),
        ]
    );
    assert_eq!(owed(&again), ["m3"]);
    assert_eq!(again.open_parts.len(), 1);
    assert!(again.open_parts[0].reply_started);
    assert_eq!(again.open_parts[0].status, PartStatus::Planned);
}

/// Messages that became `history` stand among what was said, but not last: there a model would answer them.
async fn what_was_not_ours_to_answer_is_no_open_question(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let said = |turn: &kefu_store::Turn| -> Vec<String> {
        turn.history.iter().filter_map(|line| line.text.clone()).collect()
    };
    pull(store, vec![says("m1", "wm1", "old", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let (lease, history) = (&mine.lease, Handled::History);
    assert!(store.set_handled(lease, &[id("m1")], history).await.unwrap());
    pull(
        store,
        vec![says("m2", "wm1", "older", now), says("m3", "wm1", "open", now)],
    )
    .await;
    assert!(store.set_handled(lease, &[id("m2")], history).await.unwrap());
    let second = reload(store, lease).await;
    assert_eq!(owed(&second), ["m3"]);
    assert!(said(&second).is_empty(), "{:?}", second.history);
    let parts = decide(store, &second, &["answer"]).await;
    assert!(store.mark_sending(lease, &parts[0].msgid).await.unwrap());
    let sent = kefu_store::PartOutcome::Sent;
    store.settle_part(lease, &parts[0].msgid, &sent).await.unwrap();
    database
        .sql("UPDATE message SET received_at = received_at - 1000")
        .await;
    let third = reload(store, lease).await;
    assert_eq!(said(&third), ["old", "older", "open", "answer"]);
    pull(store, vec![says("m4", "wm1", "again", now)]).await;
    database
        .sql("UPDATE message SET received_at = received_at + 2000 WHERE msgid = 'm4'")
        .await;
    assert!(store.set_handled(lease, &[id("m4")], history).await.unwrap());
    let fourth = reload(store, lease).await;
    assert_eq!(said(&fourth), ["old", "older", "open", "answer"]);
}
