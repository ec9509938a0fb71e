//! The polite call of WeCom: as which app, with which token, whether it may be made now, and for how long to wait if not.
//!
//! Each call asks its app's breaker and the limit of its API first and tells both afterwards, so that an outage or a
//! limit that one call met stops the others, in all processes.
//! Used by whoever calls WeCom; imports domain, process, settings, state and wecom.

mod apps;
mod calls;
mod limit;
mod meaning;
mod permit;
mod tokens;

use std::time::Duration;

use kefu_state::State;
use kefu_wecom::Client;
use thiserror::Error;

pub use apps::{App, Apps};
pub use calls::waits;
pub use limit::{Api, RateRule};
pub use meaning::{is_brief, is_gone, is_spent};
pub use permit::{AWAY, Permit, wait_if_away};
pub use tokens::StateTokens;

/// Not now: the time to wait for, without an attempt spent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("waits for {time:?}: {why}")]
pub struct Wait {
    pub time: Duration,
    pub why: &'static str,
}

/// WeCom as it may be called. One per process.
#[derive(Clone, Debug)]
pub struct Outbound {
    wecom: Client,
    apps: Apps,
    state: State,
    rate: RateRule,
}

impl Outbound {
    /// `wecom` fetches its tokens through [`StateTokens`] of the same state.
    pub fn new(wecom: Client, apps: Apps, state: State, rate: RateRule) -> Outbound {
        Outbound {
            wecom,
            apps,
            state,
            rate,
        }
    }

    pub fn wecom(&self) -> &Client {
        &self.wecom
    }

    pub fn apps(&self) -> &Apps {
        &self.apps
    }
}
