//! What a rate limit asks of all workers: per app and API a pause, one call that asks whether it is over, and a pace
//! below a limit that was real. The rule is in `kefu-state/src/limit.rs`.

use std::time::Duration;

use kefu_state::{Call, Pause, Told};
use kefu_wecom::{ApiError, ErrorClass};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::meaning::is_unanswered;
use crate::{App, Outbound, Wait};

/// How long a job waits in its slot for the call that asks: usually it is known within milliseconds.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// How often a job looks whether there is a token again.
const TOKEN_LOOK: Duration = Duration::from_secs(10);
/// Calls are paced at this part of the limit: a call may be counted a little later than it was made.
const PACE: f64 = 0.95;

const LIMITED: &str = "rate limit";

/// How WeCom limits the calls of one API.
#[derive(Clone, Copy, Debug)]
pub struct RateRule {
    /// How long a limit lasts, the first time.
    pub pause: Duration,
    pub calls_per_minute: u32,
}

impl RateRule {
    /// Between two calls that are paced.
    fn interval(self) -> Duration {
        Duration::from_secs(60).div_f64(f64::from(self.calls_per_minute) * PACE)
    }
}

/// An API with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
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

/// Leave for one call. Its outcome is to be told: a call that asks keeps all others waiting.
#[must_use = "a call's outcome is to be told"]
pub(crate) struct Leave<'a> {
    outbound: &'a Outbound,
    app: &'a str,
    api: Api,
    /// Of a call that asks.
    asked: Option<u64>,
}

impl Outbound {
    /// How long `api` is paused for; takes no place. Zero: it is not.
    pub async fn paused(&self, app: &App, api: Api) -> Duration {
        let pause = self.state.paused(&app.name, api.as_str()).await;
        pause.map_or(Duration::ZERO, |pause| pause.left)
    }

    /// Fails while `api` is paused.
    pub async fn check(&self, app: &App, api: Api) -> Result<(), Wait> {
        match self.paused(app, api).await {
            Duration::ZERO => Ok(()),
            left => Err(limited(left)),
        }
    }

    pub(crate) async fn enter<'a>(&'a self, app: &'a str, api: Api) -> Result<Leave<'a>, Wait> {
        let interval = self.rate.interval();
        let until = Instant::now() + ASKED_WAIT_MAX;
        let asked = loop {
            match self.state.call(app, api.as_str(), interval).await {
                Call::Go(wait) => {
                    if !wait.is_zero() {
                        sleep(wait).await;
                    }
                    break None;
                }
                Call::Ask(asked) => break Some(asked),
                Call::Asked(_) if Instant::now() < until => sleep(LOOK).await,
                Call::Asked(left) => return Err(limited(left.min(ASKED_WAIT_MAX))),
                // No wider: a sweep wakes so many at a time, and the pace does the rest.
                Call::Paused(left) | Call::Full(left) => return Err(limited(left)),
            }
        };
        Ok(Leave {
            outbound: self,
            app,
            api,
            asked,
        })
    }
}

fn limited(time: Duration) -> Wait {
    Wait { time, why: LIMITED }
}

impl Leave<'_> {
    /// Tells how the call went; the time to wait for, if WeCom said "too often".
    pub(crate) async fn tell<T>(self, outcome: &Result<T, ApiError>) -> Result<(), Wait> {
        match outcome {
            Err(error) if error.class() == ErrorClass::Rate => {
                let wait = match error.is_of_token() {
                    true => self.without_token().await,
                    false => self.refused().await.left,
                };
                Err(limited(wait))
            }
            Err(error) if error.is_of_token() || is_unanswered(error) => {
                self.give_back().await;
                Ok(())
            }
            Ok(_) | Err(_) => {
                self.told(Told::Passed).await;
                Ok(())
            }
        }
    }

    /// The call was not made, or nobody knows what became of it.
    pub(crate) async fn give_back(self) {
        self.told(Told::Nothing).await;
    }

    /// `gettoken` is limited: whoever fetches tokens waits a minute by itself, and this API has not been called.
    async fn without_token(self) -> Duration {
        let wait = self.outbound.rate.pause.min(TOKEN_LOOK);
        self.give_back().await;
        wait
    }

    async fn told(self, told: Told) {
        if let Some(asked) = self.asked {
            let (app, api) = (self.app, self.api.as_str());
            self.outbound.state.told(app, api, asked, told).await;
        }
    }

    async fn refused(self) -> Pause {
        let (app, api) = (self.app, self.api.as_str());
        let first = self.outbound.rate.pause;
        let pause = self.outbound.state.refused(app, api, self.asked, first).await;
        if pause.begun {
            warn!(
                app,
                wecom.api = api,
                pause_ms = pause.left.as_millis(),
                "rate limit: pausing {api} for {:?}",
                pause.left
            );
        }
        pause
    }
}
