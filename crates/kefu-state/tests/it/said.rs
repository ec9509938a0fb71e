//! What was said, for a database that has forgotten it: known to Redis alone.

use std::time::Duration;

use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, MessageId, Millis};
use kefu_faults::FaultProxy;
use kefu_state::State;
use redis::ConnectionAddr;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use crate::support::{memory, prefix, raw, redis, redis_info, redis_url, settings};

const NOW: Millis = Millis(1_800_000_000_000);
const LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

pub(crate) fn conversation(customer: &str) -> ConversationKey {
    ConversationKey {
        corp: CorpId::parse("ww1").unwrap(),
        account: AccountId::parse("wkA").unwrap(),
        customer: CustomerId::parse(customer).unwrap(),
    }
}

pub(crate) fn messages(ids: &[&str]) -> Vec<MessageId> {
    ids.iter().map(|id| MessageId::parse(id).unwrap()).collect()
}

async fn check(state: &State, customer: &str, asked: &[&str], known: &[&str]) {
    let found = state.said_before(&conversation(customer), &messages(asked)).await;
    assert_eq!(found, messages(known), "{customer}");
}

/// The messages under the key with their scores, and that they live for just under three days.
async fn check_stored(raw: &mut MultiplexedConnection, key: &str, expected: &[(&str, Millis)]) {
    let mut range = ::redis::cmd("ZRANGE");
    range.arg(key).arg(0).arg(-1).arg("WITHSCORES");
    let found: Vec<(String, i64)> = range.query_async(raw).await.unwrap();
    let expected: Vec<(String, i64)> = expected.iter().map(|(id, at)| ((*id).to_owned(), at.0)).collect();
    assert_eq!(found, expected, "{key}");
    let left: u64 = ::redis::cmd("PTTL").arg(key).query_async(raw).await.unwrap();
    let left = Duration::from_millis(left);
    assert!(
        left <= LIFE && LIFE < left + Duration::from_secs(30),
        "{key}: {left:?}"
    );
}

#[tokio::test]
async fn what_was_said_is_known_of_its_conversation() {
    let state = redis().await;
    check(&state, "wm1", &["m1"], &[]).await;
    check(&state, "wm1", &[], &[]).await;
    state.note_said(&conversation("wm1"), &[], NOW).await;
    state
        .note_said(&conversation("wm1"), &messages(&["m3"]), NOW)
        .await;
    state
        .note_said(&conversation("wm1"), &messages(&["m1", "m3", "名 前"]), NOW)
        .await;
    check(
        &state,
        "wm1",
        &["m1", "m2", "m3", "名 前"],
        &["m1", "m3", "名 前"],
    )
    .await;
    check(&state, "wm2", &["m1", "m3"], &[]).await;
    assert!(!state.health().degraded, "{:?}", state.health());
}

#[tokio::test]
async fn a_memory_neither_notes_nor_knows_what_was_said() {
    let state = memory().await;
    state
        .note_said(&conversation("wm1"), &messages(&["m1"]), NOW)
        .await;
    check(&state, "wm1", &["m1"], &[]).await;
}

#[tokio::test]
async fn of_what_was_said_the_newest_500_are_kept_for_three_days_after_the_last() {
    let prefix = prefix().await;
    let state = State::open_with_prefix(&settings(&redis_url()), &prefix)
        .await
        .unwrap();
    let mut raw = raw().await;
    let key = format!("{prefix}kf:said:ww1:wkA:wm1");
    let ids: Vec<String> = (0..510).map(|number| format!("m{number:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    state
        .note_said(&conversation("wm1"), &messages(&ids[..11]), NOW)
        .await;
    let mut ends_soon = ::redis::cmd("PEXPIRE");
    ends_soon.arg(&key).arg(60_000);
    let () = ends_soon.query_async(&mut raw).await.unwrap();
    let later = NOW + Duration::from_secs(1);
    // What is said again is as new as its last note.
    state
        .note_said(&conversation("wm1"), &messages(&ids[10..]), later)
        .await;
    let expected: Vec<_> = ids[10..].iter().map(|id| (*id, later)).collect();
    check_stored(&mut raw, &key, &expected).await;
    check(&state, "wm1", &ids[..12], &ids[10..12]).await;
}

#[tokio::test]
async fn a_key_that_holds_something_else_says_nothing() {
    let prefix = prefix().await;
    let state = State::open_with_prefix(&settings(&redis_url()), &prefix)
        .await
        .unwrap();
    let mut put = ::redis::cmd("SET");
    put.arg(format!("{prefix}kf:said:ww1:wkA:wm1")).arg("m1");
    let () = put.query_async(&mut raw().await).await.unwrap();
    state
        .note_said(&conversation("wm1"), &messages(&["m1"]), NOW)
        .await;
    check(&state, "wm1", &["m1"], &[]).await;
    assert!(!state.health().degraded, "one odd key is not the end of Redis");
}

#[tokio::test]
async fn a_frozen_redis_is_asked_once_and_knows_again_when_it_is_back() {
    let info = redis_info();
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        panic!("REDIS_URL is not plain TCP")
    };
    let proxy = FaultProxy::start(&format!("{host}:{port}")).unwrap();
    let settings_of_redis = info.redis_settings();
    let password = settings_of_redis
        .password()
        .map(|password| format!("{}:{password}@", settings_of_redis.username().unwrap_or_default()))
        .unwrap_or_default();
    let url = format!("redis://{password}{}/{}", proxy.address(), settings_of_redis.db());
    let state = State::open_with_prefix(&settings(&url), &prefix().await)
        .await
        .unwrap();
    state
        .note_said(&conversation("wm1"), &messages(&["m1"]), NOW)
        .await;
    proxy.freeze();
    let began_at = Instant::now();
    check(&state, "wm1", &["m1"], &[]).await;
    assert!(
        began_at.elapsed() < Duration::from_millis(1600),
        "{:?}",
        began_at.elapsed()
    );
    let began_at = Instant::now();
    state
        .note_said(&conversation("wm1"), &messages(&["m2"]), NOW)
        .await;
    check(&state, "wm1", &["m1", "m2"], &[]).await;
    assert!(
        began_at.elapsed() < Duration::from_millis(50),
        "{:?}",
        began_at.elapsed()
    );
    proxy.clear();
    crate::support::eventually("the return", async || state.ping().await.is_ok()).await;
    check(&state, "wm1", &["m1", "m2"], &["m1"]).await;
}
