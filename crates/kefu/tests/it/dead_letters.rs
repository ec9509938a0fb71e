//! `kefu dead-letters`: what a person sees of jobs that died, and does about them.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use kefu_domain::Millis;
use kefu_queue::{Job, Lane, Queue, QueueSettings, Roles};
use kefu_store::{DatabaseSettings, EventQuery, NewDeadLetter, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stage::{Call, Ended, Services, Simulator, both_roles, eventually, ingress, kefu, metric, worker};

const ONE_STEP: (&str, &str) = ("KEFU_QUEUE__RETRY_STEPS", "1s");
const LETTERS: usize = 200;

/// A database in a folder of its own, where the commands look for it by default.
struct Desk {
    folder: TempDir,
    store: Store,
}

impl Desk {
    async fn open() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&format!("sqlite:{}/kefu-data/kefu.db", folder.path().display())).await;
        store.migrate().await.unwrap();
        Desk { folder, store }
    }

    fn call(&self, arguments: &[&str]) -> Call {
        call_in(self.folder.path(), arguments)
    }

    async fn answer(&self, arguments: &[&str]) -> Ended {
        let ended = self.call(arguments).end().await;
        ended.check_code(0);
        ended
    }

    /// The numbers of the letters listed.
    async fn listed(&self, filter: &[&str]) -> Vec<i64> {
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

async fn store(url: &str) -> Store {
    let settings = DatabaseSettings {
        url: url.to_owned().into(),
        pool: 2,
    };
    Store::open(&settings).await.unwrap()
}

fn lines(ended: &Ended) -> Vec<Value> {
    let text = ended.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn event(number: usize) -> Job {
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

async fn archive(store: &Store, job: &Job) -> i64 {
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
        (&["--reason", "boredom"], vec![]),
        (&["--since", "0s"], vec![]),
    ] {
        assert_eq!(desk.listed(filter).await, expected, "{filter:?}");
    }
    desk.answer(&["discard", &turn.to_string()]).await;
    assert_eq!(desk.listed(&[]).await, [bytes, event]);
    assert_eq!(desk.listed(&["--all"]).await, [bytes, turn, event]);

    let text = desk.answer(&["list", "--all"]).await.text();
    assert_eq!(text.lines().count(), 3);
    assert!(
        text.contains("discarded") && text.contains("kf.turn") && text.contains("attempts 3"),
        "{text}"
    );
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
    desk.call(&["discard", &good]).end().await.check_code(1);
    // By filter nobody named it: it is counted, and the answer is yes.
    let swept = desk.answer(&["replay", "--all", "--json"]).await.json();
    assert_eq!((&swept["changed"], &swept["no_job"]), (&json!(0), &json!(1)));
    desk.answer(&["discard", "--reason", "unreadable"]).await;
    desk.answer(&["discard", &bytes]).await;
    desk.call(&["replay", &bytes]).end().await.check_code(1);
    assert_eq!(desk.listed(&[]).await, Vec::<i64>::new());
}

#[tokio::test]
async fn s19_200_letters_replayed_by_two_processes_and_again_are_processed_once() {
    let desk = Desk::open().await;
    for number in 0..LETTERS {
        archive(&desk.store, &event(number)).await;
    }
    let some = desk
        .answer(&["replay", "--all", "--limit", "30", "--json"])
        .await
        .json();
    assert_eq!((&some["changed"], &some["more"]), (&json!(30), &json!(true)));
    let double = join_all((0..2).map(|_| desk.answer(&["replay", "--kind", "app.event", "--json"]))).await;
    let changed: u64 = double
        .iter()
        .map(|ended| ended.json()["changed"].as_u64().unwrap())
        .sum();
    assert_eq!(changed, LETTERS as u64 - 30);

    // Kefu runs on its embedded queue, which no other process may open; and clicked is clicked.
    let simulator = Simulator::start().await;
    let kefu = both_roles(desk.folder.path(), &simulator, &[]).await;
    let state = "state";
    eventually("all letters are replayed", async || {
        let listed = lines(&desk.answer(&["list", "--all", "--json", "--limit", "1000"]).await);
        let replayed = listed.iter().filter(|letter| letter[state] == "replayed");
        (replayed.count() == LETTERS).then_some(())
    })
    .await;
    let again = desk.answer(&["replay", "--all", "--json"]).await.json();
    assert_eq!(again["changed"], 0);
    eventually("all events are stored", async || {
        (desk
            .store
            .events(&EventQuery::default(), 1000)
            .await
            .unwrap()
            .rows
            .len()
            == LETTERS)
            .then_some(())
    })
    .await;
    let metrics = kefu.metrics().await;
    assert_eq!(
        metric(&metrics, "kefu_replays_total", &["kind=\"app.event\""]),
        LETTERS as f64
    );
    assert_eq!(desk.store.totals().await.unwrap().dead_letters, LETTERS as u64);
    kefu.running.terminate().await;
    kefu.running.ended().await.check_code(0);
}

/// The services' database, at its version.
async fn migrated(services: &Services) -> Store {
    let store = store(&services.postgres).await;
    store.migrate().await.unwrap();
    store
}

/// The letter of an event that nobody has stored is to be replayed.
pub(crate) async fn a_letter_is_wanted_again(services: &Services, number: i64) {
    let store = store(&services.postgres).await;
    store.migrate().await.unwrap();
    let letter = archive(&store, &event(number.try_into().unwrap())).await;
    on(services, &["replay", &letter.to_string()]).await;
}

/// A call of the command on the services.
async fn on(services: &Services, arguments: &[&str]) -> Ended {
    let arguments = [&["dead-letters"], arguments].concat();
    let ended = kefu(&arguments).set_all(&services.settings()).end().await;
    ended.check_code(0);
    ended
}

async fn publish(services: &Services, jobs: &[Job]) {
    let settings = QueueSettings::clone(
        &kefu_settings::Settings::reference_only()
            .unwrap()
            .with("queue.url", &services.amqp)
            .with("queue.prefix", &services.prefix)
            .with("queue.retry_steps", ONE_STEP.1)
            .section("queue")
            .unwrap(),
    );
    let (queue, driver) = Queue::open(&settings, Roles::WorkerOnly, None).await.unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run(stop.clone()));
    for job in jobs {
        queue.publish(job, Duration::from_secs(10)).await.unwrap();
    }
    stop.cancel();
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn s17_s18_jobs_that_die_become_letters_and_a_second_death_a_second_one() {
    let services = Services::own().await;
    migrated(&services).await.close().await;
    let simulator = Simulator::start().await;
    let worker = worker(&services, &simulator.url, &[ONE_STEP]).await;
    let mut broken = event(1);
    broken.kind = String::new();
    let unknown = Job::new("kf.tomorrow", "default", Lane::Medium, json!({}), Millis(0));
    publish(&services, &[broken.clone(), unknown.clone()]).await;
    let listed = async |count: usize| {
        eventually("the letters are listed", async || {
            let listed = lines(&on(&services, &["list", "--json", "--all"]).await);
            (listed.len() == count).then_some(listed)
        })
        .await
    };
    let letters = listed(2).await;
    let of_reason = |reason: &str| letters.iter().find(|letter| letter["reason"] == reason).unwrap();
    let unreadable = of_reason("unreadable");
    assert_eq!(
        (&unreadable["attempts"], &unreadable["kind"]),
        (&json!(1), &Value::Null)
    );
    let id = unreadable["id"].to_string();
    assert_eq!(
        on(&services, &["show", &id, "--raw"]).await.stdout,
        broken.encode()
    );
    let exhausted = of_reason("unknown");
    assert_eq!(
        (&exhausted["attempts"], &exhausted["replay"]),
        (&json!(2), &json!(0))
    );
    assert!(exhausted["first_error_at"].as_str() < exhausted["last_error_at"].as_str());

    on(&services, &["replay", "--reason", "unknown"]).await;
    let letters = listed(3).await;
    let second = &letters[0];
    assert_eq!(
        (&second["job_id"], &second["replay"], &second["attempts"]),
        (&json!(unknown.id), &json!(1), &json!(2))
    );
    worker.running.terminate().await;
    worker.running.ended().await.check_code(0);
    services.remove().await;
}

#[tokio::test]
async fn s19_200_turns_replayed_twice_by_two_processes_answer_nobody_twice() {
    let services = Services::own().await;
    let store = migrated(&services).await;
    let ingress = ingress(&services, &[ONE_STEP]).await;
    let simulator = Simulator::play_and_stay(LETTERS as u32, LETTERS as u32, &ingress.callback_url()).await;
    // Messages are stored and no turn comes to an end; then all are given up, as turns out of attempts are.
    let busy = json!({ "api": "kf/service_state/get", "kind": "error", "code": -1 });
    simulator.fault(busy).await;
    let first = worker(&services, &simulator.url, &[ONE_STEP]).await;
    eventually("all messages are stored", async || {
        let totals = store.totals().await.unwrap();
        (totals.owed_messages == LETTERS as u64).then_some(())
    })
    .await;
    first.running.kill().await;
    simulator.clear_faults().await;
    services
        .sql(
            "UPDATE message SET handled = 'failed', handled_at = 1 WHERE handled IS NULL;
            UPDATE conversation SET wake_at = NULL, lease_until = NULL, lease_owner = NULL",
        )
        .await;
    let corp = kefu_simulator::Credentials::default().corp_id;
    for (account, customer) in conversations(&services).await {
        let payload = json!({"corp": corp, "account": account, "customer": customer});
        let job = Job::new("kf.turn", "default", Lane::Medium, payload, Millis(0));
        archive(&store, &job).await;
    }
    let workers = [
        worker(&services, &simulator.url, &[ONE_STEP]).await,
        worker(&services, &simulator.url, &[ONE_STEP]).await,
    ];
    let clicks = join_all((0..2).map(|_| on(&services, &["replay", "--all", "--json"]))).await;
    let changed: u64 = clicks
        .iter()
        .map(|ended| ended.json()["changed"].as_u64().unwrap())
        .sum();
    assert_eq!(changed, LETTERS as u64);
    let counts = async || {
        let report = simulator.report().await;
        ["messages", "answered", "duplicated", "sends"].map(|key| report[key].as_u64().unwrap())
    };
    let all = [LETTERS as u64, LETTERS as u64, 0, LETTERS as u64];
    eventually("all customers are answered", async || {
        (counts().await[1] == all[1]).then_some(())
    })
    .await;
    let again = on(&services, &["replay", "--all", "--json"]).await.json();
    assert_eq!(again["changed"], 0);
    eventually("nothing is left to do", async || {
        let totals = store.totals().await.unwrap();
        (totals.owed_messages + totals.open_parts == 0).then_some(())
    })
    .await;
    assert_eq!(counts().await, all);
    store.close().await;
    for role in workers.into_iter().chain([ingress]) {
        role.running.terminate().await;
        role.running.ended().await.check_code(0);
    }
    services.remove().await;
}

async fn conversations(services: &Services) -> Vec<(String, String)> {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&services.postgres).await.unwrap();
    let rows = sqlx::query_as("SELECT account, customer FROM conversation ORDER BY customer")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows
}
