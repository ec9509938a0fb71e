//! Connections that end too early.

use std::io::{self, Read};

use kefu_faults::{FaultProxy, Faults};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::peers::{Echo, connect, echo, eventually, is_reset, own, pair, soon};

/// Exchanges until the reset, for each of a row of connections.
async fn exchanges(proxy: &FaultProxy, seed: u64) -> Vec<usize> {
    proxy.set(Faults {
        reset: 0.1,
        seed,
        ..Faults::default()
    });
    let mut counts = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(proxy).await;
        let mut count = 0;
        let error = loop {
            match echo(&mut stream, b"x").await {
                Ok(()) => count += 1,
                Err(error) => break error,
            }
        };
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
        counts.push(count);
    }
    counts
}

#[tokio::test]
async fn a_reset_is_an_error_at_both_ends_and_the_chunk_is_gone() {
    let (proxy, listener) = own().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    proxy.set(Faults {
        reset: 1.0,
        ..Faults::default()
    });
    client.write_all(b"x").await.unwrap();
    is_reset(&mut client).await;
    is_reset(&mut server).await;
    eventually(|| proxy.connections() == 0).await;
}

#[tokio::test]
async fn a_seed_repeats_its_resets() {
    let server = Echo::start().await;
    let first = exchanges(&server.proxy(), 3).await;
    assert_eq!(exchanges(&server.proxy(), 3).await, first);
    assert_ne!(exchanges(&server.proxy(), 4).await, first);
}

#[tokio::test]
async fn a_cut_ends_what_there_is_at_both_ends_and_spares_what_comes() {
    let (proxy, listener) = own().await;
    let mut pairs = Vec::new();
    for _ in 0..5 {
        pairs.push(pair(&proxy, &listener).await);
    }
    assert_eq!((proxy.connections(), proxy.connections_total()), (5, 5));
    proxy.cut();
    for (client, server) in &mut pairs {
        is_reset(client).await;
        is_reset(server).await;
    }
    eventually(|| proxy.connections() == 0).await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(soon(server.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn a_cut_reaches_connections_that_hang_or_wait_to_be_accepted() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    proxy.freeze();
    let mut hanging = connect(&proxy).await;
    eventually(|| proxy.connections() == 1).await;
    // Nothing else runs on this thread until the next await, so the proxy has not accepted it.
    let mut waiting = std::net::TcpStream::connect(proxy.address()).unwrap();
    proxy.cut();
    let error = waiting.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    is_reset(&mut hanging).await;
    assert_eq!(proxy.connections_total(), 2);
    proxy.thaw();
    echo(&mut connect(&proxy).await, b"new").await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_reset_resets_the_other() {
    let (proxy, listener) = own().await;
    let (client, mut server) = pair(&proxy, &listener).await;
    client.set_zero_linger().unwrap();
    drop(client);
    is_reset(&mut server).await;
}
