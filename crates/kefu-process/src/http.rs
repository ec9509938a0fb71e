//! The HTTP server settings that every process shares, and listening with an error that names the setting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Condition, NormalizePath, from_fn};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use kefu_settings::SettingsError;

mod connections;

pub use connections::KeepAlive;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// A client that does not close its side is cut off after this.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// An idle connection is kept for this long; proxies reuse theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a server is allowed.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Longest time for the headers to arrive; then 408.
    pub header_timeout: Duration,
    /// Open connections, for each server thread.
    pub connections_max: usize,
    /// Longest time for running requests to end at a stop; whole seconds, at least 1.
    pub shutdown_timeout: Duration,
    /// Server threads; `None` = one for each core.
    pub threads: Option<usize>,
    /// Which connections are kept for a next request.
    pub keep_alive: KeepAlive,
    pub paths: Paths,
}

/// How exactly a path has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    AsWritten,
    /// A slash at the end or twice in a row makes no other path: addresses are typed by people, and joined by
    /// proxies. Queries stay as they came.
    AnySlashes,
}

/// For ports that carry health, metrics and little else: one thread.
impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            header_timeout: Duration::from_secs(3),
            connections_max: 256,
            shutdown_timeout: Duration::from_secs(5),
            threads: Some(1),
            keep_alive: KeepAlive::EveryAnswer,
            paths: Paths::AsWritten,
        }
    }
}

/// Listens on `address`, which came from the setting `key`. Must be called inside the runtime.
pub fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, SettingsError> {
    let refuse = |error: io::Error| {
        let problem = match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is already in use"),
            io::ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine"),
            io::ErrorKind::PermissionDenied => format!("this user may not listen on {address}"),
            _ => format!("cannot listen on {address}: {error}"),
        };
        SettingsError::new(key, problem)
    };
    listen(address).map_err(refuse)
}

/// Addresses of one machine, each with its key, of which two cannot both be taken. Port 0 takes a free one.
pub fn clashes(addresses: &[(&str, SocketAddr)]) -> Vec<SettingsError> {
    let takes_all =
        |all: SocketAddr, one: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let meets = |one: SocketAddr, other: SocketAddr| {
        let is_same = one.ip().to_canonical() == other.ip().to_canonical();
        let is_taken = is_same || takes_all(one, other) || takes_all(other, one);
        one.port() != 0 && one.port() == other.port() && is_taken
    };
    let mut found = Vec::new();
    for (place, (key, address)) in addresses.iter().enumerate() {
        let other = addresses[..place]
            .iter()
            .find(|(_, other)| meets(*other, *address));
        if let Some((other, _)) = other {
            let problem = format!("{address} is that of {other} as well; give it another port");
            found.push(SettingsError::new(*key, problem));
        }
    }
    found
}

/// Where somebody on this machine reaches what listens at `listen`: "any address" is nowhere to connect to.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for connections of its predecessor to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts serving; the future ends when `stop` is cancelled and the running requests have ended.
///
/// `configure` is called once for each thread, and sets routes and their data. Every request is counted and timed.
pub fn serve(
    listener: TcpListener,
    limits: HttpLimits,
    stop: CancellationToken,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    metrics::prometheus();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(metrics::observe))
            .wrap(from_fn(move |request, next| {
                connections::bound(limits.keep_alive, request, next)
            }))
            .wrap(Condition::new(
                limits.paths == Paths::AnySlashes,
                NormalizePath::trim(),
            ))
            .configure(|config| configure(config))
    });
    let server = match limits.threads {
        Some(threads) => server.workers(threads.max(1)),
        None => server,
    };
    let server = server
        .keep_alive(IDLE_TIMEOUT)
        .client_request_timeout(limits.header_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .h1_allow_half_closed(false)
        .max_connections(limits.connections_max)
        .shutdown_timeout(limits.shutdown_timeout.as_secs().max(1))
        .shutdown_signal(stop.cancelled_owned())
        .listen(listener)?;
    Ok(server.run())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_of_all_is_reached_on_the_machine_itself() {
        for (listen, expected) in [
            ("0.0.0.0:3001", "127.0.0.1:3001"),
            ("[::]:3001", "[::1]:3001"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(super::reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn one_port_for_two_is_seen_wherever_it_would_be_refused() {
        let check = |first: &str, second: &str, clashes: usize| {
            let addresses = [
                ("a.listen", first.parse().unwrap()),
                ("b.listen", second.parse().unwrap()),
            ];
            assert_eq!(super::clashes(&addresses).len(), clashes, "{first} {second}");
        };
        check("127.0.0.1:3001", "127.0.0.1:3001", 1);
        check("0.0.0.0:3001", "127.0.0.1:3001", 1);
        check("10.0.0.1:3001", "0.0.0.0:3001", 1);
        check("[::]:3001", "0.0.0.0:3001", 1);
        check("[::]:3001", "127.0.0.1:3001", 1);
        check("[::1]:3001", "[::]:3001", 1);
        check("127.0.0.1:3001", "127.0.0.1:3002", 0);
        check("127.0.0.1:3001", "127.0.0.2:3001", 0);
        check("0.0.0.0:3001", "[::1]:3001", 0);
        check("127.0.0.1:0", "127.0.0.1:0", 0);
    }
}
