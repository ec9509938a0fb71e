//! Pages that hold hardly anything but events, as after a night, and a database some way off.

use std::time::{Duration, Instant};

use kefu_domain::{Millis, SessionState};
use kefu_faults::{FaultProxy, Faults};
use kefu_store::{EventEffect, PageMessage, PageOutcome, Store};

use crate::harness::*;

conformance!(
    newer_session_news_win,
    a_page_of_many_events_is_stored_whole,
    of_two_news_at_one_time_the_later_one_in_the_page_wins,
);

/// `count` of each kind; the customers' messages `q…` and the reports' parts are there before.
fn many_events(count: usize, now: Millis) -> Vec<PageMessage> {
    let of = |number: usize| customer(&format!("wm{number}"));
    let mut events = Vec::new();
    for number in 0..count {
        let entered = EventEffect::EnterSession {
            customer: of(number),
            welcome_code: Some(format!("code{number}").into()),
            scene: Some("shop".to_owned()),
        };
        let human = EventEffect::Session {
            customer: of(number),
            state: SessionState::Human,
        };
        let recalled = EventEffect::Recall {
            customer: None,
            message: format!("q{number}"),
        };
        events.push(event(&format!("e{number}"), entered, now));
        events.push(event(&format!("s{number}"), human, now));
        events.push(event(&format!("r{number}"), recalled, now));
        events.push(servicer_says(&format!("a{number}"), &format!("wm{number}"), now));
    }
    events
}

fn questions(count: usize, now: Millis) -> Vec<PageMessage> {
    (0..count)
        .map(|number| says(&format!("q{number}"), &format!("wm{number}"), "hello", now))
        .collect()
}

/// Parts that were sent and could not be delivered, one for each of so many customers.
async fn reports(store: &Store, count: usize, now: Millis) -> Vec<PageMessage> {
    let mut reports = Vec::new();
    for number in 0..count {
        let who = format!("wr{number}");
        pull(store, vec![says(&format!("p{number}"), &who, "hello", now)]).await;
        let turn = turn(store, &who, "j").await;
        let part = decide(store, &turn, &["answer"]).await.remove(0);
        assert!(store.mark_sending(&turn.lease, &part.msgid).await.unwrap());
        let failed = EventEffect::SendFailed {
            msgid: part.msgid,
            fail_type: 4,
        };
        reports.push(event(&format!("f{number}"), failed, now));
    }
    reports
}

async fn check_stored(database: &Database, count: i64) {
    for (what, sql) in [
        (
            "welcomes",
            "SELECT count(*) FROM welcome WHERE code LIKE 'code%' AND scene = 'shop'",
        ),
        ("sessions", "SELECT count(*) FROM conversation WHERE session = 3"),
        (
            "recalled",
            "SELECT count(*) FROM message WHERE recalled AND handled IS NOT NULL",
        ),
        (
            "answers",
            "SELECT count(*) FROM message WHERE origin = 'servicer'",
        ),
    ] {
        assert_eq!(database.number(sql).await, count, "{what}");
    }
}

async fn a_page_of_many_events_is_stored_whole(database: &Database) {
    const COUNT: usize = 40;
    let store = &database.store;
    let now = database.now().await;
    pull(store, questions(COUNT, now)).await;
    let mut events = reports(store, 20, now).await;
    events.extend(many_events(COUNT, now));
    let lease = win(store, "j1").await;
    let page = page(lease.cursor.as_deref(), "end", events);
    let PageOutcome::Committed {
        stored,
        repeated,
        welcomes,
        ..
    } = store.commit_page(&lease, &page).await.unwrap()
    else {
        panic!("not committed");
    };
    assert_eq!((stored, repeated, welcomes.len()), (180, 0, COUNT));
    check_stored(database, COUNT as i64).await;
    let failed = "SELECT count(*) FROM outbox WHERE status = 'failed' AND error_code = 4";
    assert_eq!(database.number(failed).await, 20);
    assert_eq!(database.text("SELECT cursor FROM account").await, "end");
    assert_eq!(store.totals().await.unwrap().owed_messages, 0);
}

async fn of_two_news_at_one_time_the_later_one_in_the_page_wins(database: &Database) {
    let now = database.now().await;
    let news = |id: &str, state, at| {
        let customer = customer("wm1");
        event(id, EventEffect::Session { customer, state }, at)
    };
    let page = vec![
        news("e1", SessionState::Pool, now),
        news("e2", SessionState::Human, now),
        news("e3", SessionState::Ended, now - Duration::from_secs(60)),
    ];
    pull(&database.store, page).await;
    let session = "SELECT session FROM conversation WHERE customer = 'wm1'";
    assert_eq!(database.number(session).await, 3);
}

/// What a worker does with a page: again, until it is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_events_is_stored_by_a_database_200_ms_away() {
    const COUNT: usize = 100;
    const TRIES: usize = 3;
    let database = postgres().await;
    let now = database.now().await;
    pull(&database.store, questions(COUNT, now)).await;
    let (before, upstream) = address(&database.url);
    let proxy = FaultProxy::start(&upstream).unwrap();
    let distant = open(&before.replace("UPSTREAM", &proxy.address().to_string())).await;
    let lease = win(&distant, "j1").await;
    let page = page(lease.cursor.as_deref(), "end", many_events(COUNT, now));
    proxy.set(Faults {
        latency: Duration::from_millis(100),
        ..Faults::default()
    });
    let began = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        match distant.commit_page(&lease, &page).await {
            Ok(PageOutcome::Committed { .. }) => break,
            outcome => assert!(tries < TRIES, "{outcome:?} after {:?}", began.elapsed()),
        }
    }
    check_stored(&database, COUNT as i64).await;
    assert_eq!(database.text("SELECT cursor FROM account").await, "end");
    distant.close().await;
    database.remove().await;
}

/// The URL with a mark in place of the server, and the server.
fn address(url: &str) -> (String, String) {
    let (start, rest) = url.split_once('@').unwrap();
    let (server, rest) = rest.split_once('/').unwrap();
    (format!("{start}@UPSTREAM/{rest}"), server.to_owned())
}

async fn newer_session_news_win(database: &Database) {
    let store = &database.store;
    let session = |name: &str, state, at| {
        let effect = EventEffect::Session {
            customer: customer("wm1"),
            state,
        };
        event(name, effect, Millis(at))
    };
    pull(store, vec![session("e1", SessionState::Human, 5_000)]).await;
    store
        .set_session(&key("wm1"), SessionState::Assistant, Millis(4_000))
        .await
        .unwrap();
    assert_eq!(turn(store, "wm1", "t1").await.session, Some(SessionState::Human));
    store
        .set_session(&key("wm1"), SessionState::Assistant, Millis(6_000))
        .await
        .unwrap();
    pull(store, vec![session("e2", SessionState::Pool, 5_500)]).await;
    end_leases(database).await;
    assert_eq!(
        turn(store, "wm1", "t2").await.session,
        Some(SessionState::Assistant)
    );
}
