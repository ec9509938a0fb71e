//! One Kefu and one simulator for each test: ingress, worker, queue and database in one process.

mod log;
mod model_stub;
mod seen;

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kefu_domain::Millis;
use kefu_ingress::Server;
use kefu_process::clock;
use kefu_queue::{Job, Lane, Queue, QueueSettings, Roles};
use kefu_settings::Settings;
use kefu_simulator::world::Incoming;
use kefu_simulator::{Effect, Fault, Handle, SimulatorSettings};
use kefu_store::{DatabaseSettings, Store};
use kefu_worker::Worker;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqlSafeStr, SqliteConnection};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use log::Log;
pub(crate) use model_stub::{Asked, ModelStub, Reply};

pub(crate) const ACCOUNT: &str = "wkKefuSimulatorAccount0000000001";
pub(crate) const OTHER_ACCOUNT: &str = "wkKefuSimulatorAccount0000000002";
pub(crate) const FALLBACK: &str = "稍后回复您";

/// What a test may change before everything starts.
pub(crate) struct Setup {
    pub(crate) simulator: SimulatorSettings,
    /// Workers that share one queue.
    pub(crate) workers: usize,
    /// Whether the simulated model answers; else rules and the fallback do.
    pub(crate) model: bool,
    settings: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn set(&mut self, key: &str, value: impl Display) {
        self.settings.push((key.to_owned(), value.to_string()));
    }
}

/// Stops when it goes out of scope.
pub(crate) struct Kefu {
    pub(crate) simulator: Handle,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    settings: Settings,
    /// Of the worker that was started last.
    health: Option<SocketAddr>,
    database: PathBuf,
    workers: JoinSet<anyhow::Result<()>>,
    worker_stop: CancellationToken,
    stop: CancellationToken,
    _tasks: JoinSet<anyhow::Result<()>>,
    _folder: TempDir,
}

impl Drop for Kefu {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Kefu {
    pub(crate) async fn start() -> Kefu {
        Kefu::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Kefu {
        let mut setup = Setup {
            simulator: SimulatorSettings {
                callback_retry_spacing: Duration::from_millis(5),
                sync_without_token_per_minute: 100_000,
                gettoken_per_minute: 1_000,
                ..SimulatorSettings::default()
            },
            workers: 1,
            model: true,
            settings: Vec::new(),
        };
        change(&mut setup);
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let simulator = kefu_simulator::start(setup.simulator.clone(), stop.clone())
            .await
            .unwrap();
        let (handle, url) = (simulator.handle(), simulator.url());
        tasks.spawn(simulator.run());
        let settings = settings(&handle, &url, &setup, &folder);

        let queue_settings: QueueSettings = settings.section("queue").unwrap();
        let (queue, driver) = Queue::open(&queue_settings, Roles::Both, None).await.unwrap();
        // The driver outlives the slots, as in the real process; here the runtime ends it.
        tasks.spawn(async move { Ok(driver.run(CancellationToken::new()).await?) });
        let ingress = Server::bind(&settings, queue.clone()).await.unwrap();
        let address = ingress.address().unwrap();
        tasks.spawn(ingress.run(stop.clone()));
        handle
            .set_callback_url(&format!("http://{address}/callback"))
            .unwrap();

        let database: DatabaseSettings = settings.section("database").unwrap();
        let store = Store::open(&database).await.unwrap();
        store.migrate().await.unwrap();
        let mut kefu = Kefu {
            simulator: handle,
            queue,
            store,
            settings,
            health: None,
            database: folder.path().join("kefu.db"),
            workers: JoinSet::new(),
            worker_stop: stop.child_token(),
            stop,
            _tasks: tasks,
            _folder: folder,
        };
        for _ in 0..setup.workers {
            kefu.start_worker();
        }
        kefu
    }

    /// For workers that start from now on.
    pub(crate) fn set(&mut self, key: &str, value: impl Display) {
        self.settings = self.settings.clone().with(key, value);
    }

    pub(crate) fn start_worker(&mut self) {
        let worker = Worker::bind(&self.settings).unwrap();
        self.health = Some(worker.address().unwrap());
        let run = worker.run(self.queue.clone(), self.worker_stop.clone());
        self.workers.spawn(run);
    }

    /// What SIGTERM does.
    pub(crate) async fn stop_workers(&mut self) {
        self.worker_stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap().unwrap();
        }
        self.worker_stop = self.stop.child_token();
    }

