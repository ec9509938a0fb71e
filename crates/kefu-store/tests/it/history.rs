//! What a turn reads of what was said before.

use kefu_domain::{Handled, Millis, PartStatus, Source};
use kefu_store::{Decision, PartOutcome, Resolution, Resolved, Speaker, Turn};

use crate::harness::*;

conformance!(
    history_is_what_was_said_in_order,
    what_was_not_ours_to_answer_is_no_open_question,
    an_unfit_message_is_shown_to_no_model,
    who_lost_the_lease_makes_nothing_unfit,
    words_that_are_no_answer_are_no_history,
    a_part_planned_again_keeps_where_its_words_come_from,
);

async fn history_is_what_was_said_in_order(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "question", now), says("m2", "wm1", "more", now)],
    )
    .await;
    let mine = turn(store, "wm1", "t1").await;
    let parts = decide(store, &mine, &["answer", "never sent"]).await;
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    store
        .settle_part(&mine.lease, &parts[0].msgid, &kefu_store::PartOutcome::Sent)
        .await
        .unwrap();
    database
        .sql("UPDATE message SET received_at = received_at - 1000")
        .await;
    pull(store, vec![servicer_says("s1", "wm1", Millis(now.0 - 1))]).await;
    database
        .sql("UPDATE message SET received_at = received_at + 1000 WHERE msgid = 's1'")
        .await;
    pull(store, vec![says("m3", "wm1", "open", now)]).await;
    let again = reload(store, &mine.lease).await;
    let said: Vec<_> = again
        .history
        .iter()
        .map(|line| (line.who, line.text.as_deref().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            (Speaker::Customer, "question"),
            (Speaker::Customer, "more"),
            (Speaker::Us, "answer"),
            (Speaker::Servicer, "servicer"),
        ]
    );
    assert_eq!(owed(&again), ["m3"]);
    assert_eq!(again.open_parts.len(), 1);
    assert!(again.open_parts[0].reply_started);
    assert_eq!(again.open_parts[0].status, PartStatus::Planned);
}

