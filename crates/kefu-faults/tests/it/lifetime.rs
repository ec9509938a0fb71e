//! Ports that open, close, refuse and come back.

use std::io;

use kefu_faults::{FaultProxy, Faults, free_port};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{Echo, connect, echo, eventually, is_reset, soon};

async fn is_refused(port: u16) {
    let error = soon(TcpStream::connect(("127.0.0.1", port))).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn refused_connections_end_at_once_and_present_ones_go_on() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    let mut present = connect(&proxy).await;
    echo(&mut present, b"before").await.unwrap();
    proxy.set(Faults {
        refuse: true,
        ..Faults::default()
    });
    let mut refused = connect(&proxy).await;
    assert_eq!(soon(refused.read(&mut [0])).await.unwrap(), 0);
    echo(&mut present, b"after").await.unwrap();
    assert_eq!((proxy.connections(), proxy.connections_total()), (1, 2));
    proxy.clear();
    echo(&mut connect(&proxy).await, b"again").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_port_refuses_and_opens_again() {
    let server = Echo::start().await;
    let proxy = server.proxy();
    for _ in 0..50 {
        let mut stream = connect(&proxy).await;
        echo(&mut stream, b"x").await.unwrap();
        proxy.close();
        is_refused(proxy.port()).await;
        is_reset(&mut stream).await;
        proxy.reopen().unwrap();
        // Open it stays.
        proxy.reopen().unwrap();
    }
    echo(&mut connect(&proxy).await, b"x").await.unwrap();
    eventually(|| proxy.connections() == 0).await;
    assert_eq!(proxy.connections_total(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_proxy_leaves_its_port_to_the_next() {
    let server = Echo::start().await;
    let port = free_port().unwrap();
    for _ in 0..50 {
        let proxy = server.proxy_at(port);
        assert_eq!(proxy.port(), port);
        let mut stream = connect(&proxy).await;
        echo(&mut stream, b"x").await.unwrap();
        drop(proxy);
        is_refused(port).await;
        is_reset(&mut stream).await;
    }
}

#[tokio::test]
async fn an_upstream_may_come_later() {
    let upstream = free_port().unwrap();
    let proxy = FaultProxy::start(&format!("127.0.0.1:{upstream}")).unwrap();
    let mut early = connect(&proxy).await;
    assert_eq!(soon(early.read(&mut [0])).await.unwrap(), 0);
    let listener = TcpListener::bind(("127.0.0.1", upstream)).await.unwrap();
    let _client = connect(&proxy).await;
    soon(listener.accept()).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_and_a_bad_upstream_are_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = FaultProxy::start_at(port, "127.0.0.1:1").err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    for upstream in ["", "127.0.0.1", "127.0.0.1:", "redis://127.0.0.1:6379/0"] {
        let error = FaultProxy::start(upstream).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("upstream `{upstream}` is not host:port")
        );
    }
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    assert!(FaultProxy::start("127.0.0.1:1").is_err());
}
