use std::path::Path;
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
    /// Bytes of jobs that one process may hold in the spool.
    pub spool_max: u64,
    /// A list such as `5s,30s,2m,10m,1h`.
    pub retry_steps: String,
}

impl QueueSettings {
    /// Whether the queue is a file of this process and not a broker.
    pub fn is_embedded(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }

    /// Whether callbacks have a spool: an embedded queue is a file already.
    pub fn has_spool(&self) -> bool {
        !self.spool.is_empty() && !self.is_embedded()
    }

    /// The file and the folder that are used, each with its key.
    pub fn places(&self) -> Vec<(&'static str, &Path)> {
        let file = self.url.expose_secret().strip_prefix("sqlite:");
        let file = file.map(|path| ("queue.url", path.strip_prefix("//").unwrap_or(path)));
        let spool = self.has_spool().then_some(("queue.spool", self.spool.as_str()));
        let places = file.into_iter().chain(spool);
        places.map(|(key, path)| (key, Path::new(path))).collect()
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
