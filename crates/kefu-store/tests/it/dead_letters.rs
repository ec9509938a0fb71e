use std::time::Duration;

use kefu_domain::{Handled, Millis, RowRef};
use kefu_store::{DeadLetterRow, LetterQuery, LetterState, Moment, NewDeadLetter};

use crate::harness::*;

conformance!(
    a_letter_keeps_its_story,
    letters_are_found_by_what_is_asked_for,
    letters_are_gone_through_page_by_page_oldest_first,
    a_letter_is_replayed_once,
    a_replay_that_nobody_finished_is_taken_again,
    a_letter_nobody_can_publish_is_open_again,
    a_discarded_letter_stays_and_is_not_replayed,
    a_letter_that_is_to_be_replayed_can_be_discarded,
    messages_given_up_have_their_letter_at_once,
);

pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn letter(job_id: &str) -> NewDeadLetter<'_> {
    NewDeadLetter {
        job_id,
        replay: 0,
        kind: Some("kf.turn"),
        app: Some("default"),
        lane: Some("medium"),
        reason: "out_of_attempts",
        attempts: 6,
        first_error: Some("first"),
        first_error_at: Some(Millis(5)),
        last_error: Some("last"),
        error_at: Some(Millis(7)),
        trace: Some("00-trace"),
        raw: b"{\"v\":1}",
    }
}

async fn archive(database: &Database, letter: &NewDeadLetter<'_>) -> i64 {
    assert!(database.store.archive_dead_letter(letter).await.unwrap());
    database.store.dead_letters(1).await.unwrap()[0].seq
}

async fn found(database: &Database, query: LetterQuery<'_>) -> Vec<String> {
    let listed = database
        .store
        .newest_dead_letters(&query, None, 10)
        .await
        .unwrap();
    assert_eq!(listed.more, None);
    let of_a_row = |letter: &DeadLetterRow| letter.kind.as_deref() == Some("kf.turn");
    let mut rows = listed.rows.iter();
    assert!(rows.all(|letter| letter.raw.is_empty() != of_a_row(letter)));
    listed.rows.into_iter().map(|letter| letter.job_id).collect()
}

async fn state(database: &Database, seq: i64) -> LetterState {
    database.store.dead_letter(seq).await.unwrap().unwrap().state
}

async fn taken(database: &Database) -> Vec<DeadLetterRow> {
    database.store.take_replays(10, LEASE).await.unwrap()
}

pub(crate) fn conversation(customer: &str) -> RowRef {
    RowRef::Conversation(key(customer))
}

pub(crate) fn pulled_account() -> RowRef {
    RowRef::Account {
        corp: corp(),
        account: account(),
    }
}

async fn a_letter_keeps_its_story(database: &Database) {
    let seq = archive(database, &letter("j1")).await;
    let stored = database.store.dead_letter(seq).await.unwrap().unwrap();
    let expected = DeadLetterRow {
        seq,
        job_id: "j1".into(),
        replay: 0,
        kind: Some("kf.turn".into()),
        app: Some("default".into()),
        lane: Some("medium".into()),
        reason: "out_of_attempts".into(),
        attempts: 6,
        first_error: Some("first".into()),
        first_error_at: Some(Millis(5)),
        last_error: Some("last".into()),
        error_at: Some(Millis(7)),
        archived_at: stored.archived_at,
        state: LetterState::Open,
        state_at: None,
        trace: Some("00-trace".into()),
        raw_bytes: 7,
        raw: b"{\"v\":1}".to_vec(),
    };
    assert_eq!(stored, expected);
    assert!(stored.archived_at <= database.now().await);
    assert_eq!(database.store.dead_letter(seq + 1).await.unwrap(), None);
}

/// A turn, an app event and bytes that are no job, in this order; the number of the event.
async fn three_letters(database: &Database) -> i64 {
    archive(database, &letter("turn")).await;
    let other = NewDeadLetter {
        kind: Some("app.event"),
        lane: Some("low"),
        app: Some("sales"),
        reason: "permanent",
        ..letter("event")
    };
    let seq = archive(database, &other).await;
    let nameless = NewDeadLetter {
        kind: None,
        app: None,
        lane: None,
        reason: "unreadable",
        ..letter("raw-aa")
    };
    archive(database, &nameless).await;
    seq
}

