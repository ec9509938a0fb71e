//! One suite over both engines; every operation appears in it.

use std::time::Duration;

use kefu_state::{Call, Claim, PAUSE_MAX, Pause, State, Told};
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
    a_refusal_pauses_for_a_moment_and_one_caller_asks,
    a_question_that_passes_ends_it_for_everybody,
    a_question_that_is_refused_begins_the_pause_and_then_doubles_it,
    a_question_that_nobody_answers_is_asked_by_the_next,
    a_limit_hit_by_many_at_once_begins_one_pause,
    who_comes_while_a_pause_runs_neither_shortens_nor_prolongs_it,
    an_api_left_alone_after_a_pause_begins_anew,
    after_a_real_limit_each_call_has_its_place,
    a_pause_is_of_one_app_and_one_api,
    the_cursor_mirror_takes_anything,
    extreme_values_harm_nobody,
    it_is_healthy_and_answers_a_ping,
);

const HASH: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";
const MINUTE: Duration = Duration::from_secs(60);
/// A limit whose end a test waits for; as long after it, it counts as recent.
const SHORT: Duration = Duration::from_millis(600);
/// Between two calls that are paced: so long that a test is always faster.
const INTERVAL: Duration = Duration::from_millis(900);

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

async fn call(state: &State) -> Call {
    state.call("default", "send_msg", INTERVAL).await
}

async fn refused(state: &State, asked: Option<u64>) -> Pause {
    state.refused("default", "send_msg", asked, SHORT).await
}

/// Waits for the end of the pause and asks.
async fn ask(state: &State) -> u64 {
    let mut asked = None;
    eventually("the end of the pause", async || {
        if let Call::Ask(number) = call(state).await {
            asked = Some(number);
        }
        asked.is_some()
    })
    .await;
    asked.unwrap()
}

async fn told(state: &State, asked: u64, told: Told) {
    state.told("default", "send_msg", asked, told).await;
}

fn is_asked(call: Call) -> bool {
    matches!(call, Call::Asked(left) if Duration::ZERO < left && left <= Duration::from_secs(10))
}

async fn a_refusal_pauses_for_a_moment_and_one_caller_asks(state: State) {
    check(call(&state).await, Call::Go(Duration::ZERO));
    check(state.paused("default", "send_msg").await, None);
    let started = Instant::now();
    let begun = state.refused("default", "send_msg", None, MINUTE).await;
    let moment = Duration::from_secs(1);
    check((begun.left, begun.length, begun.begun), (moment, moment, true));
    let running = state.paused("default", "send_msg").await.unwrap();
    check((running.length, running.begun), (moment, false));
    assert!(running.left <= moment, "{running:?}");
    assert!(matches!(call(&state).await, Call::Paused(left) if left <= moment));
    ask(&state).await;
    assert!(
        moment <= started.elapsed() + Duration::from_millis(5),
        "{:?}",
        started.elapsed()
    );
    check(state.paused("default", "send_msg").await, None);
    assert!(is_asked(call(&state).await));
}

async fn a_question_that_passes_ends_it_for_everybody(state: State) {
    refused(&state, None).await;
    let asked = ask(&state).await;
    assert!(is_asked(call(&state).await));
    told(&state, asked + 1, Told::Passed).await;
    assert!(is_asked(call(&state).await), "somebody else's word counts");
    told(&state, asked, Told::Passed).await;
    for _ in 0..100 {
        check(call(&state).await, Call::Go(Duration::ZERO));
    }
    // As if nothing had been.
    check(refused(&state, None).await.length, SHORT);
}

async fn a_question_that_is_refused_begins_the_pause_and_then_doubles_it(state: State) {
    state.refused("default", "send_msg", None, MINUTE).await;
    let asked = ask(&state).await;
    let real = state.refused("default", "send_msg", Some(asked), MINUTE).await;
    check((real.length, real.begun), (MINUTE, true));
    // From the first refusal on.
    let moment = Duration::from_secs(1);
    assert!(real.left <= MINUTE - moment, "{real:?}");
    assert!(MINUTE < real.left + support::DEADLINE, "{real:?}");
    // Its late word changes nothing.
    told(&state, asked, Told::Passed).await;
    check(state.paused("default", "send_msg").await.unwrap().length, MINUTE);

    let short = |asked| state.refused("default", "sync_msg", asked, SHORT);
    short(None).await;
    let mut lengths = Vec::new();
    for _ in 0..2 {
        let mut pause = None;
        eventually("the end of the pause", async || {
            if let Call::Ask(asked) = state.call("default", "sync_msg", INTERVAL).await {
                pause = Some(short(Some(asked)).await);
            }
            pause.is_some()
        })
        .await;
        lengths.push(pause.unwrap().length);
    }
    check(lengths, vec![SHORT, 2 * SHORT]);
}

