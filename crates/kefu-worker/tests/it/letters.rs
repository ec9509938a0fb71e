//! What becomes of dead letters: their story, bystanders, replays.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_jobs::{DrainConversation, JobKind};
use kefu_process::clock;
use kefu_queue::{Job, Lane, Settled, Verdict};
use kefu_simulator::Effect;
use kefu_store::{LetterState, NewDeadLetter};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::{ACCOUNT, FALLBACK, Kefu, tagged, wake_up};

/// A queue gives a job up after so many deliveries without a verdict.
const DELIVERIES: usize = 21;

fn job(kind: &str, lane: Lane, payload: serde_json::Value) -> Job {
    Job::new(kind, "default", lane, payload, Millis(clock::now_ms()))
}

fn event(number: usize) -> Job {
    let payload = json!({"kind": "event.x", "plaintext": format!("<xml>{number}</xml>")});
    let mut job = job("app.event", Lane::Low, payload);
    job.dedup = Some(format!("{number:040x}"));
    job
}

/// What a process that dies with the job does, until the queue has had enough of it.
async fn crash(kefu: &Kefu, job: &Job) {
    kefu.publish(job).await;
    let stop = CancellationToken::new();
    let mut consumer = kefu.queue.consumer(job.lane);
    let mut deliveries = 0;
    while deliveries < DELIVERIES {
        let delivery = timeout(Duration::from_secs(10), consumer.next(&stop)).await;
        let delivery = delivery.unwrap().unwrap();
        let verdict = match delivery.job.as_ref().unwrap().id == job.id {
            true => Verdict::Interrupted,
            // Left over from a worker that was killed.
            false => Verdict::Done,
        };
        deliveries += usize::from(verdict == Verdict::Interrupted);
        assert_eq!(delivery.settle(verdict).await, Settled::Settled);
    }
}

/// One customer's message is stored and owed, its turn not published, and nobody works any more.
async fn owed_turn(kefu: &mut Kefu) -> Job {
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the message is stored", async || kefu.handled().await == ["owed"])
        .await;
    kefu.kill_workers().await;
    const KEY: &str = "SELECT corp || ' ' || account || ' ' || customer FROM conversation";
    let key = kefu.column(KEY).await.remove(0);
    let [corp, account, customer] = key.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{key}");
    };
    let turn = json!({"corp": corp, "account": account, "customer": customer});
    job("kf.turn", Lane::Medium, turn)
}

async fn without_workers() -> Kefu {
    Kefu::with(|setup| setup.workers = 0).await
}

