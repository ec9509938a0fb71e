//! The fields that docs/operations.md lists are the ones that commands write.

use std::collections::BTreeSet;
use std::path::Path;

use kefu_domain::CorpId;
use kefu_domain::Millis;
use kefu_store::NewEvent;
use serde_json::Value;

use crate::dead_letters::{Desk, archive, event};
use crate::mistakes::call;
use crate::official::{OPENING, RECEIVE_ID, post_body};
use crate::stage::kefu;

const DOCUMENT: &str = include_str!("../../../../docs/operations.md");

/// The words in code style of the row of this command, in its second column.
fn documented(command: &str) -> BTreeSet<String> {
    let start = format!("| `{command}`");
    let is_row = |line: &&str| line.starts_with(&start) && line.matches(" | ").count() == 1;
    let row = DOCUMENT
        .lines()
        .find(is_row)
        .unwrap_or_else(|| panic!("no row for {command}"));
    let (_, fields) = row.split_once(" | ").unwrap();
    fields.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn check(command: &str, json: &Value, beside: &[&str]) {
    let mut expected = documented(command);
    for word in beside {
        assert!(expected.remove(*word), "{command}: {word}");
    }
    let written: BTreeSet<String> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(written, expected, "{command}");
}

async fn told(folder: &Path, arguments: &[&str]) -> Value {
    let ended = kefu(arguments).within(folder).input("x").end().await;
    ended.check_code(0);
    ended.json()
}

#[tokio::test]
async fn json_has_the_documented_fields() {
    let desk = Desk::open().await;
    let folder = desk.folder.path();
    let corp = CorpId::parse("ww1").unwrap();
    let new_event = NewEvent {
        app: "default",
        corp: &corp,
        hash: "aa",
        kind: "text",
        from_user: None,
        created_at: None,
        received_at: Millis(5),
        raw: b"<xml/>",
        trace: None,
    };
    assert!(desk.store.insert_event(&new_event).await.unwrap());
    check(
        "events list",
        &told(folder, &["events", "list", "--json"]).await,
        &[],
    );
    let id = archive(&desk.store, &event(1)).await.to_string();
    let listed = told(folder, &["dead-letters", "list", "--json"]).await;
    check("dead-letters list", &listed, &[]);
    let mut shown = told(folder, &["dead-letters", "show", &id, "--json"]).await;
    for field in ["job", "raw"] {
        assert!(shown.as_object_mut().unwrap().remove(field).is_some());
        assert!(documented("dead-letters show").contains(field));
    }
    check("dead-letters list", &shown, &[]);
    let dry = told(folder, &["dead-letters", "discard", &id, "--dry-run", "--json"]).await;
    check("dead-letters replay", &dry, &["id", "job_id", "kind", "outcome"]);
    check("migrate", &told(folder, &["migrate", "--json"]).await, &[]);
    check("version", &told(folder, &["version", "--json"]).await, &[]);
    let demo = ["demo", "--once", "--customers", "1", "--messages", "1", "--json"];
    let played = told(folder, &demo).await;
    check("demo", &played, &[]);

    let keyed =
        |action: &str| kefu(&[&["callback", action, "--json"], &OPENING[..], &RECEIVE_ID[..]].concat());
    let sealed = keyed("seal").input("x").end().await.json();
    check("callback seal", &sealed, &[]);
    let opened = keyed("open").input(post_body()).end().await.json();
    check("callback open", &opened, &["current", "previous", "given"]);
}

#[tokio::test]
async fn settings_have_the_documented_fields() {
    let shown = call(
        &["settings", "--effective", "--json"],
        &[("AMQP_URL", "sqlite:jobs.db")],
    );
    let text = shown.end().await.text();
    let values: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |key: &str| values.iter().find(|value| value["key"] == key).unwrap();
    check("settings --effective", of("queue.url"), &["secret", "file"]);
    check(
        "settings --effective",
        of("ai.timeout"),
        &["secret", "file", "place"],
    );
    check(
        "settings --effective",
        of("apps.default.secret"),
        &["value", "file", "place"],
    );

    let wrong = [
        ("KEFU_QUEUE__PREFIX", "a b"),
        ("KEFU_AI__BASE_URL", "http://127.0.0.1:1"),
    ];
    let checked = call(&["settings", "--check", "--json"], &wrong).end().await;
    checked.check_code(2);
    let checked = checked.json();
    let outcomes = ["answers", "refuses", "away"];
    let of_problem = ["key", "problem", "origin"];
    let of_service = ["service", "outcome", "said"];
    let beside = [
        &of_problem[..],
        &of_service,
        &outcomes,
        &["--connect", "services"],
    ]
    .concat();
    check("settings --check", &checked, &beside);
    let around = [
        &["problems", "warnings", "--connect", "services"][..],
        &of_service,
        &outcomes,
    ]
    .concat();
    for list in ["problems", "warnings"] {
        check("settings --check", &checked[list][0], &around);
    }
}