/// Messages that became `history` stand among what was said, but not last: there a model would answer them.
async fn what_was_not_ours_to_answer_is_no_open_question(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let said = |turn: &kefu_store::Turn| -> Vec<String> {
        turn.history.iter().filter_map(|line| line.text.clone()).collect()
    };
    pull(store, vec![says("m1", "wm1", "old", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let (lease, history) = (&mine.lease, Handled::History);
    assert!(store.set_handled(lease, &[id("m1")], history).await.unwrap());
    pull(
        store,
        vec![says("m2", "wm1", "older", now), says("m3", "wm1", "open", now)],
    )
    .await;
    assert!(store.set_handled(lease, &[id("m2")], history).await.unwrap());
    let second = reload(store, lease).await;
    assert_eq!(owed(&second), ["m3"]);
    assert!(said(&second).is_empty(), "{:?}", second.history);
    let parts = decide(store, &second, &["answer"]).await;
    assert!(store.mark_sending(lease, &parts[0].msgid).await.unwrap());
    let sent = kefu_store::PartOutcome::Sent;
    store.settle_part(lease, &parts[0].msgid, &sent).await.unwrap();
    database
        .sql("UPDATE message SET received_at = received_at - 1000")
        .await;
    let third = reload(store, lease).await;
    assert_eq!(said(&third), ["old", "older", "open", "answer"]);
    pull(store, vec![says("m4", "wm1", "again", now)]).await;
    database
        .sql("UPDATE message SET received_at = received_at + 2000 WHERE msgid = 'm4'")
        .await;
    assert!(store.set_handled(lease, &[id("m4")], history).await.unwrap());
    let fourth = reload(store, lease).await;
    assert_eq!(said(&fourth), ["old", "older", "open", "answer"]);
}

fn texts(turn: &Turn) -> Vec<&str> {
    turn.history
        .iter()
        .filter_map(|line| line.text.as_deref())
        .collect()
}

async fn an_unfit_message_is_shown_to_no_model(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    pull(
        store,
        vec![says("m1", "wm1", "bad", now), says("m2", "wm1", "good", now)],
    )
    .await;
    pull(store, vec![says("x1", "wm2", "theirs", now)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let theirs = turn(store, "wm2", "t2").await;
    decide(store, &mine, &[]).await;
    decide(store, &theirs, &[]).await;
    assert_eq!(texts(&reload(store, &mine.lease).await), ["bad", "good"]);
    // More than one statement takes, and one of another customer among them.
    let mut ids: Vec<_> = (0..100).map(|number| id(&format!("unknown{number}"))).collect();
    ids.extend([id("m1"), id("x1")]);
    assert!(store.set_unfit(&mine.lease, &ids).await.unwrap());
    assert_eq!(texts(&reload(store, &mine.lease).await), ["good"]);
    assert_eq!(texts(&reload(store, &theirs.lease).await), ["theirs"]);
    assert!(store.set_unfit(&mine.lease, &[]).await.unwrap());
}

async fn who_lost_the_lease_makes_nothing_unfit(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "good", database.now().await)]).await;
    let old = turn(store, "wm1", "t1").await;
    end_leases(database).await;
    let new = turn(store, "wm1", "t2").await;
    assert!(!store.set_unfit(&old.lease, &[id("m1")]).await.unwrap());
    decide(store, &new, &[]).await;
    assert_eq!(texts(&reload(store, &new.lease).await), ["good"]);
}

/// Says one text about everything owed.
async fn say(database: &Database, turn: &Turn, text: &str, source: Source) {
    let store = &database.store;
    let decision = Decision {
        source,
        ..answer(turn, &[text])
    };
    let parts = store.decide(&turn.lease, &decision).await.unwrap().unwrap();
    let msgid = &parts[0].msgid;
    assert!(store.mark_sending(&turn.lease, msgid).await.unwrap());
    let sent = store.settle_part(&turn.lease, msgid, &PartOutcome::Sent).await;
    sent.unwrap();
}

/// A model that reads "nobody could answer" among its own lines goes on saying so.
async fn words_that_are_no_answer_are_no_history(database: &Database) {
    let store = &database.store;
    let sources = [Source::Rule, Source::Fallback, Source::Model, Source::Handover];
    for (number, source) in sources.into_iter().enumerate() {
        let asked = says(&format!("m{number}"), "wm1", "?", database.now().await);
        pull(store, vec![asked]).await;
        let mine = turn(store, "wm1", "t1").await;
        say(database, &mine, source.as_str(), source).await;
        store
            .release_conversation(&mine.lease, mine.wanted)
            .await
            .unwrap();
    }
    let mine = turn(store, "wm1", "t2").await;
    let ours = |turn: &Turn| {
        let lines = turn.history.iter().filter(|line| line.who == Speaker::Us);
        let mut said: Vec<_> = lines.filter_map(|line| line.text.clone()).collect();
        said.sort();
        said
    };
    assert_eq!(ours(&mine), [Source::Model.as_str(), Source::Rule.as_str()]);
    // What an older version said does not tell.
    database.sql("UPDATE outbox SET source = NULL").await;
    assert_eq!(ours(&reload(store, &mine.lease).await).len(), sources.len());
}

async fn a_part_planned_again_keeps_where_its_words_come_from(database: &Database) {
    let store = &database.store;
    pull(store, vec![says("m1", "wm1", "?", database.now().await)]).await;
    let mine = turn(store, "wm1", "t1").await;
    let decision = Decision {
        source: Source::Rule,
        ..answer(&mine, &["a"])
    };
    let parts = store.decide(&mine.lease, &decision).await.unwrap().unwrap();
    let source = async |msgid: &str| {
        let sql = format!("SELECT source FROM outbox WHERE msgid = '{msgid}'");
        database.text(&sql).await
    };
    assert_eq!(source(&parts[0].msgid).await, "rule");
    assert!(store.mark_sending(&mine.lease, &parts[0].msgid).await.unwrap());
    let again = store.replan_part(&mine.lease, &parts[0].msgid, "refused").await;
    let again = again.unwrap().unwrap().msgid;
    assert_eq!(source(&again).await, "rule");
    assert!(store.mark_sending(&mine.lease, &again).await.unwrap());
    let unknown = PartOutcome::Unknown { error: "cut".into() };
    store.settle_part(&mine.lease, &again, &unknown).await.unwrap();
    let resent = store.resolve_reply(&again, Resolution::Resend).await.unwrap();
    let Resolved::Planned(msgids) = resent else {
        panic!("not planned: {resent:?}");
    };
    assert_eq!(source(&msgids[0]).await, "rule");
}
