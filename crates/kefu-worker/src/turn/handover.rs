//! Handing a conversation to a person: into the pool, where whoever is free takes it. Kefu is silent from then on.

use kefu_domain::SessionState;
use kefu_process::crash::crash_point;
use kefu_store::Turn;
use kefu_wecom::ErrorClass;
use kefu_wecom::client::Target;
use tracing::{info, warn};

use super::session::{self, MaySend};
use super::{Left, handle_owed, now};
use crate::apps::App;
use crate::away;
use crate::context::Context;
use crate::outcome::Fault;
use crate::pause::{self, Api};

/// How often a turn fails for this call before the customer is answered without it.
const FAILURES_MAX: u32 = 2;

/// Moves the conversation into the pool. `None`: WeCom does not allow it, so the customer is answered instead.
pub(super) async fn hand_over(context: &Context, app: &App, turn: &Turn) -> Result<Option<Left>, Fault> {
    let key = &turn.lease.key;
    pause::check(context, &app.name, Api::Transfer).await?;
    let permit = away::allow(app).await?;
    let moved = context
        .wecom
        .transfer(
            &app.name,
            key.account.as_str(),
            key.customer.as_str(),
            &Target::Pool,
        )
        .await;
    away::tell(permit, &moved);
    let Err(error) = moved else {
        crash_point("conversation_transferred");
        context.store.set_session(key, SessionState::Pool, now()).await?;
        info!("conversation handed over to the pool");
        return Ok(Some(
            handle_owed(context, turn, kefu_domain::Handled::Pool).await?,
        ));
    };
    match error.class() {
        // The call may have worked all the same: the state itself tells, then and on the next try.
        ErrorClass::State => match session::check(context, app, key).await? {
            MaySend::No { handled, .. } => Ok(Some(handle_owed(context, turn, handled).await?)),
            MaySend::Yes => {
                warn!("conversation not handed over: {error}");
                Ok(None)
            }
        },
        ErrorClass::Rate => Err(pause::start(context, &app.name, Api::Transfer).await),
        ErrorClass::Busy | ErrorClass::Network | ErrorClass::Ambiguous | ErrorClass::Token
            if turn.failures < FAILURES_MAX =>
        {
            Err(away::fault(app, error))
        }
        _ => {
            warn!("conversation not handed over: {error}");
            Ok(None)
        }
    }
}
