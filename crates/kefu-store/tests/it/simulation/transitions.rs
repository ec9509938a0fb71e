//! What the workers of the simulation ask of a store: the transitions of kefu-store, on a clock of the simulation.

use std::time::Duration;

use kefu_domain::{CancelReason, ConversationKey, Handled, MessageId};
use kefu_store::{
    AccountLease, AcquiredAccount, AcquiredConversation, ConversationLease, Decision, Due, Handover, Owed,
    Page, PageOutcome, Part, PartOutcome, Released, Turn, TurnLimits, Whose,
};

pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Few, so that turns which cannot read everything at once happen.
pub(super) const LIMITS: TurnLimits = TurnLimits {
    owed_max: 3,
    history_max: 0,
};

pub(super) trait Transitions {
    fn set_now(&mut self, now: i64);
    /// Every row as it stands.
    fn look(&mut self) -> Look;
    /// The rows whose time has come, in the order of their keys.
    fn due(&mut self) -> Vec<Due>;

    fn acquire_account(&mut self, job_id: &str, redelivered: bool, received_at: i64) -> AcquiredAccount;
    fn extend_account(&mut self, lease: &AccountLease) -> bool;
    fn commit_page(&mut self, lease: &AccountLease, page: &Page) -> PageOutcome;
    fn release_account(&mut self, lease: &AccountLease, noted: i64) -> Released<AccountLease>;
    fn yield_account(&mut self, lease: &AccountLease) -> bool;
    fn fail_account(&mut self, lease: &AccountLease, wake_in: Duration) -> u32;
    fn park_account(&mut self, lease: &AccountLease, wake_in: Duration) -> bool;

    fn acquire_conversation(
        &mut self,
        key: &ConversationKey,
        job_id: &str,
        redelivered: bool,
    ) -> AcquiredConversation;
    fn extend_conversation(&mut self, lease: &ConversationLease) -> bool;
    fn reload_turn(&mut self, lease: &ConversationLease) -> Option<Turn>;
    fn release_conversation(&mut self, lease: &ConversationLease, noted: i64) -> Released<()>;
    fn fail_conversation(&mut self, lease: &ConversationLease, wake_in: Duration, whose: Whose) -> u32;
    fn park_conversation(&mut self, lease: &ConversationLease, wake_in: Duration) -> bool;
    fn give_up_conversation(&mut self, lease: &ConversationLease, handled: Handled) -> u64;

    fn decide(&mut self, lease: &ConversationLease, decision: &Decision) -> Option<Vec<Part>>;
    fn set_handled(&mut self, lease: &ConversationLease, ids: &[MessageId], handled: Handled) -> bool;
    fn decide_handover(&mut self, lease: &ConversationLease, handover: &Handover) -> Option<bool>;
    fn end_handover(&mut self, lease: &ConversationLease, handled: Handled) -> bool;
    fn refuse_handover(&mut self, lease: &ConversationLease) -> bool;
    fn mark_sending(&mut self, lease: &ConversationLease, msgid: &str) -> bool;
    fn settle_part(&mut self, lease: &ConversationLease, msgid: &str, outcome: &PartOutcome) -> bool;
    fn replan_part(&mut self, lease: &ConversationLease, msgid: &str) -> bool;
    fn cancel_reply(
        &mut self,
        lease: &ConversationLease,
        reply_id: &str,
        reason: CancelReason,
        owed: Owed,
    ) -> bool;
}

/// What stands in the tables, as far as the rules speak about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) account: Option<LookRow>,
    /// By customer.
    pub(super) conversations: Vec<LookRow>,
    /// In the order of storing.
    pub(super) messages: Vec<LookMessage>,
    /// By msgid.
    pub(super) parts: Vec<LookPart>,
}

/// An account or a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LookRow {
    /// The customer, or the account.
    pub(super) name: String,
    pub(super) fence: i64,
    pub(super) lease_owner: Option<String>,
    pub(super) lease_until: Option<i64>,
    pub(super) wanted: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) failures: i64,
    pub(super) budget_used: i64,
    /// A hand-over that is decided and not made.
    pub(super) handover: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LookMessage {
    pub(super) msgid: String,
    pub(super) customer: String,
    pub(super) handled: Option<String>,
    pub(super) reply_id: Option<String>,
    pub(super) recalled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LookPart {
    pub(super) msgid: String,
    pub(super) customer: String,
    pub(super) reply_id: String,
    pub(super) status: String,
}
