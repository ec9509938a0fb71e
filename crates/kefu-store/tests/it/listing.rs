//! Lists as a person asks for them: narrowed, page by page.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{
    EventQuery, LetterQuery, Moment, NewDeadLetter, NewEvent, ReplyFilter, ReplyPlace, ReplyQuery, Store,
    StoreError,
};

use crate::dead_letters::letter;
use crate::harness::*;

conformance!(
    events_are_narrowed_by_kind_app_and_time,
    events_tell_where_the_next_page_begins,
    a_filter_that_hits_nothing_looks_at_a_bounded_number_of_rows,
    letters_are_narrowed_by_whom_they_are_about,
    letters_tell_where_the_next_page_begins,
    replies_are_narrowed_and_turned_over,
);

async fn event(database: &Database, app: &str, kind: &str, received_at: Millis) {
    let corp = corp();
    let raw = format!("{app} {kind} {received_at:?}");
    let event = NewEvent {
        app,
        corp: &corp,
        hash: &raw,
        kind,
        from_user: None,
        created_at: None,
        received_at,
        raw: raw.as_bytes(),
        trace: None,
    };
    assert!(database.store.insert_event(&event).await.unwrap());
}

async fn four_events(database: &Database) -> Millis {
    let now = database.now().await;
    let hours = |count: i64| Millis(now.0 - count * 3_600_000);
    event(database, "default", "text", hours(4)).await;
    event(database, "default", "event.click", hours(3)).await;
    event(database, "sales", "text", hours(2)).await;
    event(database, "default", "text", hours(1)).await;
    now
}

async fn events_are_narrowed_by_kind_app_and_time(database: &Database) {
    let now = four_events(database).await;
    let ago = |minutes: u64| Some(Moment::Ago(Duration::from_secs(60 * minutes)));
    let at = |minutes: i64| Some(Moment::At(Millis(now.0 - minutes * 60_000)));
    let check = async |narrow: &dyn Fn(&mut EventQuery<'static>), expected: &[i64]| {
        let mut query = EventQuery::default();
        narrow(&mut query);
        let listed = database.store.events(&query, 10).await.unwrap();
        let seqs: Vec<_> = listed.rows.iter().map(|event| event.seq).collect();
        assert_eq!((seqs.as_slice(), listed.more), (expected, None), "{query:?}");
    };
    check(&|_| (), &[4, 3, 2, 1]).await;
    check(&|query| query.kind = Some("text"), &[4, 3, 1]).await;
    check(&|query| query.kind = Some("tex"), &[]).await;
    check(&|query| query.app = Some("sales"), &[3]).await;
    check(&|query| query.since = ago(150), &[4, 3]).await;
    check(&|query| query.since = at(150), &[4, 3]).await;
    check(&|query| query.since = ago(0), &[]).await;
    check(&|query| query.until = ago(150), &[2, 1]).await;
    check(&|query| query.until = at(180), &[1]).await;
    let between = |query: &mut EventQuery<'_>| (query.since, query.until) = (at(180), at(60));
    check(&between, &[3, 2]).await;
    let both = |query: &mut EventQuery<'_>| (query.kind, query.app) = (Some("text"), Some("default"));
    check(&both, &[4, 1]).await;
    check(&|query| query.before = Some(4), &[3, 2, 1]).await;
}

async fn events_tell_where_the_next_page_begins(database: &Database) {
    four_events(database).await;
    let (mut query, mut seen) = (
        EventQuery {
            kind: Some("text"),
            ..EventQuery::default()
        },
        Vec::new(),
    );
    loop {
        let listed = database.store.events(&query, 1).await.unwrap();
        seen.extend(listed.rows.iter().map(|event| event.seq));
        let Some(more) = listed.more else { break };
        query.before = Some(more);
    }
    assert_eq!(seen, [4, 3, 1]);
}

