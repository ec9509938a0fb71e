//! The address of the callbacks, however people and proxies write it.

use kefu_queue::Lane;

use crate::client::{get, post};
use crate::running::{AES_KEY, CORP_ID, Running, TOKEN, seal, settings, text_message};

/// What GET and POST at `path` answer.
async fn statuses(running: &Running, path: &str) -> (u16, u16) {
    let echo = seal("7777777777777777777+/=");
    let echoed = running.send(get(&format!("{path}?{}", echo.echo_query()))).await;
    if echoed.status == 200 {
        assert_eq!(echoed.text(), "7777777777777777777+/=");
    }
    let sealed = seal(text_message("hello"));
    let body = sealed.request_xml(CORP_ID, None);
    let posted = running
        .send(post(&format!("{path}?{}", sealed.query()), body))
        .await;
    (echoed.status, posted.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_make_no_other_callback() {
    let settings = settings()
        .with("apps.kf.corp_id", CORP_ID)
        .with("apps.kf.token", TOKEN)
        .with("apps.kf.encoding_aes_key", AES_KEY);
    let running = Running::with(settings).await;
    for (path, app) in [
        ("/callback", "default"),
        ("/callback/", "default"),
        ("//callback", "default"),
        ("///callback///", "default"),
        ("/call%62ack/", "default"),
        ("/callback/kf/", "kf"),
        ("/callback//kf", "kf"),
        ("//callback//kf//", "kf"),
        ("/callback/%6bf/", "kf"),
    ] {
        assert_eq!(statuses(&running, path).await, (200, 200), "{path}");
        assert_eq!(running.take(Lane::Medium).await.app, app, "{path}");
    }
    for path in [
        "/callbacks",
        "/Callback",
        "/callback/./kf/x",
        "/callback/nobody/",
        "/callback/kf/x",
        "/callback%2Fkf",
        "/callback/%00",
        "/wecom/callback",
    ] {
        assert_eq!(statuses(&running, path).await, (404, 404), "{path}");
    }
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_is_a_setting() {
    let running = Running::with(settings().with("ingress.path", "/wecom/kf")).await;
    for path in ["/wecom/kf", "/wecom/kf/", "/wecom//kf/default"] {
        assert_eq!(statuses(&running, path).await, (200, 200), "{path}");
        assert_eq!(running.take(Lane::Medium).await.app, "default", "{path}");
    }
    for path in ["/callback", "/wecom", "/kf", "/wecom/kf/other"] {
        assert_eq!(statuses(&running, path).await, (404, 404), "{path}");
    }
    assert_eq!(running.send(get("/health/live")).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_do_not_open_what_has_a_port_of_its_own() {
    let running = Running::with(settings().with("ingress.ops_listen", "127.0.0.1:0")).await;
    for path in ["/metrics/", "//metrics", "/health/", "//health//"] {
        assert_eq!(running.send(get(path)).await.status, 404, "{path}");
    }
    running.stop().await;
}
