//! The simulated WeCom as a command: whom it calls, and who learns that nobody is there.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::refusals::check_refusal;
use crate::stage::{Simulator, app, both_roles, eventually, http, kefu};

/// A port where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9/callback";

#[tokio::test]
async fn without_anybody_to_call_it_says_so_at_once_and_ends_soon() {
    let started_at = Instant::now();
    let call = kefu(&[
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--once",
        "--json",
        "--callback",
        NOBODY,
    ]);
    let running = call.start().await;
    let line = running.says("nothing answers at").await;
    assert!(
        started_at.elapsed() < Duration::from_secs(10),
        "{:?}",
        started_at.elapsed()
    );
    let message = line["message"].as_str().unwrap();
    for part in [NOBODY, "connection refused", "kefu run"] {
        assert!(message.contains(part), "{message}");
    }
    let ended = running.ended_within(Duration::from_secs(40)).await;
    ended.check_code(1);
    assert_eq!(ended.text(), "", "nothing was played, so there are no totals");
    assert!(ended.stderr.last().unwrap().contains(NOBODY), "{ended:?}");
    let lines = ended
        .stderr
        .iter()
        .filter(|line| line.contains("nothing answers"));
    assert_eq!(lines.count(), 1, "it is not said again and again");
}

#[tokio::test]
async fn started_before_kefu_it_waits_for_it_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::play_and_stay(2, 8, NOBODY).await;
    let trouble = async || -> Value {
        let url = format!("{}/simulator", simulator.url);
        let about: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        about["callback_trouble"].clone()
    };
    eventually("the page can tell", async || {
        (trouble().await["code"] == "nobody").then_some(())
    })
    .await;
    assert_eq!(simulator.report().await["customer_messages"], 0);
    let model = format!("{}/v1", simulator.url);
    let kefu = both_roles(folder.path(), &simulator, &[("KEFU_AI__BASE_URL", &model)]).await;
    let totals = simulator.totals().await;
    let counted = ["messages", "answered", "lost", "duplicated"].map(|key| totals[key].as_u64().unwrap());
    assert_eq!(counted, [8, 8, 0, 0], "{totals}");
    assert_eq!(trouble().await, Value::Null);
    drop(kefu);
}

#[tokio::test]
async fn a_wrong_app_is_refused_with_its_key_and_place() {
    for (variable, value, expected) in [
        (
            "ENCODING_AES_KEY",
            "tooshort",
            "apps.default.encoding_aes_key: must be 43 characters, got 8",
        ),
        ("TOKEN", "no token!", "apps.default.token: "),
        ("SECRET", " ", "apps.default.secret: is empty"),
        ("CORP_ID", " ", "apps.default.corp_id: is empty"),
    ] {
        let name = format!("KEFU_APPS__DEFAULT__{variable}");
        for arguments in [
            &["simulate", "--listen", "127.0.0.1:0"][..],
            &["simulate", "--settings"],
        ] {
            let ended = kefu(arguments).set_all(&app()).set(&name, value).end().await;
            check_refusal(&ended, expected);
            assert!(
                ended.stderr[0].ends_with(&format!("(set by {name})")),
                "{ended:?}"
            );
        }
        let sealed = kefu(&["callback", "seal"])
            .set_all(&app())
            .set(&name, value)
            .input("x");
        if variable != "SECRET" {
            let sealed = sealed.end().await;
            check_refusal(&sealed, expected);
            assert!(
                sealed.stderr[0].ends_with(&format!("(set by {name})")),
                "{sealed:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_script_without_messages_ends_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let there = both_roles(folder.path(), &simulator, &[]).await;
    let call = kefu(&[
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--messages",
        "0",
        "--once",
        "--json",
        "--callback",
        &there.callback_url(),
    ]);
    let ended = call.start().await.ended_within(Duration::from_secs(30)).await;
    ended.check_code(0);
    assert_eq!(ended.json()["messages"], 0);
}

#[tokio::test]
async fn settings_for_a_port_that_nobody_knows_yet_are_refused() {
    let free = kefu(&["simulate", "--listen", "127.0.0.1:0", "--settings"])
        .end()
        .await;
    check_refusal(&free, "--listen: a free port");
    let all = kefu(&["simulate", "--listen", "0.0.0.0:3900", "--settings"])
        .end()
        .await;
    let base = "export KEFU_WECOM__API_BASE='http://127.0.0.1:3900'\n";
    assert!(all.text().contains(base), "{all:?}");
}
