//! Leave for one call: its app's breaker is closed, and the limit of its API lets it pass.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_process::breaker::{self, Open};
use kefu_process::clock;
use kefu_wecom::ApiError;

use crate::limit::Leave;
use crate::meaning::is_away;
use crate::{Api, App, Outbound, Wait};

/// Why work waits while a breaker is open.
pub const AWAY: &str = "WeCom is away";

/// Work that waits for an open breaker comes back spread over as long as its wait, and at most over this.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// How long a job waits in its slot for another's probe to end: usually it is known within milliseconds.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Leave for one call. How it went is to be told before the next one: while a call asks, nobody else may call.
#[must_use = "a call's outcome is to be told"]
pub struct Permit<'a> {
    breaker: breaker::Permit,
    limit: Leave<'a>,
}

impl Outbound {
    /// Leave for a call of `api`, when its turn has come; else the time to wait for, without an attempt spent.
    pub async fn permit<'a>(&'a self, app: &'a App, api: Api) -> Result<Permit<'a>, Wait> {
        let breaker = app.breaker.allow_within(PROBE_WAIT_MAX).await.map_err(wait)?;
        let limit = self.enter(&app.name, api).await?;
        Ok(Permit { breaker, limit })
    }

    /// For a call that is good once and now, also while WeCom is taken for away: after the wait it would be late for
    /// certain. It is told how it went all the same.
    pub async fn once<T>(
        &self,
        app: &App,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let permit = app.breaker.allow().ok();
        let outcome = call.await;
        if let Some(permit) = permit {
            tell(permit, &outcome);
        }
        outcome
    }
}

impl Permit<'_> {
    /// Tells how the call went; the time to wait for, if WeCom said "too often".
    pub async fn tell<T>(self, outcome: &Result<T, ApiError>) -> Result<(), Wait> {
        tell(self.breaker, outcome);
        self.limit.tell(outcome).await
    }

    /// The call was not made.
    pub async fn give_back(self) {
        drop(self.breaker);
        self.limit.give_back().await;
    }
}

impl App {
    /// A callback came at `at`: WeCom was there. Who waits for it to be back need not wait longer.
    pub fn heard(&self, at: Millis) {
        self.breaker.heard(Millis(clock::now_ms()).since(at));
    }
}

/// Whether a call failed because WeCom is away, and what everybody waits for then.
pub fn wait_if_away(app: &App, error: &ApiError) -> Option<Wait> {
    app.breaker.check().err().filter(|_| is_away(error)).map(wait)
}

fn tell<T>(permit: breaker::Permit, outcome: &Result<T, ApiError>) {
    match outcome {
        Err(error) if is_away(error) => permit.failed(error),
        // Refusals included: whoever refuses is there.
        Ok(_) | Err(_) => permit.succeeded(),
    }
}

fn wait(open: Open) -> Wait {
    let spread = open.for_.min(SPREAD_MAX).mul_f64(rand::random::<f64>());
    Wait {
        time: open.for_ + spread,
        why: AWAY,
    }
}
