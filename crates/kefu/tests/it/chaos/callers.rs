//! Callers who mean harm, or take their time.

#[cfg(feature = "chaos")]
use std::sync::Arc;
#[cfg(feature = "chaos")]
use std::sync::atomic::{AtomicU32, Ordering};
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
use crate::stage::{Callers, DEADLINE, Role, Services, eventually};
#[cfg(feature = "chaos")]
use crate::stage::{http, metric};

/// Callers who do as they should, beside the others.
const CALLS_PER_SECOND: u32 = 50;
/// A slow client sends one more byte this often.
const DRIP: Duration = Duration::from_millis(250);
/// Memory the ingress may take for slow clients, in bytes.
const GROWTH_MAX: u64 = 30 * 1024 * 1024;

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
    let before = resident_bytes(&play.ingress);
    let callers = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
    let mut slow = JoinSet::new();
    for number in 0..clients {
        slow.spawn(drip(play.ingress.url.clone(), request(number)));
    }
    let mut longest = Duration::ZERO;
    let mut most = before;
    while let Some(lasted) = slow.join_next().await {
        longest = longest.max(lasted.unwrap());
        most = most.max(resident_bytes(&play.ingress));
    }
    let answers = callers.end().await;
    let growth = most.saturating_sub(before);
    assert!(longest < cut_within, "the last one was cut after {longest:?}");
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    answers.check_all_taken_within(size(Duration::from_secs(3), Duration::from_millis(500)));
    all_stored(&mut play, warm.taken + answers.taken).await;
    let note = format!(
        "all cut within {:.1} s, {} callbacks of others, all 200, p99 {} ms, ingress {:+.1} MiB",
        longest.as_secs_f64(),
        answers.taken,
        answers.p99().as_millis(),
        growth as f64 / f64::from(1 << 20)
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

/// Memory of a role in RAM.
fn resident_bytes(role: &Role) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", role.running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = line.unwrap().trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes * 1024
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
    let before = resident_bytes(&play.ingress);
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
    let growth = resident_bytes(&play.ingress).saturating_sub(before);
    assert!(slowest < ANSWERED_WITHIN, "{slowest:?}");
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    let note = format!(
        "all 413 and 415, the slowest after {slowest:?}, ingress {:+.1} MiB",
        growth as f64 / f64::from(1 << 20)
    );
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

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s46_forged_signatures_are_refused_before_anything_is_decrypted() {
    const FORGED: u32 = 10_000;
    const CONNECTIONS: u32 = 16;
    let case = Case::begin("46", "10,000 forged signatures; 100,000 timed of each prefix");
    let play = called_only().await;
    let next = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, url) = (Arc::clone(&next), play.ingress.callback_url());
        clients.spawn(async move {
            let client = http();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if FORGED <= number {
                    return;
                }
                let forged = forged(number);
                let url = format!("{url}?{}", forged.query());
                let body = forged.request_xml("ww", None);
                let answer = client.post(url).body(body).send().await.unwrap();
                assert_eq!(answer.status(), 403);
                assert_eq!(answer.bytes().await.unwrap().len(), 0);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let metrics = play.ingress.metrics().await;
    let all = metric(&metrics, "kefu_callbacks_total", &[]);
    assert_eq!(all, f64::from(FORGED));
    eventually("the signature was the reason each time", async || {
        let lines = play.ingress.running.stderr();
        let told = lines
            .iter()
            .filter(|line| line.contains("signature does not match"));
        (told.count() == FORGED as usize).then_some(())
    })
    .await;
    let spread = timing::spread();
    let t_max = spread.iter().fold(0.0_f64, |most, (_, t)| most.max(t.abs()));
    assert!(t_max < 4.5, "{spread:?}");
    let note = format!("all 403, none decrypted; by matching prefix |t| at most {t_max:.2}");
    case.end(&play.end().await, None, note);
}

/// All but the signature is right, and a part of that, too.
#[cfg(feature = "chaos")]
fn forged(number: u32) -> Sealed {
    let mut forged = sealed();
    forged.msg_signature = timing::wrong_after(&forged.msg_signature, number as usize % 40);
    forged
}

/// Whether the time of a refusal tells how much of a signature is right.
#[cfg(feature = "chaos")]
mod timing {
    use std::hint::black_box;
    use std::time::Instant;

    use kefu_wecom::crypto::{OpenError, ReceiveIds, Signed};
    use rand::seq::SliceRandom;

    use super::{key, sealed};

    /// Characters that match.
    const PREFIXES: [usize; 4] = [0, 1, 20, 39];
    const TIMES_EACH: usize = 100_000;
    const WARM_UP: usize = 1_000;

    /// Welch's t of each prefix against none.
    pub(super) fn spread() -> Vec<(usize, f64)> {
        let (key, sealed) = (key(), sealed());
        let signatures = PREFIXES.map(|prefix| wrong_after(&sealed.msg_signature, prefix));
        let mut order: Vec<usize> = (0..PREFIXES.len() * TIMES_EACH).collect();
        // What the machine does meanwhile hits all alike.
        order.shuffle(&mut rand::rng());
        let mut times: [Vec<f64>; PREFIXES.len()] = Default::default();
        let mut buffer = String::with_capacity(64);
        for (number, class) in order.iter().map(|number| number % PREFIXES.len()).enumerate() {
            // The same place in memory for all.
            buffer.clear();
            buffer.push_str(&signatures[class]);
            let signed = Signed {
                msg_signature: black_box(&buffer),
                timestamp: &sealed.timestamp,
                nonce: &sealed.nonce,
            };
            let started_at = Instant::now();
            let opened = key.open(&signed, black_box(&sealed.encrypt), ReceiveIds::Any);
            let took = started_at.elapsed();
            assert_eq!(opened, Err(OpenError::Signature));
            if WARM_UP <= number {
                times[class].push(took.as_nanos() as f64);
            }
        }
        let cut = percentile_99(&times.concat());
        let samples = times.map(|times| Sample::of(times.into_iter().filter(|time| *time <= cut)));
        let others = PREFIXES.iter().zip(&samples).skip(1);
        others
            .map(|(prefix, sample)| (*prefix, sample.t(&samples[0])))
            .collect()
    }

    /// The signature up to there, and another character at that place.
    pub(super) fn wrong_after(signature: &str, prefix: usize) -> String {
        let wrong = if signature.as_bytes()[prefix] == b'0' {
            "1"
        } else {
            "0"
        };
        format!("{}{wrong}{}", &signature[..prefix], &signature[prefix + 1..])
    }

    fn percentile_99(times: &[f64]) -> f64 {
        let mut times = times.to_vec();
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() * 99 / 100]
    }

    struct Sample {
        count: f64,
        mean: f64,
        variance: f64,
    }

    impl Sample {
        fn of(times: impl Iterator<Item = f64> + Clone) -> Sample {
            let count = times.clone().count() as f64;
            let mean = times.clone().sum::<f64>() / count;
            let squares: f64 = times.map(|time| (time - mean).powi(2)).sum();
            Sample {
                count,
                mean,
                variance: squares / (count - 1.0),
            }
        }

        fn t(&self, other: &Sample) -> f64 {
            let error = self.variance / self.count + other.variance / other.count;
            (self.mean - other.mean) / error.sqrt()
        }
    }
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s50_an_ingress_without_file_descriptors_sheds_and_recovers() {
    const FILES: usize = 256;
    const IDLE: usize = 400;
    let case = Case::begin("50", "256 file descriptors, 400 idle connections");
    let mut play = called_only().await;
    limit_files(&play.ingress, FILES).await;
    let before = files(&play.ingress);
    let mut idle = JoinSet::new();
    for _ in 0..IDLE {
        idle.spawn(stay_connected(play.ingress.url.clone()));
    }
    eventually("the ingress is at its limit", async || {
        (FILES - 2 <= files(&play.ingress)).then_some(())
    })
    .await;
    let callers = Callers::start(&play.ingress.callback_url(), 5);
    let used_before = cpu_ticks(&play.ingress);
    let measured_at = Instant::now();
    // Long enough to see somebody spin.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seconds = measured_at.elapsed().as_secs_f64();
    let at_limit = files(&play.ingress);
    // The kernel's ticks are 10 ms.
    let busy = (cpu_ticks(&play.ingress) - used_before) as f64 / 100.0 / seconds;
    assert!(busy < 0.5, "{busy:.2} of a core at the limit");
    assert!(FILES - 32 <= at_limit, "{at_limit} files are open");
    idle.shutdown().await;
    let closed_at = Instant::now();
    eventually("callbacks are taken again", async || {
        let answer = http().get(format!("{}/health/ready", play.ingress.url));
        let answer = answer.timeout(Duration::from_secs(1)).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let recovery = closed_at.elapsed();
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    let after = Callers::start(&play.ingress.callback_url(), CALLS_PER_SECOND);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = after.end().await;
    after.check_all_taken_within(Duration::from_millis(500));
    let meanwhile = callers.end().await;
    assert_eq!(meanwhile.given_up, 0, "{:?}", meanwhile.statuses);
    eventually("the files are closed", async || {
        (files(&play.ingress) < before + 64).then_some(())
    })
    .await;
    all_stored(&mut play, after.taken + meanwhile.taken).await;
    let note = format!(
        "{at_limit} files open at the limit, {:.0} % of a core; callbacks meanwhile {:?}, afterwards all 200, p99 {} ms",
        busy * 100.0,
        meanwhile.statuses,
        after.p99().as_millis()
    );
    case.end(&play.end().await, Some(recovery), note);
}

/// Says nothing, and comes again as often as it is cut off.
#[cfg(feature = "chaos")]
async fn stay_connected(url: String) {
    let mut rest = Vec::new();
    loop {
        if let Ok(mut stream) = TcpStream::connect(url.trim_start_matches("http://")).await {
            // A reset is an end, too.
            let _ = stream.read_to_end(&mut rest).await;
            rest.clear();
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[cfg(feature = "chaos")]
async fn limit_files(role: &Role, most: usize) {
    let limited = tokio::process::Command::new("prlimit")
        .arg(format!("--pid={}", role.running.pid()))
        .arg(format!("--nofile={most}:{most}"))
        .status()
        .await;
    assert!(limited.unwrap().success());
}

/// Open files of a role.
#[cfg(feature = "chaos")]
fn files(role: &Role) -> usize {
    let folder = format!("/proc/{}/fd", role.running.pid());
    std::fs::read_dir(folder).unwrap().count()
}

/// Processor time of a role so far, in ticks of the kernel.
#[cfg(feature = "chaos")]
fn cpu_ticks(role: &Role) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", role.running.pid())).unwrap();
    // The name in brackets may have blanks in it; user and system time are the 12th and 13th field behind it.
    let behind = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}
