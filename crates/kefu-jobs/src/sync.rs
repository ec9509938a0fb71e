use std::time::Duration;

use kefu_domain::{AccountId, CorpId, RowRef};
use kefu_queue::Lane;
use serde::{Deserialize, Serialize};

use crate::{JobKind, id};

/// Pull what customers wrote to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncAccount {
    /// As whoever published it knew the app; absent in jobs of versions before.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id::corp::optional")]
    pub corp: Option<CorpId>,
    /// Absent: all accounts of the app.
    #[serde(default, with = "id::account::optional")]
    pub account: Option<AccountId>,
    /// The callback's, good for 10 min.
    #[serde(default)]
    pub token: Option<String>,
    /// What the runs before this one have met, for a long stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<CaughtUp>,
}

/// Messages that came late, over all runs of one stream so far. A count that is lost is no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    pub messages: u64,
    pub longest_ms: u64,
}

impl JobKind for SyncAccount {
    const KIND: &'static str = "kf.sync";
    const LANE: Lane = Lane::High;
}

impl SyncAccount {
    /// The row of its account, in the corp of its app unless it names one itself.
    pub fn row(&self, corp_of_app: Option<&CorpId>) -> Option<RowRef> {
        Some(RowRef::Account {
            corp: self.corp.as_ref().or(corp_of_app)?.clone(),
            account: self.account.clone()?,
        })
    }
}

impl CaughtUp {
    pub fn new(messages: u64, longest: Duration) -> CaughtUp {
        CaughtUp {
            messages,
            longest_ms: u64::try_from(longest.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_ms)
    }
}
