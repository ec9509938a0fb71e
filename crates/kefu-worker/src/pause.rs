//! Pauses after a rate limit: per app and API, shared by all workers.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_process::clock;
use tracing::warn;

use crate::context::Context;
use crate::outcome::Fault;

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
            Api::Accounts => "account_list",
        }
    }
}

/// Fails with the time to wait for while `api` is paused.
pub(crate) async fn check(context: &Context, app: &str, api: Api) -> Result<(), Fault> {
    match context
        .state
        .paused_until(app, api.as_str(), Millis(clock::now_ms()))
        .await
    {
        None => Ok(()),
        Some(until) => Err(wait(until.since(Millis(clock::now_ms())), context.rate_pause)),
    }
}

/// WeCom said "too often": nobody calls `api` for a while.
pub(crate) async fn start(context: &Context, app: &str, api: Api) -> Fault {
    let now = Millis(clock::now_ms());
    let pause = context.rate_pause;
    let until = now + pause;
    warn!(
        app,
        wecom.api = api.as_str(),
        pause_ms = pause.as_millis(),
        "rate limit: pausing {}",
        api.as_str()
    );
    context.state.pause(app, api.as_str(), until, now).await;
    wait(pause, pause)
}

/// Paused work comes back spread over as long as the pause itself, so that it does not hit the limit again all at once.
fn wait(left: Duration, pause: Duration) -> Fault {
    Fault::Wait(left + pause.mul_f64(rand::random::<f64>()), "rate limit")
}
