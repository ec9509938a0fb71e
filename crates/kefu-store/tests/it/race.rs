use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{
    AcquireAccount, AcquiredAccount, AcquiredConversation, PageMessage, PartOutcome, Released, Settled,
    Store, Turn,
};
use tokio::task::JoinSet;

use crate::harness::*;

conformance!(
    no_message_is_ever_owed_without_a_time_to_wake,
    a_busy_account_and_its_turns_do_not_deadlock,
);

const CONVERSATIONS: u64 = 5;
const WORKERS: u64 = 20;
const ROUNDS: u32 = 6;

/// So short that holders lose it in the middle of their work.
const SHORT: Duration = Duration::from_millis(40);

/// A small generator with a fixed seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// A database that is too busy is one more way in which a worker stops half-way.
macro_rules! or_stop {
    ($result:expr $(, $stopped:expr)?) => {
        match $result {
            Ok(value) => value,
            Err(error) if error.is_unavailable() => return $($stopped)?,
            Err(error) => panic!("{error:?}"),
        }
    };
}

/// Nothing waits only in a worker: in one look at the database, at any moment.
const FORGOTTEN: &str = "
    SELECT count(*) FROM conversation AS c
    WHERE c.wake_at IS NULL AND (
        EXISTS (
            SELECT 1 FROM message AS m
            WHERE m.corp = c.corp AND m.account = c.account AND m.customer = c.customer
                AND m.handled IS NULL)
        OR EXISTS (
            SELECT 1 FROM outbox AS o
            WHERE o.corp = c.corp AND o.account = c.account AND o.customer = c.customer
                AND o.status = 'sending'))";

async fn no_message_is_ever_owed_without_a_time_to_wake(database: &Database) {
    let mut tasks = JoinSet::new();
    for worker in 0..WORKERS {
        let store = database.store.clone();
        tasks.spawn(async move {
            let mut chance = Chance(0x9E37_79B9 + worker);
            for round in 0..ROUNDS {
                match chance.below(3) {
                    0 => pull_some(&store, &mut chance, worker, round).await,
                    _ => take_turn(&store, &mut chance, worker, round).await,
                }
            }
        });
    }
    let mut raw = database.raw().await;
    let mut looks = 0;
    while !tasks.is_empty() {
        tokio::select! {
            Some(done) = tasks.join_next() => done.unwrap(),
            forgotten = raw.number(FORGOTTEN) => {
                assert_eq!(forgotten, 0);
                looks += 1;
            }
        }
    }
    assert!(0 < looks);
    let mut raw = database.raw().await;
    assert_eq!(raw.number(FORGOTTEN).await, 0);
    finish(database).await;
}

/// A run of the account that may stop anywhere.
async fn pull_some(store: &Store, chance: &mut Chance, worker: u64, round: u32) {
    let (corp, account, job_id) = (corp(), account(), format!("pull-{worker}-{round}"));
    let asked = store.acquire_account(AcquireAccount {
        corp: &corp,
        account: &account,
        app: "default",
        job_id: &job_id,
        redelivered: false,
        token: None,
        received_at: Millis(1),
        lease: SHORT,
    });
    let AcquiredAccount::Won(mut lease) = or_stop!(asked.await) else {
        return;
    };
    loop {
        // Ids overlap between pages and pullers on purpose.
        let messages: Vec<PageMessage> = (0..=chance.below(6))
            .map(|_| {
                let number = chance.below(60);
                let who = format!("wm{}", number % CONVERSATIONS);
                says(
                    &format!("m{number}"),
                    &who,
                    "hello",
                    Millis(1_000 + i64::from(round)),
                )
            })
            .collect();
        let after = format!("{job_id}-{}", chance.below(1_000_000));
        let mut page = page(lease.cursor.as_deref(), &after, messages);
        page.lease = SHORT;
        or_stop!(store.commit_page(&lease, &page).await);
        if chance.below(4) == 0 {
            return;
        }
        match or_stop!(store.release_account(&lease, lease.wanted).await) {
            Released::Again(again) => lease = again,
            Released::Free | Released::Lost => return,
        }
    }
}