async fn a_question_that_nobody_answers_is_asked_by_the_next(state: State) {
    refused(&state, None).await;
    let first = ask(&state).await;
    told(&state, first, Told::Nothing).await;
    let second = ask(&state).await;
    check(second, first + 1);
    // Whoever asked has died: ten seconds.
    let started = Instant::now();
    let third = ask(&state).await;
    check(third, second + 1);
    assert!(
        Duration::from_secs(9) < started.elapsed(),
        "{:?}",
        started.elapsed()
    );
    // Or it was slow.
    told(&state, second, Told::Passed).await;
    assert!(is_asked(call(&state).await));
}

async fn a_limit_hit_by_many_at_once_begins_one_pause(state: State) {
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let state = state.clone();
        callers.spawn(async move { state.refused("default", "send_msg", None, MINUTE).await });
    }
    let pauses = callers.join_all().await;
    check(pauses.iter().filter(|pause| pause.begun).count(), 1);
    let asked = ask(&state).await;
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let state = state.clone();
        let asked = (number == 7).then_some(asked);
        callers.spawn(async move { state.refused("default", "send_msg", asked, MINUTE).await });
    }
    let pauses = callers.join_all().await;
    check(pauses.iter().filter(|pause| pause.begun).count(), 1);
    check(state.paused("default", "send_msg").await.unwrap().length, MINUTE);
}

async fn who_comes_while_a_pause_runs_neither_shortens_nor_prolongs_it(state: State) {
    refused(&state, None).await;
    let asked = ask(&state).await;
    state.refused("default", "send_msg", Some(asked), MINUTE).await;
    for first in [Duration::ZERO, SHORT, 30 * MINUTE] {
        let joined = state.refused("default", "send_msg", None, first).await;
        check((joined.length, joined.begun), (MINUTE, false));
        assert!(joined.left <= MINUTE, "{joined:?}");
    }
}

async fn an_api_left_alone_after_a_pause_begins_anew(state: State) {
    refused(&state, None).await;
    // Nothing tells from outside that a pause is no longer recent, but time.
    sleep(Duration::from_secs(11)).await;
    check(call(&state).await, Call::Go(Duration::ZERO));
    let later = refused(&state, None).await;
    check((later.length, later.begun), (SHORT, true));
}

async fn after_a_real_limit_each_call_has_its_place(state: State) {
    refused(&state, None).await;
    let asked = ask(&state).await;
    refused(&state, Some(asked)).await;
    let asked = ask(&state).await;
    told(&state, asked, Told::Passed).await;
    let mut waits = Vec::new();
    let last = loop {
        match call(&state).await {
            Call::Go(wait) => waits.push(wait),
            other => break other,
        }
    };
    // The places lie apart, and the first one is at once.
    check(waits.first(), Some(&Duration::ZERO));
    let near = Duration::from_millis(300);
    for pair in waits.windows(2).filter(|pair| !pair[1].is_zero()) {
        assert!(pair[0] < pair[1] && pair[1] - pair[0] <= INTERVAL, "{waits:?}");
    }
    assert!(matches!(last, Call::Full(wait) if waits.last().unwrap().abs_diff(wait) <= INTERVAL + near));
    assert!((2..=5).contains(&waits.len()), "{waits:?}");
    // Whoever finds none comes again one after the other.
    let Call::Full(later) = call(&state).await else {
        panic!("there is a place")
    };
    assert!(matches!(last, Call::Full(wait) if wait < later && later <= wait + INTERVAL));
    // A refusal is met as ever.
    check(refused(&state, None).await.length, SHORT);
    let asked = ask(&state).await;
    told(&state, asked, Told::Passed).await;
    assert!(matches!(call(&state).await, Call::Go(_) | Call::Full(_)));
}

async fn a_pause_is_of_one_app_and_one_api(state: State) {
    let without_token = "sync_msg:without_token";
    state.refused("default", without_token, None, MINUTE).await;
    check(state.paused("default", "sync_msg:with_token").await, None);
    check(state.paused("other", without_token).await, None);
    let other = state.call("other", without_token, INTERVAL).await;
    check(other, Call::Go(Duration::ZERO));
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
