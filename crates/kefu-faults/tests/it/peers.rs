//! The two ends between which a proxy stands.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use kefu_faults::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long an event may take that does come.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long nothing is waited for.
const SILENCE: Duration = Duration::from_millis(150);

/// Sends back what it gets, until its client has ended.
pub(crate) struct Echo {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Echo {
    pub(crate) async fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    // The connection may be reset; that is what the tests are about.
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Echo {
            address,
            _tasks: tasks,
        }
    }

    pub(crate) fn proxy(&self) -> FaultProxy {
        FaultProxy::start(&self.address.to_string()).unwrap()
    }

    pub(crate) fn proxy_at(&self, port: u16) -> FaultProxy {
        FaultProxy::start_at(port, &self.address.to_string()).unwrap()
    }
}

/// A proxy in front of the test itself.
pub(crate) async fn own() -> (FaultProxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(&listener.local_addr().unwrap().to_string()).unwrap();
    (proxy, listener)
}

/// Both ends of a new connection through it.
pub(crate) async fn pair(proxy: &FaultProxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = connect(proxy).await;
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    // Afterwards the proxy knows, too, that it has reached the server.
    client.write_all(b".").await.unwrap();
    soon(server.read_exact(&mut [0])).await.unwrap();
    (client, server)
}

pub(crate) async fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = soon(TcpStream::connect(proxy.address())).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends it and reads it back.
pub(crate) async fn echo(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    soon(stream.read_exact(&mut back)).await?;
    assert!(back == bytes, "something else came back");
    Ok(())
}

pub(crate) async fn is_silent(stream: &mut TcpStream) {
    let read = timeout(SILENCE, stream.read(&mut [0])).await;
    assert!(read.is_err(), "{read:?}");
}

/// That its next read says so.
pub(crate) async fn is_reset(stream: &mut TcpStream) {
    let read = soon(stream.read(&mut [0])).await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(DEADLINE, event).await.unwrap()
}

pub(crate) async fn eventually(mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ask() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
}
