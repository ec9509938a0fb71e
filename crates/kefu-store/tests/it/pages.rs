use std::time::Duration;

use kefu_domain::{Handled, Millis};
use kefu_store::{AcquiredConversation, EventEffect, Page, PageContent, PageOutcome};

use crate::harness::*;

conformance!(
    the_first_page_moves_a_cursor_that_was_null,
    a_moved_cursor_stores_nothing_and_tells_where_it_is,
    overlapping_pages_store_each_message_once,
    a_transaction_that_was_cut_off_can_be_repeated,
    a_servicer_handles_what_the_customer_said_before,
    a_recall_ends_what_is_owed_and_stays_visible,
    the_first_run_answers_only_what_is_young,
    turns_wait_while_old_pages_are_read,
    a_large_page_is_stored_whole,
    what_came_late_is_counted_once_and_history_is_not,
    nothing_new_wakes_nobody,
    a_page_that_moves_no_cursor_is_stored_and_is_no_progress,
    a_cursor_with_a_nul_moves_like_any_other,
);

fn committed(outcome: PageOutcome) -> (Vec<String>, u64, u64, u64) {
    match outcome {
        PageOutcome::Committed {
            owed,
            stored,
            repeated,
            unreadable,
            ..
        } => {
            let owed = owed.into_iter().map(|key| key.customer.to_string()).collect();
            (owed, stored, repeated, unreadable)
        }
        other => panic!("not committed: {other:?}"),
    }
}

async fn the_first_page_moves_a_cursor_that_was_null(database: &Database) {
    let store = &database.store;
    let lease = win(store, "j1").await;
    let now = database.now().await;
    let first = page(
        None,
        "c1",
        vec![says("m1", "wm1", "hello", now), says("m2", "wm0", "hi", now)],
    );
    let outcome = store.commit_page(&lease, &first).await.unwrap();
    assert_eq!(committed(outcome), (vec!["wm0".into(), "wm1".into()], 2, 0, 0));
    let second = page(Some("c1"), "c2", vec![]);
    assert_eq!(
        committed(store.commit_page(&lease, &second).await.unwrap()),
        (vec![], 0, 0, 0)
    );
    assert_eq!(database.text("SELECT cursor FROM account").await, "c2");
    assert_eq!(store.totals().await.unwrap().owed_messages, 2);
    // What is owed has a time to wake, whatever becomes of the publishing.
    let owed = "SELECT count(*) FROM conversation WHERE wake_at > (SELECT now_ms FROM clock)";
    assert_eq!(database.number(owed).await, 2);
}

async fn a_moved_cursor_stores_nothing_and_tells_where_it_is(database: &Database) {
    let store = &database.store;
    let lease = win(store, "j1").await;
    let next = page(None, "c1", vec![]);
    store.commit_page(&lease, &next).await.unwrap();
    let stale = page(None, "c1", vec![says("m1", "wm1", "hello", Millis(1))]);
    let outcome = store.commit_page(&lease, &stale).await.unwrap();
    assert_eq!(
        outcome,
        PageOutcome::CursorMoved {
            cursor: Some("c1".into())
        }
    );
    assert_eq!(database.number("SELECT count(*) FROM message").await, 0);
}

async fn overlapping_pages_store_each_message_once(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let lease = win(store, "j1").await;
    let (m1, m2, m3) = (
        says("m1", "wm1", "one", now),
        says("m2", "wm1", "two", now),
        says("m3", "wm1", "three", now),
    );
    let first = page(None, "c1", vec![m1.clone(), m2.clone(), m1.clone()]);
    let outcome = store.commit_page(&lease, &first).await.unwrap();
    assert_eq!(committed(outcome), (vec!["wm1".into()], 2, 1, 0));
    let second = page(Some("c1"), "c2", vec![m1, m2, m3]);
    let outcome = store.commit_page(&lease, &second).await.unwrap();
    assert_eq!(committed(outcome), (vec!["wm1".into()], 1, 2, 0));
    assert_eq!(owed(&*turn(store, "wm1", "t").await), ["m1", "m2", "m3"]);
}

