//! Settings that cannot work are refused with their key.

use kefu_queue::Roles;
use kefu_settings::{Settings, SettingsError};

use crate::running::{AES_KEY, settings};

fn problems(settings: &Settings) -> Vec<SettingsError> {
    kefu_ingress::problems(settings, Roles::Both)
}

#[track_caller]
fn refused(settings: &Settings, expected: &str) {
    let found: Vec<String> = problems(settings).iter().map(ToString::to_string).collect();
    assert_eq!(found, [expected]);
}

#[test]
fn the_reference_with_one_app_is_fine() {
    assert_eq!(problems(&settings()), []);
}

#[test]
fn wrong_values_are_named() {
    for (key, value, expected) in [
        (
            "apps.default.encoding_aes_key",
            &AES_KEY[..42],
            "apps.default.encoding_aes_key: must be 43 characters, got 42",
        ),
        ("apps.default.token", "", "apps.default.token: is empty"),
        ("apps.default.corp_id", " ", "apps.default.corp_id: is empty"),
        (
            "apps.default.receive_ids",
            "a,,b",
            "apps.default.receive_ids: has a blank item; write \"\" in the list to accept the empty receive id",
        ),
        (
            "ingress.body_max",
            "0",
            "ingress.body_max: must be 1 to 131072 bytes",
        ),
        (
            "ingress.body_max",
            "1048576",
            "ingress.body_max: must be 1 to 131072 bytes",
        ),
        (
            "ingress.header_timeout",
            "0s",
            "ingress.header_timeout: must be more than 0 and at most 60 s",
        ),
        (
            "ingress.body_timeout",
            "1h",
            "ingress.body_timeout: must be more than 0 and at most 60 s",
        ),
        (
            "ingress.path",
            "callback",
            "ingress.path: must begin with `/`, such as /callback; it is the path only, without scheme and host",
        ),
        (
            "ingress.path",
            "/health/kf",
            "ingress.path: must not begin with /health: the ingress answers there itself",
        ),
        (
            "ingress.connections_max",
            "0",
            "ingress.connections_max: must be at least 1",
        ),
        (
            "ingress.lanes.click",
            "urgent",
            "ingress.lanes.click: must be high, medium or low",
        ),
    ] {
        refused(&settings().with(key, value), expected);
    }
}

#[test]
fn a_blank_corp_id_is_refused_even_beside_receive_ids() {
    let settings = settings()
        .with("apps.default.corp_id", "")
        .with("apps.default.receive_ids", "ww1");
    refused(&settings, "apps.default.corp_id: is empty");
}

#[test]
fn without_any_app_the_first_keys_are_named() {
    refused(
        &Settings::reference_only().unwrap(),
        "apps: no app is set; the first one needs apps.default.corp_id, .token and .encoding_aes_key",
    );
}

#[tokio::test]
async fn alone_on_an_embedded_queue_it_refuses_to_start() {
    let stop = tokio_util::sync::CancellationToken::new();
    let error = kefu_ingress::run(&settings(), stop).await.unwrap_err();
    assert_eq!(kefu_process::exit::code(&error), 2);
    let line = kefu_process::exit::line(&error).unwrap();
    assert!(
        line.starts_with("kefu: queue.url: an embedded queue (sqlite:) works only where"),
        "{line}"
    );
}
