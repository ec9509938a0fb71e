use kefu_domain::{CancelReason, Handled, Millis, PartStatus};
use kefu_store::{EventEffect, Owed, Part, PartOutcome, Released, Settled, Turn};

use crate::harness::*;

conformance!(
    a_part_is_marked_before_it_leaves_and_stays_sent,
    an_ambiguous_part_keeps_the_lease_and_its_msgid,
    a_refused_part_ends_its_reply,
    an_unknown_part_ends_its_reply_and_its_messages_stay_answered,
    a_reply_said_before_is_not_said_again,
    a_reply_knows_the_messages_it_answers,
    states_only_move_forward,
    a_report_of_failure_arrives_whenever_it_likes,
    a_replanned_part_has_a_new_msgid_and_keeps_its_place,
    only_what_is_true_for_all_is_noted_without_the_lease,
);

pub(crate) async fn two_parts(database: &Database) -> (Box<Turn>, Vec<Part>) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    (mine, parts)
}

pub(crate) async fn send(database: &Database, mine: &Turn, part: &Part) {
    assert!(
        database
            .store
            .mark_sending(&mine.lease, &part.msgid)
            .await
            .unwrap()
    );
}

pub(crate) async fn settle(database: &Database, mine: &Turn, part: &Part, outcome: PartOutcome) {
    let settled = database
        .store
        .settle_part(&mine.lease, &part.msgid, &outcome)
        .await;
    assert_ne!(settled.unwrap(), Settled::LeaseLost);
}

async fn only_what_is_true_for_all_is_noted_without_the_lease(database: &Database) {
    let store = &database.store;
    let (old, parts) = two_parts(database).await;
    send(database, &old, &parts[0]).await;
    end_leases(database).await;
    // The next holder sends it under the same msgid, and WeCom refuses the old one's call because of that.
    let new = turn(store, "wm1", "t2").await;
    let refused = PartOutcome::Failed {
        code: Some(1),
        error: "msgid used".into(),
        handled: Handled::Failed,
    };
    let settle = async |outcome: &PartOutcome| {
        store
            .settle_part(&old.lease, &parts[0].msgid, outcome)
            .await
            .unwrap()
    };
    assert_eq!(settle(&refused).await, Settled::LeaseLost);
    assert_eq!(settle(&PartOutcome::SaidBefore).await, Settled::LeaseLost);
    let open = reload(store, &new.lease).await.open_parts;
    assert_eq!((open.len(), open[0].status), (2, PartStatus::Sending));
    assert_eq!(settle(&PartOutcome::Sent).await, Settled::Noted);
    assert_eq!(settle(&PartOutcome::Sent).await, Settled::Before);
    assert_eq!(reload(store, &new.lease).await.open_parts.len(), 1);
}

async fn a_part_is_marked_before_it_leaves_and_stays_sent(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    send(database, &mine, &parts[0]).await;
    let again = reload(&database.store, &mine.lease).await;
    assert_eq!(again.open_parts[0].status, PartStatus::Sending);
    assert_eq!(
        (again.open_parts[0].attempts, again.open_parts[0].ambiguous),
        (1, false)
    );
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    assert_eq!(database.status(&parts[0].msgid).await, "sent");
    assert!(
        !database
            .store
            .mark_sending(&mine.lease, &parts[0].msgid)
            .await
            .unwrap()
    );
    let again = reload(&database.store, &mine.lease).await;
    assert_eq!(again.open_parts.len(), 1);
    assert!(again.open_parts[0].reply_started);
    send(database, &mine, &parts[1]).await;
    settle(database, &mine, &parts[1], PartOutcome::Sent).await;
    let released = database
        .store
        .release_conversation(&mine.lease, mine.wanted)
        .await
        .unwrap();
    assert_eq!(released, Released::Free);
}

async fn an_ambiguous_part_keeps_the_lease_and_its_msgid(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    send(database, &mine, &parts[0]).await;
    let error = "timed out".to_owned();
    settle(database, &mine, &parts[0], PartOutcome::Ambiguous { error }).await;
    // A part on its way always has a time to wake: it cannot be released.
    let released = database
        .store
        .release_conversation(&mine.lease, mine.wanted)
        .await
        .unwrap();
    assert_eq!(released, Released::Again(()));
    end_leases(database).await;
    let next = turn(&database.store, "wm1", "t2").await;
    assert_eq!(next.open_parts[0].msgid, parts[0].msgid);
    assert!(next.open_parts[0].ambiguous);
    // A process that died in `sending` leaves the same doubt.
    database.sql("UPDATE outbox SET ambiguous = FALSE").await;
    send(database, &next, &parts[0]).await;
    let next = reload(&database.store, &next.lease).await;
    assert!(next.open_parts[0].ambiguous);
    assert_eq!(next.open_parts[0].attempts, 2);
}

async fn a_refused_part_ends_its_reply(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    send(database, &mine, &parts[0]).await;
    let outcome = PartOutcome::Failed {
        code: Some(95_018),
        error: "session state".into(),
        handled: Handled::Expired,
    };
    settle(database, &mine, &parts[0], outcome).await;
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
    assert_eq!(
        database
            .text("SELECT cancel_reason FROM outbox WHERE part = 2")
            .await,
        "broken"
    );
    assert_eq!(
        database
            .number("SELECT error_code FROM outbox WHERE part = 1")
            .await,
        95_018
    );
    assert_eq!(database.handled("m1").await, "expired");
    assert!(reload(&database.store, &mine.lease).await.open_parts.is_empty());
}

