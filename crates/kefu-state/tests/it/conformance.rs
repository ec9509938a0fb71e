//! One suite over both engines; every operation appears in it.

use std::time::Duration;

use kefu_state::{Call, Claim, PAUSE_MAX, State, Told};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;

use crate::limits::ask;
use crate::support::{self, eventually};

macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod memory { $(#[tokio::test] async fn $test() { super::$test(crate::support::memory().await).await })+ }
        mod redis  { $(#[tokio::test] async fn $test() { super::$test(crate::support::redis().await).await })+ }
    };
}
pub(crate) use conformance;

conformance!(
    the_first_owner_wins_and_others_find_it_held,
    the_same_owner_takes_its_claim_over,
    completed_work_is_done_for_everybody,
    a_completion_without_a_claim_counts,
    a_late_completion_leaves_the_claim_of_the_next_owner,
    only_the_owner_releases_a_claim,
    a_lease_that_ran_out_is_free,
    apps_and_hashes_do_not_share_claims,
    one_of_many_claimants_wins,
    a_token_comes_back_with_its_remaining_life,
    a_token_ends_with_its_life,
    only_the_refused_token_is_dropped,
    the_cursor_mirror_takes_anything,
    extreme_values_harm_nobody,
    it_is_healthy_and_answers_a_ping,
);

const HASH: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// A limit whose end a test waits for; as long after it, it counts as recent.
pub(crate) const SHORT: Duration = Duration::from_millis(600);
/// Between two calls that are paced: so long that a test is always faster.
pub(crate) const INTERVAL: Duration = Duration::from_millis(900);

#[track_caller]
pub(crate) fn check<T: PartialEq + std::fmt::Debug>(found: T, expected: T) {
    assert_eq!(found, expected);
}

async fn claim(state: &State, owner: &str) -> Claim {
    state.claim("default", HASH, owner, MINUTE).await
}

async fn token(state: &State, app: &str) -> Option<String> {
    state
        .token(app)
        .await
        .map(|(token, _)| token.expose_secret().to_owned())
}

async fn the_first_owner_wins_and_others_find_it_held(state: State) {
    check(claim(&state, "job-a:1").await, Claim::Won);
    check(claim(&state, "job-b:1").await, Claim::Held);
    check(claim(&state, "job-a:2").await, Claim::Held);
}

async fn the_same_owner_takes_its_claim_over(state: State) {
    check(claim(&state, "job-a:1").await, Claim::Won);
    check(claim(&state, "job-a:1").await, Claim::Won);
    check(claim(&state, "job-b:1").await, Claim::Held);
}

async fn completed_work_is_done_for_everybody(state: State) {
    check(claim(&state, "job-a:1").await, Claim::Won);
    state.complete("default", HASH, "job-a:1").await;
    check(claim(&state, "job-a:1").await, Claim::Done);
    check(claim(&state, "job-b:1").await, Claim::Done);
    state.release("default", HASH, "job-a:1").await;
    check(claim(&state, "job-b:1").await, Claim::Done);
}

async fn a_completion_without_a_claim_counts(state: State) {
    state.complete("default", HASH, "job-a:1").await;
    check(claim(&state, "job-b:1").await, Claim::Done);
}

async fn a_late_completion_leaves_the_claim_of_the_next_owner(state: State) {
    check(claim(&state, "job-b:1").await, Claim::Won);
    state.complete("default", HASH, "job-a:1").await;
    check(claim(&state, "job-b:1").await, Claim::Won);
}

async fn only_the_owner_releases_a_claim(state: State) {
    check(claim(&state, "job-a:1").await, Claim::Won);
    state.release("default", HASH, "job-b:1").await;
    check(claim(&state, "job-b:1").await, Claim::Held);
    state.release("default", HASH, "job-a:1").await;
    check(claim(&state, "job-b:1").await, Claim::Won);
}

async fn a_lease_that_ran_out_is_free(state: State) {
    check(
        state
            .claim("default", HASH, "job-a:1", Duration::from_millis(100))
            .await,
        Claim::Won,
    );
    eventually("the end of the lease", async || {
        claim(&state, "job-b:1").await == Claim::Won
    })
    .await;
    check(claim(&state, "job-a:1").await, Claim::Held);
}

async fn apps_and_hashes_do_not_share_claims(state: State) {
    check(claim(&state, "job-a:1").await, Claim::Won);
    check(state.claim("other", HASH, "job-b:1", MINUTE).await, Claim::Won);
    check(
        state.claim("default", "da39a3ee", "job-b:1", MINUTE).await,
        Claim::Won,
    );
}

async fn one_of_many_claimants_wins(state: State) {
    let mut claimants = JoinSet::new();
    for index in 0..50 {
        let state = state.clone();
        claimants.spawn(async move { claim(&state, &format!("job-{index}:1")).await });
    }
    let answers = claimants.join_all().await;
    check(answers.iter().filter(|answer| **answer == Claim::Won).count(), 1);
    check(
        answers.iter().filter(|answer| **answer == Claim::Held).count(),
        49,
    );
}

async fn a_token_comes_back_with_its_remaining_life(state: State) {
    check(token(&state, "default").await, None);
    let life = Duration::from_secs(7200);
    state.put_token("default", &"first".into(), life).await;
    state.put_token("default", &"second".into(), life).await;
    let (found, left) = state.token("default").await.unwrap();
    check(found.expose_secret(), "second");
    assert!(left <= life && life - MINUTE < left, "{left:?}");
    check(token(&state, "other").await, None);
}

async fn a_token_ends_with_its_life(state: State) {
    state
        .put_token("default", &"short".into(), Duration::from_millis(100))
        .await;
    eventually("the end of the token", async || {
        token(&state, "default").await.is_none()
    })
    .await;
    state.put_token("default", &"none".into(), Duration::ZERO).await;
    check(token(&state, "default").await, None);
}

async fn only_the_refused_token_is_dropped(state: State) {
    state.put_token("default", &"fresh".into(), MINUTE).await;
    state.drop_token_if("default", "refused").await;
    check(token(&state, "default").await.as_deref(), Some("fresh"));
    state.drop_token_if("default", "fresh").await;
    check(token(&state, "default").await, None);
    state.drop_token_if("default", "fresh").await;
}

async fn the_cursor_mirror_takes_anything(state: State) {
    for cursor in ["", "4gw7MepFLfgF2VC5npN", "含 空格\r\n\0"] {
        state
            .mirror_cursor("default", "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q", cursor)
            .await;
    }
    check(state.health().degraded, false);
}

async fn extreme_values_harm_nobody(state: State) {
    let day = Duration::from_secs(24 * 3600);
    check(
        state.claim("default", HASH, "job-a:1", Duration::MAX).await,
        Claim::Won,
    );
    check(claim(&state, "job-b:1").await, Claim::Held);
    check(state.claim("", "", "", Duration::ZERO).await, Claim::Won);
    state
        .put_token("default", &SecretString::from("token"), Duration::MAX)
        .await;
    assert!(state.token("default").await.unwrap().1 <= day);
    state.refused("default", "send_msg", None, Duration::MAX).await;
    let asked = ask(&state).await;
    let longest = state
        .refused("default", "send_msg", Some(asked), Duration::MAX)
        .await;
    check(longest.length, PAUSE_MAX);
    let running = state.paused("default", "send_msg").await.unwrap();
    check(running.length, PAUSE_MAX);
    assert!(
        state
            .refused("default", "sync_msg", None, Duration::ZERO)
            .await
            .begun
    );
    state.told("default", "nobody", u64::MAX, Told::Passed).await;
    let endless = state.call("default", "send_msg_too", Duration::MAX).await;
    check(endless, Call::Go(Duration::ZERO));
    check(state.health().degraded, false);
}

async fn it_is_healthy_and_answers_a_ping(state: State) {
    assert!(state.ping().await.unwrap() < support::DEADLINE);
    let health = state.health();
    check(health.degraded, false);
    assert!(["redis", "memory"].contains(&health.kind), "{health:?}");
}
