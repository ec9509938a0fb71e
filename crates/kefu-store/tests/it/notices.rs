use kefu_domain::{Purpose, Step};
use kefu_store::{Due, NoticeOutcome};
use secrecy::ExposeSecret;

use crate::handovers::{code, decided, end, handover, said};
use crate::harness::*;

conformance!(
    a_code_tells_of_the_hand_over_or_of_the_wait,
    what_was_said_in_an_earlier_try_is_not_said_on_the_code,
    a_newer_wait_ends_the_notice_of_an_older_one,
    a_notice_is_taken_once,
    a_notice_that_nobody_takes_wakes_again_until_its_code_is_dead,
    who_dies_with_a_notice_leaves_it_unknown,
);

/// The only notice.
async fn notice(database: &Database) -> String {
    database.text("SELECT id FROM notice").await
}

async fn notice_status(database: &Database) -> String {
    database.text("SELECT status FROM notice").await
}

async fn a_code_tells_of_the_hand_over_or_of_the_wait(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    said(database, &turn).await;
    let ended = end(database, &turn, Some(&code("c1"))).await;
    assert_eq!((ended.messages, ended.notice), (1, None));
    let notice = store.notice(&notice(database).await).await.unwrap().unwrap();
    assert_eq!(
        (
            notice.purpose,
            notice.text.as_str(),
            notice.code.expose_secret(),
            notice.customer.as_str()
        ),
        (Purpose::Waiting, "please wait", "c1", "wm1")
    );
    let due_in = database
        .number("SELECT wake_at - now_ms FROM notice, clock")
        .await;
    assert!((590_000..=600_000).contains(&due_in), "{due_in}");
    assert!(
        store
            .due(200)
            .await
            .unwrap()
            .iter()
            .all(|due| !matches!(due, Due::Notice { .. }))
    );
}

async fn what_was_said_in_an_earlier_try_is_not_said_on_the_code(database: &Database) {
    let store = &database.store;
    let turn = decided(database, Some("someone comes")).await;
    said(database, &turn).await;
    store.refuse_handover(&turn.lease).await.unwrap();
    let turn = reload(store, &turn.lease).await;
    store
        .decide_handover(&turn.lease, &handover(&turn, Some("someone comes")))
        .await
        .unwrap();
    let turn = reload(store, &turn.lease).await;
    assert_eq!(turn.next_step(), Step::Transfer);
    let ended = end(database, &turn, Some(&code("c1"))).await;
    assert_eq!(ended.notice, None, "the customer has read that someone comes");
    let purpose = database.text("SELECT purpose FROM notice").await;
    assert_eq!(purpose, "waiting");
}

async fn a_newer_wait_ends_the_notice_of_an_older_one(database: &Database) {
    let store = &database.store;
    let turn = decided(database, None).await;
    let mut first = code("c1");
    first.handover = None;
    end(database, &turn, Some(&first)).await;
    let old = notice(database).await;
    pull(store, vec![says("m2", "wm1", "a person", database.now().await)]).await;
    let turn = reload(store, &turn.lease).await;
    store
        .decide_handover(&turn.lease, &handover(&turn, None))
        .await
        .unwrap();
    let turn = reload(store, &turn.lease).await;
    end(database, &turn, Some(&first)).await;
    assert!(store.notice(&old).await.unwrap().is_none());
    assert_eq!(database.number("SELECT count(*) FROM notice").await, 2);
    let pending = database.number("SELECT count(*) FROM notice WHERE status = 'pending'");
    assert_eq!(pending.await, 1);
}

async fn a_notice_is_taken_once(database: &Database) {
    let store = &database.store;
    let turn = decided(database, None).await;
    // Nothing was said before: it is due at once.
    let id = end(database, &turn, Some(&code("c1"))).await.notice.unwrap();
    // Only who took it knows how it ended.
    store.settle_notice(&id, &NoticeOutcome::Over).await.unwrap();
    assert_eq!(notice_status(database).await, "pending");
    let (first, second) = tokio::join!(store.take_notice(&id), store.take_notice(&id));
    assert!(first.unwrap() ^ second.unwrap());
    assert!(store.notice(&id).await.unwrap().is_none());
    store.settle_notice(&id, &NoticeOutcome::Sent).await.unwrap();
    // What has ended stays ended.
    store.settle_notice(&id, &NoticeOutcome::Over).await.unwrap();
    assert_eq!(notice_status(database).await, "sent");
    assert!(!store.take_notice(&id).await.unwrap());
}

async fn a_notice_that_nobody_takes_wakes_again_until_its_code_is_dead(database: &Database) {
    let store = &database.store;
    let turn = decided(database, None).await;
    let id = end(database, &turn, Some(&code("c1"))).await.notice.unwrap();
    let due = || Due::Notice {
        id: id.clone(),
        app: "default".to_owned(),
    };
    for _ in 0..2 {
        database.sql("UPDATE notice SET wake_at = 1").await;
        assert!(store.due(200).await.unwrap().contains(&due()));
        assert!(!store.due(200).await.unwrap().contains(&due()));
    }
    database
        .sql("UPDATE notice SET wake_at = 1, code_at = code_at - 172800000")
        .await;
    assert!(!store.due(200).await.unwrap().contains(&due()));
    assert_eq!(notice_status(database).await, "late");
}

async fn who_dies_with_a_notice_leaves_it_unknown(database: &Database) {
    let store = &database.store;
    let turn = decided(database, None).await;
    let id = end(database, &turn, Some(&code("c1"))).await.notice.unwrap();
    assert!(store.take_notice(&id).await.unwrap());
    store.due(200).await.unwrap();
    assert_eq!(notice_status(database).await, "sending");
    database.sql("UPDATE notice SET taken_at = 1").await;
    store.due(200).await.unwrap();
    assert_eq!(notice_status(database).await, "unknown");
    // Its own process was only slow.
    store.settle_notice(&id, &NoticeOutcome::Sent).await.unwrap();
    assert_eq!(notice_status(database).await, "sent");
}
