use kefu_domain::Millis;
use kefu_store::{EventQuery, NewDeadLetter, NewEvent, Totals};

use crate::harness::*;

conformance!(
    an_event_is_stored_once,
    no_event_was_received_in_the_future,
    events_are_read_page_by_page_newest_first,
    a_second_death_is_a_second_letter,
    an_empty_database_has_no_totals,
);

fn new_event<'a>(corp: &'a kefu_domain::CorpId, app: &'a str, hash: &'a str) -> NewEvent<'a> {
    NewEvent {
        app,
        corp,
        hash,
        kind: "change_contact\0",
        from_user: Some("sys"),
        created_at: Some(Millis(5)),
        received_at: Millis(6),
        raw: &[0, 1, 255],
        trace: Some("00-trace"),
    }
}

async fn an_event_is_stored_once(database: &Database) {
    let store = &database.store;
    let corp = corp();
    assert!(
        store
            .insert_event(&new_event(&corp, "default", "aa"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .insert_event(&new_event(&corp, "default", "aa"))
            .await
            .unwrap()
    );
    // Another app that got the same bytes is told as well.
    assert!(
        store
            .insert_event(&new_event(&corp, "other", "aa"))
            .await
            .unwrap()
    );
    let events = store.events(&EventQuery::default(), 10).await.unwrap().rows;
    assert_eq!(events.len(), 2);
    assert_eq!(
        (events[1].kind.as_str(), events[1].raw.as_slice()),
        ("change_contact", &[0, 1, 255][..])
    );
    assert_eq!(
        (events[1].created_at, events[1].received_at),
        (Some(Millis(5)), Millis(6))
    );
    assert_eq!(events[1].from_user.as_deref(), Some("sys"));
    assert_eq!(
        (events[1].app.as_str(), events[1].hash.as_str()),
        ("default", "aa")
    );
    assert!(events[1].stored_at <= database.now().await);
}

async fn no_event_was_received_in_the_future(database: &Database) {
    let (store, corp) = (&database.store, corp());
    let event = NewEvent {
        received_at: Millis(database.now().await.0 + 1_200_000),
        ..new_event(&corp, "default", "aa")
    };
    assert!(store.insert_event(&event).await.unwrap());
    let stored = &store.events(&EventQuery::default(), 10).await.unwrap().rows[0];
    assert_eq!(stored.received_at, stored.stored_at);
}

async fn events_are_read_page_by_page_newest_first(database: &Database) {
    let store = &database.store;
    let corp = corp();
    for number in 0..5 {
        let hash = format!("h{number}");
        store
            .insert_event(&new_event(&corp, "default", &hash))
            .await
            .unwrap();
    }
    let first = store.events(&EventQuery::default(), 3).await.unwrap().rows;
    let second = store
        .events(
            &EventQuery {
                before: Some(first[2].seq),
                ..EventQuery::default()
            },
            3,
        )
        .await
        .unwrap()
        .rows;
    let hashes: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|event| event.hash.as_str())
        .collect();
    assert_eq!(hashes, ["h4", "h3", "h2", "h1", "h0"]);
}

async fn a_second_death_is_a_second_letter(database: &Database) {
    let store = &database.store;
    let letter = NewDeadLetter {
        job_id: "j1",
        replay: 0,
        kind: Some("app.event"),
        app: Some("default"),
        lane: Some("low"),
        reason: "out of attempts",
        attempts: 6,
        first_error: Some("first\0"),
        first_error_at: Some(Millis(6)),
        last_error: Some("last"),
        error_at: Some(Millis(7)),
        trace: None,
        raw: b"{\"x\":\"\\u0000\"}\0",
    };
    assert!(store.archive_dead_letter(&letter).await.unwrap());
    assert!(!store.archive_dead_letter(&letter).await.unwrap());
    let replayed = NewDeadLetter {
        replay: 1,
        ..letter.clone()
    };
    assert!(store.archive_dead_letter(&replayed).await.unwrap());
    let nameless = NewDeadLetter {
        job_id: "raw-da39a3",
        kind: None,
        app: None,
        lane: None,
        first_error: None,
        last_error: None,
        error_at: None,
        ..letter
    };
    assert!(store.archive_dead_letter(&nameless).await.unwrap());
    let letters = store.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 3);
    assert_eq!(
        (letters[2].job_id.as_str(), letters[2].replay, letters[1].replay),
        ("j1", 0, 1)
    );
    assert_eq!(letters[2].first_error.as_deref(), Some("first"));
    assert_eq!(letters[2].raw.last(), Some(&0));
    assert_eq!((letters[2].attempts, letters[0].kind.as_deref()), (6, None));
    assert_eq!(store.totals().await.unwrap().dead_letters, 3);
}

async fn an_empty_database_has_no_totals(database: &Database) {
    assert_eq!(database.store.totals().await.unwrap(), Totals::default());
    database.store.ping().await.unwrap();
}
