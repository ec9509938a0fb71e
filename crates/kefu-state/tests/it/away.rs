//! Redis goes away and comes back in the middle of the work.

use std::time::Duration;

use kefu_faults::{FaultProxy, Faults};
use kefu_state::{Call, Claim, State, Told};
use metrics_exporter_prometheus::PrometheusBuilder;
use redis::ConnectionAddr;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::support::{Log, eventually, prefix, redis_info, settings};

const MINUTE: Duration = Duration::from_secs(60);
/// Half a second for the answer, a second in all, and some air for a busy machine.
const FIRST_MAX: Duration = Duration::from_millis(1600);
const LATER_MAX: Duration = Duration::from_millis(50);

/// A stretch of wire to the real Redis.
fn proxy() -> FaultProxy {
    let info = redis_info();
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        panic!("REDIS_URL is not plain TCP")
    };
    FaultProxy::start(&format!("{host}:{port}")).unwrap()
}

/// Connections end, new ones end at once.
fn cut(proxy: &FaultProxy) {
    proxy.set(Faults {
        refuse: true,
        ..Faults::default()
    });
    proxy.cut();
}

async fn open(proxy: &FaultProxy) -> State {
    State::open_with_prefix(&settings(&url(proxy)), &prefix().await)
        .await
        .unwrap()
}

/// The URL of the real Redis, by way of the proxy.
fn url(proxy: &FaultProxy) -> String {
    let info = redis_info();
    let settings = info.redis_settings();
    let user = settings.username().unwrap_or_default();
    let password = settings
        .password()
        .map(|password| format!("{user}:{password}@"))
        .unwrap_or_default();
    format!("redis://{password}{}/{}", proxy.address(), settings.db())
}

/// Every operation once, as one that must not fail.
async fn work(state: &State, hash: &str) {
    assert_eq!(state.claim("default", hash, "job-a:1", MINUTE).await, Claim::Won);
    assert_eq!(state.claim("default", hash, "job-b:1", MINUTE).await, Claim::Held);
    state.complete("default", hash, "job-a:1").await;
    assert_eq!(state.claim("default", hash, "job-b:1", MINUTE).await, Claim::Done);
    state.release("default", hash, "job-a:1").await;
    state.put_token("default", &hash.into(), MINUTE).await;
    assert_eq!(state.token("default").await.unwrap().0.expose_secret(), hash);
    state.drop_token_if("default", "another").await;
    state.mirror_cursor("default", "wkA", "cursor").await;
    assert!(state.refused("default", hash, None, MINUTE).await.begun);
    assert!(state.paused("default", hash).await.is_some());
    assert!(matches!(
        state.call("default", hash, MINUTE).await,
        Call::Paused(_)
    ));
    state.told("default", hash, 1, Told::Passed).await;
}

/// After its first refusal: the call that asks is refused, too.
async fn a_limit_is_found_to_be_real(state: &State, api: &str) {
    eventually("the end of the moment", async || {
        match state.call("default", api, MINUTE).await {
            Call::Ask(asked) => {
                let pause = state.refused("default", api, Some(asked), MINUTE).await;
                pause.length == MINUTE
            }
            _ => false,
        }
    })
    .await;
}

async fn back(state: &State) {
    eventually("the return", async || state.ping().await.is_ok()).await;
    assert!(!state.health().degraded);
}

async fn goes_on_and_returns(fault: fn(&FaultProxy)) {
    let proxy = proxy();
    let state = open(&proxy).await;
    let (log, _guard) = Log::capture();
    work(&state, "before").await;
    assert!(!state.health().degraded);

    fault(&proxy);
    let started = Instant::now();
    assert_eq!(
        state.claim("default", "first", "job-a:1", MINUTE).await,
        Claim::Won
    );
    assert!(started.elapsed() < FIRST_MAX, "{:?}", started.elapsed());
    let started = Instant::now();
    work(&state, "away").await;
    assert!(started.elapsed() < LATER_MAX, "{:?}", started.elapsed());
    let health = state.health();
    assert!(
        health.degraded && health.detail.contains("away for"),
        "{health:?}"
    );
    assert_eq!((log.count("WARN"), log.count("INFO")), (1, 0), "{}", log.text());
    a_limit_is_found_to_be_real(&state, "away").await;

    proxy.clear();
    back(&state).await;
    assert_eq!((log.count("WARN"), log.count("INFO")), (1, 1), "{}", log.text());
    // What was learnt meanwhile is still known.
    assert_eq!(
        state.claim("default", "away", "job-b:1", MINUTE).await,
        Claim::Done
    );
    assert_eq!(
        state.claim("default", "first", "job-b:1", MINUTE).await,
        Claim::Held
    );
    assert_eq!(state.paused("default", "away").await.unwrap().length, MINUTE);
    let call = state.call("default", "away", MINUTE).await;
    assert!(matches!(call, Call::Paused(_)), "{call:?}");
    work(&state, "after").await;
    assert_eq!(
        state.claim("default", "before", "job-b:1", MINUTE).await,
        Claim::Done
    );
}

#[tokio::test]
async fn a_cut_redis_is_survived_and_it_returns_by_itself() {
    goes_on_and_returns(cut).await;
}

#[tokio::test]
async fn a_frozen_redis_is_survived_and_it_returns_by_itself() {
    goes_on_and_returns(FaultProxy::freeze).await;
}

#[tokio::test]
async fn a_redis_that_is_silent_at_the_start_joins_later() {
    let proxy = proxy();
    proxy.freeze();
    let started = Instant::now();
    let state = open(&proxy).await;
    assert!(started.elapsed() < 2 * FIRST_MAX, "{:?}", started.elapsed());
    assert!(state.health().degraded);
    work(&state, "away").await;
    proxy.clear();
    back(&state).await;
    work(&state, "after").await;
}

#[tokio::test]
async fn many_operations_meet_a_frozen_redis_and_none_waits_long() {
    let proxy = proxy();
    let state = open(&proxy).await;
    let claims = |state: &State, round: &'static str| {
        let mut set = tokio::task::JoinSet::new();
        for index in 0..200 {
            let state = state.clone();
            set.spawn(async move {
                let started = Instant::now();
                let hash = format!("{round}-{index}");
                let claim = state.claim("default", &hash, "job-a:1", MINUTE).await;
                (claim, started.elapsed())
            });
        }
        set
    };
    for (claim, _) in claims(&state, "before").join_all().await {
        assert_eq!(claim, Claim::Won);
    }
    assert!(!state.health().degraded);
    proxy.freeze();
    for (claim, took) in claims(&state, "away").join_all().await {
        assert_eq!(claim, Claim::Won);
        assert!(took < FIRST_MAX, "{took:?}");
    }
    proxy.clear();
    back(&state).await;
}

#[tokio::test]
async fn operations_are_counted_by_engine_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let proxy = proxy();
    let state = open(&proxy).await;
    state.release("default", "hash", "job-a:1").await;
    cut(&proxy);
    state.release("default", "hash", "job-a:1").await;
    state.release("default", "hash", "job-a:1").await;
    let text = handle.render();
    let total = "kefu_state_operations_total";
    for line in [
        format!("{total}{{engine=\"redis\",operation=\"release\",outcome=\"ok\"}} 1"),
        format!("{total}{{engine=\"redis\",operation=\"release\",outcome=\"failed\"}} 1"),
        format!("{total}{{engine=\"fallback\",operation=\"release\",outcome=\"ok\"}} 2"),
        "kefu_state_degraded 1".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is missing in:\n{text}");
    }
}
