//! What goes through, when, and in which pieces.

use std::num::NonZeroUsize;
use std::time::Duration;

use kefu_faults::{FaultProxy, Faults};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::peers::{Echo, connect, echo, eventually, is_silent, own, pair, soon};

const MS: Duration = Duration::from_millis(1);

/// So many bytes that differ from each other over a long distance.
fn bytes(count: u32) -> Vec<u8> {
    (0..count / 4).flat_map(u32::to_le_bytes).collect()
}

/// Sends all of it while it reads it back.
async fn stream_through(stream: TcpStream, sent: &[u8]) {
    let (mut from, mut to) = stream.into_split();
    let mut back = Vec::new();
    let (read, written) = soon(async {
        tokio::join!(from.read_to_end(&mut back), async {
            to.write_all(sent).await?;
            to.shutdown().await
        })
    })
    .await;
    read.unwrap();
    written.unwrap();
    assert!(back == sent, "{} of {} bytes, or others", back.len(), sent.len());
}

#[tokio::test]
async fn without_faults_all_goes_through_and_each_direction_ends_by_itself() {
    let echo = Echo::start().await;
    let proxy = echo.proxy();
    stream_through(connect(&proxy).await, &bytes(8 * 1024 * 1024)).await;
    eventually(|| proxy.connections() == 0).await;
    assert_eq!(proxy.connections_total(), 1);
}

#[tokio::test]
async fn a_server_that_has_ended_still_hears_its_client() {
    let (proxy, listener) = own().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let mut said = Vec::new();
    soon(client.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, b"bye");
    assert_eq!(proxy.connections(), 1);
    client.write_all(b"ok").await.unwrap();
    drop(client);
    let mut said = Vec::new();
    soon(server.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, b"ok");
    eventually(|| proxy.connections() == 0).await;
}

#[tokio::test]
async fn a_delay_keeps_the_order_and_costs_no_throughput() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    proxy.set(Faults {
        latency: 100 * MS,
        jitter: 50 * MS,
        seed: 7,
        ..Faults::default()
    });
    let mut stream = connect(&proxy).await;
    let started = Instant::now();
    echo(&mut stream, b"ping").await.unwrap();
    let there_and_back = started.elapsed();
    assert!(200 * MS <= there_and_back, "{there_and_back:?}");
    assert!(there_and_back < 5000 * MS, "{there_and_back:?}");

    // One after the other, these chunks would wait for half a minute.
    let sent = bytes(2 * 1024 * 1024);
    let started = Instant::now();
    stream_through(stream, &sent).await;
    let took = started.elapsed();
    assert!(200 * MS <= took && took < 8000 * MS, "{took:?}");
}

#[tokio::test]
async fn a_changed_delay_holds_for_what_is_on_its_way() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    let mut stream = connect(&proxy).await;
    echo(&mut stream, b"before").await.unwrap();
    proxy.set(Faults {
        latency: Duration::from_secs(3600),
        ..Faults::default()
    });
    stream.write_all(b"late").await.unwrap();
    is_silent(&mut stream).await;
    proxy.clear();
    assert_eq!(proxy.faults(), Faults::default());
    let mut back = [0; 4];
    soon(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"late");
}

#[tokio::test]
async fn slices_arrive_one_by_one() {
    let (proxy, listener) = own().await;
    proxy.set(Faults {
        slice: NonZeroUsize::new(10),
        slice_pause: 10 * MS,
        ..Faults::default()
    });
    let (mut client, mut server) = pair(&proxy, &listener).await;
    let sent = bytes(200);
    let started = Instant::now();
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut came, mut reads) = (Vec::with_capacity(1024), 0);
    while 0 < soon(server.read_buf(&mut came)).await.unwrap() {
        reads += 1;
    }
    assert_eq!(came, sent);
    // Twenty pieces; on a busy machine some are read together.
    assert!((5..=20).contains(&reads), "{reads}");
    assert!(190 * MS <= started.elapsed(), "{:?}", started.elapsed());
}

#[tokio::test]
async fn slices_without_a_pause_lose_nothing() {
    let echo = Echo::start().await;
    let proxy = echo.proxy();
    proxy.set(Faults {
        slice: NonZeroUsize::new(3),
        ..Faults::default()
    });
    stream_through(connect(&proxy).await, &bytes(30_000)).await;
}

async fn hangs_and_goes_on(proxy: &FaultProxy) {
    let mut present = connect(proxy).await;
    echo(&mut present, b"before").await.unwrap();
    proxy.freeze();
    present.write_all(b"held").await.unwrap();
    let mut new = connect(proxy).await;
    new.write_all(b"new").await.unwrap();
    is_silent(&mut present).await;
    is_silent(&mut new).await;
    // Its end is held back too.
    let mut ended = connect(proxy).await;
    ended.write_all(b"ended").await.unwrap();
    ended.shutdown().await.unwrap();
    is_silent(&mut ended).await;
    eventually(|| proxy.connections() == 3).await;

    proxy.thaw();
    for (stream, expected) in [(&mut present, "held"), (&mut new, "new"), (&mut ended, "ended")] {
        let mut back = vec![0; expected.len()];
        soon(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, expected.as_bytes());
    }
    echo(&mut present, b"after").await.unwrap();
}

#[tokio::test]
async fn a_black_hole_hangs_and_goes_on_with_nothing_lost() {
    let server = Echo::start().await;
    hangs_and_goes_on(&server.proxy()).await;
}

#[tokio::test]
async fn other_faults_stay_over_a_black_hole() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    let faults = Faults {
        latency: 20 * MS,
        slice: NonZeroUsize::new(2),
        ..Faults::default()
    };
    proxy.set(faults);
    hangs_and_goes_on(&proxy).await;
    assert_eq!(proxy.faults(), faults);
}

#[tokio::test]
async fn a_sender_into_a_black_hole_has_to_wait() {
    let (proxy, listener) = own().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    proxy.freeze();
    let sent = bytes(64 * 1024 * 1024);
    let (written, came) = soon(async {
        tokio::join!(
            async {
                client.write_all(&sent).await?;
                client.shutdown().await
            },
            async {
                is_silent(&mut server).await;
                proxy.thaw();
                let mut came = Vec::new();
                server.read_to_end(&mut came).await.map(|_| came)
            }
        )
    })
    .await;
    written.unwrap();
    assert!(came.unwrap() == sent);
}
