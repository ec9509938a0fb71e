//! Limits of calls, on both engines.

use std::time::Duration;

use kefu_state::{Call, Pause, State, Told};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::conformance::{INTERVAL, MINUTE, SHORT, check, conformance};
use crate::support::{self, eventually};

conformance!(
    a_refusal_pauses_for_a_moment_and_one_caller_asks,
    a_question_that_passes_ends_it_for_everybody,
    a_question_that_is_refused_begins_the_pause_and_then_doubles_it,
    a_question_that_nobody_answers_is_asked_by_the_next,
    a_limit_hit_by_many_at_once_begins_one_pause,
    who_comes_while_a_pause_runs_neither_shortens_nor_prolongs_it,
    an_api_left_alone_after_a_pause_begins_anew,
    after_a_real_limit_each_call_has_its_place,
    a_pause_is_of_one_app_and_one_api,
);

async fn call(state: &State) -> Call {
    state.call("default", "send_msg", INTERVAL).await
}

async fn refused(state: &State, asked: Option<u64>) -> Pause {
    state.refused("default", "send_msg", asked, SHORT).await
}

/// Waits for the end of the pause and asks.
pub(crate) async fn ask(state: &State) -> u64 {
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
