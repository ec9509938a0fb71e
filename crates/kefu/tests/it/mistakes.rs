//! Mistakes in the settings: all at once with their places, the same words from a check and from a start, and what is
//! only probably one.

use std::fs;

use serde_json::Value;

use crate::stage::{Call, app, kefu};

/// Services that nobody answers at: who is refused is refused before.
const SERVICES: [(&str, &str); 3] = [
    ("AMQP_URL", "amqp://kefu:hunter2@127.0.0.1:1/"),
    ("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0"),
    ("DATABASE_URL", "postgres://kefu:hunter2@127.0.0.1:1/kefu"),
];

pub(crate) fn call(arguments: &[&str], variables: &[(&str, &str)]) -> Call {
    let call = SERVICES
        .iter()
        .fold(kefu(arguments).set_all(&app()), |call, (name, value)| {
            call.set(name, value)
        });
    let call = call
        .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
        .set("KEFU_WORKER__LISTEN", "127.0.0.1:0");
    variables
        .iter()
        .fold(call, |call, (name, value)| call.set(name, value))
}

/// A check and a start refuse with the same lines.
pub(crate) async fn check(role: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let checked = call(&["settings", "--check", role], variables).end().await;
    let started = call(&["run", role], variables).end().await;
    let refusals = |lines: &[String]| -> Vec<String> {
        lines
            .iter()
            .filter(|line| !line.starts_with("kefu: warning: "))
            .cloned()
            .collect()
    };
    let lines = refusals(&checked.stderr);
    assert_eq!(lines, started.stderr, "{role} {variables:?}");
    for ended in [&checked, &started] {
        ended.check_code(2);
        assert!(
            !ended.stderr.iter().any(|line| line.contains("hunter2")),
            "{ended:?}"
        );
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(&format!("kefu: {expected}")),
            "{expected}: {lines:#?}"
        );
    }
}

#[tokio::test]
async fn every_mistake_is_told_with_its_place_and_a_start_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kefu.toml");
    fs::write(
        &path,
        "[worker]\ndrain = \"10\"\nthreads = 4\n\n[ai]\nmodel = \"m\"\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let variables = [
        ("KEFU_CONFIG", path),
        ("KEFU_LOG__LEVEL", "loud"),
        ("KEFU_REPLY__RULES", "hello"),
    ];
    let expected = [
        "log.level: expected error, warn, ",
        "worker.threads: unknown key; ",
        "worker.drain: expected a duration with a unit, such as 10s or 800ms, found string \"10\"",
        "ai.base_url: is missing, so the model that ai.model or ai.api_key names is never asked",
        "reply.rules: line 1 is not ",
    ];
    let checked = call(&["settings", "--check", "worker"], &variables).end().await;
    checked.check_code(2);
    for expected in expected {
        let hits = checked
            .stderr
            .iter()
            .filter(|line| line.starts_with(&format!("kefu: {expected}")))
            .count();
        assert_eq!(hits, 1, "{expected}: {checked:?}");
    }
    assert_eq!(checked.stderr.len(), expected.len());
    let started = call(&["run", "worker"], &variables).end().await;
    assert_eq!(started.stderr, checked.stderr);
    let lines = checked.stderr.join("\n");
    for place in [
        format!("({path}, line 2)"),
        format!("({path}, line 3)"),
        "(set by KEFU_LOG__LEVEL)".to_owned(),
    ] {
        assert!(lines.contains(&place), "{place}: {lines}");
    }
}

