use std::io;
use std::sync::Arc;

use kefu_settings::SettingsError;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

/// Longest text of a server that goes into an error or a log line, in characters.
const TEXT_MAX: usize = 200;

/// Why the state cannot be opened, or does not answer a ping.
#[derive(Debug, Error)]
pub enum StateError {
    /// A setting is impossible, or Redis answers and will not have us.
    #[error(transparent)]
    Refused(#[from] SettingsError),
    /// Redis does not answer, or answers that it cannot serve now.
    #[error("redis at {address} is away: {reason}")]
    Away { address: String, reason: String },
}

impl StateError {
    /// True when trying again cannot help: somebody has to change a setting.
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// That setting.
    pub fn refusal(&self) -> Option<&SettingsError> {
        match self {
            StateError::Refused(error) => Some(error),
            StateError::Away { .. } => None,
        }
    }
}

/// What an error of Redis means for us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Password, rights, database index: only a person can change it. The text follows "redis at …".
    Refused(String),
    /// No answer, or one that will be different later.
    Away(String),
    /// One key holds something that is not ours; the server is well.
    Key(String),
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Failure {
        let text = shorten(&error.to_string());
        let detail = shorten(error.detail().unwrap_or_default());
        match (error.kind(), error.code()) {
            // Too many clients is answered to whatever is asked first, here the database index.
            _ if text.contains("max number of clients") => Failure::Away(text),
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
                Failure::Refused("refuses the user name or password".to_owned())
            }
            (_, Some("NOAUTH")) => Failure::Refused("wants a password, and the URL has none".to_owned()),
            (_, Some("NOPERM")) => {
                Failure::Refused(format!("does not let this user do what is needed: {detail}"))
            }
            (_, Some("DENIED")) => {
                Failure::Refused("is in protected mode and serves only its own machine".to_owned())
            }
            (_, Some("MOVED" | "CROSSSLOT")) => {
                Failure::Refused("is a cluster, which is not supported".to_owned())
            }
            (ErrorKind::InvalidClientConfig, _) => Failure::Refused(format!("cannot be used: {text}")),
            (ErrorKind::Server(ServerErrorKind::ResponseError), _) if text.contains("switch database") => {
                Failure::Refused(format!("refuses the database index: {detail}"))
            }
            (ErrorKind::Io, _) if is_bad_certificate(error) => {
                Failure::Refused(format!("shows a certificate that is not trusted: {text}"))
            }
            (ErrorKind::UnexpectedReturnType, _) | (_, Some("WRONGTYPE")) => Failure::Key(text),
            _ => Failure::Away(text),
        }
    }

    pub(crate) fn into_error(self, address: &str) -> StateError {
        let address = address.to_owned();
        match self {
            Failure::Refused(problem) => {
                let problem = format!("redis at {address} {problem}");
                StateError::Refused(SettingsError::new("state.url", problem))
            }
            Failure::Away(reason) | Failure::Key(reason) => StateError::Away { address, reason },
        }
    }
}

/// The TLS library's verdict arrives wrapped twice: in an I/O error, and that in a shared pointer.
fn is_bad_certificate(error: &RedisError) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>())
        .and_then(|shared| shared.downcast_ref::<io::Error>())
        .and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>())
        .is_some_and(|tls| matches!(tls, rustls::Error::InvalidCertificate(_)))
}

fn shorten(text: &str) -> String {
    text.chars()
        .take(TEXT_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_certificate_is_a_refusal_and_a_cut_line_is_not() {
        let verdict = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let untrusted = RedisError::from(io::Error::new(io::ErrorKind::InvalidData, verdict));
        assert!(matches!(Failure::of(&untrusted), Failure::Refused(_)));
        let cut = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(Failure::of(&cut), Failure::Away(_)));
    }

    #[test]
    fn texts_of_a_server_are_short_and_one_line() {
        let long = RedisError::from(io::Error::other(format!("a\nb{}", "x".repeat(1000))));
        let Failure::Away(text) = Failure::of(&long) else {
            panic!("not away")
        };
        assert_eq!(text.chars().count(), TEXT_MAX);
        assert!(text.starts_with("a b"));
    }
}
