//! What lists have in common: they make nothing, name their columns, tell local times, and have a next page.

use std::fs;
use std::path::Path;

use kefu_domain::{CorpId, Millis};
use kefu_queue::{Job, Lane};
use kefu_store::{NewDeadLetter, NewEvent, Store};
use serde_json::{Value, json};

use crate::dead_letters::{Desk, archive, event};
use crate::stage::{Ended, kefu};

/// Everything that looks into the database, or changes what must be there before.
const LOOKING: [&[&str]; 7] = [
    &["events", "list"],
    &["dead-letters", "list", "--json"],
    &["dead-letters", "show", "1"],
    &["dead-letters", "replay", "--all"],
    &["dead-letters", "discard", "1"],
    &["replies", "list"],
    &["replies", "resolve", "m1", "--as", "sent"],
];

#[track_caller]
fn check_missing(ended: &Ended, file: &Path, layer: &str) {
    ended.check_code(2);
    let expected = format!(
        "kefu: database.url: no database at {} (from {layer});",
        file.display()
    );
    assert_eq!((ended.text().as_str(), ended.stderr.len()), ("", 1), "{ended:?}");
    assert!(ended.stderr[0].starts_with(&expected), "{expected}\n{ended:?}");
}

#[tokio::test]
async fn who_looks_where_nothing_is_makes_nothing_and_is_told_where_he_looked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    let file = here.join("kefu-data/kefu.db");
    for arguments in LOOKING {
        let ended = kefu(arguments).within(&here).end().await;
        check_missing(&ended, &file, "the default of database.url");
    }
    let list = || kefu(LOOKING[0]).within(&here);
    for variable in ["DATABASE_URL", "KEFU_DATABASE__URL"] {
        let ended = list().set(variable, "sqlite:other/kefu.db").end().await;
        check_missing(&ended, &here.join("other/kefu.db"), variable);
    }
    // The stronger one is the one that counts.
    let both = list()
        .set("DATABASE_URL", "sqlite:a.db")
        .set("KEFU_DATABASE__URL", "sqlite:b.db");
    check_missing(&both.end().await, &here.join("b.db"), "KEFU_DATABASE__URL");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 0);

    fs::write(here.join("kefu.toml"), "[database]\nurl = \"sqlite:c.db\"\n").unwrap();
    let line = format!("{}, line 2", here.join("kefu.toml").display());
    check_missing(&list().end().await, &here.join("c.db"), &line);
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1);
}

/// What `more:` says, as options.
fn more(ended: &Ended) -> Option<Vec<String>> {
    let words = ended.stderr.iter().find_map(|line| line.strip_prefix("more: "))?;
    Some(words.split(' ').map(str::to_owned).collect())
}

