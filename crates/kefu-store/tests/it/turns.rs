use std::time::Duration;

use kefu_domain::{Handled, Millis};
use kefu_store::{AcquiredConversation, Decision, Released, TurnLimits, Whose};

use crate::dead_letters::letter;
use crate::harness::*;

conformance!(
    a_missing_conversation_is_missing,
    of_two_turns_one_wins,
    a_redelivered_turn_takes_its_own_lease_over,
    a_lost_turn_writes_nothing,
    a_decision_handles_exactly_what_was_read,
    a_decision_is_made_once,
    a_decision_about_nothing_owed_says_nothing,
    what_arrives_while_a_turn_ends_is_not_forgotten,
    a_turn_reads_no_more_than_its_limits,
    a_failed_turn_counts_and_a_parked_one_does_not,
    giving_up_leaves_nothing_owed,
    messages_can_be_ended_without_an_answer,
);

async fn a_missing_conversation_is_missing(database: &Database) {
    assert!(matches!(
        acquire(&database.store, "wm1", "t1").await,
        AcquiredConversation::Missing
    ));
}

async fn of_two_turns_one_wins(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let (first, second) = tokio::join!(acquire(store, "wm1", "t1"), acquire(store, "wm1", "t2"));
    let won = [&first, &second]
        .iter()
        .filter(|acquired| matches!(acquired, AcquiredConversation::Won(_)))
        .count();
    let held = [&first, &second]
        .iter()
        .filter(|acquired| matches!(acquired, AcquiredConversation::Held))
        .count();
    assert_eq!((won, held), (1, 1));
}

async fn a_redelivered_turn_takes_its_own_lease_over(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let first = turn(store, "wm1", "t1").await;
    let again = store
        .acquire_conversation(&key("wm1"), "t1", true, LEASE, LIMITS)
        .await
        .unwrap();
    let AcquiredConversation::Won(second) = again else {
        panic!("its own lease was not taken over");
    };
    assert_eq!(second.lease.fence, first.lease.fence + 1);
    let other = store
        .acquire_conversation(&key("wm1"), "t2", true, LEASE, LIMITS)
        .await
        .unwrap();
    assert!(matches!(other, AcquiredConversation::Held));
}

async fn a_lost_turn_writes_nothing(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let old = turn(store, "wm1", "t1").await;
    end_leases(database).await;
    let new = turn(store, "wm1", "t2").await;
    let lease = &old.lease;
    assert!(
        store
            .decide(lease, &answer(&old, &["late"]))
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.reload_turn(lease, LEASE, LIMITS).await.unwrap().is_none());
    assert!(!store.extend_conversation(lease, LEASE).await.unwrap());
    assert!(
        !store
            .set_handled(lease, &[id("m1")], Handled::NoReply)
            .await
            .unwrap()
    );
    assert!(!store.park_conversation(lease, LEASE).await.unwrap());
    assert_eq!(
        store
            .fail_conversation(lease, LEASE, Whose::Theirs, "late")
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .give_up_conversation(lease, Handled::Failed, Some(&letter("t1")))
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.totals().await.unwrap().dead_letters, 0);
    assert_eq!(
        store.release_conversation(lease, old.wanted).await.unwrap(),
        Released::Lost
    );
    assert_eq!(database.handled("m1").await, "");
    let parts = decide(store, &new, &["answer"]).await;
    assert!(!store.mark_sending(lease, &parts[0].msgid).await.unwrap());
    assert!(
        store
            .replan_part(lease, &parts[0].msgid, "late")
            .await
            .unwrap()
            .is_none()
    );
    let reason = kefu_domain::CancelReason::Overtaken;
    let cancelled = store.cancel_reply(lease, &parts[0].reply_id, reason, kefu_store::Owed::Again);
    assert!(!cancelled.await.unwrap());
    assert_eq!(database.status(&parts[0].msgid).await, "planned");
    assert!(
        store
            .extend_conversation(&new.lease, Duration::from_secs(300))
            .await
            .unwrap()
    );
}

async fn a_decision_handles_exactly_what_was_read(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "one", now), says("m2", "wm1", "two", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    // The same second, a later page: no high-water mark may swallow it.
    pull(store, vec![says("m3", "wm1", "three", now)]).await;
    let parts = decide(store, &mine, &["a\0", "b"]).await;
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].text, "a");
    assert_eq!((parts[1].part, parts[1].parts), (2, 2));
    assert_eq!(parts[1].reply_id, parts[0].msgid);
    assert_eq!(database.handled("m1").await, "answered");
    assert_eq!(database.handled("m3").await, "");
    assert_eq!(
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap(),
        Released::Again(())
    );
    let again = reload(store, &mine.lease).await;
    assert_eq!(owed(&again), ["m3"]);
    assert_eq!(again.open_parts, parts);
}

async fn a_decision_is_made_once(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["first answer"]).await;
    // The model would say something else now: what was stored counts.
    let again = decide(store, &mine, &["second answer", "more"]).await;
    assert_eq!(again, parts);
    assert_eq!(database.number("SELECT count(*) FROM outbox").await, 1);
}

async fn a_decision_about_nothing_owed_says_nothing(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    pull(store, vec![servicer_says("s1", "wm1", Millis(now.0 + 1))]).await;
    assert!(decide(store, &mine, &["too late"]).await.is_empty());
    assert_eq!(database.handled("m1").await, "human");
    assert_eq!(database.number("SELECT count(*) FROM outbox").await, 0);
    let silent = Decision {
        parts: vec![],
        handled: Handled::NoReply,
        ..answer(&mine, &[])
    };
    pull(store, vec![says("m2", "wm1", "two", now)]).await;
    let decided = store
        .decide(
            &mine.lease,
            &Decision {
                answered: vec![id("m2")],
                ..silent
            },
        )
        .await;
    assert!(decided.unwrap().unwrap().is_empty());
    assert_eq!(database.handled("m2").await, "no_reply");
}