async fn letters(kefu: &Kefu, count: usize) {
    kefu.until("the letters are archived", async || {
        count <= kefu.dead_letters().await.len()
    })
    .await;
    assert_eq!(kefu.dead_letters().await.len(), count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_a_letter_tells_its_first_and_its_last_error_and_when_they_were() {
    let kefu = Kefu::start().await;
    let before = clock::now_ms();
    kefu.publish(&job("kf.tomorrow", Lane::Medium, json!({}))).await;
    letters(&kefu, 1).await;
    let letter = &kefu.dead_letters().await[0];
    assert_eq!((letter.attempts, letter.reason.as_str()), (4, "unknown"));
    assert_eq!(letter.first_error, letter.last_error);
    let (first, last) = (letter.first_error_at.unwrap().0, letter.error_at.unwrap().0);
    // Three steps of 100, 200 and 300 ms lie between the first and the last.
    assert!(before <= first && first + 600 <= last && last <= clock::now_ms());
    let envelope = Job::decode(&letter.raw).unwrap();
    assert_eq!(envelope.errors().first.unwrap().at.0, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_bystander_without_a_row_is_put_back_once_and_then_crashed() {
    let mut kefu = without_workers().await;
    let innocent = event(1);
    crash(&kefu, &innocent).await;
    let mut guilty = event(2);
    guilty.replay = 1;
    crash(&kefu, &guilty).await;
    kefu.start_worker();
    letters(&kefu, 1).await;
    kefu.until("the innocent one is stored", async || {
        !kefu
            .store
            .events(&kefu_store::EventQuery::default(), 10)
            .await
            .unwrap()
            .rows
            .is_empty()
    })
    .await;
    let events = kefu
        .store
        .events(&kefu_store::EventQuery::default(), 10)
        .await
        .unwrap()
        .rows;
    assert_eq!(
        (events.len(), events[0].hash.as_str()),
        (1, innocent.dedup.as_deref().unwrap())
    );
    let letter = &kefu.dead_letters().await[0];
    assert_eq!((letter.job_id.as_str(), letter.replay), (guilty.id.as_str(), 1));
    assert_eq!(
        (letter.reason.as_str(), letter.lane.as_deref()),
        ("crashed", Some("low"))
    );
    assert!(letter.last_error.as_deref().unwrap().contains("too often"));
    assert!(letter.error_at.is_some() && letter.first_error_at == letter.error_at);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_bystander_on_a_row_is_archived_and_its_row_wakes_again() {
    let mut kefu = Kefu::with(|setup| setup.set("conversation.merge_window", "8s")).await;
    let turn = owed_turn(&mut kefu).await;
    crash(&kefu, &turn).await;
    crash(&kefu, &wake_up("default", ACCOUNT)).await;
    kefu.start_worker();
    letters(&kefu, 2).await;
    assert!(
        kefu.dead_letters()
            .await
            .iter()
            .all(|letter| letter.reason == "crashed")
    );
    assert_eq!(
        kefu.number("SELECT CAST(failures AS TEXT) FROM conversation")
            .await,
        1
    );
    // Its time comes within seconds: the turn is run, and the row has a clean slate.
    kefu.handled_all(1).await;
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM conversation")
            .await,
        0
    );
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_turn_that_kills_its_worker_time_and_again_is_given_up() {
    let mut kefu = Kefu::with(|setup| setup.set("conversation.merge_window", "8s")).await;
    let turn = owed_turn(&mut kefu).await;
    // The ladder has three steps: four executions.
    kefu.change("UPDATE conversation SET failures = 3, own_failures = 3")
        .await;
    crash(&kefu, &turn).await;
    kefu.start_worker();
    letters(&kefu, 1).await;
    kefu.until("the turn is given up", async || {
        kefu.handled().await == ["failed"]
    })
    .await;
    kefu.quiet().await;
    assert_eq!(kefu.report().sends, 0);

    // Whoever has mended it runs it again.
    let letter = &kefu.dead_letters().await[0];
    assert_eq!(
        kefu.store.begin_replay(letter.seq).await.unwrap(),
        Some(LetterState::Open)
    );
    kefu.until("the customer is answered", async || kefu.report().answered == 1)
        .await;
    kefu.quiet().await;
    kefu.assert_each_answered_once(1);
}

/// As when the database went away between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_turn_whose_letter_was_archived_and_no_more_is_given_up_all_the_same() {
    let mut kefu = Kefu::with(|setup| setup.set("conversation.merge_window", "8s")).await;
    let turn = owed_turn(&mut kefu).await;
    crash(&kefu, &turn).await;
    let row = DrainConversation::read(&turn).unwrap().row();
    kefu.change("UPDATE conversation SET failures = 3, own_failures = 3")
        .await;
    let raw = turn.encode();
    let letter = letter(&turn, &raw);
    let archived = kefu.store.archive_crashed(&letter, &row).await.unwrap();
    assert_eq!((archived.is_new, archived.failures), (true, 4));
    kefu.start_worker();
    kefu.until("the turn is given up", async || {
        kefu.handled().await == ["failed"]
    })
    .await;
    kefu.quiet().await;
    assert_eq!((kefu.dead_letters().await.len(), kefu.report().sends), (1, 0));
}

fn letter<'a>(job: &'a Job, raw: &'a [u8]) -> NewDeadLetter<'a> {
    NewDeadLetter {
        job_id: &job.id,
        replay: job.replay,
        kind: Some(&job.kind),
        app: Some(&job.app),
        lane: Some(job.lane.as_str()),
        reason: "permanent",
        attempts: 1,
        first_error: None,
        first_error_at: None,
        last_error: None,
        error_at: None,
        trace: None,
        raw,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s19_letters_replayed_twice_have_their_effects_once() {
    const LETTERS: usize = 200;
    let kefu = Kefu::with(|setup| setup.workers = 2).await;
    for number in 0..LETTERS {
        let job = event(number);
        let raw = job.encode();
        assert!(kefu.store.archive_dead_letter(&letter(&job, &raw)).await.unwrap());
    }
    let click = async || {
        let mut begun = 0;
        for letter in kefu.store.dead_letters(1000).await.unwrap() {
            let was = kefu.store.begin_replay(letter.seq).await.unwrap();
            begun += usize::from(was == Some(LetterState::Open));
        }
        begun
    };
    let (first, second) = tokio::join!(click(), click());
    assert_eq!((first + second, click().await), (LETTERS, 0));
    kefu.until("all are stored", async || {
        kefu.store
            .events(&kefu_store::EventQuery::default(), 1000)
            .await
            .unwrap()
            .rows
            .len()
            == LETTERS
    })
    .await;
    kefu.until("all are replayed", async || {
        let letters = kefu.dead_letters().await;
        letters.iter().all(|letter| letter.state == LetterState::Replayed)
    })
    .await;
    assert_eq!(click().await, 0);
    assert_eq!(kefu.store.totals().await.unwrap().dead_letters, LETTERS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_death_is_a_second_letter_and_a_pull_starts_afresh() {
    let kefu = Kefu::start().await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    kefu.fault("kf/sync_msg", Effect::RepeatCursor);
    kefu.fault("callback", Effect::Drop);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    letters(&kefu, 1).await;
    let seq = kefu.dead_letters().await[0].seq;
    kefu.store.begin_replay(seq).await.unwrap();
    letters(&kefu, 2).await;
    let found = kefu.dead_letters().await;
    assert_eq!(
        (found[0].replay, found[1].replay, &found[0].job_id),
        (1, 0, &found[1].job_id)
    );
    // Fresh: it climbed the whole ladder again.
    assert_eq!(
        (found[0].attempts, found[0].reason.as_str()),
        (4, "out_of_attempts")
    );
    assert!(found[1].error_at < found[0].first_error_at);
    kefu.simulator.clear_faults();
    kefu.store.begin_replay(found[0].seq).await.unwrap();
    kefu.until("the stream is pulled to its end", async || {
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM account")
            .await
            == 0
    })
    .await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_nobody_knows_the_end_of_is_sent_again_when_a_person_says_so() {
    let kefu = Kefu::with(|setup| setup.model = false).await;
    kefu.fault_times("kf/send_msg", Effect::Cut { applied: false }, 1);
    kefu.fault(
        "kf/send_msg",
        Effect::Error {
            code: 40058,
            message: None,
        },
    );
    kefu.writes("wm1", "hello").await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.parts().await, ["unknown"]);
    assert_eq!(kefu.store.unknown_replies().await.unwrap(), 1);
    kefu.simulator.clear_faults();
    // It blocks nobody meanwhile.
    kefu.writes("wm1", "are you there").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), [FALLBACK]);
    let replies = kefu
        .store
        .replies(kefu_store::ReplyFilter::Unknown, 10)
        .await
        .unwrap()
        .rows;
    let resend = kefu_store::Resolution::Resend;
    kefu.store.resolve_reply(&replies[0].msgid, resend).await.unwrap();
    kefu.until("it is said", async || kefu.replies("wm1").len() == 2)
        .await;
    kefu.quiet().await;
    kefu.store.resolve_reply(&replies[0].msgid, resend).await.unwrap();
    assert_eq!(
        kefu.parts()
            .await
            .iter()
            .filter(|status| *status == "sent")
            .count(),
        2
    );
    assert_eq!(kefu.replies("wm1"), [FALLBACK, FALLBACK]);
}
