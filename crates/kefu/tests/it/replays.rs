//! Dead letters that run again: under replays by several people at once, and to their second death.

use std::time::Duration;

use futures::future::join_all;
use kefu_domain::Millis;
use kefu_queue::{Job, Lane, Queue, QueueSettings, Roles};
use kefu_store::{EventQuery, Store};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::{Desk, archive, event, lines, store};
use crate::stage::{Ended, Services, Simulator, both_roles, eventually, ingress, kefu, metric, worker};

const ONE_STEP: (&str, &str) = ("KEFU_QUEUE__RETRY_STEPS", "1s");
const LETTERS: usize = 200;

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
