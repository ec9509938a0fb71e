use std::net::SocketAddr;

use redis::ConnectionAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// Connections end, new ones end at once.
    Cut,
    /// Connections stay, nothing comes through, new ones are taken and stay silent.
    Frozen,
}

/// A stretch of wire to the real Redis which a test can cut or freeze.
pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    line: watch::Sender<Line>,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    pub(crate) async fn start(line: Line) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(line);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, receiver));
        Forwarder {
            address,
            line: sender,
            _tasks: tasks,
        }
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// The URL of the real Redis, by way of this forwarder.
    pub(crate) fn url(&self) -> String {
        let info = support::redis_info();
        let settings = info.redis_settings();
        let user = settings.username().unwrap_or_default();
        let password = settings
            .password()
            .map(|password| format!("{user}:{password}@"))
            .unwrap_or_default();
        format!("redis://{password}{}/{}", self.address, settings.db())
    }
}

async fn accept(listener: TcpListener, line: watch::Receiver<Line>) {
    let info = support::redis_info();
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        panic!("REDIS_URL is not plain TCP")
    };
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        if *line.borrow() != Line::Cut {
            let far = TcpStream::connect((host.as_str(), *port)).await.unwrap();
            connections.spawn(forward(near, far, line.clone()));
        }
    }
}

async fn forward(near: TcpStream, far: TcpStream, line: watch::Receiver<Line>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pump(near_read, far_write, line.clone()) => (),
        () = pump(far_read, near_write, line) => (),
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = [0; 4096];
    loop {
        let mut cut = line.clone();
        let length = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = cut.wait_for(|line| *line == Line::Cut) => 0,
        };
        let Ok(now) = line
            .wait_for(|line| *line != Line::Frozen)
            .await
            .map(|line| *line)
        else {
            return;
        };
        if length == 0 || now == Line::Cut || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