    /// What SIGKILL does: everything stops at its next await, nothing is settled or given back by the worker.
    pub(crate) async fn kill_workers(&mut self) {
        self.workers.shutdown().await;
    }

    /// Changes rows behind the worker's back, mostly to let time pass.
    pub(crate) async fn change(&self, sql: &'static str) -> u64 {
        let mut connection = self.connection().await;
        let done = sqlx::query(sql.into_sql_str())
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }

    /// Nobody else can write until the connection is closed.
    pub(crate) async fn lock_database(&self) -> SqliteConnection {
        let mut connection = self.connection().await;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }

    async fn connection(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(&self.database)
            .busy_timeout(Duration::from_secs(5));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// A customer of the first account writes.
    pub(crate) async fn writes(&self, customer: &str, text: &str) -> String {
        self.says(ACCOUNT, customer, Incoming::text(text)).await
    }

    pub(crate) async fn says(&self, account: &str, customer: &str, incoming: Incoming) -> String {
        self.simulator
            .customer_sends(Some(account), customer, &incoming)
            .await
            .unwrap()
    }

    pub(crate) fn fault(&self, api: &str, effect: Effect) {
        self.set_fault(api, effect, None, None);
    }

    pub(crate) fn fault_times(&self, api: &str, effect: Effect, times: u64) {
        self.set_fault(api, effect, Some(times), None);
    }

    pub(crate) fn fault_often(&self, api: &str, effect: Effect, probability: f64) {
        self.set_fault(api, effect, None, Some(probability));
    }

    fn set_fault(&self, api: &str, effect: Effect, times: Option<u64>, probability: Option<f64>) {
        let fault = Fault {
            api: api.to_owned(),
            effect,
            times,
            probability,
            seed: 7,
        };
        self.simulator.set_fault(fault).unwrap();
    }

    /// Puts a job into the queue as it is.
    pub(crate) async fn publish(&self, job: &Job) {
        self.queue.publish(job, Duration::from_secs(5)).await.unwrap();
    }
}

/// A text with a counted tag.
pub(crate) fn tagged(number: usize) -> String {
    format!("question {number} #kf-t-{number}")
}

/// A message that carries any field with any value: `send_time`, `origin`, `msgid` and so on.
pub(crate) fn odd(field: &str, value: Value) -> Incoming {
    Incoming {
        msgtype: field.to_owned(),
        body: value,
    }
}

/// A wake-up of one account.
pub(crate) fn wake_up(app: &str, account: &str) -> Job {
    Job::new(
        "kf.sync",
        app,
        Lane::High,
        json!({ "account": account }),
        Millis(clock::now_ms()),
    )
}

fn settings(simulator: &Handle, url: &str, setup: &Setup, folder: &TempDir) -> Settings {
    let credentials = simulator.credentials();
    let at = |name: &str| format!("{}", folder.path().join(name).display());
    let mut settings = Settings::reference_only()
        .unwrap()
        .with("apps.default.corp_id", &credentials.corp_id)
        .with("apps.default.token", credentials.token.expose_secret())
        .with(
            "apps.default.encoding_aes_key",
            credentials.encoding_aes_key.expose_secret(),
        )
        .with("apps.default.secret", credentials.secret.expose_secret())
        .with("ingress.listen", "127.0.0.1:0")
        .with("worker.listen", "127.0.0.1:0")
        .with("queue.url", format!("sqlite:{}", at("queue.db")))
        .with("queue.spool", "")
        .with("queue.retry_steps", "100ms,200ms,300ms")
        .with("database.url", format!("sqlite:{}", at("kefu.db")))
        .with("wecom.api_base", url)
        .with("wecom.timeout", "2s")
        .with("worker.rate_pause", "500ms")
        .with("worker.breaker_wait", "50ms")
        .with("reply.fallback", FALLBACK)
        .with("conversation.merge_window", "0s");
    if setup.model {
        settings = settings
            .with("ai.base_url", format!("{url}/v1"))
            .with("ai.timeout", "5s");
    }
    for (key, value) in &setup.settings {
        settings = settings.with(key, value);
    }
    settings
}