#[tokio::test]
async fn what_would_do_nothing_is_refused() {
    check(
        "worker",
        &[("KEFU_QUEUE_PREFIX", "nc")],
        &["queue.prefix: is not set by KEFU_QUEUE_PREFIX"],
    )
    .await;
    check(
        "ingress",
        &[("KEFU_APPS_DEFAULT_TOKEN", "hunter2")],
        &["apps.default.token: is not set by"],
    )
    .await;
    check("worker", &[("KEFU_AI__MODEL", "m")], &["ai.base_url: is missing"]).await;
    check(
        "worker",
        &[("KEFU_AI__API_KEY", "hunter2")],
        &["ai.base_url: is missing"],
    )
    .await;
    let whole = [("KEFU_AI__BASE_URL", "https://m.example/v1/chat/completions")];
    check("worker", &whole, &["ai.base_url: is the whole address"]).await;
    check(
        "worker",
        &[("KEFU_AI__BASE_URL", "\"https://m.example/v1\"")],
        &[
            "ai.base_url: stands in quotation marks",
            "ai.base_url: is not an http",
        ],
    )
    .await;
    check(
        "worker",
        &[("KEFU_APPS__DEFAULT__SECRET", "“hunter2”")],
        &["apps.default.secret: stands in quotation marks"],
    )
    .await;
    check(
        "worker",
        &[("KEFU_REPLY__WELCOME", &"欢".repeat(700))],
        &["reply.welcome: has 2100 bytes, at most 2048 fit into one message"],
    )
    .await;
}

