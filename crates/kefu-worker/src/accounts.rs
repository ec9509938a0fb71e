//! Which accounts there are: WeCom's list beside what callbacks tell, so that none stays unknown.

use kefu_domain::AccountId;
use kefu_store::StoreError;
use tracing::{info, warn};

use crate::apps::App;
use crate::calls::call;
use crate::context::Context;
use crate::outcome::Fault;
use crate::pause::Api;

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
    let listed = call(context, app, Api::Accounts, || context.wecom.accounts(&app.name));
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
        Err(Fault::Wait(_, why)) => {
            info!(app = app.name, "accounts not listed: {why}");
            return Ok(Listed::Waits(why));
        }
        Err(fault) => {
            info!(app = app.name, "accounts not listed: {fault}");
            return Ok(Listed::Nothing);
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
