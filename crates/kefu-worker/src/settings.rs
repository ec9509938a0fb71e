use std::net::SocketAddr;
use std::time::Duration;

use kefu_queue::Lane;
use serde::Deserialize;

/// Section `worker`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Health and metrics; port 0 takes a free one and logs it.
    pub listen: SocketAddr,
    pub slots: Slots,
    /// How long jobs in flight may take to end at a stop.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How long a limit lasts, the first time, after WeCom said "too often" and said it again to the call that asked.
    #[serde(with = "humantime_serde")]
    pub rate_pause: Duration,
    /// The first wait of an open breaker, after 5 failures of WeCom or the model in a row.
    #[serde(with = "humantime_serde")]
    pub breaker_wait: Duration,
    /// Accounts not pulled for so long are pulled without a callback; 0 never does.
    #[serde(with = "humantime_serde")]
    pub poll_after: Duration,
    /// The word of somebody who runs this worker and no other: then the database may be a file beside a broker.
    pub single: bool,
}

/// Consumers per lane: how many jobs of it run at the same time in one process.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    pub high: usize,
    pub medium: usize,
    pub low: usize,
}

impl Slots {
    pub(crate) fn of(&self, lane: Lane) -> usize {
        match lane {
            Lane::High => self.high,
            Lane::Medium => self.medium,
            Lane::Low => self.low,
        }
    }
}

/// Section `reply`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplySettings {
    /// `word, word => answer`, one a line; the first hit wins.
    pub rules: String,
    /// Said when no rule hits and no model answers.
    pub fallback: String,
    /// Said to a customer who enters; empty: nothing.
    pub welcome: String,
    /// A comma list; a hit hands the conversation to a person.
    pub handover_keywords: String,
    /// `intent`, `word` or `contains`: what a keyword must be to hit.
    pub handover_match: String,
    /// A comma list of longer words in which keywords do not hit, beside the built-in ones.
    pub handover_exceptions: String,
    /// Said before a conversation goes to the pool; empty: nothing.
    pub handover: String,
    /// Said when it cannot go there; empty: the customer is answered as usual.
    pub handover_failed: String,
    /// `tell` or `wait`: what becomes of a wish for a person while WeCom says that nobody receives.
    pub handover_off_duty: String,
    /// How long a customer waits in the pool before `pool_text`; 0: for ever.
    #[serde(with = "humantime_serde")]
    pub pool_wait: Duration,
    pub pool_text: String,
}

/// Section `conversation`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationSettings {
    /// How long further messages of a customer are waited for before the turn.
    #[serde(with = "humantime_serde")]
    pub merge_window: Duration,
    /// On the first pull of an account: older messages are history and not answered.
    #[serde(with = "humantime_serde")]
    pub first_run_age: Duration,
}
