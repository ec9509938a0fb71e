//! Settings that cannot work stop the start and name their key.

use kefu_settings::Settings;
use kefu_worker::Worker;

#[track_caller]
fn check(key: &str, value: &str, named: &str) {
    let settings = Settings::reference_only()
        .unwrap()
        .with("worker.listen", "127.0.0.1:0")
        .with("apps.default.corp_id", "ww1")
        .with("apps.default.secret", "not a real one")
        .with(key, value);
    let refused = Worker::bind(&settings).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains(named), "{key} = {value}: {refused}");
}

#[test]
fn impossible_settings_are_refused_by_name() {
    check("worker.slots.high", "0", "worker.slots.high");
    check("worker.slots.low", "100000", "worker.slots.low");
    check("worker.rate_pause", "0s", "worker.rate_pause");
    check("worker.rate_pause", "2h", "worker.rate_pause");
    check("worker.breaker_wait", "0s", "worker.breaker_wait");
    check("worker.breaker_wait", "10m", "worker.breaker_wait");
    check("worker.drain", "soon", "worker.drain");
    check("worker.nothing", "1", "worker.nothing");
    check("apps.default.corp_id", "", "apps.default.corp_id");
    check("ai.base_url", "ftp://example.com", "ai.base_url");
    check("ai.thought_marks", "<plan>…</plan>, <x>", "ai.thought_marks");
    check("ai.timeout", "0s", "ai.timeout");
    check("reply.rules", "no arrow", "reply.rules");
    check("wecom.api_base", "https://example.com/path", "wecom.api_base");
    check("wecom.msgid_repeated_codes", "many", "wecom.msgid_repeated_codes");
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_by_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check(
        "worker.listen",
        &taken.local_addr().unwrap().to_string(),
        "worker.listen",
    );
}