async fn a_transaction_that_was_cut_off_can_be_repeated(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let lease = win(store, "j1").await;
    let messages = (0..50)
        .map(|n| says(&format!("m{n}"), "wm1", "hello", now))
        .collect();
    let page = page(None, "c1", messages);
    // The handler is aborted somewhere inside: at the first point where it would wait, then a little later.
    for polls in 1..12 {
        let mut commit = Box::pin(store.commit_page(&lease, &page));
        for _ in 0..polls {
            let once = std::future::poll_fn(|context| {
                std::task::Poll::Ready(commit.as_mut().poll(context).is_ready())
            });
            if once.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
    }
    let outcome = store.commit_page(&lease, &page).await.unwrap();
    let whole = match outcome {
        PageOutcome::Committed { stored, .. } => stored == 50,
        // The commit had gone out before the handler went away.
        PageOutcome::CursorMoved { cursor } => cursor.as_deref() == Some("c1"),
        PageOutcome::LeaseLost => false,
    };
    assert!(whole);
    assert_eq!(store.totals().await.unwrap().owed_messages, 50);
    assert_eq!(database.number("SELECT wanted FROM conversation").await, 50);
}

async fn a_servicer_handles_what_the_customer_said_before(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "old", now), says("n1", "wm2", "other", now)],
    )
    .await;
    let later = Millis(now.0 + 1000);
    let (outcome, ..) = committed(
        pull(
            store,
            vec![
                says("m2", "wm1", "before", now),
                servicer_says("s1", "wm1", later),
                says("m3", "wm1", "after", Millis(later.0 + 1000)),
            ],
        )
        .await,
    );
    assert_eq!(outcome, ["wm1"]);
    assert_eq!(database.handled("m1").await, "human");
    assert_eq!(database.handled("m2").await, "human");
    assert_eq!(owed(&*turn(store, "wm1", "t1").await), ["m3"]);
    assert_eq!(owed(&*turn(store, "wm2", "t2").await), ["n1"]);
}