#[tokio::test]
async fn what_is_known_without_connecting_is_known_to_the_check() {
    // A broker behind TLS is nothing to refuse: only its certificate can be wrong.
    let tls = [
        ("AMQP_URL", "amqps://kefu:hunter2@127.0.0.1:1/"),
        ("REDIS_URL", "rediss://:hunter2@127.0.0.1:1/0"),
    ];
    for role in ["ingress", "worker"] {
        call(&["settings", "--check", role], &tls)
            .end()
            .await
            .check_code(0);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (file, below) = (
        file.display().to_string(),
        file.join("spool").display().to_string(),
    );
    let folder = folder.path().display().to_string();
    for (role, variable, value, expected) in [
        ("ingress", "KEFU_QUEUE__SPOOL", file.as_str(), "queue.spool: "),
        ("ingress", "KEFU_QUEUE__SPOOL", &below, "queue.spool: "),
        (
            "ingress",
            "KEFU_QUEUE__SPOOL",
            "file:///srv/spool",
            "queue.spool: ",
        ),
        (
            "ingress",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://[",
            "OTEL_EXPORTER_OTLP_ENDPOINT: ",
        ),
        (
            "worker",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://[",
            "OTEL_EXPORTER_OTLP_ENDPOINT: ",
        ),
        (
            "worker",
            "DATABASE_URL",
            &format!("sqlite:{folder}"),
            "database.url: ",
        ),
        (
            "worker",
            "KEFU_WECOM__PROXY",
            "proxy:3128",
            "wecom.proxy: must be http",
        ),
        (
            "worker",
            "KEFU_STATE__COMMAND_TIMEOUT",
            "0s",
            "state.command_timeout: ",
        ),
    ] {
        let single = ("KEFU_WORKER__SINGLE", "true");
        check(role, &[(variable, value), single], &[expected]).await;
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_told_with_the_one_that_was_meant() {
    for (variable, expected) in [
        (
            "KEFU_WORKER__PREFIX",
            "worker.prefix: unknown key; did you mean queue.prefix? ",
        ),
        (
            "KEFU_QUEUE__RETRY_STEP",
            "queue.retry_step: unknown key; did you mean queue.retry_steps? ",
        ),
        (
            "KEFU_APPS__DEFAULT__SECRT",
            "apps.default.secrt: unknown key; did you mean apps.default.secret? ",
        ),
        (
            "KEFU_QEUE__URL",
            "qeue.url: unknown key, set by KEFU_QEUE__URL; did you mean the section queue? ",
        ),
        (
            "kefu_log__level",
            "log.level: is not set by kefu_log__level, which does nothing; ",
        ),
        (
            "KEFU_APPS__DEFAULT_SECRET",
            "apps.default_secret: unknown key, set by KEFU_APPS__DEFAULT_SECRET; ",
        ),
    ] {
        check("worker", &[(variable, "hunter2")], &[expected]).await;
    }
    let injected = [
        ("KEFU_INGRESS_SERVICE_HOST", "10.0.0.1"),
        ("KEFU_INGRESS_PORT", "tcp://10.0.0.1:3001"),
        ("KEFU_WORKER_PORT_3002_TCP_ADDR", "10.0.0.1"),
        ("KEFU_QUEUE_PORT", "tcp://10.0.0.1:5672"),
        ("KEFU_STATE_SERVICE_PORT", "6379"),
    ];
    call(&["settings", "--check"], &injected)
        .end()
        .await
        .check_code(0);
}

#[tokio::test]
async fn all_is_told_at_once_by_the_programs_of_the_roles_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kefu.toml");
    let file = "[kitchen]\nsink = 1\n[queue]\nprefix = \"a b\"\nspool_max = 1\n[ingress]\nbody_max = 0\n\
        connections_max = 0\n[apps.shop]\ntoken = \"a b\"\nencoding_aes_key = \"short\"\ncorp_id = \"ww1\"\n";
    fs::write(&path, file).unwrap();
    let path = path.display().to_string();
    let variables = [("KEFU_CONFIG", path.as_str()), ("KEFU_LOG_LEVEL", "debug")];
    let expected = [
        "kitchen: unknown section; ",
        "log.level: is not set by KEFU_LOG_LEVEL",
        "ingress.body_max: must be",
        "ingress.connections_max: must be",
        "apps.shop.token: must",
        "apps.shop.encoding_aes_key: must be 43 characters, got 5 (",
        "queue.prefix: must be",
        "queue.spool_max: must be",
    ];
    check("ingress", &variables, &expected).await;
}

#[tokio::test]
async fn what_is_only_probably_wrong_is_a_warning() {
    let odd = [
        ("KEFU_APPS__DEFAULT__CORP_ID", "corp"),
        ("KEFU_AI__BASE_URL", "https://api.example.com"),
        ("KEFU_APPS__DEFAULT__SECRET", "hunter2 "),
        ("REDIS_URL", ""),
    ];
    let checked = call(&["settings", "--check", "worker"], &odd).end().await;
    checked.check_code(0);
    for key in [
        "apps.default.corp_id: does not look like",
        "ai.base_url: has no path",
        "apps.default.secret: begins or ends",
        "state.url: is memory: beside",
    ] {
        let hits = checked
            .stderr
            .iter()
            .filter(|line| line.starts_with(&format!("kefu: warning: {key}")))
            .count();
        assert_eq!(hits, 1, "{key}: {checked:?}");
    }
    assert!(
        checked.text().ends_with("(no settings file; environment)\n"),
        "{checked:?}"
    );
    let json = call(&["settings", "--check", "worker", "--json"], &odd)
        .end()
        .await
        .json();
    assert_eq!(
        (
            json["problems"].as_array().unwrap().len(),
            json["warnings"].as_array().unwrap().len()
        ),
        (0, 4)
    );
    let wrong = call(
        &["settings", "--check", "worker", "--json"],
        &[("KEFU_LOG__LEVEL", "loud")],
    )
    .end()
    .await;
    wrong.check_code(2);
    let told: Value = serde_json::from_str(&wrong.text()).unwrap();
    assert_eq!(told["problems"][0]["key"], "log.level");
}

#[tokio::test]
async fn the_ingress_needs_no_secret_of_the_worker_and_reads_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kefu.toml");
    let text = "[apps.default]\nsecret_file = \"/nowhere/secret\"\n[ai]\nbase_url = \"https://m/v1\"\napi_key_file = \"/nowhere/key\"\n";
    fs::write(&path, text).unwrap();
    let checked = call(
        &["settings", "--check", "ingress"],
        &[("KEFU_CONFIG", path.to_str().unwrap())],
    )
    .unset("KEFU_APPS__DEFAULT__SECRET")
    .end()
    .await;
    checked.check_code(0);
}
