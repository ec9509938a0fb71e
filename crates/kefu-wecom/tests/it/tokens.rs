use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use kefu_wecom::client::{SharedToken, SharedTokens};
use kefu_wecom::{Client, ErrorClass};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::stub::{Call, Reply, Stub};

fn state() -> Reply {
    Reply::Json(json!({"errcode": 0, "errmsg": "ok", "service_state": 1}))
}

fn refused(code: i64) -> Reply {
    Reply::Json(json!({"errcode": code, "errmsg": "refused"}))
}

/// Refuses the first token, as WeCom does when it has revoked one.
fn only_t2(call: &Call) -> Reply {
    if call.token() == "T1" {
        refused(42001)
    } else {
        state()
    }
}

async fn ask(client: &Client) -> Result<(), kefu_wecom::ApiError> {
    client.service_state("default", "wk1", "wm1").await.map(drop)
}

/// Lets time pass without waiting for it.
async fn pass(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn sixty_four_calls_at_once_fetch_one_token() {
    let stub = Stub::granting(|_| state()).await;
    let client = stub.client();
    for outcome in join_all((0..64).map(|_| ask(&client))).await {
        outcome.unwrap();
    }
    assert_eq!(stub.calls("gettoken").len(), 1);
    assert_eq!(stub.calls("kf/service_state/get").len(), 64);
    assert_eq!(
        stub.calls("gettoken")[0].query,
        "corpid=ww1&corpsecret=app-secret-7f3a"
    );
}

#[tokio::test]
async fn sixty_four_refused_calls_fetch_one_new_token_and_are_repeated_once() {
    let stub = Stub::granting(only_t2).await;
    let client = stub.client();
    for outcome in join_all((0..64).map(|_| ask(&client))).await {
        outcome.unwrap();
    }
    assert_eq!(stub.calls("gettoken").len(), 2);
    assert!(stub.calls("kf/service_state/get").len() <= 128);
}

#[tokio::test]
async fn a_refused_fresh_token_ends_the_call_and_holds_back_the_next_fetch() {
    let stub = Stub::granting(|_| refused(40014)).await;
    let client = stub.client();
    assert_eq!(ask(&client).await.unwrap_err().class(), ErrorClass::Token);
    assert_eq!(
        (
            stub.calls("gettoken").len(),
            stub.calls("kf/service_state/get").len()
        ),
        (2, 2)
    );
    for _ in 0..10 {
        assert_eq!(ask(&client).await.unwrap_err().code(), Some(40014));
    }
    assert_eq!(
        (
            stub.calls("gettoken").len(),
            stub.calls("kf/service_state/get").len()
        ),
        (2, 2)
    );
    pass(Duration::from_secs(11)).await;
    ask(&client).await.unwrap_err();
    assert_eq!(stub.calls("kf/service_state/get").len(), 4);
}

#[tokio::test]
async fn a_wrong_secret_is_not_hammered() {
    for code in [40001, 40013, 45009, 60020] {
        let stub = Stub::start(move |_| refused(code)).await;
        let client = stub.client();
        for outcome in join_all((0..32).map(|_| ask(&client))).await {
            let error = outcome.unwrap_err();
            assert_eq!(
                (error.api, error.code(), error.is_ambiguous()),
                ("gettoken", Some(code), false)
            );
        }
        assert_eq!(stub.calls("gettoken").len(), 1, "{code}");
        pass(Duration::from_secs(59)).await;
        ask(&client).await.unwrap_err();
        assert_eq!(stub.calls("gettoken").len(), 1, "{code}");
        pass(Duration::from_secs(2)).await;
        ask(&client).await.unwrap_err();
        assert_eq!(stub.calls("gettoken").len(), 2, "{code}");
    }
}

#[tokio::test]
async fn callers_who_waited_together_fail_together() {
    let stub = Stub::start(|_| Reply::Cut).await;
    let client = stub.client();
    for outcome in join_all((0..64).map(|_| ask(&client))).await {
        let error = outcome.unwrap_err();
        // Nothing was sent to the customer, so nothing is ambiguous.
        assert_eq!(
            (error.class(), error.is_ambiguous()),
            (ErrorClass::Network, false)
        );
    }
    assert_eq!(stub.calls("gettoken").len(), 1);
}

#[tokio::test]
async fn a_failure_that_has_passed_is_not_told_to_the_next_caller() {
    let fetches = Mutex::new(0);
    let stub = Stub::start(move |call| match call.path.as_str() {
        "/cgi-bin/gettoken" => {
            let mut fetches = fetches.lock().unwrap();
            *fetches += 1;
            match *fetches {
                1 => Reply::Cut,
                2 => refused(-1),
                _ => Reply::Json(json!({"errcode": 0, "access_token": "T1", "expires_in": 7200})),
            }
        }
        _ => state(),
    })
    .await;
    let client = stub.client();
    // Such as by a question of health, a moment before a customer's call.
    assert_eq!(
        client.probe("default").await.unwrap_err().class(),
        ErrorClass::Network
    );
    pass(Duration::from_millis(1)).await;
    assert_eq!(
        client.probe("default").await.unwrap_err().class(),
        ErrorClass::Busy
    );
    pass(Duration::from_millis(1)).await;
    ask(&client).await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 3);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let stub = Stub::granting(|_| state()).await;
    let client = stub.client();
    ask(&client).await.unwrap();
    pass(Duration::from_secs(6800)).await;
    ask(&client).await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 1);
    pass(Duration::from_secs(200)).await;
    ask(&client).await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 2);
    assert_eq!(stub.calls("kf/service_state/get")[2].token(), "T2");
}

