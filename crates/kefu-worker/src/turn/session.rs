//! Who may speak: WeCom's session state, read again before every reply. Fails closed.

use kefu_domain::{CancelReason, ConversationKey, Handled, SessionState, Silence};
use kefu_outbound::{App, is_gone};
use kefu_wecom::ApiError;
use kefu_wecom::client::{ServiceState, StateNow};
use tracing::{error, info};

use super::now;
use crate::context::Context;
use crate::outcome::Fault;

/// Whether we may speak, and what becomes of what is owed if not.
pub(super) enum MaySend {
    Yes,
    No { handled: Handled, reason: CancelReason },
}

/// Reads the state from WeCom and notes it on the row.
pub(super) async fn check(context: &Context, app: &App, key: &ConversationKey) -> Result<MaySend, Fault> {
    let outbound = &context.outbound;
    let answer = outbound.service_state(app, &key.account, &key.customer).await?;
    match answer {
        Ok(StateNow { state, .. }) => {
            let state = ours(state).ok_or_else(|| {
                Fault::Outside(anyhow::anyhow!(
                    "WeCom names a session state that is not known: {state:?}"
                ))
            })?;
            context.store.set_session(key, state, now()).await?;
            Ok(may_send(state))
        }
        Err(error) => refused(app, error),
    }
}

fn may_send(state: SessionState) -> MaySend {
    match state.silence() {
        None => MaySend::Yes,
        Some(Silence { handled, reason }) => MaySend::No { handled, reason },
    }
}

/// Reading has no effect, so everything else can be tried again for as long as the window is open.
fn refused(app: &App, error: ApiError) -> Result<MaySend, Fault> {
    if is_gone(&error) {
        error!(
            error = &error as &dyn std::error::Error,
            "conversation cannot be answered: {error}"
        );
        return Ok(MaySend::No {
            handled: Handled::Failed,
            reason: CancelReason::Broken,
        });
    }
    info!("session state not read: {error}");
    Err(Fault::of_wecom(app, error))
}

fn ours(state: ServiceState) -> Option<SessionState> {
    match state {
        ServiceState::Unhandled => Some(SessionState::Unhandled),
        ServiceState::Assistant => Some(SessionState::Assistant),
        ServiceState::Pool => Some(SessionState::Pool),
        ServiceState::Human => Some(SessionState::Human),
        ServiceState::Ended => Some(SessionState::Ended),
        ServiceState::Other(_) => None,
    }
}
