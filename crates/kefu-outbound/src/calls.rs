//! Calls that may be repeated: a few tries within a second before the work itself is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_domain::{AccountId, CustomerId};
use kefu_wecom::ApiError;
use kefu_wecom::client::StateNow;
use tokio::time::sleep;

use crate::{Api, App, Outbound, Wait, is_brief};

/// Tries beside the first one; WeCom asks for at most three (doc 90313).
const REPEATS_MAX: usize = 2;
const WAIT_FIRST: Duration = Duration::from_millis(200);

/// The waits between tries of one call.
pub fn waits() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(WAIT_FIRST)
        .with_max_times(REPEATS_MAX)
        .with_jitter()
}

impl Outbound {
    /// Where WeCom says that a conversation is.
    pub async fn service_state(
        &self,
        app: &App,
        account: &AccountId,
        customer: &CustomerId,
    ) -> Result<Result<StateNow, ApiError>, Wait> {
        let (account, customer) = (account.as_str(), customer.as_str());
        let read = || self.wecom().service_state(&app.name, account, customer);
        self.call(app, Api::ServiceState, read).await
    }

    /// Calls `api` unless it is limited or WeCom is away, and repeats it while WeCom is busy. For calls without an
    /// effect.
    pub async fn call<T, F>(
        &self,
        app: &App,
        api: Api,
        mut call: impl FnMut() -> F,
    ) -> Result<Result<T, ApiError>, Wait>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut waits = waits().build();
        loop {
            let permit = self.permit(app, api).await?;
            let outcome = call().await;
            permit.tell(&outcome).await?;
            match (outcome, waits.next()) {
                (Err(error), Some(wait)) if is_brief(&error) => sleep(wait).await,
                (outcome, _) => return Ok(outcome),
            }
        }
    }
}
