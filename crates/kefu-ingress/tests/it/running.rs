//! An ingress on a free port, with an embedded queue behind it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use kefu_ingress::Server;
use kefu_process::{LogFormat, LogSettings, Telemetry, telemetry};
use kefu_queue::{Driver, Job, Lane, Queue, QueueSettings, Roles, Verdict};
use kefu_settings::Settings;
use kefu_wecom::CallbackKey;
use kefu_wecom::crypto::Sealed;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::alone::is_alone;
use crate::client::{Answer, Client, DEADLINE, post};

/// Of the samples that Tencent publishes with doc 91144.
pub(crate) const TOKEN: &str = "QDG6eK";
pub(crate) const AES_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
pub(crate) const CORP_ID: &str = "wx5823bf96d3bd56c7";

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) ops_address: Option<SocketAddr>,
    pub(crate) queue: Queue,
    stop: CancellationToken,
    queue_stop: CancellationToken,
    server: JoinSet<anyhow::Result<()>>,
    driver: JoinSet<anyhow::Result<()>>,
    _folder: Option<TempDir>,
}

/// The reference with one app, `default`, which has the key of the samples.
pub(crate) fn settings() -> Settings {
    Settings::reference_only()
        .unwrap()
        .with("ingress.listen", "127.0.0.1:0")
        .with("apps.default.corp_id", CORP_ID)
        .with("apps.default.token", TOKEN)
        .with("apps.default.encoding_aes_key", AES_KEY)
}

impl Running {
    pub(crate) async fn start() -> Running {
        Running::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/queue.db", folder.path().display());
        let settings = settings.with("queue.url", url);
        let section: QueueSettings = settings.section("queue").unwrap();
        let (queue, driver) = Queue::open(&section, Roles::Both, None).await.unwrap();
        Running::over(settings, queue, driver, Some(folder)).await
    }

    /// Over a queue of the caller's own.
    pub(crate) async fn over(
        settings: Settings,
        queue: Queue,
        driver: Driver,
        folder: Option<TempDir>,
    ) -> Running {
        start_telemetry();
        let server = Server::bind(&settings, queue.clone()).await.unwrap();
        let mut running = Running {
            address: server.address().unwrap(),
            ops_address: server.ops_address().unwrap(),
            queue,
            stop: CancellationToken::new(),
            queue_stop: CancellationToken::new(),
            server: JoinSet::new(),
            driver: JoinSet::new(),
            _folder: folder,
        };
        let queue_stop = running.queue_stop.clone();
        running
            .driver
            .spawn(async move { Ok(driver.run(queue_stop).await?) });
        running.server.spawn(server.run(running.stop.clone()));
        running
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await
    }

    pub(crate) async fn post(&self, sealed: &Sealed) -> Answer {
        let body = sealed.request_xml(CORP_ID, None);
        self.send(post(&format!("/callback?{}", sealed.query()), body))
            .await
    }

    /// The next job of the lane, taken out of the queue.
    pub(crate) async fn take(&self, lane: Lane) -> Job {
        let stop = CancellationToken::new();
        let mut consumer = self.queue.consumer(lane);
        let delivery = timeout(DEADLINE, consumer.next(&stop)).await.unwrap().unwrap();
        let job = delivery.job.clone().unwrap();
        delivery.settle(Verdict::Done).await;
        job
    }

    /// How many jobs wait in all lanes.
    pub(crate) async fn waiting(&self) -> u64 {
        let depths = self.queue.depths().await.unwrap();
        depths.high + depths.medium + depths.low
    }

    /// From here on nothing can be queued any more.
    pub(crate) async fn stop_queue(&mut self) {
        self.queue_stop.cancel();
        join(&mut self.driver, DEADLINE).await;
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn ended_within(&mut self, limit: Duration) {
        join(&mut self.server, limit).await;
    }

    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        self.ended_within(DEADLINE).await;
        self.stop_queue().await;
    }
}

async fn join(tasks: &mut JoinSet<anyhow::Result<()>>, limit: Duration) {
    while let Some(ended) = timeout(limit, tasks.join_next()).await.unwrap() {
        ended.unwrap().unwrap();
    }
}

pub(crate) fn key() -> CallbackKey {
    key_of(TOKEN, AES_KEY)
}

pub(crate) fn key_of(token: &str, encoding_aes_key: &str) -> CallbackKey {
    CallbackKey::new(&SecretString::from(token), &SecretString::from(encoding_aes_key)).unwrap()
}

/// As WeCom would send it to the app `default`.
pub(crate) fn seal(plaintext: impl AsRef<[u8]>) -> Sealed {
    seal_for(CORP_ID, plaintext)
}

pub(crate) fn seal_for(receive_id: &str, plaintext: impl AsRef<[u8]>) -> Sealed {
    let random = rand::random();
    key().seal_signed(plaintext.as_ref(), receive_id, random, "1700000000", "n0nce")
}

/// A message of which only the content matters.
pub(crate) fn text_message(content: &str) -> String {
    format!(
        "<xml><FromUserName>zhangsan</FromUserName><CreateTime>1700000000</CreateTime>\
         <MsgType>text</MsgType><Content><![CDATA[{content}]]></Content></xml>"
    )
}

/// Trace ids need it. Lines are written only where a test looks at them.
fn start_telemetry() {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    TELEMETRY.get_or_init(|| {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: if is_alone() { "trace" } else { "off" }.to_owned(),
        };
        telemetry::start("kefu-ingress", &settings).unwrap()
    });
}