async fn a_filter_that_hits_nothing_looks_at_a_bounded_number_of_rows(database: &Database) {
    let bytes = match database.is_postgres() {
        true => "BYTEA",
        false => "BLOB",
    };
    let many = format!(
        "INSERT INTO app_event (app, corp, hash, kind, received_at, raw, stored_at)
        WITH RECURSIVE many(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM many WHERE number < 100002)
        SELECT 'default', 'ww1', 'h' || number, CASE WHEN number = 1 THEN 'rare' ELSE 'text' END, number,
            CAST('x' AS {bytes}), 1 FROM many ORDER BY number"
    );
    database.sql(&many).await;
    let mut query = EventQuery {
        kind: Some("rare"),
        ..EventQuery::default()
    };
    let first = database.store.events(&query, 10).await.unwrap();
    assert_eq!((first.rows.len(), first.more), (0, Some(3)));
    query.before = first.more;
    let second = database.store.events(&query, 10).await.unwrap();
    assert_eq!((second.rows.len(), second.more), (1, None));

    let many = format!(
        "INSERT INTO dead_letter (job_id, replay, kind, reason, attempts, raw, archived_at)
        SELECT 'j' || seq, 0, CASE WHEN seq = 100002 THEN 'rare' ELSE 'kf.turn' END, 'permanent', 1,
            CAST('x' AS {bytes}), 1 FROM app_event ORDER BY seq"
    );
    database.sql(&many).await;
    let query = LetterQuery {
        kind: Some("rare"),
        ..LetterQuery::default()
    };
    let first = database.store.dead_letters_after(&query, 0, 10).await.unwrap();
    assert_eq!((first.rows.len(), first.more), (0, Some(100_000)));
    let after = first.more.unwrap();
    let second = database
        .store
        .dead_letters_after(&query, after, 10)
        .await
        .unwrap();
    assert_eq!((second.rows.len(), second.more), (1, None));
}

async fn archive(store: &Store, job_id: &str, kind: &str, raw: &str) {
    let letter = NewDeadLetter {
        kind: Some(kind),
        raw: raw.as_bytes(),
        ..letter(job_id)
    };
    assert!(store.archive_dead_letter(&letter).await.unwrap());
}