#[tokio::test]
async fn a_token_that_still_works_is_used_when_none_can_be_fetched() {
    let fetches = Mutex::new(0);
    let stub = Stub::start(move |call| match call.path.as_str() {
        "/cgi-bin/gettoken" => {
            let mut fetches = fetches.lock().unwrap();
            *fetches += 1;
            match *fetches {
                1 => Reply::Json(json!({"errcode": 0, "access_token": "T1", "expires_in": 100})),
                _ => refused(-1),
            }
        }
        _ => state(),
    })
    .await;
    let client = stub.client();
    ask(&client).await.unwrap();
    // Early means a fifth of a short life, give or take the jitter.
    pass(Duration::from_secs(90)).await;
    for _ in 0..5 {
        ask(&client).await.unwrap();
    }
    assert_eq!(stub.calls("gettoken").len(), 2);
    pass(Duration::from_secs(11)).await;
    assert_eq!(ask(&client).await.unwrap_err().class(), ErrorClass::Busy);
}

/// What several processes would share through a server.
#[derive(Default)]
struct Shelf(Mutex<Option<String>>);

impl SharedTokens for Shelf {
    fn get<'a>(&'a self, _app: &'a str) -> BoxFuture<'a, Option<SharedToken>> {
        let value = self.0.lock().unwrap().clone();
        let token = value.map(|value| SharedToken {
            value: value.into(),
            lifetime: Duration::from_secs(7000),
        });
        async move { token }.boxed()
    }

    fn put<'a>(&'a self, app: &'a str, token: &'a SecretString, lifetime: Duration) -> BoxFuture<'a, ()> {
        assert_eq!((app, lifetime), ("default", Duration::from_secs(7200)));
        *self.0.lock().unwrap() = Some(token.expose_secret().to_owned());
        async {}.boxed()
    }

    fn drop_if<'a>(&'a self, _app: &'a str, refused: &'a SecretString) -> BoxFuture<'a, ()> {
        self.0
            .lock()
            .unwrap()
            .take_if(|value| value == refused.expose_secret());
        async {}.boxed()
    }
}

#[tokio::test]
async fn processes_share_one_token_and_its_replacement() {
    let stub = Stub::granting(only_t2).await;
    let shelf = Arc::new(Shelf::default());
    let (one, two) = (stub.sharing(shelf.clone()), stub.sharing(shelf.clone()));
    one.probe("default").await.unwrap();
    two.probe("default").await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 1);
    // The first finds T1 refused and fetches T2; the second finds T1 refused too, and T2 on the shelf.
    ask(&one).await.unwrap();
    ask(&two).await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 2);
    assert_eq!(shelf.0.lock().unwrap().as_deref(), Some("T2"));
}

/// A server that never forgets: `drop_if` got lost.
struct Stuck;

impl SharedTokens for Stuck {
    fn get<'a>(&'a self, _app: &'a str) -> BoxFuture<'a, Option<SharedToken>> {
        let token = SharedToken {
            value: "T1".into(),
            lifetime: Duration::from_secs(7000),
        };
        async move { Some(token) }.boxed()
    }

    fn put<'a>(&'a self, _: &'a str, _: &'a SecretString, _: Duration) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }

    fn drop_if<'a>(&'a self, _: &'a str, _: &'a SecretString) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_refused_token_is_not_taken_from_the_shelf_again() {
    let stub = Stub::start(|call| match call.path.as_str() {
        "/cgi-bin/gettoken" => Reply::Json(json!({"errcode": 0, "access_token": "T2", "expires_in": 7200})),
        _ => only_t2(call),
    })
    .await;
    ask(&stub.sharing(Arc::new(Stuck))).await.unwrap();
    assert_eq!(stub.calls("gettoken").len(), 1);
}
