//! The parts of the ingress, as `/health` shows them.

use std::future::ready;

use kefu_process::health::{Component, ComponentHealth};
use kefu_queue::{Outlet, SpoolState};

/// The queue, and the spool if there is one.
///
/// While the spool takes callbacks a broker that is away is no reason to send them elsewhere: the queue then is
/// degraded, and the ingress ready.
pub(crate) fn components(outlet: &Outlet) -> Vec<Component> {
    let mut components = vec![Component::required("queue", {
        let outlet = outlet.clone();
        move || ready(queue(&outlet))
    })];
    if outlet.spool_health().is_some() {
        components.push(Component::optional("spool", {
            let outlet = outlet.clone();
            move || ready(spool(&outlet))
        }));
    }
    components
}

fn queue(outlet: &Outlet) -> ComponentHealth {
    let Some(trouble) = outlet.broker_trouble() else {
        return ComponentHealth::healthy(outlet.queue_detail());
    };
    match outlet.spool_health() {
        None => ComponentHealth::unhealthy(trouble),
        Some(spool) => match spool.state {
            SpoolState::Empty | SpoolState::Holding => {
                ComponentHealth::degraded(format!("{trouble}; callbacks go to the disk spool"))
            }
            SpoolState::Full => ComponentHealth::unhealthy(format!("{trouble}; the disk spool is full")),
            SpoolState::Broken => {
                ComponentHealth::unhealthy(format!("{trouble}; the disk spool cannot write to queue.spool"))
            }
        },
    }
}

fn spool(outlet: &Outlet) -> ComponentHealth {
    let Some(spool) = outlet.spool_health() else {
        return ComponentHealth::healthy("off");
    };
    match spool.state {
        SpoolState::Empty => ComponentHealth::healthy(spool.detail),
        SpoolState::Holding => ComponentHealth::degraded(spool.detail),
        SpoolState::Full | SpoolState::Broken => ComponentHealth::unhealthy(spool.detail),
    }
}
