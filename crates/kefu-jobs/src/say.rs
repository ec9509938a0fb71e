use kefu_queue::Lane;
use serde::{Deserialize, Serialize};

use crate::JobKind;

/// Say the welcome of a stored row, within the 20 s its code lives (doc 96428).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SayWelcome {
    pub id: String,
}

impl JobKind for SayWelcome {
    const KIND: &'static str = "kf.welcome";
    const LANE: Lane = Lane::High;
}

/// Say the notice of a stored row to a customer who waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SayNotice {
    pub id: String,
}

impl JobKind for SayNotice {
    const KIND: &'static str = "kf.notice";
    const LANE: Lane = Lane::Medium;
}
