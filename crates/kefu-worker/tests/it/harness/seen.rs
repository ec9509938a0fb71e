//! What a test sees of its Kefu, and waits for.

use std::time::{Duration, Instant};

use kefu_simulator::Report;
use kefu_simulator::world::{Line, Speaker};
use kefu_store::DeadLetterRow;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqlSafeStr, SqliteConnection};
use tokio::time::timeout;

use super::{ACCOUNT, Kefu};

/// No condition of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(25);
const LOOK_EVERY: Duration = Duration::from_millis(15);

impl Kefu {
    pub(crate) fn report(&self) -> Report {
        self.simulator.report()
    }

    pub(crate) fn calls(&self, api: &str) -> u64 {
        self.report().calls.get(api).copied().unwrap_or_default()
    }

    /// What a customer of the first account was told through the API, in order.
    pub(crate) fn replies(&self, customer: &str) -> Vec<String> {
        self.replies_of(ACCOUNT, customer)
    }

    pub(crate) fn replies_of(&self, account: &str, customer: &str) -> Vec<String> {
        self.lines(account, customer)
            .into_iter()
            .filter(|line| line.speaker == Speaker::Reply)
            .map(|line| line.text)
            .collect()
    }

    fn lines(&self, account: &str, customer: &str) -> Vec<Line> {
        self.simulator
            .chat(Some(account), customer, 0)
            .map(|chat| chat.lines)
            .unwrap_or_default()
    }

    /// One text column of the database.
    pub(crate) async fn column(&self, sql: &'static str) -> Vec<String> {
        let options = SqliteConnectOptions::new()
            .filename(&self.database)
            .read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let rows = sqlx::query_scalar(sql.into_sql_str())
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        rows
    }

    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        self.column(sql).await[0].parse().unwrap()
    }

    /// How customer messages ended, oldest first; owed ones are `owed`.
    pub(crate) async fn handled(&self) -> Vec<String> {
        self.column("SELECT COALESCE(handled, 'owed') FROM message WHERE origin = 'customer' ORDER BY seq")
            .await
    }

    /// How parts ended, oldest first.
    pub(crate) async fn parts(&self) -> Vec<String> {
        self.column("SELECT status FROM outbox ORDER BY planned_at, generation, part")
            .await
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetterRow> {
        self.store.dead_letters(100).await.unwrap()
    }

    /// Waits until the condition holds.
    #[track_caller]
    pub(crate) fn until<F>(&self, what: &'static str, condition: F) -> impl Future<Output = ()>
    where
        F: AsyncFn() -> bool,
    {
        let caller = std::panic::Location::caller();
        async move {
            let mut changes = self.simulator.changes();
            let started = Instant::now();
            while !condition().await {
                assert!(
                    started.elapsed() < DEADLINE,
                    "{caller}: still not true: {what}\n{:#?}\nunanswered {:?}\ndepths {:?}",
                    self.report(),
                    self.simulator.unanswered(5),
                    self.queue.depths().await,
                );
                // Both ends mean the same: look again.
                let _ = timeout(LOOK_EVERY, changes.changed()).await;
            }
        }
    }

    /// Waits until so many customer messages are stored and none is owed, then until nothing is left to do.
    #[track_caller]
    pub(crate) fn handled_all(&self, messages: usize) -> impl Future<Output = ()> {
        let all_handled = self.until("all messages are handled", async move || {
            let handled = self.handled().await;
            handled.len() == messages && handled.iter().all(|how| how != "owed")
        });
        let quiet = self.quiet();
        async move {
            all_handled.await;
            quiet.await;
        }
    }

    /// Waits until no row is leased, owed, failed or parked and the queue is empty.
    #[track_caller]
    pub(crate) fn quiet(&self) -> impl Future<Output = ()> {
        self.until("nothing is left to do", async || {
            const BUSY: &str = "SELECT CAST(
                (SELECT count(*) FROM account WHERE wake_at IS NOT NULL AND first_woken_at IS NOT NULL)
                + (SELECT count(*) FROM conversation WHERE wake_at IS NOT NULL)
                + (SELECT count(*) FROM message WHERE handled IS NULL)
                + (SELECT count(*) FROM outbox WHERE status IN ('planned', 'sending')) AS TEXT)";
            self.waiting().await == 0 && self.number(BUSY).await == 0
        })
    }

    /// Status and detail of a component of the worker.
    pub(crate) async fn health(&self, component: &str) -> (String, String) {
        let tls = kefu_process::tls::client_config_if(false).unwrap();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy();
        let client = client.build().unwrap();
        let url = format!("http://{}/health", self.health.unwrap());
        let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
        let health: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let text = |key| {
            let text = health["components"][component][key].as_str();
            text.unwrap_or_default().to_owned()
        };
        (text("status"), text("detail"))
    }

    /// Jobs that wait in lanes and retry steps.
    pub(crate) async fn waiting(&self) -> u64 {
        let depths = self.queue.depths().await.unwrap();
        let retry: u64 = depths.retry.iter().map(|step| step.waiting).sum();
        depths.high + depths.medium + depths.low + retry
    }

    /// Every tagged message was answered by exactly one reply.
    #[track_caller]
    pub(crate) fn assert_each_answered_once(&self, messages: u64) {
        let report = self.report();
        assert_eq!(
            (
                report.messages,
                report.lost,
                report.duplicated,
                report.misdirected
            ),
            (messages, 0, 0, 0),
            "messages, lost, duplicated, misdirected; unanswered {:?}",
            self.simulator.unanswered(5)
        );
    }
}
