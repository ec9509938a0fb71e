//! A TCP port in front of the broker that can be cut, and that can appear later.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Dropping it closes the port and cuts what goes through it.
pub(crate) struct Forwarder {
    _tasks: JoinSet<()>,
}

impl Forwarder {
    pub(crate) async fn start(port: u16, upstream: &str) -> Forwarder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let upstream = upstream.to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let upstream = upstream.clone();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(&upstream).await {
                        // However it ends, it is over.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Forwarder { _tasks: tasks }
    }
}

/// A port nobody listens on at present.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    listener.local_addr().unwrap().port()
}
