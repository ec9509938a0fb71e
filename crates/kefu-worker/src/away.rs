//! WeCom away: each call asks its app's breaker first and tells it afterwards how it went.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_process::breaker::{Open, Permit};
use kefu_process::clock;
use kefu_wecom::error::Failure;
use kefu_wecom::{ApiError, ErrorClass};

use crate::apps::App;
use crate::outcome::Fault;

pub(crate) const AWAY: &str = "WeCom is away";
/// Work that waits for an open breaker comes back spread over as long as its wait, and at most over this.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// How long a job waits in its slot for another's probe to end: usually it is known within milliseconds.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(1);

/// A permit for one call; else the time to wait for, without an attempt spent.
pub(crate) async fn allow(app: &App) -> Result<Permit, Fault> {
    app.breaker.allow_within(PROBE_WAIT_MAX).await.map_err(wait)
}

/// A callback came at `at`: WeCom was there. Who waits for it to be back need not wait longer.
pub(crate) fn heard(app: &App, at: Millis) {
    app.breaker.heard(Millis(clock::now_ms()).since(at));
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
