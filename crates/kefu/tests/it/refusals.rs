//! Settings that can never work: one line that names the key, exit 2, and no secret in it.

use std::fs;

use crate::stage::{Call, Ended, app, kefu};

/// A password in every URL, to be found where it does not belong.
const PASSWORD: &str = "hunter2";
/// Port 1 answers nobody: who gets as far as a service was not refused.
const NOBODY: [(&str, &str); 3] = [
    ("AMQP_URL", "amqp://kefu:hunter2@127.0.0.1:1/"),
    ("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0"),
    ("DATABASE_URL", "postgres://kefu:hunter2@127.0.0.1:1/kefu"),
];

fn role(name: &str) -> Call {
    let call = NOBODY
        .iter()
        .fold(kefu(&["run", name]).set_all(&app()), |call, (name, value)| {
            call.set(name, value)
        });
    call.set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
        .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
}

/// One line for the refusal, the last; it and what stands before it hold no secret.
#[track_caller]
pub(crate) fn check_refusal(ended: &Ended, expected: &str) {
    ended.check_code(2);
    assert_eq!(ended.text(), "");
    let refusals: Vec<&String> = ended
        .stderr
        .iter()
        .filter(|line| line.starts_with("kefu: "))
        .collect();
    assert_eq!(refusals, [ended.stderr.last().unwrap()], "{ended:?}");
    assert!(
        refusals[0].starts_with(&format!("kefu: {expected}")),
        "{expected}: {ended:?}"
    );
    let secrets = app()
        .into_iter()
        .filter(|(name, _)| !name.ends_with("CORP_ID"))
        .map(|(_, value)| value);
    for secret in secrets.chain([PASSWORD.to_owned()]) {
        assert!(
            !ended.stderr.iter().any(|line| line.contains(&secret)),
            "{ended:?}"
        );
    }
}

/// Refused before anything else is said.
async fn check(call: Call, expected: &str) {
    let ended = call.end().await;
    check_refusal(&ended, expected);
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
}

#[tokio::test]
async fn missing_and_unknown_keys() {
    let missing = |name, key: &str| role(name).unset(&format!("KEFU_APPS__DEFAULT__{key}"));
    check(missing("worker", "SECRET"), "apps.default.secret: ").await;
    check(missing("ingress", "TOKEN"), "apps.default.token: ").await;
    check(
        missing("ingress", "ENCODING_AES_KEY"),
        "apps.default.encoding_aes_key: ",
    )
    .await;
    check(
        missing("worker", "CORP_ID"),
        "apps.default.corp_id: is missing; set it",
    )
    .await;
    let nothing = kefu(&["run", "ingress"]).set("AMQP_URL", NOBODY[0].1);
    check(nothing, "apps: no app is set").await;
    check(
        role("ingress").set("KEFU_INGRESS__PORT", "1"),
        "ingress.port: unknown key",
    )
    .await;
    check(
        role("worker").set("KEFU_WORKER__SLOTS__TOP", "1"),
        "worker.slots.top: unknown key",
    )
    .await;
    check(
        role("worker").set("KEFU_APPS__DEFAULT__PASSWORD", PASSWORD),
        "apps.default.password: unknown key",
    )
    .await;
    check(
        role("worker").set("KEFU_INGRES__LISTEN", "x"),
        "ingres.listen: unknown key",
    )
    .await;
    check(
        role("worker").set("KEFU_APPS__DEFAULT__SECRET_FILE", "x"),
        "apps.default.secret_file: ",
    )
    .await;
}

