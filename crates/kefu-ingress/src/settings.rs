use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use kefu_settings::SettingsError;
use serde::Deserialize;

/// Largest `ingress.body_max`, in bytes. A plaintext of control characters is six times as long in its job, and a
/// job has at most 1 MiB: what was accepted must fit (`the_worst_body_at_the_largest_setting_is_queued`).
const BODY_BYTES_MAX: usize = 128 * 1024;
/// WeCom hangs up after 5 s (doc 91116); this leaves room for a slow link in a test set-up.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// Section `ingress`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressSettings {
    pub listen: SocketAddr,
    /// Where callbacks are taken, below the host.
    pub path: String,
    /// When set, `/metrics` and the deep `/health` are served here instead of beside the callbacks.
    pub ops_listen: Option<SocketAddr>,
    /// Bytes of a callback's body.
    pub body_max: usize,
    /// From the end of the headers to the last byte of the body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// From the accepted connection to the end of the headers.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// Open connections per process; further ones wait in the system's backlog.
    pub connections_max: usize,
    /// Event or message type → lane; `default` for all others.
    #[serde(default)]
    pub lanes: BTreeMap<String, String>,
}

impl IngressSettings {
    /// Values that cannot work; a timeout of zero would even mean none at all.
    pub(crate) fn problems(&self) -> Vec<SettingsError> {
        let mut found = Vec::new();
        let mut refuse =
            |key: &str, problem: String| found.push(SettingsError::new(format!("ingress.{key}"), problem));
        if !(1..=BODY_BYTES_MAX).contains(&self.body_max) {
            refuse("body_max", format!("must be 1 to {BODY_BYTES_MAX} bytes"));
        }
        if self.connections_max == 0 {
            refuse("connections_max", "must be at least 1".to_owned());
        }
        let timeouts = [
            ("body_timeout", self.body_timeout),
            ("header_timeout", self.header_timeout),
        ];
        for (key, value) in timeouts {
            if value.is_zero() || TIMEOUT_MAX < value {
                let problem = format!("must be more than 0 and at most {} s", TIMEOUT_MAX.as_secs());
                refuse(key, problem);
            }
        }
        found
    }
}
