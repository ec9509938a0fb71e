use kefu_domain::PartStatus;
use kefu_store::{EventEffect, Part, PartOutcome, Released, ReplyFilter, Resolution, Resolved, Turn};

use crate::harness::*;

conformance!(
    replies_are_listed_by_how_they_stand,
    an_unknown_part_can_be_said_to_be_sent,
    an_unknown_part_can_be_said_to_have_failed,
    an_unknown_part_is_planned_again_with_what_was_dropped_because_of_it,
    nothing_is_planned_again_when_the_window_is_closed,
    only_unknown_parts_are_resolved,
    a_report_after_a_resolution_still_counts,
);

/// Two parts, the first of which nobody knows the end of. The turn is over.
async fn unknown(database: &Database) -> (Box<Turn>, Vec<Part>) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    let outcome = PartOutcome::Unknown { error: "cut".into() };
    store
        .settle_part(&mine.lease, &parts[0].msgid, &outcome)
        .await
        .unwrap();
    let released = store
        .release_conversation(&mine.lease, mine.wanted)
        .await
        .unwrap();
    assert_eq!(released, Released::Free);
    (mine, parts)
}

async fn listed(database: &Database, filter: ReplyFilter) -> Vec<String> {
    let rows = database.store.replies(filter, 10).await.unwrap().rows;
    rows.into_iter().map(|row| row.msgid).collect()
}

async fn resolve(database: &Database, part: &Part, resolution: Resolution) -> Resolved {
    database
        .store
        .resolve_reply(&part.msgid, resolution)
        .await
        .unwrap()
}

async fn replies_are_listed_by_how_they_stand(database: &Database) {
    let store = &database.store;
    assert_eq!(store.unknown_replies().await.unwrap(), 0);
    let (_, parts) = unknown(database).await;
    let rows = store.replies(ReplyFilter::Unknown, 10).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row.msgid, &row.key, row.status),
        (&parts[0].msgid, &key("wm1"), PartStatus::Unknown)
    );
    assert_eq!((row.part, row.parts, row.generation, row.attempts), (1, 2, 0, 1));
    assert_eq!((row.answers.as_str(), row.text.as_str()), ("m1", "a"));
    assert_eq!((row.error.as_deref(), row.error_code), (Some("cut"), None));
    assert!(row.planned_at <= row.sending_at.unwrap() && row.sending_at <= row.settled_at);
    assert_eq!(store.unknown_replies().await.unwrap(), 1);
    for filter in [ReplyFilter::Failed, ReplyFilter::Open] {
        assert!(listed(database, filter).await.is_empty());
    }
    pull(store, vec![says("m2", "wm1", "two", database.now().await)]).await;
    let mine = turn(store, "wm1", "t2").await;
    let open = decide(store, &mine, &["c", "d"]).await;
    assert!(store.mark_sending(&mine.lease, &open[0].msgid).await.unwrap());
    let msgids: Vec<_> = open.iter().map(|part| part.msgid.clone()).collect();
    assert_eq!(listed(database, ReplyFilter::Open).await, msgids);
    resolve(database, &parts[0], Resolution::Failed).await;
    assert_eq!(
        listed(database, ReplyFilter::Failed).await,
        [parts[0].msgid.clone()]
    );
    assert!(
        store
            .replies(ReplyFilter::Failed, 0)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}

async fn an_unknown_part_can_be_said_to_be_sent(database: &Database) {
    let (_, parts) = unknown(database).await;
    assert_eq!(
        resolve(database, &parts[0], Resolution::Sent).await,
        Resolved::Settled
    );
    assert_eq!(database.status(&parts[0].msgid).await, "sent");
    assert_eq!(database.status(&parts[1].msgid).await, "cancelled");
    assert_eq!(database.handled("m1").await, "answered");
    assert_eq!(
        resolve(database, &parts[0], Resolution::Resend).await,
        Resolved::NotUnknown(PartStatus::Sent)
    );
}

