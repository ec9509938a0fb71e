use std::fmt;
use std::sync::Arc;

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::{QueueError, Roles};

/// Seconds between heartbeats unless the URL says otherwise: a frozen broker is noticed after twice this.
const HEARTBEAT_S: u16 = 10;

/// Where the broker is and how to get in.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    /// Set exactly for `amqps`.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) roles: Roles,
    /// The URL without its password, for people.
    pub(super) shown: String,
}

impl Address {
    pub(super) fn parse(
        url: &str,
        roles: Roles,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Address, QueueError> {
        let mut uri = read(url)?;
        // Brokers from 4.1 on refuse clients that ask for small frames, so none is asked for.
        uri.query.frame_max = None;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        let (scheme, tls) = match (&uri.scheme, tls) {
            (AMQPScheme::AMQP, _) => ("amqp", None),
            (AMQPScheme::AMQPS, Some(tls)) => ("amqps", Some(Arc::new(tls))),
            (AMQPScheme::AMQPS, None) => {
                return Err(QueueError::url(
                    "amqps:// needs CA certificates, and none were found",
                ));
            }
        };
        let authority = &uri.authority;
        let shown = format!(
            "{scheme}://{}@{}:{}/{}",
            authority.userinfo.username,
            authority.host,
            authority.port,
            shown_vhost(&uri.vhost)
        );
        Ok(Address {
            uri,
            tls,
            roles,
            shown,
        })
    }
}

/// As it stands in a URL: the vhost `/`, which is the one of a broker as it comes, is the URL's own slash.
fn shown_vhost(vhost: &str) -> String {
    match vhost {
        "/" => String::new(),
        named => named.replace('/', "%2F"),
    }
}

/// Only what stands in the URL: whether there are CA certificates for `amqps` is not asked.
pub(super) fn read(url: &str) -> Result<AMQPUri, QueueError> {
    // The parser's own text can quote the URL, password included.
    url.parse()
        .map_err(|_| QueueError::url("is no URL such as amqp://user:password@host:5672/vhost"))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_shown_nowhere_and_heartbeats_are_short() {
        let address = Address::parse("amqp://u:hush@mq:5673/v?frame_max=4096", Roles::Both, None).unwrap();
        assert_eq!(format!("{address:?}"), "amqp://u@mq:5673/v");
        assert_eq!(address.uri.query.heartbeat, Some(HEARTBEAT_S));
        assert_eq!(address.uri.query.frame_max, None);
        let kept = Address::parse("amqp://mq?heartbeat=3", Roles::Both, None).unwrap();
        assert_eq!(kept.uri.query.heartbeat, Some(3));
        for (url, expected) in [
            ("amqp://u:hush@mq:5672", "amqp://u@mq:5672/"),
            ("amqp://u:hush@mq:5672/", "amqp://u@mq:5672/"),
            ("amqp://u:hush@mq:5672/%2F", "amqp://u@mq:5672/"),
            ("amqp://u:hush@mq:5672/%2Fshop", "amqp://u@mq:5672/%2Fshop"),
            ("amqp://u:hush@mq:5672/shop", "amqp://u@mq:5672/shop"),
        ] {
            let address = Address::parse(url, Roles::Both, None).unwrap();
            assert_eq!(address.shown, expected, "{url}");
        }
        let error = Address::parse("amqp://u:hush@mq:port", Roles::Both, None).unwrap_err();
        assert!(
            error.is_refusal() && !error.to_string().contains("hush"),
            "{error}"
        );
    }
}
