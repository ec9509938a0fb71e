//! The first command of a newcomer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Call, Ended, kefu};

const KEYS: [&str; 7] = [
    "customers",
    "messages",
    "answered",
    "lost",
    "duplicated",
    "callback_p99_ms",
    "reply_p99_ms",
];

fn small() -> Call {
    kefu(&["demo", "--once", "--json", "--customers", "5", "--messages", "20"])
}

#[track_caller]
fn check(ended: &Ended, customers: u64, messages: u64) {
    ended.check_code(0);
    let report = ended.json();
    for key in KEYS {
        assert!(report[key].is_number(), "{key}: {report}");
    }
    let totals = ["customers", "messages", "answered", "lost", "duplicated"].map(|key| report[key].as_u64());
    assert_eq!(
        totals,
        [Some(customers), Some(messages), Some(messages), Some(0), Some(0)],
        "{report}"
    );
    // Quiet on the way: what is not JSON would be a warning for a person.
    assert_eq!(ended.stderr, Vec::<String>::new());
}

#[tokio::test]
async fn the_demo_answers_everybody_once_and_well_within_a_minute() {
    let started_at = Instant::now();
    let ended = kefu(&["demo", "--once", "--json"]).end().await;
    assert!(started_at.elapsed() < Duration::from_secs(60));
    check(&ended, 20, 200);
    let pulls = ended.json()["sync_calls"].as_u64().unwrap();
    assert!(8 < pulls, "the script goes over several pages, not {pulls}");
}

#[tokio::test]
async fn the_demo_reads_no_settings_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (cwd, temporary) = (folder.path().join("cwd"), folder.path().join("tmp"));
    fs::create_dir(&cwd).unwrap();
    fs::create_dir(&temporary).unwrap();
    fs::write(cwd.join("kefu.toml"), "[nonsense]\n").unwrap();
    fs::set_permissions(&cwd, fs::Permissions::from_mode(0o555)).unwrap();
    let call = small()
        .within(&cwd)
        .set("TMPDIR", temporary.to_str().unwrap())
        .set("KEFU_CONFIG", "/nowhere/kefu.toml")
        .set("KEFU_NONSENSE__KEY", "1")
        .set("KEFU_QUEUE__URL", "amqp://nobody:nothing@127.0.0.1:1/")
        .set("KEFU_APPS__DEFAULT__TOKEN", "not the simulator's")
        .set("KEFU_LOG__LEVEL", "loud")
        .set("DATABASE_URL", "postgres://nobody:nothing@127.0.0.1:1/none")
        .set("REDIS_URL", "redis://:nothing@127.0.0.1:1/0")
        .set("AMQP_URL", "amqp://nobody:nothing@127.0.0.1:1/");
    check(&call.end().await, 5, 20);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&cwd).unwrap().count(), 1);
}

#[tokio::test]
async fn one_demo_after_another_starts_from_nothing() {
    for _ in 0..2 {
        let ended = small().end().await;
        check(&ended, 5, 20);
        let report: Value = ended.json();
        assert_eq!(report["customer_messages"], 20);
    }
}

#[tokio::test]
async fn without_once_the_demo_stays_up_for_a_person_until_it_is_stopped() {
    let running = kefu(&["demo", "--customers", "2", "--messages", "4"])
        .start()
        .await;
    let page = running.notes("Chat as a customer: ").await;
    let answer = crate::stage::http().get(&page).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    running.terminate().await;
    let ended = running.ended_within(Duration::from_secs(15)).await;
    ended.check_code(0);
    assert!(
        ended
            .text()
            .starts_with("2 customers wrote 4 messages: 4 answered, 0 lost"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn the_demo_listens_where_it_is_told_and_says_who_else_may_play() {
    let demo = |listen: &str| kefu(&["demo", "--customers", "1", "--messages", "1", "--listen", listen]);
    let running = demo("0.0.0.0:0").start().await;
    let page = running.notes("Chat as a customer: ").await;
    assert_eq!(
        crate::stage::http().get(&page).send().await.unwrap().status(),
        200
    );
    let warned = running
        .stderr()
        .iter()
        .any(|line| line.starts_with("Anyone who reaches 0.0.0.0"));
    assert!(warned, "{:?}", running.stderr());
    running.terminate().await;
    running.ended_within(Duration::from_secs(15)).await.check_code(0);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = demo(&address).end().await;
    ended.check_code(2);
    let expected = format!("kefu: --listen: {address} is already in use");
    assert_eq!(ended.stderr, [expected]);
}