#[tokio::test]
async fn impossible_values() {
    let key = &app()[2].1[..42];
    check(
        role("ingress").set("KEFU_APPS__DEFAULT__ENCODING_AES_KEY", key),
        "apps.default.encoding_aes_key: must be 43 characters, got 42",
    )
    .await;
    for (name, value, expected) in [
        ("KEFU_APPS__DEFAULT__TOKEN", "no token!", "apps.default.token: "),
        ("KEFU_INGRESS__LISTEN", "everywhere", "ingress.listen: "),
        (
            "KEFU_INGRESS__BODY_TIMEOUT",
            "2x",
            "ingress.body_timeout: expected a duration",
        ),
        (
            "KEFU_INGRESS__BODY_MAX",
            "much",
            "ingress.body_max: expected a whole number",
        ),
        (
            "KEFU_INGRESS__LANES__CLICK",
            "urgent",
            "ingress.lanes.click: must be high, medium or low",
        ),
        ("KEFU_QUEUE__PREFIX", "a b", "queue.prefix: "),
        ("KEFU_QUEUE__RETRY_STEPS", "5", "queue.retry_steps: "),
        ("KEFU_LOG__LEVEL", "loud", "log.level: "),
        ("KEFU_LOG__FORMAT", "xml", "log.format: "),
    ] {
        check(role("ingress").set(name, value), expected).await;
    }
    for (name, value, expected) in [
        ("KEFU_WORKER__DRAIN", "10", "worker.drain: expected a duration"),
        ("KEFU_WORKER__SLOTS__HIGH", "0", "worker.slots.high: "),
        ("KEFU_WORKER__SLOTS__LOW", "100000", "worker.slots.low: "),
        ("KEFU_STATE__POOL", "0", "state.pool: "),
        ("KEFU_WECOM__TIMEOUT", "61s", "wecom.timeout: "),
        (
            "KEFU_WECOM__MSGID_REPEATED_CODES",
            "many",
            "wecom.msgid_repeated_codes: ",
        ),
        ("KEFU_AI__TIMEOUT", "0s", "ai.timeout: "),
        ("KEFU_REPLY__RULES", "hello", "reply.rules: line 1 "),
        ("KEFU_REPLY__RULES", "# fine\n=> answer", "reply.rules: line 2 "),
    ] {
        check(role("worker").set(name, value), expected).await;
    }
}

#[tokio::test]
async fn impossible_addresses_of_services() {
    check(
        role("ingress").set("AMQP_URL", "http://kefu:hunter2@127.0.0.1/"),
        "queue.url: must begin with",
    )
    .await;
    check(
        role("ingress").set("AMQP_URL", "amqp://kefu:hunter2@127.0.0.1:port/"),
        "queue.url: is no URL",
    )
    .await;
    check(
        role("worker").set("REDIS_URL", "http://:hunter2@127.0.0.1/"),
        "state.url: must be",
    )
    .await;
    for base in [
        "127.0.0.1:80",
        "ftp://127.0.0.1",
        "http://127.0.0.1/cgi-bin",
        "https://u:hunter2@127.0.0.1",
    ] {
        check(
            role("worker").set("KEFU_WECOM__API_BASE", base),
            "wecom.api_base: ",
        )
        .await;
    }
    check(
        role("worker").set("KEFU_AI__BASE_URL", "ftp://model/v1"),
        "ai.base_url: ",
    )
    .await;
    for (url, expected) in [
        ("mysql://kefu:hunter2@127.0.0.1/kefu", "must start with"),
        (
            "postgres://kefu:hunter2@127.0.0.1:port/kefu",
            "is not postgres://",
        ),
        ("sqlite:", "must name a file"),
    ] {
        let expected = format!("database.url: {expected}");
        check(role("worker").set("DATABASE_URL", url), &expected).await;
    }
    check(
        role("worker").set("KEFU_DATABASE__POOL", "0"),
        "database.pool: must be 1 to",
    )
    .await;
}

