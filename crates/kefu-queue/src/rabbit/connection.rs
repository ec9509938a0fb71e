use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::RustlsConnector;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;

use super::address::Address;
use super::topology::DeclareError;
use crate::lock::lock;

/// One attempt, from the name to the end of the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The broker answered and said no; trying again changes nothing.
    Refused(String),
    Unavailable(String),
}

/// Opens one connection; `name` is what the management page shows.
pub(super) async fn connect(address: &Address, name: &str) -> Result<Connection, ConnectError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime().map_err(ConnectError::from)?;
    let socket: Arc<Mutex<Option<Socket>>> = Arc::default();
    let held = Arc::clone(&socket);
    let tls = address.tls.clone().map(RustlsConnector::from);
    let connecting = Connection::connector(
        address.uri.clone(),
        runtime,
        async move |uri, runtime| {
            let (host, port) = (uri.authority.host.clone(), uri.authority.port);
            let stream = async {
                let addresses = runtime.to_socket_addrs((host.clone(), port));
                let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    *lock(&held) = Some(Socket::of(plain.get_ref())?);
                }
                match &tls {
                    Some(tls) => stream.into_rustls(tls, &host).await,
                    None => Ok(stream),
                }
            };
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            timeout(CONNECT_TIMEOUT, stream)
                .await
                .map_err(late)
                .flatten()
                .map_err(lapin::Error::from)
        },
        properties,
    );
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(ConnectError::from),
        Err(_) => {
            // lapin would keep the thread and the socket of a silent peer until the peer closes.
            if let Some(socket) = lock(&socket).take() {
                socket.shut_down();
            }
            Err(ConnectError::Unavailable(format!(
                "no answer within {CONNECT_TIMEOUT:?}"
            )))
        }
    }
}

/// Whether the channel failed because an exchange or a queue is missing.
pub(super) fn is_missing(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return false;
    };
    *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)
}

/// Whether the broker ended a channel with it, and not the connection.
pub(super) fn is_of_a_channel(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(_)))
}

impl From<lapin::Error> for ConnectError {
    fn from(error: lapin::Error) -> ConnectError {
        let refused = match error.kind() {
            ErrorKind::ProtocolError(protocol) => !matches!(
                protocol.kind(),
                // The broker starts, stops or has too much to do.
                AMQPErrorKind::Hard(
                    AMQPHardError::CONNECTIONFORCED
                        | AMQPHardError::INTERNALERROR
                        | AMQPHardError::RESOURCEERROR
                ) | AMQPErrorKind::Soft(
                    // What is declared can only be missing when its node is away.
                    AMQPSoftError::RESOURCELOCKED | AMQPSoftError::NOTFOUND
                )
            ),
            ErrorKind::AuthProviderError(_) | ErrorKind::InvalidProtocolVersion(_) => true,
            ErrorKind::IOError(error) => is_bad_certificate(error),
            _ => false,
        };
        let reason = reason(&error);
        if refused {
            ConnectError::Refused(format!("{reason}{}", advice(&error)))
        } else {
            ConnectError::Unavailable(reason)
        }
    }
}

/// Anything else that is no TLS may come from what stands before a broker that starts.
fn is_bad_certificate(error: &io::Error) -> bool {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

impl From<DeclareError> for ConnectError {
    fn from(DeclareError { name, error }: DeclareError) -> ConnectError {
        let changed = matches!(error.kind(), ErrorKind::ProtocolError(protocol)
            if *protocol.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED));
        let hint = if changed {
            "; empty and delete it, or set another queue.prefix"
        } else {
            ""
        };
        match ConnectError::from(error) {
            ConnectError::Refused(reason) => ConnectError::Refused(format!("{name}: {reason}{hint}")),
            ConnectError::Unavailable(reason) => ConnectError::Unavailable(format!("{name}: {reason}")),
        }
    }
}

/// What mends a refusal.
fn advice(error: &lapin::Error) -> &'static str {
    let ErrorKind::ProtocolError(protocol) = error.kind() else {
        return "";
    };
    match protocol.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
            if protocol.get_message().as_str().contains("Login was refused") =>
        {
            "; check user and password in queue.url"
        }
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            "; give the user of queue.url permission to configure, write and read in its vhost"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
            "; check the vhost in queue.url, and that its user may use it"
        }
        _ => "",
    }
}

/// The broker's own words where it said some.
fn reason(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => protocol.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// A second handle on a connecting socket, to end it from outside.
struct Socket(std::net::TcpStream);

impl Socket {
    #[cfg(unix)]
    fn of(stream: &tokio::net::TcpStream) -> io::Result<Socket> {
        use std::os::fd::AsFd;
        Ok(Socket(stream.as_fd().try_clone_to_owned()?.into()))
    }

    #[cfg(windows)]
    fn of(stream: &tokio::net::TcpStream) -> io::Result<Socket> {
        use std::os::windows::io::AsSocket;
        Ok(Socket(stream.as_socket().try_clone_to_owned()?.into()))
    }

    fn shut_down(&self) {
        // Fails only when it is closed already, which is what is wanted.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    #[test]
    fn what_a_broker_says_while_a_node_is_away_is_no_refusal() {
        let is_refused = |kind: AMQPErrorKind| {
            let error = ErrorKind::ProtocolError(AMQPError::new(kind, "said".into()));
            matches!(
                ConnectError::from(lapin::Error::from(error)),
                ConnectError::Refused(_)
            )
        };
        for kind in [AMQPSoftError::NOTFOUND, AMQPSoftError::RESOURCELOCKED] {
            assert!(!is_refused(AMQPErrorKind::Soft(kind)));
        }
        for kind in [AMQPSoftError::ACCESSREFUSED, AMQPSoftError::PRECONDITIONFAILED] {
            assert!(is_refused(AMQPErrorKind::Soft(kind)));
        }
    }

    #[test]
    fn only_a_certificate_is_refused_by_us() {
        let is_refused = |error: rustls::Error| {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            matches!(
                ConnectError::from(lapin::Error::from(error)),
                ConnectError::Refused(_)
            )
        };
        assert!(is_refused(rustls::CertificateError::Expired.into()));
        assert!(!is_refused(rustls::InvalidMessage::InvalidContentType.into()));
    }
}