#[tokio::test]
async fn letters_have_a_header_local_times_and_a_next_page() {
    let desk = Desk::open().await;
    for number in 0..5 {
        archive(&desk.store, &event(number)).await;
    }
    let (mut after, mut pages) = (Vec::new(), Vec::new());
    loop {
        let words: Vec<&str> = after.iter().map(String::as_str).collect();
        let page = desk
            .answer(&[&["list", "--limit", "2"], &words[..]].concat())
            .await;
        let text = page.text();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("ID  ARCHIVED"), "{text}");
        pages.push(
            lines
                .map(|line| line.split(' ').next().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        match more(&page) {
            Some(words) => after = words,
            None => break,
        }
    }
    assert_eq!(pages, [vec!["5", "4"], vec!["3", "2"], vec!["1"]]);
    let bare = desk.answer(&["list", "--no-header"]).await;
    assert_eq!((bare.text().lines().count(), bare.stderr.len()), (5, 0));

    for (zone, offset) in [
        ("Asia/Shanghai", "+08:00 "),
        ("UTC", "Z "),
        ("CST-8", "+08:00 "),
        ("", "Z "),
    ] {
        let list = desk.call(&["list", "--no-header"]).set("TZ", zone).end().await;
        assert!(
            list.text().lines().all(|line| line.contains(offset)),
            "{zone}: {list:?}"
        );
        let shown = desk.call(&["show", "1"]).set("TZ", zone).end().await.text();
        assert!(shown.contains(offset.trim()), "{zone}: {shown}");
        let json = desk
            .call(&["show", "1", "--json"])
            .set("TZ", zone)
            .end()
            .await
            .json();
        assert!(
            json["archived_at"].as_str().unwrap().ends_with('Z'),
            "{zone}: {json}"
        );
    }
}

async fn archive_turn(store: &Store, customer: &str) -> i64 {
    let payload = json!({"corp": "ww1", "account": "wk1", "customer": customer});
    let job = Job::new("kf.turn", "default", Lane::Medium, payload, Millis(0));
    archive(store, &job).await
}

#[tokio::test]
async fn a_letter_tells_whom_it_is_about_and_is_found_by_it() {
    let desk = Desk::open().await;
    let wang = archive_turn(&desk.store, "wang").await;
    let li = archive_turn(&desk.store, "li").await;
    archive(&desk.store, &event(1)).await;
    let pull = Job::new(
        "kf.sync",
        "default",
        Lane::High,
        json!({"account": "wk2"}),
        Millis(0),
    );
    let pull = archive(&desk.store, &pull).await;
    for (filter, expected) in [
        (&["--customer", "wang"][..], vec![wang]),
        (&["--customer", "wan"], vec![]),
        (&["--account", "wk1"], vec![li, wang]),
        (&["--account", "wk2"], vec![pull]),
        (&["--account", "wk1", "--customer", "li"], vec![li]),
        (&["--kind", "kf.sync", "--customer", "li"], vec![]),
        (&["--since", "2020-01-01", "--customer", "li"], vec![li]),
    ] {
        assert_eq!(desk.listed(filter).await, expected, "{filter:?}");
    }
    let row = desk
        .answer(&["list", "--no-header", "--customer", "wang"])
        .await
        .text();
    assert!(row.contains("  wk1  ") && row.contains("  wang  "), "{row}");
    let json = desk
        .answer(&["list", "--json", "--customer", "wang"])
        .await
        .json();
    assert_eq!(
        (&json["account"], &json["customer"]),
        (&json!("wk1"), &json!("wang"))
    );
    let dry = desk
        .answer(&["replay", "--customer", "wang", "--dry-run"])
        .await
        .text();
    assert!(
        dry.contains("  wang  ") && dry.contains("1 dead letter would run again"),
        "{dry}"
    );
    let done = desk
        .answer(&["replay", "--customer", "wang", "--json"])
        .await
        .json();
    assert_eq!(
        (&done["changed"], &done["letters"][0]["id"]),
        (&json!(1), &json!(wang))
    );
}

#[tokio::test]
async fn a_kind_or_reason_that_no_letter_can_have_is_refused_with_the_known_ones() {
    let desk = Desk::open().await;
    let tomorrow = NewDeadLetter {
        job_id: "j",
        replay: 0,
        kind: Some("kf.tomorrow"),
        app: None,
        lane: None,
        reason: "unknown",
        attempts: 1,
        first_error: None,
        first_error_at: None,
        last_error: None,
        error_at: None,
        trace: None,
        raw: b"{}",
    };
    assert!(desk.store.archive_dead_letter(&tomorrow).await.unwrap());
    for command in ["list", "replay", "discard"] {
        for (option, wrong, known, meant) in [
            ("--kind", "kf.trun", "kf.turn", Some("did you mean kf.turn?")),
            ("--kind", "turn", "app.event", None),
            ("--kind", "", "kf.welcome", None),
            ("--reason", "nosuch", "out_of_attempts", None),
            ("--reason", "crashd", "unreadable", Some("'crashed'")),
            ("--lane", "hihg", "medium", Some("'high'")),
        ] {
            let ended = desk.call(&[command, option, wrong]).end().await;
            ended.check_code(2);
            let said = ended.stderr.join("\n");
            assert!(said.starts_with("kefu: ") && said.contains(option), "{said}");
            assert!(
                said.contains(known) && meant.is_none_or(|meant| said.contains(meant)),
                "{said}"
            );
        }
    }
    // Of another version, and there.
    assert_eq!(desk.listed(&["--kind", "kf.tomorrow"]).await.len(), 1);
    assert_eq!(desk.listed(&["--kind", "kf.turn"]).await.len(), 0);
}

#[tokio::test]
async fn events_are_listed_by_kind_app_and_time_and_page_by_page() {
    let desk = Desk::open().await;
    let corp = CorpId::parse("ww1").unwrap();
    let hour = |count: i64| Millis(kefu_process::clock::now_ms() - count * 3_600_000);
    for (app, kind, received_at) in [
        ("default", "text", hour(50)),
        ("sales", "text", hour(3)),
        ("default", "event.click", hour(2)),
        ("default", "text\u{1b}", hour(1)),
    ] {
        let hash = format!("{app}{kind}");
        let event = NewEvent {
            app,
            corp: &corp,
            hash: &hash,
            kind,
            from_user: Some("zhang"),
            created_at: None,
            received_at,
            raw: b"<xml/>",
            trace: None,
        };
        assert!(desk.store.insert_event(&event).await.unwrap());
    }
    let list = async |more: &[&str]| {
        let call = kefu(&[&["events", "list"], more].concat()).within(desk.folder.path());
        let ended = call.end().await;
        ended.check_code(0);
        ended
    };
    for (filter, expected) in [
        (&[][..], vec![4, 3, 2, 1]),
        (&["--kind", "text"], vec![2, 1]),
        (&["--app", "sales"], vec![2]),
        (&["--since", "150m"], vec![4, 3]),
        (&["--until", "150m"], vec![2, 1]),
        (&["--since", "2020-01-01", "--until", "1day"], vec![1]),
        (&["--kind", "nothing.yet"], vec![]),
        (&["--after", "3"], vec![2, 1]),
    ] {
        let ended = list(&[&["--json"], filter].concat()).await;
        let text = ended.text();
        let rows = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let seqs: Vec<_> = rows.map(|row| row["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, expected, "{filter:?}");
    }
    let page = list(&["--limit", "3"]).await;
    assert_eq!(page.text().lines().count(), 4);
    assert!(!page.text().contains('\u{1b}'));
    assert_eq!(more(&page), Some(vec!["--after".to_owned(), "2".to_owned()]));
    let none = list(&["--kind", "nothing.yet"]).await;
    assert_eq!(none.stderr, ["no app events match"]);
}