async fn an_unknown_part_ends_its_reply_and_its_messages_stay_answered(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    send(database, &mine, &parts[0]).await;
    settle(
        database,
        &mine,
        &parts[0],
        PartOutcome::Unknown {
            error: "window closed".into(),
        },
    )
    .await;
    assert_eq!(database.status(&parts[0].msgid).await, "unknown");
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
    assert_eq!(database.handled("m1").await, "answered");
    let mine = reload(&database.store, &mine.lease).await;
    assert_eq!(mine.budget.used, 1);
    assert_eq!(database.store.totals().await.unwrap().unknown_parts, 1);
}

async fn a_reply_said_before_is_not_said_again(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    send(database, &mine, &parts[0]).await;
    settle(database, &mine, &parts[0], PartOutcome::SaidBefore).await;
    assert_eq!(database.status(&parts[0].msgid).await, "sent");
    assert_eq!(
        database
            .text("SELECT cancel_reason FROM outbox WHERE part = 2")
            .await,
        "said_before"
    );
    assert_eq!(database.handled("m1").await, "answered");
}

async fn a_reply_knows_the_messages_it_answers(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let messages = vec![
        says("m1", "wm1", "one", now),
        says("x1", "wm2", "other", now),
        says("m2", "wm1", "two", now),
    ];
    pull(store, messages).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    let answered = async |who| store.answered_by(&key(who), &parts[1].reply_id).await.unwrap();
    assert_eq!(answered("wm1").await, [id("m1"), id("m2")]);
    assert!(answered("wm2").await.is_empty());
    // Once something of it is out they stay its own: what is noted as said is never owed again.
    send(database, &mine, &parts[0]).await;
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    let reason = CancelReason::Overtaken;
    let cancelled = store.cancel_reply(&mine.lease, &parts[0].reply_id, reason, Owed::Again);
    assert!(cancelled.await.unwrap());
    assert_eq!(answered("wm1").await, [id("m1"), id("m2")]);
    assert!(owed(&reload(store, &mine.lease).await).is_empty());
}

async fn states_only_move_forward(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    // Not sent yet: nothing can have become of it.
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    assert_eq!(database.status(&parts[0].msgid).await, "planned");
    send(database, &mine, &parts[0]).await;
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    for outcome in [
        PartOutcome::Unknown { error: "late".into() },
        PartOutcome::Ambiguous { error: "late".into() },
        PartOutcome::Failed {
            code: None,
            error: "late".into(),
            handled: Handled::Failed,
        },
    ] {
        settle(database, &mine, &parts[0], outcome).await;
        assert_eq!(database.status(&parts[0].msgid).await, "sent");
    }
    assert_eq!(database.status(&parts[1].msgid).await, "planned");
    assert_eq!(database.handled("m1").await, "answered");
    let reason = CancelReason::Human;
    let store = &database.store;
    assert!(
        store
            .cancel_reply(&mine.lease, &parts[0].reply_id, reason, Owed::Again)
            .await
            .unwrap()
    );
    assert_eq!(database.status(&parts[0].msgid).await, "sent");
    assert!(!store.mark_sending(&mine.lease, &parts[1].msgid).await.unwrap());
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
}

async fn a_report_of_failure_arrives_whenever_it_likes(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    let report = |name: &str, part: &Part| {
        let effect = EventEffect::SendFailed {
            msgid: part.msgid.clone(),
            fail_type: 4,
        };
        event(name, effect, Millis(1))
    };
    // Before the sender has noted that it was sent.
    send(database, &mine, &parts[0]).await;
    pull(&database.store, vec![report("e1", &parts[0])]).await;
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
    assert_eq!(database.handled("m1").await, "failed");
    assert_eq!(
        database
            .number("SELECT error_code FROM outbox WHERE part = 1")
            .await,
        4
    );
    // After it.
    pull(
        &database.store,
        vec![says("m2", "wm1", "two", database.now().await)],
    )
    .await;
    let mine = reload(&database.store, &mine.lease).await;
    let parts = decide(&database.store, &mine, &["c"]).await;
    send(database, &mine, &parts[0]).await;
    settle(database, &mine, &parts[0], PartOutcome::Sent).await;
    pull(&database.store, vec![report("e2", &parts[0])]).await;
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    assert_eq!(database.handled("m2").await, "failed");
    // About something that is not ours.
    let effect = EventEffect::SendFailed {
        msgid: "nobody's".into(),
        fail_type: 1,
    };
    pull(&database.store, vec![event("e3", effect, Millis(1))]).await;
}

async fn a_replanned_part_has_a_new_msgid_and_keeps_its_place(database: &Database) {
    let (mine, parts) = two_parts(database).await;
    let store = &database.store;
    assert!(
        store
            .replan_part(&mine.lease, &parts[0].msgid, "not sent yet")
            .await
            .unwrap()
            .is_none()
    );
    send(database, &mine, &parts[0]).await;
    let new = store
        .replan_part(&mine.lease, &parts[0].msgid, "busy")
        .await
        .unwrap()
        .unwrap();
    assert_ne!(new.msgid, parts[0].msgid);
    assert_eq!((new.generation, new.part, new.attempts), (1, 1, 0));
    assert_eq!((&new.reply_id, &new.text), (&parts[0].reply_id, &parts[0].text));
    assert_eq!(
        database
            .text("SELECT cancel_reason FROM outbox WHERE generation = 0 AND part = 1")
            .await,
        "replanned"
    );
    let again = reload(store, &mine.lease).await;
    assert_eq!(again.budget.used, 0);
    let open: Vec<_> = again.open_parts.iter().map(|part| &part.msgid).collect();
    assert_eq!(open, [&new.msgid, &parts[1].msgid]);
    assert!(!again.open_parts[0].reply_started);
    send(database, &mine, &new).await;
    assert_eq!(reload(store, &mine.lease).await.budget.used, 1);
    let newer = store
        .replan_part(&mine.lease, &new.msgid, "busy")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(newer.generation, 2);
}
