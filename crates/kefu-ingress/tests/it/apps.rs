//! Several apps, and keys that change.

use kefu_queue::Lane;
use kefu_wecom::CallbackKey;

use crate::client::post;
use crate::running::{CORP_ID, Running, key, key_of, settings, text_message};

const OTHER_TOKEN: &str = "spamtest";
const OTHER_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// The status of a message that is sealed with `key` for `receive_id`.
async fn status(running: &Running, path: &str, key: &CallbackKey, receive_id: &str) -> u16 {
    let message = text_message("hello");
    let sealed = key.seal_signed(message.as_bytes(), receive_id, rand::random(), "1", "n");
    let body = sealed.request_xml(receive_id, None);
    running
        .send(post(&format!("{path}?{}", sealed.query()), body))
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_app_has_its_own_path_and_key() {
    let settings = settings()
        .with("apps.hr_2.corp_id", "ww2")
        .with("apps.hr_2.token", OTHER_TOKEN)
        .with("apps.hr_2.encoding_aes_key", OTHER_AES_KEY);
    let running = Running::with(settings).await;
    let (ours, theirs) = (key(), key_of(OTHER_TOKEN, OTHER_AES_KEY));

    assert_eq!(status(&running, "/callback/hr_2", &theirs, "ww2").await, 200);
    assert_eq!(running.take(Lane::Medium).await.app, "hr_2");
    for path in ["/callback", "/callback/default"] {
        assert_eq!(status(&running, path, &ours, CORP_ID).await, 200);
        assert_eq!(running.take(Lane::Medium).await.app, "default");
    }
    assert_eq!(status(&running, "/callback/hr_2", &ours, CORP_ID).await, 403);
    assert_eq!(status(&running, "/callback", &theirs, "ww2").await, 403);
    for path in [
        "/callback/sales",
        "/callback/HR_2",
        "/callback/%ff",
        "/callback/hr_2/x",
    ] {
        assert_eq!(status(&running, path, &ours, CORP_ID).await, 404, "{path}");
    }
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_default_app_the_bare_path_is_unknown() {
    let settings = kefu_settings::Settings::reference_only()
        .unwrap()
        .with("ingress.listen", "127.0.0.1:0")
        .with("apps.kf.corp_id", CORP_ID)
        .with("apps.kf.token", OTHER_TOKEN)
        .with("apps.kf.encoding_aes_key", OTHER_AES_KEY);
    let running = Running::with(settings).await;
    let key = key_of(OTHER_TOKEN, OTHER_AES_KEY);
    assert_eq!(status(&running, "/callback", &key, CORP_ID).await, 404);
    assert_eq!(status(&running, "/callback/kf", &key, CORP_ID).await, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_before_a_change_is_accepted_beside_the_new_one() {
    let settings = settings()
        .with("apps.default.previous.token", OTHER_TOKEN)
        .with("apps.default.previous.encoding_aes_key", OTHER_AES_KEY);
    let running = Running::with(settings).await;
    let previous = key_of(OTHER_TOKEN, OTHER_AES_KEY);
    assert_eq!(status(&running, "/callback", &key(), CORP_ID).await, 200);
    assert_eq!(status(&running, "/callback", &previous, CORP_ID).await, 200);
    let neither = key_of(OTHER_TOKEN, crate::running::AES_KEY);
    assert_eq!(status(&running, "/callback", &neither, CORP_ID).await, 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_receive_ids_are_accepted() {
    let running = Running::start().await;
    assert_eq!(status(&running, "/callback", &key(), "").await, 403);
    assert_eq!(status(&running, "/callback", &key(), "suite").await, 403);
    running.stop().await;

    let settings = settings().with("apps.default.receive_ids", "suite, \"\"");
    let running = Running::with(settings).await;
    assert_eq!(status(&running, "/callback", &key(), "").await, 200);
    assert_eq!(status(&running, "/callback", &key(), "suite").await, 200);
    assert_eq!(status(&running, "/callback", &key(), CORP_ID).await, 403);
    running.stop().await;
}
