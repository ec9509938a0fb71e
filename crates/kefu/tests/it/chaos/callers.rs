//! Callers who mean harm, or take their time.

#[cfg(feature = "chaos")]
mod files;
#[cfg(feature = "chaos")]
mod forged;

use std::time::Duration;

use kefu_simulator::Credentials;
use kefu_wecom::CallbackKey;
use kefu_wecom::crypto::Sealed;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::{Case, Plan, Play, size};
#[cfg(feature = "chaos")]
use crate::stage::Role;
use crate::stage::{Callers, DEADLINE, Services, eventually};

/// Callers who do as they should, beside the others.
const CALLS_PER_SECOND: u32 = 50;
/// A slow client sends one more byte this often.
const DRIP: Duration = Duration::from_millis(250);
/// Memory the ingress may take for slow clients.
const GROWTH_MIB_MAX: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s42_clients_with_slow_headers_are_cut_off_and_delay_nobody() {
    let clients = size(200, 1_000);
    let case = Case::begin("42", format!("{clients} clients with headers that do not end"));
    let head = format!("POST /callback?{} HTTP/1.1\r\nhost: t\r\nx: ", sealed().query());
    // The headers have 3 s.
    let cut_within = size(Duration::from_secs(10), Duration::from_secs(5));
    let (report, note) = besiege(clients, |_| head.clone(), cut_within).await;
    case.end(&report, None, note);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s43_clients_with_slow_bodies_are_cut_off_and_delay_nobody() {
    let clients = size(200, 1_000);
    let case = Case::begin("43", format!("{clients} clients with bodies that do not end"));
    let head = format!("POST /callback?{} HTTP/1.1\r\nhost: t\r\n", sealed().query());
    let request = |number| match number % 2 {
        0 => format!("{head}content-length: 60000\r\n\r\n<"),
        _ => format!("{head}transfer-encoding: chunked\r\n\r\n8000\r\n<"),
    };
    // A body has 2 s.
    let cut_within = size(Duration::from_secs(10), Duration::from_secs(3));
    let (report, note) = besiege(clients, request, cut_within).await;
    case.end(&report, None, note);
}

/// A Kefu at which nobody writes but who calls.
async fn called_only() -> Play {
    let plan = Plan {
        customers: 1,
        messages: 0,
        workers: 1,
        ..Plan::usual()
    };
    // Each refused callback is told with its reason, and each that is taken, too.
    let plan = plan.set("KEFU_LOG__LEVEL", "info,kefu_ingress=debug");
    let play = Play::start(Services::own().await, plan).await;
    play.ready().await;
    play
}

/// Waits until what the callers brought is stored.
async fn all_stored(play: &mut Play, taken: usize) {
    let taken = i64::try_from(taken).unwrap();
    eventually("every callback is stored", async || {
        let stored = play.services.count("SELECT count(*) FROM app_event").await;
        (stored == taken).then_some(())
    })
    .await;
    play.events += taken;
}

/// So many slow clients at once, each with the beginning of a request, while others call as they should.
/// The totals, and figures for the table.
async fn besiege(clients: usize, request: impl Fn(usize) -> String, cut_within: Duration) -> (Value, String) {
    let mut play = called_only().await;
    // What the first callbacks take once is no cost of slow clients.
    let warm = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let warm = warm.end().await;
    let before = play.ingress.running.usage().memory_mib;
    let callers = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
    let mut slow = JoinSet::new();
    for number in 0..clients {
        slow.spawn(drip(play.ingress.url.clone(), request(number)));
    }
    let longest = slow.join_all().await.into_iter().max().unwrap_or_default();
    let answers = callers.end().await;
    let growth = play.ingress.running.usage().peak_mib.saturating_sub(before);
    assert!(longest < cut_within, "the last one was cut after {longest:?}");
    assert!(growth < GROWTH_MIB_MAX, "{growth} MiB");
    answers.check_all_taken_within(size(Duration::from_secs(3), Duration::from_millis(500)));
    all_stored(&mut play, warm.taken + answers.taken).await;
    let note = format!(
        "all cut within {:.1} s, {} callbacks of others, all 200, p99 {} ms, ingress {growth:+} MiB",
        longest.as_secs_f64(),
        answers.taken,
        answers.p99().as_millis()
    );
    (play.end().await, note)
}

/// Sends `start` and then a byte now and again; how long the server put up with it.
async fn drip(url: String, start: String) -> Duration {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    let started_at = Instant::now();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        let mut ticks = interval(DRIP);
        // Ends with the connection.
        while writer.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    };
    let mut rest = Vec::new();
    let cut = async {
        tokio::select! {
            // A reset is an end, too.
            _ = reader.read_to_end(&mut rest) => (),
            () = dripping => (),
        }
    };
    timeout(DEADLINE, cut).await.unwrap();
    started_at.elapsed()
}

fn key() -> CallbackKey {
    let corp = Credentials::default();
    CallbackKey::new(&corp.token, &corp.encoding_aes_key).unwrap()
}

/// A callback as it should be.
fn sealed() -> Sealed {
    let corp_id = Credentials::default().corp_id;
    key().seal_signed(b"<xml></xml>", &corp_id, rand::random(), "1700000000", "n0nce")
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_bodies_without_end_are_refused_at_once_and_cost_no_memory() {
    const EACH: usize = 50;
    const ANSWERED_WITHIN: Duration = Duration::from_millis(100);
    let case = Case::begin("45", "1 GiB declared, endless chunks and gzip bombs, 50 each");
    let play = called_only().await;
    let before = play.ingress.running.usage().memory_mib;
    let head = |headers: &str| {
        let query = sealed().query();
        format!("POST /callback?{query} HTTP/1.1\r\nhost: t\r\n{headers}\r\n").into_bytes()
    };
    let chunks = format!("4000\r\n{}\r\n", "x".repeat(0x4000))
        .repeat(64)
        .into_bytes();
    // 10 GiB of zeros begin like this, block after block.
    let zeros = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xec, 0xc1, 1, 1, 0, 0].repeat(256);
    let bomb = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", zeros.len());
    let mut slowest = Duration::ZERO;
    for (request, status) in [
        (head("content-length: 1073741824\r\n"), 413),
        ([head("transfer-encoding: chunked\r\n"), chunks].concat(), 413),
        ([head(&bomb), zeros].concat(), 415),
    ] {
        for _ in 0..EACH {
            let (answered, took) = ask(&play.ingress, &request).await;
            assert_eq!(answered, status);
            slowest = slowest.max(took);
        }
    }
    let growth = play.ingress.running.usage().memory_mib.saturating_sub(before);
    assert!(slowest < ANSWERED_WITHIN, "{slowest:?}");
    assert!(growth < GROWTH_MIB_MAX, "{growth} MiB");
    let note = format!("all 413 and 415, the slowest after {slowest:?}, ingress {growth:+} MiB");
    case.end(&play.end().await, None, note);
}

/// The status of a request's answer, and how long it took to come.
#[cfg(feature = "chaos")]
async fn ask(role: &Role, request: &[u8]) -> (u16, Duration) {
    let address = role.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let started_at = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let mut start = [0; 12];
    let answered = async {
        tokio::select! {
            biased;
            read = reader.read_exact(&mut start) => read.map(drop),
            // The server may hang up before it has everything; what it said is there to read.
            never = async { let _ = writer.write_all(request).await; std::future::pending().await } => never,
        }
    };
    timeout(DEADLINE, answered).await.unwrap().unwrap();
    let status = str::from_utf8(&start[9..]).unwrap().parse().unwrap();
    (status, started_at.elapsed())
}
