//! A TCP port in front of the broker that can be cut or frozen, and that can appear later.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Dropping it closes the port and cuts what goes through it.
pub(crate) struct Forwarder {
    frozen: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    pub(crate) async fn start(port: u16, upstream: &str) -> Forwarder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let upstream = upstream.to_owned();
        let (frozen, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let sender = frozen.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let upstream = upstream.clone();
                let (there, back) = (sender.subscribe(), sender.subscribe());
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(&upstream).await {
                        let (from_client, to_client) = client.into_split();
                        let (from_server, to_server) = server.into_split();
                        // However it ends, it is over.
                        tokio::select! {
                            _ = carry(from_client, to_server, there) => (),
                            _ = carry(from_server, to_client, back) => (),
                        }
                    }
                });
            }
        });
        Forwarder {
            frozen,
            _tasks: tasks,
        }
    }

    /// From here on nothing goes through, and nothing is cut, as with a stopped process.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// What was held back goes on.
    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 || frozen.wait_for(|frozen| !frozen).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// A port nobody listens on at present.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    listener.local_addr().unwrap().port()
}
