//! What a job's death does to its row, and a fresh start of one.

use std::time::Duration;

use kefu_domain::{CorpId, Handled, RowRef};
use kefu_store::{AcquiredConversation, Released, Store};

use crate::dead_letters::{LEASE, conversation, letter, pulled_account};
use crate::harness::*;

conformance!(
    a_crash_counts_once_on_the_row,
    a_dead_jobs_lease_ends_with_its_letter,
    an_account_that_keeps_crashing_wakes_less_often,
    an_account_is_found_under_whatever_name_its_app_has,
    a_restarted_account_is_due_without_failures,
    a_restarted_conversation_owes_what_was_given_up,
    what_somebody_dealt_with_is_not_owed_again,
);

/// Whether the letter was new, and the row's failures.
async fn crashed(store: &Store, job_id: &str, row: &RowRef) -> (bool, u32) {
    let crash = store.archive_crashed(&letter(job_id), row).await.unwrap();
    (crash.is_new, crash.failures)
}

async fn a_dead_jobs_lease_ends_with_its_letter(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let account = pulled_account();
    let (mine, pulling) = (turn(store, "wm1", "t1").await, win(store, "s1").await);
    // Letters of others leave it to its holder.
    crashed(store, "t0", &conversation("wm1")).await;
    crashed(store, "s0", &account).await;
    assert!(store.extend_conversation(&mine.lease, LEASE).await.unwrap());
    assert!(store.extend_account(&pulling, LEASE).await.unwrap());
    // Its own end it: whoever still runs it writes nothing, and the next to come gets the row.
    crashed(store, "t1", &conversation("wm1")).await;
    crashed(store, "s1", &account).await;
    assert!(!store.extend_conversation(&mine.lease, LEASE).await.unwrap());
    assert!(!store.extend_account(&pulling, LEASE).await.unwrap());
    assert_eq!(turn(store, "wm1", "t2").await.lease.fence, mine.lease.fence + 2);
    assert_eq!(win(store, "s2").await.fence, pulling.fence + 2);
    // Repeated, it is of no concern to who holds the row by now.
    assert_eq!(crashed(store, "t1", &conversation("wm1")).await, (false, 2));
    assert!(matches!(
        acquire(store, "wm1", "t3").await,
        AcquiredConversation::Held
    ));
}

async fn a_crash_counts_once_on_the_row(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let before = database.now().await;
    assert_eq!(crashed(store, "j1", &conversation("wm1")).await, (true, 1));
    // The letter comes again: it was archived, and its row has counted it. What follows from the count may not have
    // been done.
    assert_eq!(crashed(store, "j1", &conversation("wm1")).await, (false, 1));
    assert_eq!(database.number("SELECT failures FROM conversation").await, 1);
    assert_eq!(
        database.text("SELECT first_error FROM conversation").await,
        "last"
    );
    let wake_at = database.number("SELECT wake_at FROM conversation").await;
    assert!((before.0 + 4_000..before.0 + 60_000).contains(&wake_at));
    let nobody = conversation("wm9");
    assert_eq!(crashed(store, "j2", &nobody).await, (true, 0));
    assert_eq!(crashed(store, "j2", &nobody).await, (false, 0));
    assert_eq!(store.totals().await.unwrap().dead_letters, 2);
}

async fn an_account_that_keeps_crashing_wakes_less_often(database: &Database) {
    let store = &database.store;
    win(store, "sync").await;
    let row = pulled_account();
    for count in 1..=6 {
        let id = format!("j{count}");
        assert_eq!(crashed(store, &id, &row).await, (true, count));
        assert_eq!(crashed(store, &id, &row).await, (false, count));
        let wait = database.number("SELECT wake_at FROM account").await - database.now().await.0;
        let expected = match count {
            1 => 4_000..=5_000,
            2..6 => 100_000..=120_000,
            _ => 3_580_000..=3_600_000,
        };
        assert!(expected.contains(&wait), "{count}: {wait}");
    }
}

