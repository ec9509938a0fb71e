//! A broker that is killed, frozen, away or silent: callbacks go to the disk spool, work waits, all come back alone.

use std::io;
use std::time::Duration;

#[cfg(feature = "chaos")]
use kefu_process::health::PROBE_INTERVAL;
use reqwest::Url;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
#[cfg(feature = "chaos")]
use tokio::time::sleep_until;
use tokio::time::{Instant, sleep, timeout};

use super::{Case, Plan, Play, size};
use crate::stage::{Callers, Instance, Role, Services, eventually};

/// Callbacks of an app, beside those of the script. The normal run shares its machine with other tests.
const CALLS_PER_SECOND: u32 = if cfg!(feature = "chaos") { 100 } else { 30 };
/// What the program asks the broker for, unless the URL says otherwise.
#[cfg(feature = "chaos")]
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Between what is so and the readers of a log or of health.
#[cfg(feature = "chaos")]
const NOTICED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_broker_killed_under_load_costs_no_callback_and_no_message() {
    let kills = size(1, 10);
    let case = Case::begin(
        "4",
        format!("kill -9 of the broker, {kills} times, {CALLS_PER_SECOND} callbacks/s"),
    );
    let siege = Siege::begin("s04", size("3s", "15s")).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        // The pace of the load; a kill hits whatever happens to be under way.
        sleep(size(Duration::from_secs(1), Duration::from_secs(5))).await;
        siege.broker.kill("rabbitmq").await;
        let recovery = siege.returns().await;
        siege.check_reconnected(recovery);
        slowest = slowest.max(recovery);
    }
    let (report, note) = siege.end().await;
    case.end(&report, Some(slowest), note);
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_broker_away_for_a_minute_costs_no_callback_and_no_message() {
    let case = Case::begin("4", "broker killed and away for 60 s, 100 callbacks/s");
    let siege = Siege::begin("s04_away", "15s").await;
    siege.play.has_answered(1_000).await;
    siege.broker.kill("rabbitmq").await;
    sleep(Duration::from_secs(60)).await;
    let recovery = siege.returns().await;
    siege.check_reconnected(recovery);
    let (report, note) = siege.end().await;
    case.end(&report, Some(recovery), note);
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_a_frozen_broker_is_noticed_and_costs_no_callback_and_no_message() {
    let case = Case::begin("5", "broker frozen for 30 s, then for 60 s, 100 callbacks/s");
    let siege = Siege::begin("s05", "20s").await;
    siege.play.has_answered(1_000).await;
    let (mut noticed, mut recovery) = (Duration::ZERO, Duration::ZERO);
    for seconds in [30, 60] {
        let (lost, connected) = (siege.said(LOST), siege.said(CONNECTED));
        siege.broker.freeze("rabbitmq").await;
        let frozen_at = Instant::now();
        siege.everybody_says(LOST, &lost).await;
        noticed = noticed.max(frozen_at.elapsed());
        for worker in &siege.play.workers {
            not_ready(worker, "queue: ").await;
        }
        let said_within = frozen_at.elapsed();
        assert!(
            said_within < 2 * HEARTBEAT + PROBE_INTERVAL + NOTICED,
            "{said_within:?}"
        );
        sleep_until(frozen_at + Duration::from_secs(seconds)).await;
        siege.broker.thaw("rabbitmq").await;
        let thawed_at = Instant::now();
        siege.everybody_says(CONNECTED, &connected).await;
        recovery = recovery.max(thawed_at.elapsed());
        siege.play.ready().await;
    }
    assert!(noticed < 2 * HEARTBEAT + NOTICED, "{noticed:?}");
    let (report, note) = siege.end().await;
    let note = format!("{note}; noticed after {:.1} s", noticed.as_secs_f64());
    case.end(&report, Some(recovery), note);
}

/// A play on a broker of its own, and somebody who calls all the time.
pub(super) struct Siege {
    pub(super) broker: Instance,
    pub(super) play: Play,
    callers: Callers,
}

pub(super) const CONNECTED: &str = "connected to the broker";
#[cfg(feature = "chaos")]
const LOST: &str = "connection to the broker lost";

impl Siege {
    /// `pause` between the bursts of a customer: the script lasts about five times as long, with `chaos` ten times.
    pub(super) async fn begin(name: &'static str, pause: &'static str) -> Siege {
        Siege::begin_with(
            name,
            Plan {
                pause,
                ..Plan::usual()
            },
        )
        .await
    }

    pub(super) async fn begin_with(name: &'static str, plan: Plan) -> Siege {
        let broker = Instance::start(name, &["rabbitmq"]).await;
        // The log is searched again and again: not a line for every event.
        let plan = plan.set("KEFU_LOG__LEVEL", "info,kefu_worker::jobs=warn");
        let play = Play::start(Services::with(&[&broker]).await, plan).await;
        play.ready().await;
        let callers = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
        Siege {
            broker,
            play,
            callers,
        }
    }

    /// Starts the broker again: the time from its first answer until everybody was connected.
    pub(super) async fn returns(&self) -> Duration {
        let connected = self.said(CONNECTED);
        let url = Url::parse(&self.play.services.amqp).unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let returned = async {
            let back_at = eventually("the broker answers", async || {
                greeted(address).await.ok().map(|()| Instant::now())
            })
            .await;
            self.everybody_says(CONNECTED, &connected).await;
            back_at.elapsed()
        };
        let ((), took) = tokio::join!(self.broker.start_again("rabbitmq"), returned);
        took
    }

    #[track_caller]
    pub(super) fn check_reconnected(&self, after: Duration) {
        let is_late = size(Duration::from_secs(15), Duration::from_secs(5)) <= after;
        let said = |role: &Role| {
            let lines = role.running.stderr().into_iter();
            lines
                .filter(|line| line.contains("kefu_queue::rabbit"))
                .collect::<Vec<_>>()
        };
        assert!(
            !is_late,
            "{after:?}: {:#?}",
            roles(&self.play).map(said).collect::<Vec<_>>()
        );
    }

    /// How often each role has said this.
    fn said(&self, words: &str) -> Vec<usize> {
        let said = |role: &Role| {
            let lines = role.running.stderr();
            lines.iter().filter(|line| line.contains(words)).count()
        };
        roles(&self.play).map(said).collect()
    }

    #[cfg(feature = "chaos")]
    pub(super) fn workers_said(&self, words: &str) -> usize {
        self.said(words)[..self.play.workers.len()].iter().sum()
    }

    /// Waits until each role has said it once more than before.
    async fn everybody_says(&self, words: &str, before: &[usize]) {
        eventually(words, async || {
            let now = self.said(words);
            now.iter()
                .zip(before)
                .all(|(now, before)| before < now)
                .then_some(())
        })
        .await;
    }

    /// Nobody calls any more: each call was answered with 200, and what it brought is stored. Then the play's end.
    /// The totals, and figures for the table.
    pub(super) async fn end(mut self) -> (Value, String) {
        let answers = self.callers.end().await;
        answers.check_all_taken_within(size(Duration::from_secs(4), Duration::from_millis(500)));
        let taken = i64::try_from(answers.taken).unwrap();
        eventually("every callback is stored", async || {
            let stored = self.play.services.count("SELECT count(*) FROM app_event").await;
            (stored == taken).then_some(())
        })
        .await;
        self.play.events += taken;
        let report = self.play.end().await;
        let note = format!(
            "{taken} callbacks, all 200 and stored, p99 {} ms",
            answers.p99().as_millis()
        );
        (report, note)
    }
}

/// An open port is not enough: a broker that still starts takes connections and leaves them waiting.
async fn greeted(address: (&str, u16)) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let answer = timeout(Duration::from_secs(1), stream.read_u8()).await;
    answer.map_err(io::Error::from)?.map(drop)
}

pub(super) fn roles(play: &Play) -> impl Iterator<Item = &Role> {
    play.workers.iter().chain([&play.ingress])
}

/// Waits until the role says that it is not ready, and why.
#[cfg(feature = "chaos")]
pub(super) async fn not_ready(role: &Role, why: &str) -> String {
    eventually("the role is not ready", async || {
        let (_, ready) = role.get("/health/ready").await?;
        let reason = ready["reasons"][0].as_str()?;
        reason.starts_with(why).then(|| reason.to_owned())
    })
    .await
}