async fn letters_are_found_by_what_is_asked_for(database: &Database) {
    let event = three_letters(database).await;
    database
        .sql("UPDATE dead_letter SET archived_at = 5 WHERE job_id = 'turn'")
        .await;
    let check = async |narrow: fn(&mut LetterQuery<'static>), expected: &[&str]| {
        let mut query = LetterQuery::default();
        narrow(&mut query);
        assert_eq!(found(database, query).await, expected, "{query:?}");
    };
    check(|_| (), &["raw-aa", "event", "turn"]).await;
    check(|query| query.kind = Some("kf.turn"), &["turn"]).await;
    check(|query| query.kind = Some("none"), &["raw-aa"]).await;
    check(|query| query.lane = Some("low"), &["event"]).await;
    check(|query| query.app = Some("default"), &["turn"]).await;
    check(|query| query.reason = Some("permanent"), &["event"]).await;
    let hour = |query: &mut LetterQuery<'static>| query.since = Some(Moment::Ago(Duration::from_secs(3600)));
    check(hour, &["raw-aa", "event"]).await;
    let ever = |query: &mut LetterQuery<'static>| query.since = Some(Moment::Ago(Duration::MAX));
    check(ever, &["raw-aa", "event", "turn"]).await;
    let both = |query: &mut LetterQuery<'static>| (query.lane, query.app) = (Some("low"), Some("default"));
    check(both, &[]).await;
    database.store.discard_dead_letter(event).await.unwrap();
    check(|query| query.state = Some(LetterState::Open), &["raw-aa", "turn"]).await;
    check(|query| query.state = Some(LetterState::Discarded), &["event"]).await;
}

async fn letters_are_gone_through_page_by_page_oldest_first(database: &Database) {
    three_letters(database).await;
    let (store, any) = (&database.store, LetterQuery::default());
    let first = store.dead_letters_after(&any, 0, 2).await.unwrap();
    assert_eq!(first.more, Some(first.rows[1].seq));
    let rest = store
        .dead_letters_after(&any, first.rows[1].seq, 2)
        .await
        .unwrap();
    assert_eq!(rest.more, None);
    let letters = first.rows.iter().chain(&rest.rows);
    let ids: Vec<_> = letters.map(|letter| letter.job_id.as_str()).collect();
    assert_eq!(ids, ["turn", "event", "raw-aa"]);
}

async fn a_letter_is_replayed_once(database: &Database) {
    let store = &database.store;
    let seq = archive(database, &letter("j1")).await;
    assert!(taken(database).await.is_empty());
    assert!(!store.finish_replay(seq).await.unwrap());
    assert_eq!(store.begin_replay(seq).await.unwrap(), Some(LetterState::Open));
    assert_eq!(
        store.begin_replay(seq).await.unwrap(),
        Some(LetterState::Replaying)
    );
    let mine = taken(database).await;
    assert_eq!(
        (mine.len(), mine[0].seq, mine[0].raw.as_slice()),
        (1, seq, &b"{\"v\":1}"[..])
    );
    // Another worker gets nothing meanwhile.
    assert!(taken(database).await.is_empty());
    assert!(store.finish_replay(seq).await.unwrap());
    assert_eq!(state(database, seq).await, LetterState::Replayed);
    assert_eq!(
        store.begin_replay(seq).await.unwrap(),
        Some(LetterState::Replayed)
    );
    assert!(taken(database).await.is_empty());
    assert_eq!(store.begin_replay(seq + 1).await.unwrap(), None);

    // Two double clicks at the same moment: one of them counts.
    let seq = archive(database, &letter("j2")).await;
    let (one, two) = tokio::join!(store.begin_replay(seq), store.begin_replay(seq));
    let begun = [one, two]
        .into_iter()
        .filter(|was| matches!(was, Ok(Some(LetterState::Open))));
    assert_eq!(begun.count(), 1);
}

