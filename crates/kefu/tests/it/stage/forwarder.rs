use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A TCP port in front of a service that appears only later. Dropping it cuts what goes through it.
pub(crate) struct Forwarder {
    _tasks: JoinSet<()>,
}

impl Forwarder {
    /// `upstream` is `host:port`.
    pub(crate) async fn start(port: u16, upstream: String) -> Forwarder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
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
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(any).await.unwrap().local_addr().unwrap().port()
}
