//! WeCom away: each call asks its app's breaker first and tells it afterwards how it went.

use std::time::Duration;

use kefu_process::breaker::{Open, Permit};
use kefu_wecom::error::Failure;
use kefu_wecom::{ApiError, ErrorClass};

use crate::apps::App;
use crate::outcome::Fault;

pub(crate) const AWAY: &str = "WeCom is away";
/// Work that waits for an open breaker comes back spread over as long as its wait, and at most over this.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// A permit for one call; else the time to wait for, without an attempt spent.
pub(crate) fn allow(app: &App) -> Result<Permit, Fault> {
    app.breaker.allow().map_err(wait)
}

/// Tells how a call went. To be told before the next call is made: while a probe is out, nobody else may call.
pub(crate) fn tell<T>(permit: Permit, outcome: &Result<T, ApiError>) {
    match outcome {
        Err(error) if is_away(error) => permit.failed(error),
        // Refusals included: whoever refuses is there.
        Ok(_) | Err(_) => permit.succeeded(),
    }
}

/// The fault of a call that failed: once the breaker is open, a wait like everybody's.
pub(crate) fn fault(app: &App, error: ApiError) -> Fault {
    match app.breaker.check() {
        Err(open) if is_away(&error) => wait(open),
        Err(_) | Ok(()) => Fault::of_call(error),
    }
}

fn is_away(error: &ApiError) -> bool {
    let got_no_answer = matches!(
        error.class(),
        ErrorClass::Network | ErrorClass::Ambiguous | ErrorClass::Busy
    );
    // One page that is too large for us must not stop the other accounts.
    got_no_answer && !matches!(error.failure, Failure::TooLarge(_))
}

fn wait(open: Open) -> Fault {
    let spread = open.for_.min(SPREAD_MAX).mul_f64(rand::random::<f64>());
    Fault::Wait(open.for_ + spread, AWAY)
}