async fn a_replay_that_nobody_finished_is_taken_again(database: &Database) {
    let store = &database.store;
    for job in ["j1", "j2", "j3"] {
        let seq = archive(database, &letter(job)).await;
        store.begin_replay(seq).await.unwrap();
    }
    assert_eq!(store.take_replays(2, LEASE).await.unwrap().len(), 2);
    assert_eq!(store.take_replays(2, LEASE).await.unwrap().len(), 1);
    database
        .sql("UPDATE dead_letter SET publish_at = 1 WHERE job_id <> 'j2'")
        .await;
    let again: Vec<_> = taken(database)
        .await
        .into_iter()
        .map(|letter| letter.job_id)
        .collect();
    assert_eq!(again, ["j1", "j3"]);
}

async fn a_letter_nobody_can_publish_is_open_again(database: &Database) {
    let seq = archive(database, &letter("j1")).await;
    database.store.begin_replay(seq).await.unwrap();
    taken(database).await;
    assert!(database.store.give_up_replay(seq).await.unwrap());
    assert!(!database.store.give_up_replay(seq).await.unwrap());
    assert_eq!(state(database, seq).await, LetterState::Open);
}

async fn a_letter_that_is_to_be_replayed_can_be_discarded(database: &Database) {
    let store = &database.store;
    let seq = archive(database, &letter("j1")).await;
    store.begin_replay(seq).await.unwrap();
    assert_eq!(taken(database).await.len(), 1);
    assert_eq!(
        store.discard_dead_letter(seq).await.unwrap(),
        Some(LetterState::Open)
    );
    assert_eq!(state(database, seq).await, LetterState::Discarded);
    // Whoever took it before changes nothing about that, and nobody takes it again.
    assert!(!store.finish_replay(seq).await.unwrap() && !store.give_up_replay(seq).await.unwrap());
    assert!(taken(database).await.is_empty());
    assert_eq!(state(database, seq).await, LetterState::Discarded);
    assert_eq!(
        store.discard_dead_letter(seq).await.unwrap(),
        Some(LetterState::Discarded)
    );
}

async fn a_discarded_letter_stays_and_is_not_replayed(database: &Database) {
    let store = &database.store;
    let seq = archive(database, &letter("j1")).await;
    assert_eq!(
        store.discard_dead_letter(seq).await.unwrap(),
        Some(LetterState::Open)
    );
    assert_eq!(
        store.discard_dead_letter(seq).await.unwrap(),
        Some(LetterState::Discarded)
    );
    assert_eq!(
        store.begin_replay(seq).await.unwrap(),
        Some(LetterState::Discarded)
    );
    assert!(taken(database).await.is_empty());
    let kept = store.dead_letter(seq).await.unwrap().unwrap();
    assert!(kept.state_at.is_some() && !kept.raw.is_empty());
    assert_eq!(store.discard_dead_letter(seq + 1).await.unwrap(), None);
}

async fn messages_given_up_have_their_letter_at_once(database: &Database) {
    let (store, story) = (&database.store, letter("t1"));
    pull(store, vec![says("m1", "wm1", "one", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let ended = store.give_up_conversation(&mine.lease, Handled::Failed, Some(&story));
    assert_eq!(ended.await.unwrap(), Some(1));
    let letters = store.dead_letters(2).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].job_id.as_str(), letters[0].state, letters[0].attempts),
        ("t1", LetterState::Open, 6)
    );
    assert_eq!(letters[0].raw, story.raw);
    // The copy that comes out of the queue finds it there.
    assert!(!store.archive_dead_letter(&story).await.unwrap());
    // And so does whoever gives up what was archived before.
    pull(store, vec![says("m2", "wm1", "two", database.now().await)]).await;
    let again = turn(store, "wm1", "t1").await;
    let ended = store.give_up_conversation(&again.lease, Handled::Failed, Some(&story));
    assert_eq!(ended.await.unwrap(), Some(1));
    assert_eq!(store.totals().await.unwrap().dead_letters, 1);
}