async fn an_unknown_part_can_be_said_to_have_failed(database: &Database) {
    let (_, parts) = unknown(database).await;
    assert_eq!(
        resolve(database, &parts[0], Resolution::Failed).await,
        Resolved::Settled
    );
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    assert_eq!(database.handled("m1").await, "failed");
    // Nothing is owed, nothing wakes: the conversation goes on as it was.
    assert_eq!(
        database
            .number("SELECT count(*) FROM conversation WHERE wake_at IS NOT NULL")
            .await,
        0
    );
}

async fn an_unknown_part_is_planned_again_with_what_was_dropped_because_of_it(database: &Database) {
    let store = &database.store;
    let (mine, parts) = unknown(database).await;
    let Resolved::Planned(new) = resolve(database, &parts[0], Resolution::Resend).await else {
        panic!("not planned");
    };
    assert_eq!(new.len(), 2);
    assert!(
        new.iter()
            .all(|msgid| parts.iter().all(|part| part.msgid != *msgid))
    );
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    // Twice is once.
    assert_eq!(
        resolve(database, &parts[0], Resolution::Resend).await,
        Resolved::NotUnknown(PartStatus::Failed)
    );
    assert_eq!(store.due(10).await.unwrap().len(), 1);
    let next = turn(store, "wm1", "t2").await;
    assert!(mine.wanted < next.wanted);
    let open: Vec<_> = next
        .open_parts
        .iter()
        .map(|part| (part.msgid.clone(), part.text.as_str()))
        .collect();
    assert_eq!(open, [(new[0].clone(), "a"), (new[1].clone(), "b")]);
    assert!(next.open_parts.iter().all(|part| {
        part.generation == 1 && part.reply_id == parts[0].reply_id && part.reply_started && !part.ambiguous
    }));
    // The same happens again under the next generation.
    assert!(store.mark_sending(&next.lease, &new[0]).await.unwrap());
    let outcome = PartOutcome::Unknown { error: "cut".into() };
    store.settle_part(&next.lease, &new[0], &outcome).await.unwrap();
    let Resolved::Planned(newer) = store.resolve_reply(&new[0], Resolution::Resend).await.unwrap() else {
        panic!("not planned");
    };
    assert_eq!(newer.len(), 2);
    let released = store
        .release_conversation(&next.lease, next.wanted)
        .await
        .unwrap();
    assert_eq!(released, Released::Again(()));
    assert_eq!(reload(store, &next.lease).await.open_parts[1].generation, 2);
}

async fn nothing_is_planned_again_when_the_window_is_closed(database: &Database) {
    let (_, parts) = unknown(database).await;
    database
        .sql("UPDATE conversation SET customer_wrote_at = 5")
        .await;
    assert_eq!(
        resolve(database, &parts[0], Resolution::Resend).await,
        Resolved::WindowClosed
    );
    assert_eq!(database.status(&parts[0].msgid).await, "unknown");
    assert_eq!(
        resolve(database, &parts[0], Resolution::Sent).await,
        Resolved::Settled
    );
}

async fn only_unknown_parts_are_resolved(database: &Database) {
    let store = &database.store;
    assert_eq!(
        store.resolve_reply("nobody", Resolution::Sent).await.unwrap(),
        Resolved::Missing
    );
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    for (part, status) in [(&parts[0], PartStatus::Sending), (&parts[1], PartStatus::Planned)] {
        for resolution in [Resolution::Sent, Resolution::Failed, Resolution::Resend] {
            assert_eq!(
                resolve(database, part, resolution).await,
                Resolved::NotUnknown(status)
            );
        }
    }
    assert_eq!(reload(store, &mine.lease).await.open_parts.len(), 2);
}

async fn a_report_after_a_resolution_still_counts(database: &Database) {
    let (_, parts) = unknown(database).await;
    resolve(database, &parts[0], Resolution::Sent).await;
    let effect = EventEffect::SendFailed {
        msgid: parts[0].msgid.clone(),
        fail_type: 4,
    };
    pull(&database.store, vec![event("e1", effect, database.now().await)]).await;
    assert_eq!(database.status(&parts[0].msgid).await, "failed");
    assert_eq!(database.handled("m1").await, "failed");
}
