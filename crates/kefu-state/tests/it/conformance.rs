//! One suite over both engines; every operation appears in it.

use std::time::Duration;

use kefu_state::{Claim, PAUSE_MAX, State};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{self, eventually};

macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod memory { $(#[tokio::test] async fn $test() { super::$test(crate::support::memory().await).await })+ }
        mod redis  { $(#[tokio::test] async fn $test() { super::$test(crate::support::redis().await).await })+ }
    };
}

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
    a_pause_lasts_until_its_end,
    a_limit_hit_by_many_at_once_begins_one_pause,
    who_comes_while_a_pause_runs_neither_shortens_nor_prolongs_it,
    a_limit_hit_again_soon_after_a_pause_doubles_it,
    an_api_left_alone_for_as_long_as_its_pause_begins_anew,
    a_pause_is_of_one_app_and_one_api,
    the_cursor_mirror_takes_anything,
    extreme_values_harm_nobody,
    it_is_healthy_and_answers_a_ping,
);

const HASH: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";
const MINUTE: Duration = Duration::from_secs(60);
/// A pause whose end a test waits for; as long after it, it counts as recent.
const SHORT: Duration = Duration::from_millis(600);

#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(found: T, expected: T) {
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

async fn a_pause_lasts_until_its_end(state: State) {
    check(state.paused("default", "send_msg").await, None);
    let begun = state.pause("default", "send_msg", MINUTE).await;
    check((begun.left, begun.length, begun.begun), (MINUTE, MINUTE, true));
    let running = state.paused("default", "send_msg").await.unwrap();
    check((running.length, running.begun), (MINUTE, false));
    assert!(
        running.left <= MINUTE && MINUTE < running.left + support::DEADLINE,
        "{running:?}"
    );

    let started = Instant::now();
    state.pause("default", "sync_msg", SHORT).await;
    pause_ends(&state, "sync_msg").await;
    assert!(SHORT / 2 < started.elapsed(), "{:?}", started.elapsed());
}

async fn a_limit_hit_by_many_at_once_begins_one_pause(state: State) {
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let state = state.clone();
        callers.spawn(async move { state.pause("default", "send_msg", MINUTE).await });
    }
    let pauses = callers.join_all().await;
    check(pauses.iter().filter(|pause| pause.begun).count(), 1);
    check(pauses.iter().map(|pause| pause.length).max(), Some(MINUTE));
    check(state.paused("default", "send_msg").await.unwrap().length, MINUTE);
}

async fn who_comes_while_a_pause_runs_neither_shortens_nor_prolongs_it(state: State) {
    state.pause("default", "send_msg", MINUTE).await;
    for first in [Duration::ZERO, SHORT, 30 * MINUTE] {
        let joined = state.pause("default", "send_msg", first).await;
        check((joined.length, joined.begun), (MINUTE, false));
        assert!(joined.left <= MINUTE, "{joined:?}");
    }
}

async fn a_limit_hit_again_soon_after_a_pause_doubles_it(state: State) {
    state.pause("default", "send_msg", SHORT).await;
    pause_ends(&state, "send_msg").await;
    let second = state.pause("default", "send_msg", SHORT).await;
    check((second.length, second.begun), (2 * SHORT, true));
    pause_ends(&state, "send_msg").await;
    // A longer first pause is never cut.
    let third = state.pause("default", "send_msg", 3 * MINUTE).await;
    check((third.length, third.begun), (3 * MINUTE, true));
}

async fn an_api_left_alone_for_as_long_as_its_pause_begins_anew(state: State) {
    state.pause("default", "send_msg", SHORT).await;
    pause_ends(&state, "send_msg").await;
    // Nothing tells from outside that a pause is no longer recent, but time.
    sleep(SHORT + SHORT / 2).await;
    let later = state.pause("default", "send_msg", SHORT).await;
    check((later.length, later.begun), (SHORT, true));
}

async fn pause_ends(state: &State, api: &str) {
    eventually("the end of the pause", async || {
        state.paused("default", api).await.is_none()
    })
    .await;
}

async fn a_pause_is_of_one_app_and_one_api(state: State) {
    state.pause("default", "sync_msg:without_token", MINUTE).await;
    check(state.paused("default", "sync_msg:with_token").await, None);
    check(state.paused("other", "sync_msg:without_token").await, None);
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
    let longest = state.pause("default", "send_msg", Duration::MAX).await;
    check(longest.length, PAUSE_MAX);
    check(
        state.paused("default", "send_msg").await.unwrap().length,
        PAUSE_MAX,
    );
    assert!(state.pause("default", "sync_msg", Duration::ZERO).await.begun);
    check(state.health().degraded, false);
}

async fn it_is_healthy_and_answers_a_ping(state: State) {
    assert!(state.ping().await.unwrap() < support::DEADLINE);
    let health = state.health();
    check(health.degraded, false);
    assert!(["redis", "memory"].contains(&health.kind), "{health:?}");
}
