use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Section `queue` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// `sqlite:PATH`, `amqp://…` or `amqps://…`.
    pub url: SecretString,
    /// First part of every exchange's and queue's name.
    pub prefix: String,
    /// Folder of the disk spool; empty switches it off.
    pub spool: String,
    /// How long a publish may take before the spool takes the job.
    #[serde(with = "humantime_serde")]
    pub spool_after: Duration,
    /// A list such as `5s,30s,2m,10m,1h`.
    pub retry_steps: String,
}

impl QueueSettings {
    /// Whether the queue is a file of this process and not a broker.
    pub fn is_embedded(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }

    /// Whether the broker is reached over TLS, so that CA certificates are needed.
    pub fn needs_tls(&self) -> bool {
        self.url.expose_secret().starts_with("amqps:")
    }
}

/// Which roles this process runs: an embedded queue is of use only where both run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    IngressOnly,
    WorkerOnly,
    Both,
}

impl Roles {
    /// The word in connection names, which operators see in the management page.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Roles::IngressOnly => "ingress",
            Roles::WorkerOnly => "worker",
            Roles::Both => "all",
        }
    }
}
