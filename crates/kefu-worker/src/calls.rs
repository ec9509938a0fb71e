//! Calls of WeCom that may be repeated: a few tries within a second before the job itself is tried again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use kefu_wecom::{ApiError, ErrorClass};

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

/// Calls `api` unless it is paused, and repeats it while WeCom is busy or away. For calls without an effect.
pub(crate) async fn call<T, F>(
    context: &Context,
    app: &str,
    api: Api,
    call: impl FnMut() -> F,
) -> Result<Result<T, ApiError>, Fault>
where
    F: Future<Output = Result<T, ApiError>>,
{
    pause::check(context, app, api).await?;
    match call.retry(waits()).when(is_brief).await {
        Err(error) if error.class() == ErrorClass::Rate => Err(pause::start(context, app, api).await),
        outcome => Ok(outcome),
    }
}