#[tokio::test]
async fn a_check_of_the_settings_finds_the_same_without_starting_anything() {
    for (variable, value, key) in [
        ("AMQP_URL", "http://127.0.0.1/", "queue.url"),
        ("AMQP_URL", "sqlite:/srv/kefu/queue.db", "queue.url"),
        ("KEFU_QUEUE__RETRY_STEPS", "5", "queue.retry_steps"),
        ("REDIS_URL", "http://127.0.0.1/", "state.url"),
        ("DATABASE_URL", "mysql://127.0.0.1/kefu", "database.url"),
        ("KEFU_WECOM__API_BASE", "127.0.0.1", "wecom.api_base"),
        ("KEFU_AI__BASE_URL", "ftp://model/v1", "ai.base_url"),
        ("KEFU_REPLY__RULES", "hello", "reply.rules"),
    ] {
        let call = NOBODY
            .iter()
            .fold(kefu(&["settings", "--check", "worker"]), |call, (name, value)| {
                call.set(name, value)
            });
        let call = call.set_all(&app()).set(variable, value);
        check(call, &format!("{key}: ")).await;
    }
}

#[tokio::test]
async fn a_role_alone_on_an_embedded_queue() {
    for (name, other) in [("ingress", "worker"), ("worker", "ingress")] {
        let call = role(name)
            .set("AMQP_URL", "")
            .set("KEFU_QUEUE__URL", "sqlite:queue.db");
        let ended = call.end().await;
        check_refusal(&ended, "queue.url: an embedded queue");
        assert!(
            ended.stderr[0].contains("amqp://") && ended.stderr[0].contains(other),
            "{ended:?}"
        );
        assert_eq!(ended.stderr.len(), 1);
    }
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let expected = format!("worker.listen: {address} is already in use");
    check(role("worker").set("KEFU_WORKER__LISTEN", &address), &expected).await;
    let folder = tempfile::tempdir().unwrap();
    let both = kefu(&["run"]).within(folder.path()).set_all(&app());
    let expected = format!("ingress.listen: {address} is already in use");
    check(
        both.set("KEFU_INGRESS__LISTEN", &address)
            .set("KEFU_WORKER__LISTEN", "127.0.0.1:0"),
        &expected,
    )
    .await;
    let simulate = kefu(&["simulate", "--listen", &address]).end().await;
    simulate.check_code(2);
    assert!(simulate.stderr.last().unwrap().contains(&address), "{simulate:?}");
}

#[tokio::test]
async fn files_that_cannot_be_read_or_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    check(
        role("worker").set("KEFU_CONFIG", path("none.toml")),
        &format!("{}: cannot read", path("none.toml")),
    )
    .await;
    let named = kefu(&["run", "worker", "--config", &path("none.toml")]);
    check(named, &format!("{}: cannot read", path("none.toml"))).await;

    fs::write(
        path("broken.toml"),
        "[log]\nlevel = \"info\"\n[queue\nurl = \"amqp://kefu:hunter2@h/\"\n",
    )
    .unwrap();
    check(
        role("worker").set("KEFU_CONFIG", path("broken.toml")),
        &format!("{}: line 3: ", path("broken.toml")),
    )
    .await;
    fs::write(path("section.toml"), "[kitchen]\nsink = \"hunter2\"\n").unwrap();
    check(
        role("worker").set("KEFU_CONFIG", path("section.toml")),
        "kitchen: unknown section",
    )
    .await;
    fs::write(path("key.toml"), "[worker]\npassword = \"hunter2\"\n").unwrap();
    check(
        role("worker").set("KEFU_CONFIG", path("key.toml")),
        "worker.password: unknown key",
    )
    .await;

    let secret = role("worker").unset("KEFU_APPS__DEFAULT__SECRET");
    let unreadable = secret.set("KEFU_APPS__DEFAULT__SECRET_FILE", path("no-secret"));
    check(
        unreadable,
        &format!("apps.default.secret_file: cannot read {}", path("no-secret")),
    )
    .await;
    fs::write(path("long-key"), format!("{}x\n", app()[2].1)).unwrap();
    let key = role("ingress").unset("KEFU_APPS__DEFAULT__ENCODING_AES_KEY");
    let long = key.set("KEFU_APPS__DEFAULT__ENCODING_AES_KEY_FILE", path("long-key"));
    check(
        long,
        "apps.default.encoding_aes_key: must be 43 characters, got 44",
    )
    .await;
}