async fn a_recall_ends_what_is_owed_and_stays_visible(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "one", now), says("m2", "wm1", "two", now)],
    )
    .await;
    let recall = |name: &str, who: Option<&str>, message: &str| {
        let effect = EventEffect::Recall {
            customer: who.map(customer),
            message: message.to_owned(),
        };
        event(name, effect, now)
    };
    let (outcome, stored, ..) = committed(
        pull(
            store,
            vec![
                recall("e1", None, "m1"),
                says("m3", "wm1", "three", now),
                recall("e2", Some("wm1"), "m3"),
                recall("e3", None, "never seen\0"),
            ],
        )
        .await,
    );
    assert_eq!((outcome.len(), stored), (0, 4));
    assert_eq!(database.handled("m1").await, "recalled");
    assert_eq!(database.handled("m3").await, "recalled");
    let mine = turn(store, "wm1", "t1").await;
    assert_eq!(owed(&mine), ["m2"]);
    // Answered, then recalled: the answer stands, the text is not shown to the model again.
    let parts = decide(store, &mine, &["answer"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    pull(store, vec![recall("e4", None, "m2")]).await;
    assert_eq!(database.handled("m2").await, "answered");
    let shown = reload(store, &mine.lease).await.history;
    assert!(shown.iter().all(|line| line.id.is_none()), "{shown:?}");
}

async fn the_first_run_answers_only_what_is_young(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let lease = win(store, "j1").await;
    let mut first = page(
        None,
        "c1",
        vec![
            says("old", "wm1", "yesterday", Millis(now.0 - 86_400_000)),
            says("young", "wm1", "now", now),
        ],
    );
    first.has_more = true;
    first.history_before = Some(Millis(now.0 - 600_000));
    store.commit_page(&lease, &first).await.unwrap();
    assert_eq!(database.handled("old").await, "history");
    assert_eq!(database.handled("young").await, "");
    assert_eq!(
        database
            .number("SELECT count(*) FROM account WHERE first_pull")
            .await,
        1
    );
    store
        .commit_page(&lease, &page(Some("c1"), "c2", vec![]))
        .await
        .unwrap();
    assert_eq!(
        database
            .number("SELECT count(*) FROM account WHERE first_pull OR catching_up")
            .await,
        0
    );
}

async fn what_came_late_is_counted_once_and_history_is_not(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let ago = |seconds: i64| Millis(now.0 - seconds * 1_000);
    let lease = win(store, "j1").await;
    let mut first = page(
        None,
        "c1",
        vec![
            says("history", "wm1", "yesterday", ago(86_400)),
            says("late", "wm1", "an hour ago", ago(3_600)),
            says("later", "wm2", "five minutes ago", ago(300)),
            says("polled", "wm2", "a minute ago", ago(60)),
            says("future", "wm2", "their clock is ahead", ago(-300)),
        ],
    );
    first.history_before = Some(ago(7_200));
    let late = |outcome| match outcome {
        PageOutcome::Committed { late, .. } => late,
        other => panic!("not committed: {other:?}"),
    };
    let found = late(store.commit_page(&lease, &first).await.unwrap());
    assert_eq!(found.messages, 2);
    let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
    assert!((hour..hour + minute).contains(&found.longest), "{found:?}");
    let again = page(Some("c1"), "c2", first.messages);
    assert!(late(store.commit_page(&lease, &again).await.unwrap()).is_none());
}

async fn turns_wait_while_old_pages_are_read(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let lease = win(store, "j1").await;
    let mut more = page(None, "c1", vec![says("m1", "wm1", "hello", now)]);
    more.has_more = true;
    store.commit_page(&lease, &more).await.unwrap();
    assert!(matches!(
        acquire(store, "wm1", "t1").await,
        AcquiredConversation::CatchingUp
    ));
    let wake_at = database.number("SELECT wake_at FROM conversation").await;
    assert!(now.0 + 10_000 <= wake_at);
    // Not for ever: ten minutes after its last page an account counts as stopped.
    database
        .sql("UPDATE account SET pulled_at = pulled_at - 600001")
        .await;
    assert_eq!(owed(&*turn(store, "wm1", "t1").await), ["m1"]);
    end_leases(database).await;
    database
        .sql("UPDATE account SET lease_owner = 'j1', lease_until = 99999999999999")
        .await;
    // A later page with old messages is catching up as well, a young one is not.
    let old = says("m2", "wm1", "old", Millis(now.0 - 700_000));
    let mut more = page(Some("c1"), "c2", vec![old]);
    more.has_more = true;
    database.sql("UPDATE account SET first_pull = FALSE").await;
    store.commit_page(&lease, &more).await.unwrap();
    assert!(matches!(
        acquire(store, "wm1", "t2").await,
        AcquiredConversation::CatchingUp
    ));
    let mut more = page(Some("c2"), "c3", vec![says("m3", "wm1", "young", now)]);
    more.has_more = true;
    store.commit_page(&lease, &more).await.unwrap();
    turn(store, "wm1", "t3").await;
}

async fn a_large_page_is_stored_whole(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let messages: Vec<_> = (0..1000)
        .map(|n| says(&format!("m{n:04}"), &format!("wm{}", n % 97), "hello", now))
        .collect();
    let (outcome, stored, repeated, _) = committed(pull(store, messages.clone()).await);
    assert_eq!((outcome.len(), stored, repeated), (97, 1000, 0));
    let (outcome, stored, repeated, _) = committed(pull(store, messages).await);
    assert_eq!((outcome.len(), stored, repeated), (0, 0, 1000));
    let mine = turn(store, "wm3", "t1").await;
    assert_eq!(owed(&mine)[..2], ["m0003", "m0100"]);
}

async fn nothing_new_wakes_nobody(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let mut message = says("m1", "wm1", "sticker", now);
    if let PageContent::Customer { handled, .. } = &mut message.content {
        *handled = Some(Handled::NoReply);
    }
    let (outcome, stored, ..) = committed(pull(store, vec![message]).await);
    assert_eq!((outcome.len(), stored), (0, 1));
    assert_eq!(
        database
            .number("SELECT count(*) FROM conversation WHERE wake_at IS NULL")
            .await,
        1
    );
    assert_eq!(database.number("SELECT wanted FROM conversation").await, 0);
}

async fn a_page_that_moves_no_cursor_is_stored_and_is_no_progress(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    for (run, cursor) in [None, None, Some("c1"), Some("c1")].into_iter().enumerate() {
        if run == 2 {
            pull(store, vec![]).await;
            database.sql("UPDATE account SET cursor = 'c1'").await;
        }
        let lease = win(store, "stuck").await;
        assert_eq!(lease.cursor.as_deref(), cursor);
        let same = Page {
            cursor_after: cursor.map(str::to_owned),
            has_more: true,
            ..page(
                cursor,
                "",
                vec![
                    says(&format!("m{run}"), "wm1", "hello", now),
                    says("again", "wm2", "hello", now),
                ],
            )
        };
        let outcome = store.commit_page(&lease, &same).await.unwrap();
        let PageOutcome::Committed { stored, repeated, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((stored, repeated), if run == 0 { (2, 0) } else { (1, 1) });
        // Turns do not wait for the end of a stream that does not move.
        let waiting = "SELECT count(*) FROM account WHERE catching_up";
        assert_eq!(database.number(waiting).await, 0);
        let failures = store.fail_account(&lease, LEASE, "stuck").await.unwrap();
        // A page that moved the cursor came between.
        assert_eq!(failures, [1, 2, 1, 2][run]);
    }
}

async fn a_cursor_with_a_nul_moves_like_any_other(database: &Database) {
    let store = &database.store;
    let lease = win(store, "p1").await;
    for (before, after) in [(None, "c\u{0}1"), (Some("c\u{0}1"), "c2")] {
        let outcome = store
            .commit_page(&lease, &page(before, after, vec![]))
            .await
            .unwrap();
        assert!(matches!(outcome, PageOutcome::Committed { .. }), "{outcome:?}");
    }
}
