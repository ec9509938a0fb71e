//! Pauses after a rate limit: per app and API, shared by all workers.

use std::time::Duration;

use kefu_state::Pause;
use tracing::warn;

use crate::context::Context;
use crate::outcome::Fault;

/// Longest time over which paused work comes back: what WeCom allows in it is more than waits after an hour.
const SPREAD_MAX: Duration = Duration::from_secs(600);

/// An API with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `kf/sync_msg` with a callback's token.
    Sync,
    /// Without one it is limited far more strictly (doc 94670), so it must not pause the other.
    SyncWithoutToken,
    Send,
    ServiceState,
    Transfer,
    Servicers,
    Accounts,
}

impl Api {
    fn as_str(self) -> &'static str {
        match self {
            Api::Sync => "sync_msg",
            Api::SyncWithoutToken => "sync_msg_without_token",
            Api::Send => "send_msg",
            Api::ServiceState => "service_state",
            Api::Transfer => "service_state_trans",
            Api::Servicers => "servicer_list",
            Api::Accounts => "account_list",
        }
    }
}

/// Fails with the time to wait for while `api` is paused.
pub(crate) async fn check(context: &Context, app: &str, api: Api) -> Result<(), Fault> {
    match context.state.paused(app, api.as_str()).await {
        None => Ok(()),
        Some(pause) => Err(wait(pause)),
    }
}

/// Until the end of a pause of `api`.
pub(crate) async fn left(context: &Context, app: &str, api: Api) -> Duration {
    let pause = context.state.paused(app, api.as_str()).await;
    pause.map_or(Duration::ZERO, |pause| pause.left)
}

/// WeCom said "too often": nobody calls `api` for a while. For longer each time it says so soon after a pause: it blocks
/// for a minute by its rule for minutes, and for an hour by that for hours (doc 90454).
pub(crate) async fn start(context: &Context, app: &str, api: Api) -> Fault {
    let pause = context.state.pause(app, api.as_str(), context.rate_pause).await;
    if pause.begun {
        warn!(
            app,
            wecom.api = api.as_str(),
            pause_ms = pause.length.as_millis(),
            "rate limit: pausing {} for {:?}",
            api.as_str(),
            pause.length
        );
    }
    wait(pause)
}

/// Paused work comes back spread over as long as the pause itself, so that it does not hit the limit again all at once.
fn wait(pause: Pause) -> Fault {
    let spread = pause.length.min(SPREAD_MAX).mul_f64(rand::random::<f64>());
    Fault::Wait(pause.left + spread, "rate limit")
}
