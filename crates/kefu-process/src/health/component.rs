//! What is known about the parts of a process.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Healthy,
    /// Works, but less well than it should.
    Degraded,
    Unhealthy,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentHealth {
    pub status: Status,
    /// For people; without secrets.
    pub detail: String,
    /// Milliseconds; when a probe leaves it out, the time of the probe itself is taken.
    pub latency_ms: Option<f64>,
}

impl ComponentHealth {
    pub fn healthy(detail: impl Into<String>) -> ComponentHealth {
        ComponentHealth {
            status: Status::Healthy,
            detail: detail.into(),
            latency_ms: None,
        }
    }

    pub fn degraded(detail: impl Into<String>) -> ComponentHealth {
        ComponentHealth {
            status: Status::Degraded,
            detail: detail.into(),
            latency_ms: None,
        }
    }

    pub fn unhealthy(detail: impl Into<String>) -> ComponentHealth {
        ComponentHealth {
            status: Status::Unhealthy,
            detail: detail.into(),
            latency_ms: None,
        }
    }
}

/// Asks one part how it is.
pub type Probe = Box<dyn Fn() -> BoxFuture<'static, ComponentHealth> + Send + Sync>;

/// One part of a process: queue, spool, state, database, wecom, model.
pub struct Component {
    pub name: &'static str,
    pub probe: Probe,
    /// The process is unhealthy without it; otherwise it is only degraded.
    pub required: bool,
}

impl Component {
    /// A part without which the process is unhealthy.
    pub fn required<F, R>(name: &'static str, probe: F) -> Component
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ComponentHealth> + Send + 'static,
    {
        Component {
            name,
            probe: Box::new(move || probe().boxed()),
            required: true,
        }
    }

    /// A part without which the process is only degraded.
    pub fn optional<F, R>(name: &'static str, probe: F) -> Component
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ComponentHealth> + Send + 'static,
    {
        Component {
            required: false,
            ..Component::required(name, probe)
        }
    }
}

/// The last result of every part.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) components: BTreeMap<&'static str, ComponentHealth>,
    pub(super) required: Vec<&'static str>,
}

impl Snapshot {
    pub fn components(&self) -> &BTreeMap<&'static str, ComponentHealth> {
        &self.components
    }

    /// Healthy or degraded; a part that is not there at all is not usable.
    pub fn is_usable(&self, name: &str) -> bool {
        self.components
            .get(name)
            .is_some_and(|component| component.status != Status::Unhealthy)
    }

    /// Unhealthy with a required part, degraded with any other trouble.
    pub fn status(&self) -> Status {
        if self.required.iter().any(|name| !self.is_usable(name)) {
            return Status::Unhealthy;
        }
        match self
            .components
            .values()
            .all(|component| component.status == Status::Healthy)
        {
            true => Status::Healthy,
            false => Status::Degraded,
        }
    }

    /// One line for each required part that is not usable.
    pub fn required_missing(&self) -> Vec<String> {
        let missing = self.required.iter().filter(|name| !self.is_usable(name));
        missing
            .map(|name| format!("{name}: {}", self.components[name].detail))
            .collect()
    }
}