async fn letters_are_narrowed_by_whom_they_are_about(database: &Database) {
    let store = &database.store;
    let turn = |customer: &str, more: &str| {
        format!(r#"{{"v":1,{more}"payload":{{"account":"wk1","corp":"ww1","customer":"{customer}"}}}}"#)
    };
    archive(store, "wang", "kf.turn", &turn("wang", "")).await;
    archive(store, "wang2", "kf.turn", &turn("wang2", "")).await;
    // What stands in a text is no field: its quotes are escaped.
    archive(
        store,
        "li",
        "kf.turn",
        &turn("li", r#""error":"\"customer\":\"wang\"","#),
    )
    .await;
    archive(
        store,
        "pull",
        "kf.sync",
        r#"{"v":1,"payload":{"account":"wk2","token":"t"}}"#,
    )
    .await;
    archive(store, "bytes", "app.event", "\u{0}no job").await;
    // Whom others are about is not told in a list, and their bytes may be long: they are not read.
    archive(store, "event", "app.event", &turn("wang", "")).await;
    let long = format!(r#""text":"{}","#, "x".repeat(4096));
    archive(store, "long", "kf.turn", &turn("wang", &long)).await;
    let check = async |account, customer, expected: &[&str]| {
        let query = LetterQuery {
            account,
            customer,
            ..LetterQuery::default()
        };
        let listed = store.newest_dead_letters(&query, None, 10).await.unwrap();
        let ids: Vec<_> = listed.rows.iter().map(|letter| letter.job_id.as_str()).collect();
        assert_eq!(ids, expected, "{query:?}");
        let mut oldest = store.dead_letters_after(&query, 0, 10).await.unwrap();
        oldest.rows.reverse();
        assert_eq!(oldest, listed, "{query:?}");
    };
    check(None, Some("wang"), &["wang"]).await;
    check(None, Some("wan"), &[]).await;
    check(Some("wk1"), None, &["li", "wang2", "wang"]).await;
    check(Some("wk2"), None, &["pull"]).await;
    check(Some("wk1"), Some("li"), &["li"]).await;
    check(Some("wk2"), Some("li"), &[]).await;
    check(None, Some("%"), &[]).await;
}

async fn letters_tell_where_the_next_page_begins(database: &Database) {
    let store = &database.store;
    for number in 0..5 {
        archive(store, &format!("j{number}"), "kf.turn", "{}").await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let listed = store
            .newest_dead_letters(&LetterQuery::default(), before, 2)
            .await
            .unwrap();
        seen.extend(listed.rows.into_iter().map(|letter| letter.job_id));
        let Some(more) = listed.more else { break };
        before = Some(more);
    }
    assert_eq!(seen, ["j4", "j3", "j2", "j1", "j0"]);
}

/// Two unknown parts of one reply to each of these customers, all of the same millisecond.
async fn unknown_parts(database: &Database, customers: &[&str]) {
    for customer in customers {
        let said = says(&format!("m-{customer}"), customer, "?", database.now().await);
        pull(&database.store, vec![said]).await;
        let mine = turn(&database.store, customer, &format!("t-{customer}")).await;
        decide(&database.store, &mine, &["a", "b"]).await;
    }
    database
        .sql("UPDATE outbox SET status = 'unknown', settled_at = 5, planned_at = 4")
        .await;
}

async fn replies_are_narrowed_and_turned_over(database: &Database) {
    unknown_parts(database, &["wm1", "wm2", "wm3"]).await;
    let customers = async |query: ReplyQuery<'_>| {
        let listed = database.store.replies(query, 10).await.unwrap();
        let mut found: Vec<_> = listed
            .rows
            .iter()
            .map(|row| row.key.customer.to_string())
            .collect();
        found.sort();
        found
    };
    let unknown = ReplyQuery::from(ReplyFilter::Unknown);
    assert_eq!(customers(unknown).await.len(), 6);
    let of = |customer| ReplyQuery {
        customer: Some(customer),
        ..unknown
    };
    assert_eq!(customers(of("wm2")).await, ["wm2", "wm2"]);
    assert!(customers(of("wm")).await.is_empty());
    let account = account();
    let on = |account| ReplyQuery {
        account: Some(account),
        ..of("wm1")
    };
    assert_eq!(customers(on(account.as_str())).await.len(), 2);
    assert!(customers(on("wk9")).await.is_empty());

    let (mut after, mut seen): (Option<ReplyPlace>, _) = (None, Vec::new());
    loop {
        let query = ReplyQuery {
            after: after.as_ref(),
            ..unknown
        };
        let listed = database.store.replies(query, 1).await.unwrap();
        seen.extend(listed.rows.iter().map(|row| (row.reply_id.clone(), row.part)));
        // What became of the part in the meantime does not move the place behind it.
        let msgid = &listed.rows[0].msgid;
        database
            .sql(&format!(
                "UPDATE outbox SET settled_at = 9 WHERE msgid = '{msgid}'"
            ))
            .await;
        after = match listed.more {
            Some(more) => Some(more),
            None => break,
        };
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), sorted), (6, seen));
}

#[tokio::test]
async fn who_only_looks_makes_neither_folder_nor_file() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["kefu.db", "some/where/kefu.db"] {
        let file = folder.path().join(path);
        let url = format!("sqlite:{}", file.display());
        let error = Store::open_existing(&settings(&url)).await.unwrap_err();
        assert!(error.is_refusal(), "{error:?}");
        assert_eq!(error.to_string(), format!("no database at {}", file.display()));
        assert!(matches!(error, StoreError::Missing(_)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{path}");
    }
    let url = format!("sqlite:{}", folder.path().join("kefu.db").display());
    open(&url).await.close().await;
    Store::open_existing(&settings(&url)).await.unwrap().close().await;
}
