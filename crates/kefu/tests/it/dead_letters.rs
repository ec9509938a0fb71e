//! `kefu dead-letters`: what a person sees of jobs that died, and does about them.

use std::path::Path;

use kefu_domain::Millis;
use kefu_queue::{Job, Lane};
use kefu_store::{DatabaseSettings, NewDeadLetter, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{Call, Ended, kefu};

/// A database in a folder of its own, where the commands look for it by default.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Desk {
    pub(crate) async fn open() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&format!("sqlite:{}/kefu-data/kefu.db", folder.path().display())).await;
        store.migrate().await.unwrap();
        Desk { folder, store }
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Call {
        call_in(self.folder.path(), arguments)
    }

    pub(crate) async fn answer(&self, arguments: &[&str]) -> Ended {
        let ended = self.call(arguments).end().await;
        ended.check_code(0);
        ended
    }

    /// The numbers of the letters listed.
    pub(crate) async fn listed(&self, filter: &[&str]) -> Vec<i64> {
        let ended = self.answer(&[&["list", "--json"], filter].concat()).await;
        lines(&ended)
            .iter()
            .map(|letter| letter["id"].as_i64().unwrap())
            .collect()
    }
}

fn call_in(folder: &Path, arguments: &[&str]) -> Call {
    kefu(&[&["dead-letters"], arguments].concat()).within(folder)
}

pub(crate) async fn store(url: &str) -> Store {
    let settings = DatabaseSettings {
        url: url.to_owned().into(),
        pool: 2,
    };
    Store::open(&settings).await.unwrap()
}

pub(crate) fn lines(ended: &Ended) -> Vec<Value> {
    let text = ended.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn event(number: usize) -> Job {
    let payload = json!({"kind": "event.x", "corp": "ww1", "plaintext": format!("<xml>{number}</xml>")});
    let mut job = Job::new(
        "app.event",
        "default",
        Lane::Low,
        payload,
        Millis(1_700_000_000_000),
    );
    job.dedup = Some(format!("{number:040x}"));
    job
}

fn letter<'a>(job: &'a Job, raw: &'a [u8]) -> NewDeadLetter<'a> {
    NewDeadLetter {
        job_id: &job.id,
        replay: 0,
        kind: Some(&job.kind),
        app: Some(&job.app),
        lane: Some(job.lane.as_str()),
        reason: "permanent",
        attempts: 3,
        first_error: Some("first\u{1b}[2J"),
        first_error_at: Some(Millis(1_700_000_000_000)),
        last_error: Some("last"),
        error_at: Some(Millis(1_700_000_060_000)),
        trace: Some("00-aa-bb-01"),
        raw,
    }
}

pub(crate) async fn archive(store: &Store, job: &Job) -> i64 {
    let raw = job.encode();
    assert!(store.archive_dead_letter(&letter(job, &raw)).await.unwrap());
    store.dead_letters(1).await.unwrap()[0].seq
}

/// Bytes that are no job.
async fn archive_bytes(store: &Store, raw: &[u8]) -> i64 {
    let nobody = event(0);
    let letter = NewDeadLetter {
        job_id: "raw-aa",
        kind: None,
        app: None,
        lane: None,
        reason: "unreadable",
        ..letter(&nobody, raw)
    };
    assert!(store.archive_dead_letter(&letter).await.unwrap());
    store.dead_letters(1).await.unwrap()[0].seq
}

#[tokio::test]
async fn letters_are_listed_newest_first_and_by_every_filter() {
    let desk = Desk::open().await;
    let none = desk.answer(&["list"]).await;
    assert_eq!((none.text().as_str(), none.stderr.len()), ("", 1));
    let event = archive(&desk.store, &event(1)).await;
    let mut turn = Job::new("kf.turn", "sales", Lane::Medium, json!({}), Millis(0));
    turn.replay = 2;
    let turn = archive(&desk.store, &turn).await;
    let bytes = archive_bytes(&desk.store, b"\xff\0").await;
    for (filter, expected) in [
        (&[][..], vec![bytes, turn, event]),
        (&["--limit", "2"], vec![bytes, turn]),
        (&["--kind", "kf.turn"], vec![turn]),
        (&["--kind", "none"], vec![bytes]),
        (&["--lane", "low"], vec![event]),
        (&["--app", "sales"], vec![turn]),
        (&["--reason", "permanent", "--since", "1h"], vec![turn, event]),
        (&["--reason", "crashed"], vec![]),
        (&["--since", "0s"], vec![]),
    ] {
        assert_eq!(desk.listed(filter).await, expected, "{filter:?}");
    }
    desk.answer(&["discard", &turn.to_string()]).await;
    assert_eq!(desk.listed(&[]).await, [bytes, event]);
    assert_eq!(desk.listed(&["--all"]).await, [bytes, turn, event]);

    let text = desk.answer(&["list", "--all"]).await.text();
    assert_eq!(text.lines().count(), 4);
    assert!(text.contains("discarded") && text.contains("kf.turn"), "{text}");
    let json = desk
        .answer(&["list", "--kind", "app.event", "--json"])
        .await
        .json();
    let mut json = json.as_object().unwrap().clone();
    for key in ["job_id", "archived_at", "bytes"] {
        assert!(!json.remove(key).unwrap().is_null());
    }
    let expected = json!({
        "id": event, "replay": 0, "kind": "app.event", "app": "default", "lane": "low",
        "reason": "permanent", "attempts": 3, "state": "open", "state_at": null, "trace": "00-aa-bb-01",
        "account": null, "customer": null,
        "first_error": "first\u{1b}[2J", "first_error_at": "2023-11-14T22:13:20.000Z",
        "last_error": "last", "last_error_at": "2023-11-14T22:14:20.000Z",
    });
    assert_eq!(Value::Object(json), expected);
}

#[tokio::test]
async fn one_letter_is_shown_with_its_story_and_its_bytes() {
    let desk = Desk::open().await;
    let job = event(1);
    let id = archive(&desk.store, &job).await.to_string();
    let text = desk.answer(&["show", &id]).await.text();
    for part in [
        "permanent",
        &job.id,
        "2023-11-14T22:13:20.000Z",
        "00-aa-bb-01",
        "event.x",
        "first\\u{1b}[2J",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let shown = desk.answer(&["show", &id, "--json"]).await.json();
    assert_eq!(
        (&shown["job"]["payload"], &shown["reason"]),
        (&job.payload, &json!("permanent"))
    );
    let bytes = archive_bytes(&desk.store, b"\xff\0 no job\n").await.to_string();
    let raw = desk.answer(&["show", &bytes, "--raw"]).await;
    assert_eq!(raw.stdout, b"\xff\0 no job\n");
    let shown = desk.answer(&["show", &bytes, "--json"]).await.json();
    assert_eq!((&shown["job"], &shown["kind"]), (&Value::Null, &Value::Null));
    let nobody = desk.call(&["show", "4711"]).end().await;
    nobody.check_code(1);
    assert_eq!(nobody.stderr, ["kefu: dead letter 4711: there is none"]);
    desk.call(&["show", "4711", "--json", "--raw"])
        .end()
        .await
        .check_code(2);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let desk = Desk::open().await;
    let id = archive(&desk.store, &event(1)).await.to_string();
    for command in ["replay", "discard"] {
        for which in [id.as_str(), "--all", "--kind=app.event"] {
            let dry = desk.answer(&[command, which, "--dry-run"]).await;
            assert!(dry.text().contains("would"), "{dry:?}");
            let json = desk.answer(&[command, which, "--dry-run", "--json"]).await.json();
            assert_eq!((&json["changed"], &json["dry_run"]), (&json!(1), &json!(true)));
        }
    }
    let letters = desk.store.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), letters[0].state_at), (1, None));
}

