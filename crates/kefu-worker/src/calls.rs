//! Calls of WeCom that may be repeated: a few tries within a second before the job itself is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_wecom::ApiError;
use tokio::time::sleep;

use crate::apps::App;
use crate::away;
use crate::context::Context;
use crate::outcome::{Fault, is_brief};
use crate::pause::{self, Api};

/// Tries beside the first one; WeCom asks for at most three (doc 90313).
const REPEATS_MAX: usize = 2;
const WAIT_FIRST: Duration = Duration::from_millis(200);

/// The waits between tries of one call.
pub(crate) fn waits() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(WAIT_FIRST)
        .with_max_times(REPEATS_MAX)
        .with_jitter()
}

/// Calls `api` unless it is paused or WeCom is away, and repeats it while WeCom is busy. For calls without an effect.
pub(crate) async fn call<T, F>(
    context: &Context,
    app: &App,
    api: Api,
    mut call: impl FnMut() -> F,
) -> Result<Result<T, ApiError>, Fault>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut waits = waits().build();
    loop {
        let permit = away::allow(app).await?;
        let leave = pause::enter(context, &app.name, api).await?;
        let outcome = call().await;
        away::tell(permit, &outcome);
        leave.tell(&outcome).await?;
        match (outcome, waits.next()) {
            (Err(error), Some(wait)) if is_brief(&error) => sleep(wait).await,
            (outcome, _) => return Ok(outcome),
        }
    }
}