/// A turn that may stop anywhere.
async fn take_turn(store: &Store, chance: &mut Chance, worker: u64, round: u32) {
    let who = format!("wm{}", chance.below(CONVERSATIONS));
    let job_id = format!("turn-{worker}-{round}");
    let key = key(&who);
    let acquired = store.acquire_conversation(&key, &job_id, false, SHORT, LIMITS);
    let AcquiredConversation::Won(turn) = or_stop!(acquired.await) else {
        return;
    };
    let mut turn = *turn;
    loop {
        if !say(store, &turn).await || chance.below(5) == 0 {
            return;
        }
        match or_stop!(store.release_conversation(&turn.lease, turn.wanted).await) {
            Released::Free | Released::Lost => return,
            Released::Again(()) => match or_stop!(store.reload_turn(&turn.lease, SHORT, LIMITS).await) {
                Some(again) => turn = again,
                None => return,
            },
        }
    }
}

/// Sends what is open, answers what is owed. False when the lease is lost.
async fn say(store: &Store, turn: &Turn) -> bool {
    let mut parts = turn.open_parts.clone();
    if !turn.owed.is_empty() {
        match or_stop!(store.decide(&turn.lease, &answer(turn, &["answer"])).await, false) {
            Some(decided) => parts.extend(decided),
            None => return false,
        }
    }
    for part in &parts {
        if !or_stop!(store.mark_sending(&turn.lease, &part.msgid).await, false) {
            continue;
        }
        let settled = store.settle_part(&turn.lease, &part.msgid, &PartOutcome::Sent);
        if or_stop!(settled.await, false) == Settled::LeaseLost {
            return false;
        }
    }
    true
}

/// After the storm one worker each is enough to end everything, each message in exactly one reply.
async fn finish(database: &Database) {
    let store = &database.store;
    database.sql("UPDATE account SET catching_up = FALSE").await;
    end_leases(database).await;
    for number in 0..CONVERSATIONS {
        let acquired = acquire(store, &format!("wm{number}"), "last").await;
        let AcquiredConversation::Won(turn) = acquired else {
            assert!(matches!(acquired, AcquiredConversation::Missing));
            continue;
        };
        assert!(say(store, &turn).await);
        let released = store.release_conversation(&turn.lease, reload(store, &turn.lease).await.wanted);
        assert_eq!(released.await.unwrap(), Released::Free);
    }
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.owed_messages, totals.open_parts), (0, 0));
    let unsaid = "
        SELECT count(*) FROM message AS m WHERE NOT EXISTS (
            SELECT 1 FROM outbox AS o WHERE o.reply_id = m.reply_id AND o.status = 'sent')";
    assert_eq!(database.number(unsaid).await, 0);
    assert!(0 < database.number("SELECT count(*) FROM message").await);
}

async fn a_busy_account_and_its_turns_do_not_deadlock(database: &Database) {
    let now = database.now().await;
    let everybody = |round: u32| -> Vec<PageMessage> {
        (0..20)
            .map(|n| {
                says(
                    &format!("r{round}m{n}"),
                    &format!("wm{}", (n * 7 + round) % 20),
                    "hello",
                    now,
                )
            })
            .collect()
    };
    pull(&database.store, everybody(0)).await;
    let mut tasks = JoinSet::new();
    for number in 0..4u64 {
        let store = database.store.clone();
        tasks.spawn(async move {
            let mut chance = Chance(77 + number);
            for round in 0..15 {
                let key = key(&format!("wm{}", chance.below(20)));
                let acquired = store.acquire_conversation(&key, "t", true, LEASE, LIMITS);
                if let AcquiredConversation::Won(turn) = acquired.await.unwrap() {
                    say(&store, &turn).await;
                }
                if round % 5 == 0 {
                    store.due(200).await.unwrap();
                }
            }
        });
    }
    for round in 1..10 {
        pull(&database.store, everybody(round)).await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