async fn what_arrives_while_a_turn_ends_is_not_forgotten(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    decide(store, &mine, &[]).await;
    pull(store, vec![says("m2", "wm1", "two", now)]).await;
    // Its own job finds the row held and goes: the holder must not end.
    assert!(matches!(
        acquire(store, "wm1", "t2").await,
        AcquiredConversation::Held
    ));
    assert_eq!(
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap(),
        Released::Again(())
    );
    let again = reload(store, &mine.lease).await;
    decide(store, &again, &[]).await;
    assert_eq!(
        store
            .release_conversation(&again.lease, again.wanted)
            .await
            .unwrap(),
        Released::Free
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM conversation WHERE wake_at IS NOT NULL")
            .await,
        0
    );
    // Owed again: due in 30 s, though nobody publishes anything.
    pull(store, vec![says("m3", "wm1", "three", now)]).await;
    assert_eq!(
        database
            .number("SELECT count(*) FROM conversation WHERE wake_at IS NOT NULL")
            .await,
        1
    );
}

async fn a_turn_reads_no_more_than_its_limits(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let messages = (0..7)
        .map(|n| says(&format!("m{n}"), "wm1", "hello", now))
        .collect();
    pull(store, messages).await;
    let limits = TurnLimits {
        owed_max: 3,
        history_max: 2,
    };
    let acquired = store
        .acquire_conversation(&key("wm1"), "t1", false, LEASE, limits)
        .await;
    let AcquiredConversation::Won(mut mine) = acquired.unwrap() else {
        panic!("not won");
    };
    for (read, more) in [(3, true), (3, true), (1, false)] {
        assert_eq!((mine.owed.len(), mine.owed_more), (read, more));
        decide(store, &mine, &[]).await;
        if more {
            let released = store
                .release_conversation(&mine.lease, mine.wanted)
                .await
                .unwrap();
            assert_eq!(released, Released::Again(()));
        }
        *mine = store
            .reload_turn(&mine.lease, LEASE, limits)
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(mine.history.len(), 2);
    assert_eq!(
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap(),
        Released::Free
    );
}

async fn a_failed_turn_counts_and_a_parked_one_does_not(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    assert_eq!(
        store
            .fail_conversation(&mine.lease, Duration::from_secs(5), Whose::Theirs, "model away")
            .await
            .unwrap(),
        1
    );
    let mine = turn(store, "wm1", "t2").await;
    assert_eq!(mine.failures, 1);
    assert_eq!(mine.own_failures, 0);
    let now = database.now().await;
    assert!(
        store
            .park_conversation(&mine.lease, Duration::from_secs(7))
            .await
            .unwrap()
    );
    let wake_at = database.number("SELECT wake_at FROM conversation").await;
    assert!((now.0 + 7_000..now.0 + 17_000).contains(&wake_at));
    let mine = turn(store, "wm1", "t3").await;
    assert_eq!(
        store
            .fail_conversation(&mine.lease, LEASE, Whose::Ours, "again")
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        database.text("SELECT first_error FROM conversation").await,
        "model away"
    );
    assert_eq!(
        database.text("SELECT last_error FROM conversation").await,
        "again"
    );
    let mine = turn(store, "wm1", "t4").await;
    decide(store, &mine, &[]).await;
    assert_eq!(
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap(),
        Released::Free
    );
    assert_eq!(turn(store, "wm1", "t5").await.failures, 0);
}

async fn giving_up_leaves_nothing_owed(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let started = decide(store, &mine, &["a", "b"]).await;
    assert!(store.mark_sending(&mine.lease, &started[0].msgid).await.unwrap());
    pull(store, vec![says("m2", "wm1", "two", now)]).await;
    let unsaid = decide(store, &reload(store, &mine.lease).await, &["c"]).await;
    pull(store, vec![says("m3", "wm1", "three", now)]).await;
    assert_eq!(
        store
            .give_up_conversation(&mine.lease, Handled::Failed, None)
            .await
            .unwrap(),
        Some(2)
    );
    assert_eq!(database.status(&started[0].msgid).await, "unknown");
    assert_eq!(database.status(&started[1].msgid).await, "cancelled");
    assert_eq!(database.status(&unsaid[0].msgid).await, "cancelled");
    assert_eq!(database.handled("m1").await, "answered");
    assert_eq!(database.handled("m2").await, "failed");
    assert_eq!(database.handled("m3").await, "failed");
    let totals = store.totals().await.unwrap();
    assert_eq!(
        (totals.owed_messages, totals.open_parts, totals.unknown_parts),
        (0, 0, 1)
    );
    let quiet = "SELECT count(*) FROM conversation WHERE wake_at IS NULL AND lease_until IS NULL";
    assert_eq!(database.number(quiet).await, 1);
}

async fn messages_can_be_ended_without_an_answer(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "one", now), says("m2", "wm1", "two", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    assert!(
        store
            .set_handled(&mine.lease, &[id("m1")], Handled::Expired)
            .await
            .unwrap()
    );
    assert!(
        store
            .set_handled(&mine.lease, &[id("m1"), id("m2")], Handled::Pool)
            .await
            .unwrap()
    );
    assert_eq!(database.handled("m1").await, "expired");
    assert_eq!(database.handled("m2").await, "pool");
}
