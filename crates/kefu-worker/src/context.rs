use std::time::Duration;

use kefu_domain::ThoughtMarks;
use kefu_model::Model;
use kefu_outbound::Outbound;
use kefu_queue::Queue;
use kefu_state::State;
use kefu_store::Store;
use kefu_wecom::error::RepeatedCodes;

use crate::gate::Gate;
use crate::page_size::PageSizes;
use crate::replies::Replies;
use crate::turns::Turns;

/// What every job needs; one per process.
pub(crate) struct Context {
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) state: State,
    pub(crate) model: Option<Model>,
    pub(crate) outbound: Outbound,
    pub(crate) replies: Replies,
    pub(crate) repeated_codes: RepeatedCodes,
    pub(crate) history_max: u32,
    /// How much of a conversation one prompt may hold, in tokens.
    pub(crate) prompt_tokens_max: usize,
    /// No job runs longer.
    pub(crate) job_limit: Duration,
    /// What in an answer of the model is thought and not said.
    pub(crate) thoughts: ThoughtMarks,
    pub(crate) first_run_age: Duration,
    pub(crate) poll_after: Duration,
    pub(crate) turns: Turns,
    pub(crate) page_sizes: PageSizes,
    pub(crate) gate: Gate,
    /// Held for as long as the worker lives.
    pub(crate) _single: Option<std::fs::File>,
}