async fn an_account_is_found_under_whatever_name_its_app_has(database: &Database) {
    let store = &database.store;
    win(store, "sync").await;
    database.sql("UPDATE account SET app = 'renamed'").await;
    assert_eq!(crashed(store, "j1", &pulled_account()).await, (true, 1));
    assert!(store.restart_row(&pulled_account()).await.unwrap());
    assert_eq!(database.number("SELECT failures FROM account").await, 0);
}

async fn a_restarted_account_is_due_without_failures(database: &Database) {
    let store = &database.store;
    let lease = win(store, "sync").await;
    store
        .fail_account(&lease, Duration::from_secs(600), "no")
        .await
        .unwrap();
    let row = pulled_account();
    assert!(store.restart_row(&row).await.unwrap());
    assert_eq!(database.number("SELECT failures FROM account").await, 0);
    let wait = database.number("SELECT wake_at FROM account").await - database.now().await.0;
    assert!((10_000..=30_000).contains(&wait), "{wait}");
    // Whoever holds it keeps the time his lease stands for.
    let lease = win(store, "sync").await;
    let until = database.number("SELECT lease_until FROM account").await;
    assert!(store.restart_row(&row).await.unwrap());
    assert_eq!(database.number("SELECT wake_at FROM account").await, until);
    assert!(store.extend_account(&lease, LEASE).await.unwrap());
    let other = RowRef::Account {
        corp: CorpId::parse("ww2").unwrap(),
        account: account(),
    };
    assert!(!store.restart_row(&other).await.unwrap());
}

async fn a_restarted_conversation_owes_what_was_given_up(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    decide(store, &mine, &["a", "b"]).await;
    // A newer message came before anything was said; then the turn was given up.
    pull(
        store,
        vec![says("m2", "wm1", "two", now), says("m3", "wm1", "three", now)],
    )
    .await;
    database
        .sql("UPDATE message SET recalled = TRUE WHERE msgid = 'm3'")
        .await;
    assert_eq!(
        store
            .give_up_conversation(&mine.lease, Handled::Failed, None)
            .await
            .unwrap(),
        Some(3)
    );
    assert!(store.restart_row(&conversation("wm1")).await.unwrap());
    let again = turn(store, "wm1", "t2").await;
    assert_eq!((owed(&again), again.failures), (vec!["m1", "m2"], 0));
    let parts = decide(store, &again, &["c"]).await;
    assert_eq!(parts.len(), 1);
    // Asked for twice, answered once.
    store.restart_row(&conversation("wm1")).await.unwrap();
    let fresh = reload(store, &again.lease).await;
    assert_eq!((owed(&fresh), fresh.open_parts.len()), (vec![], 1));
    let released = store
        .release_conversation(&again.lease, again.wanted)
        .await
        .unwrap();
    assert_eq!(released, Released::Again(()));
}

async fn what_somebody_dealt_with_is_not_owed_again(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    // Something of the reply had left.
    pull(store, vec![says("m1", "wm1", "one", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["a", "b"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    store
        .give_up_conversation(&mine.lease, Handled::Failed, None)
        .await
        .unwrap();
    database.sql("UPDATE message SET handled = 'failed'").await;
    store.restart_row(&conversation("wm1")).await.unwrap();
    assert_eq!(database.handled("m1").await, "failed");
    // A person wrote later.
    pull(store, vec![says("m2", "wm2", "one", now)]).await;
    let theirs = turn(store, "wm2", "t2").await;
    store
        .give_up_conversation(&theirs.lease, Handled::Failed, None)
        .await
        .unwrap();
    pull(store, vec![servicer_says("m3", "wm2", now)]).await;
    let row = conversation("wm2");
    store.restart_row(&row).await.unwrap();
    assert_eq!(database.handled("m2").await, "failed");
    let nobody = conversation("wm9");
    assert!(!store.restart_row(&nobody).await.unwrap());
}
