use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{AcquireAccount, AcquiredAccount, Released};

use crate::harness::*;

conformance!(
    an_account_is_created_by_its_first_wake_up_or_by_the_list,
    the_loser_raises_wanted_and_leaves_its_token,
    a_redelivered_job_takes_its_own_lease_over_and_no_other,
    a_lease_that_ran_out_is_taken_and_the_old_holder_writes_nothing,
    a_failed_run_keeps_its_first_and_last_error,
    parking_and_yielding_say_when_to_wake,
    an_extended_lease_stays,
    an_ingress_that_is_ahead_makes_no_message_history,
    an_ingress_that_is_ahead_keeps_no_newer_token_out,
);

async fn an_account_is_created_by_its_first_wake_up_or_by_the_list(database: &Database) {
    let store = &database.store;
    let lease = win(store, "j1").await;
    assert_eq!((lease.fence, lease.cursor.as_deref()), (1, None));
    assert!(lease.first_pull && !lease.catching_up);
    assert_eq!(lease.first_woken_at, Millis(1_000));
    assert!(
        !store
            .ensure_account(&corp(), &account(), "default", Some("shop"))
            .await
            .unwrap()
    );
    let other = kefu_domain::AccountId::parse("wk2").unwrap();
    assert!(
        store
            .ensure_account(&corp(), &other, "default", None)
            .await
            .unwrap()
    );
    assert!(
        !store
            .ensure_account(&corp(), &other, "renamed", None)
            .await
            .unwrap()
    );
    let known = store.accounts("default").await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].name.as_deref(), Some("shop"));
    assert_eq!(store.accounts("renamed").await.unwrap()[0].account, other);
    let called = store.accounts_called(&other).await.unwrap();
    assert_eq!(called.len(), 1);
    assert_eq!((&called[0].corp, called[0].app.as_str()), (&corp(), "renamed"));
    let nobody = kefu_domain::AccountId::parse("wk3").unwrap();
    assert!(store.accounts_called(&nobody).await.unwrap().is_empty());
    // Nobody has woken it yet: the sweeper does.
    assert_eq!(
        database
            .number("SELECT count(*) FROM account WHERE wake_at IS NULL")
            .await,
        0
    );
}

async fn the_loser_raises_wanted_and_leaves_its_token(database: &Database) {
    let store = &database.store;
    let (corp, account) = (corp(), account());
    let holder = win(store, "j1").await;
    let loser = AcquireAccount {
        corp: &corp,
        account: &account,
        app: "default",
        job_id: "j2",
        redelivered: false,
        token: Some("token-2"),
        received_at: Millis(9_000),
        lease: LEASE,
    };
    assert!(matches!(
        store.acquire_account(loser).await.unwrap(),
        AcquiredAccount::Held
    ));
    let late = AcquireAccount {
        job_id: "j3",
        token: Some("token-1"),
        received_at: Millis(8_000),
        ..loser
    };
    assert!(matches!(
        store.acquire_account(late).await.unwrap(),
        AcquiredAccount::Held
    ));
    let Released::Again(again) = store.release_account(&holder, holder.wanted).await.unwrap() else {
        panic!("the wake-ups were lost");
    };
    assert_eq!(again.wanted, holder.wanted + 2);
    assert_eq!(again.fence, holder.fence);
    // The newest token counts, whenever it arrives.
    assert_eq!(again.token.as_deref(), Some("token-2"));
    assert_eq!(again.token_at, Some(Millis(9_000)));
    assert!(!format!("{again:?}").contains("token-2"));
    assert_eq!(
        store.release_account(&again, again.wanted).await.unwrap(),
        Released::Free
    );
    assert_eq!(
        store.release_account(&again, again.wanted).await.unwrap(),
        Released::Lost
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM account WHERE wake_at IS NULL")
            .await,
        1
    );
}

async fn a_redelivered_job_takes_its_own_lease_over_and_no_other(database: &Database) {
    let store = &database.store;
    let first = win(store, "j1").await;
    assert!(matches!(ask(store, "j1", false).await, AcquiredAccount::Held));
    assert!(matches!(ask(store, "j2", true).await, AcquiredAccount::Held));
    let AcquiredAccount::Won(second) = ask(store, "j1", true).await else {
        panic!("its own lease was not taken over");
    };
    assert_eq!(second.fence, first.fence + 1);
    let stale = store
        .commit_page(&first, &page(None, "c1", vec![]))
        .await
        .unwrap();
    assert_eq!(stale, kefu_store::PageOutcome::LeaseLost);
}

async fn a_lease_that_ran_out_is_taken_and_the_old_holder_writes_nothing(database: &Database) {
    let store = &database.store;
    let old = win(store, "j1").await;
    end_leases(database).await;
    let new = win(store, "j2").await;
    assert_eq!(new.fence, old.fence + 1);
    assert!(!store.extend_account(&old, LEASE).await.unwrap());
    assert!(!store.yield_account(&old).await.unwrap());
    assert!(!store.park_account(&old, LEASE).await.unwrap());
    assert_eq!(store.fail_account(&old, LEASE, "late").await.unwrap(), 0);
    assert_eq!(
        store.release_account(&old, old.wanted).await.unwrap(),
        Released::Lost
    );
    let lost = page(None, "c1", vec![says("m1", "wm1", "hello", Millis(1))]);
    let outcome = store.commit_page(&old, &lost).await.unwrap();
    assert_eq!(outcome, kefu_store::PageOutcome::LeaseLost);
    assert_eq!(database.number("SELECT count(*) FROM message").await, 0);
    assert_eq!(
        store.release_account(&new, new.wanted).await.unwrap(),
        Released::Free
    );
}

