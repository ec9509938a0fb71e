//! Which accounts there are: WeCom's list beside what callbacks tell, so that none stays unknown.

use std::sync::Arc;
use std::time::Duration;

use kefu_domain::AccountId;
use kefu_outbound::{Api, App, Wait};
use kefu_store::StoreError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;

/// WeCom's list of accounts is asked again after this.
const LIST_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Sooner when it could not be had.
const LIST_RETRY: Duration = Duration::from_secs(10 * 60);

/// What became of the question for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    All,
    /// It could not be had.
    Nothing,
    /// It is not asked for now, for this reason.
    Waits(&'static str),
}

/// Makes WeCom's list of accounts known. It is not needed to answer anybody.
pub(crate) async fn refresh(context: &Context, app: &App) -> Result<Listed, StoreError> {
    let listed = context.outbound.call(app, Api::Accounts, || {
        context.outbound.wecom().accounts(&app.name)
    });
    let accounts = match listed.await {
        Ok(Ok(accounts)) => accounts,
        Ok(Err(error)) => {
            warn!(
                app = app.name,
                error = &error as &dyn std::error::Error,
                "accounts not listed: {error}"
            );
            return Ok(Listed::Nothing);
        }
        Err(Wait { why, .. }) => {
            info!(app = app.name, "accounts not listed: {why}");
            return Ok(Listed::Waits(why));
        }
    };
    for account in accounts {
        let Ok(id) = AccountId::parse(&account.open_kfid) else {
            warn!(app = app.name, "WeCom lists an account whose id does not read");
            continue;
        };
        if !app.serves(&id) {
            continue;
        }
        if context
            .store
            .ensure_account(&app.corp, &id, &app.name, Some(&account.name))
            .await?
        {
            info!(app = app.name, account.id = %id, "account {id} is new");
        }
    }
    Ok(Listed::All)
}

/// Asks for the list of every app, again and again.
pub(crate) async fn keep_listed(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    let listing = async {
        loop {
            let mut wait = LIST_EVERY;
            for app in context.outbound.apps().iter() {
                match refresh(&context, app).await {
                    Ok(Listed::All) => (),
                    Ok(Listed::Nothing | Listed::Waits(_)) => wait = LIST_RETRY,
                    Err(error) => {
                        warn!("accounts not noted: {error}");
                        wait = LIST_RETRY;
                    }
                }
            }
            sleep(wait).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        () = listing => Ok(()),
    }
}