#[tokio::test]
async fn nothing_is_changed_without_saying_which() {
    let desk = Desk::open().await;
    archive(&desk.store, &event(1)).await;
    for wrong in [
        &["replay"][..],
        &["discard", "--dry-run"],
        &["replay", "1", "--all"],
        &["discard", "1", "--kind", "kf.turn"],
        &["replay", "first"],
        &["replay", "--lane", "left"],
        &["list", "--since", "yesterday"],
    ] {
        desk.call(wrong).end().await.check_code(2);
    }
    assert_eq!(desk.listed(&[]).await.len(), 1);
}

#[tokio::test]
async fn letters_that_cannot_be_what_was_asked_say_so() {
    let desk = Desk::open().await;
    let good = archive(&desk.store, &event(1)).await.to_string();
    let bytes = archive_bytes(&desk.store, b"\xff").await.to_string();
    let ended = desk.call(&["replay", &good, &bytes, "4711"]).end().await;
    ended.check_code(1);
    let said = ended.stderr.join("\n");
    assert!(
        said.contains("cannot be replayed") && said.contains("4711: there is none"),
        "{said}"
    );
    assert!(
        ended.text().starts_with("1 dead letter will run again"),
        "{ended:?}"
    );
    // The same again is what was wanted already; the other way round it is not.
    let again = desk.answer(&["replay", &good, "--json"]).await.json();
    assert_eq!(
        (&again["changed"], &again["letters"][0]["outcome"]),
        (&json!(0), &json!("was_replaying"))
    );
    // A mark that nobody has acted on yet can be taken back.
    desk.answer(&["discard", &good]).await;
    // By filter nobody named it: it is counted, and the answer is yes.
    let swept = desk.answer(&["replay", "--all", "--json"]).await.json();
    assert_eq!((&swept["changed"], &swept["no_job"]), (&json!(0), &json!(1)));
    desk.answer(&["discard", "--reason", "unreadable"]).await;
    desk.answer(&["discard", &bytes]).await;
    desk.call(&["replay", &bytes]).end().await.check_code(1);
    assert_eq!(desk.listed(&[]).await, Vec::<i64>::new());
}