async fn a_failed_run_keeps_its_first_and_last_error(database: &Database) {
    let store = &database.store;
    for (number, error) in [(1, "first\0"), (2, "second"), (3, "third")] {
        let lease = win(store, "j1").await;
        assert_eq!(lease.failures, number - 1);
        let failures = store
            .fail_account(&lease, Duration::from_secs(5), error)
            .await
            .unwrap();
        assert_eq!(failures, number);
    }
    assert_eq!(database.text("SELECT first_error FROM account").await, "first");
    assert_eq!(database.text("SELECT last_error FROM account").await, "third");
    let lease = win(store, "j1").await;
    let kept = store
        .fail_account(&lease, LEASE, &"错".repeat(5000))
        .await
        .unwrap();
    assert_eq!(kept, 4);
    assert_eq!(store.accounts("default").await.unwrap()[0].failures, 4);
    // A page that was stored is progress.
    let lease = win(store, "j1").await;
    store
        .commit_page(&lease, &page(None, "c1", vec![]))
        .await
        .unwrap();
    assert_eq!(store.fail_account(&lease, LEASE, "new").await.unwrap(), 1);
    assert_eq!(database.text("SELECT first_error FROM account").await, "new");
}

async fn parking_and_yielding_say_when_to_wake(database: &Database) {
    let store = &database.store;
    let lease = win(store, "j1").await;
    let now = database.now().await;
    assert!(store.park_account(&lease, Duration::from_secs(7)).await.unwrap());
    let wake_at = database.number("SELECT wake_at FROM account").await;
    assert!((now.0 + 7_000..now.0 + 17_000).contains(&wake_at));
    let lease = win(store, "j2").await;
    assert_eq!(lease.failures, 0);
    let now = database.now().await;
    assert!(store.yield_account(&lease).await.unwrap());
    let wake_at = database.number("SELECT wake_at FROM account").await;
    assert!((now.0 + 30_000..now.0 + 40_000).contains(&wake_at));
    win(store, "j3").await;
}

async fn an_extended_lease_stays(database: &Database) {
    let store = &database.store;
    let lease = win(store, "j1").await;
    let now = database.now().await;
    assert!(
        store
            .extend_account(&lease, Duration::from_secs(600))
            .await
            .unwrap()
    );
    let until = database
        .number("SELECT lease_until FROM account WHERE wake_at = lease_until")
        .await;
    assert!(now.0 + 600_000 <= until);
    assert!(matches!(ask(store, "j2", false).await, AcquiredAccount::Held));
}

const AHEAD: Millis = Millis(20 * 60 * 1000);

async fn an_ingress_that_is_ahead_makes_no_message_history(database: &Database) {
    let store = &database.store;
    let (corp, account, now) = (corp(), account(), database.now().await);
    let ask = AcquireAccount {
        corp: &corp,
        account: &account,
        app: "default",
        job_id: "j1",
        redelivered: false,
        token: None,
        received_at: Millis(now.0 + AHEAD.0),
        lease: LEASE,
    };
    let AcquiredAccount::Won(lease) = store.acquire_account(ask).await.unwrap() else {
        panic!("the account is held");
    };
    let passed = lease.first_woken_at.0 - now.0;
    assert!((0..10_000).contains(&passed), "{passed}");
    // As a first pull asks for it.
    let mut page = page(None, "c1", vec![says("m1", "wm1", "?", Millis(now.0 - 500))]);
    page.history_before = Some(lease.first_woken_at - Duration::from_secs(600));
    store.commit_page(&lease, &page).await.unwrap();
    assert_eq!(database.handled("m1").await, "");
}

async fn an_ingress_that_is_ahead_keeps_no_newer_token_out(database: &Database) {
    let store = &database.store;
    let (corp, account, now) = (corp(), account(), database.now().await);
    let ask = |job_id, token, received_at| AcquireAccount {
        corp: &corp,
        account: &account,
        app: "default",
        job_id,
        redelivered: true,
        token: Some(token),
        received_at,
        lease: LEASE,
    };
    let token = async || database.text("SELECT token FROM account").await;
    let ahead = Millis(now.0 + AHEAD.0);
    store
        .acquire_account(ask("j1", "of one that is ahead", ahead))
        .await
        .unwrap();
    // Somewhat later, taken over and while it is held.
    database
        .sql("UPDATE account SET token_at = token_at - 100000")
        .await;
    let later = database.now().await;
    store.acquire_account(ask("j1", "taken", later)).await.unwrap();
    assert_eq!(token().await, "taken");
    store
        .acquire_account(ask("j2", "ahead again", ahead))
        .await
        .unwrap();
    assert_eq!(token().await, "ahead again");
    database
        .sql("UPDATE account SET token_at = token_at - 100000")
        .await;
    store.acquire_account(ask("j3", "noted", later)).await.unwrap();
    assert_eq!(token().await, "noted");
    let at = database.number("SELECT token_at FROM account").await;
    assert_eq!(at, later.0);
}
