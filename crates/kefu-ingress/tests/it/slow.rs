//! Clients that take their time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::client::{Client, DEADLINE, post};
use crate::running::{CORP_ID, Running, seal, text_message};

const SLOW_CLIENTS: usize = 200;
const CUT_WITHIN: Duration = Duration::from_secs(5);
/// A slow client sends one more byte this often.
const DRIP: Duration = Duration::from_millis(250);

const OTHERS: usize = 4;
const P99_MAX: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn s42_s43_slow_clients_are_cut_off_and_delay_nobody() {
    let running = Running::start().await;
    let query = seal("x").query();
    let head = format!("POST /callback?{query} HTTP/1.1\r\nhost: t\r\n");
    let mut slow = JoinSet::new();
    for number in 0..SLOW_CLIENTS {
        slow.spawn(drip(running.address, head.clone()));
        let body = match number % 2 {
            0 => "content-length: 60000\r\n\r\n<",
            _ => "transfer-encoding: chunked\r\n\r\n8000\r\n<",
        };
        slow.spawn(drip(running.address, format!("{head}{body}")));
    }
    let mut others = JoinSet::new();
    for _ in 0..OTHERS {
        others.spawn(callbacks(running.address));
    }
    let mut times: Vec<Duration> = others.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 < P99_MAX, "{p99:?}");
    while let Some(lasted) = slow.join_next().await {
        let lasted = lasted.unwrap();
        assert!(lasted < CUT_WITHIN, "{lasted:?}");
    }
    running.stop().await;
}

/// Sends `start` and then a byte now and again; returns how long the server put up with it.
async fn drip(address: SocketAddr, start: String) -> Duration {
    let mut client = Client::connect(address).await;
    let started = Instant::now();
    client.send(start).await;
    let (mut reader, mut writer) = client.stream.split();
    let dripping = async {
        let mut ticks = interval(DRIP);
        // Ends with the connection.
        while writer.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    };
    let mut rest = Vec::new();
    let closed = async {
        // A reset is an end, too.
        let _ = reader.read_to_end(&mut rest).await;
    };
    let cut = async {
        tokio::select! {
            () = closed => (),
            () = dripping => (),
        }
    };
    timeout(DEADLINE, cut).await.unwrap();
    started.elapsed()
}

/// Callbacks one after the other, for as long as the slow clients may last.
async fn callbacks(address: SocketAddr) -> Vec<Duration> {
    let started = Instant::now();
    let mut client = Client::connect(address).await;
    let mut times = Vec::new();
    while started.elapsed() < CUT_WITHIN {
        let sealed = seal(text_message(&times.len().to_string()));
        let request = post(
            &format!("/callback?{}", sealed.query()),
            sealed.request_xml(CORP_ID, None),
        );
        let sent = Instant::now();
        client.send(request).await;
        assert_eq!(client.answer().await.status, 200);
        times.push(sent.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn s42_s43_a_slow_body_is_408_and_so_are_slow_headers() {
    let settings = crate::running::settings()
        .with("ingress.body_timeout", "200ms")
        .with("ingress.header_timeout", "200ms");
    let running = Running::with(settings).await;
    let head = format!("POST /callback?{} HTTP/1.1\r\nhost: t\r\n", seal("x").query());
    for request in [
        head.clone(),
        format!("{head}content-length: 9\r\n\r\nx"),
        format!("{head}transfer-encoding: chunked\r\n\r\n9\r\nx"),
    ] {
        let mut client = running.client().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.len()), (408, 0), "{request}");
        client.closed().await;
    }
    running.stop().await;
}
