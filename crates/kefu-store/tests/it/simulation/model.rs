//! The store as the rules describe it, in memory. What it does to its rows is what the SQL does, said once more.

mod account;
mod conversation;
mod handover;
mod page;
mod reply;

use std::collections::BTreeMap;
use std::time::Duration;

use kefu_domain::{CancelReason, ConversationKey, Handled, MessageId, Millis, PartStatus};
use kefu_store::{
    AccountLease, AcquiredAccount, AcquiredConversation, ConversationLease, Decision, Due, Handover, Owed,
    Page, PageOutcome, Part, PartOutcome, Released, Turn, Whose,
};

use super::mutation::Mutation;
use super::transitions::{Look, LookMessage, LookPart, LookRow, Transitions};
use crate::harness::{account as account_id, corp, key};

pub(super) struct Model {
    now: i64,
    mutation: Mutation,
    account: Option<Account>,
    conversations: BTreeMap<String, Conversation>,
    /// In the order of storing.
    messages: Vec<Message>,
    /// By msgid.
    parts: BTreeMap<String, OutboxRow>,
}

/// What an account and a conversation have in common.
struct Row {
    fence: i64,
    lease: Option<Lease>,
    wanted: i64,
    wake_at: Option<i64>,
    wake_backoff: i64,
    failures: u32,
}

struct Lease {
    owner: String,
    until: i64,
}

struct Account {
    row: Row,
    cursor: Option<String>,
    first_pull: bool,
    first_woken_at: i64,
    catching_up: bool,
    pulled_at: Option<i64>,
}

struct Conversation {
    row: Row,
    own_failures: u32,
    customer_wrote_at: Option<i64>,
    budget_used: u32,
    handover: Option<String>,
}

struct Message {
    msgid: String,
    customer: String,
    /// Only a customer's message is ever owed.
    text: Option<String>,
    sent_at: i64,
    handled: Option<Handled>,
    reply_id: Option<String>,
    recalled: bool,
    person_refused: bool,
}

struct OutboxRow {
    customer: String,
    part: Part,
    planned_at: i64,
    /// When its last call was begun.
    sending_at: Option<i64>,
    settled_at: Option<i64>,
}

impl Model {
    pub(super) fn new(mutation: Mutation) -> Model {
        Model {
            now: 0,
            mutation,
            account: None,
            conversations: BTreeMap::new(),
            messages: Vec::new(),
            parts: BTreeMap::new(),
        }
    }

    pub(super) fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// The conversation, while this lease is the newest.
    fn hold(&mut self, lease: &ConversationLease) -> Option<&mut Conversation> {
        self.conversations
            .get_mut(lease.key.customer.as_str())
            .filter(|conversation| conversation.row.is_held_by(lease.fence, &lease.job_id))
    }

    /// Whether a part of the reply has left.
    fn has_started(&self, reply_id: &str) -> bool {
        self.parts.values().any(|row| {
            row.part.reply_id == reply_id
                && !matches!(row.part.status, PartStatus::Planned | PartStatus::Cancelled)
        })
    }

    fn cancel_planned(&mut self, reply_id: &str) {
        for row in self.parts.values_mut() {
            if row.part.reply_id == reply_id && row.part.status == PartStatus::Planned {
                row.part.status = PartStatus::Cancelled;
            }
        }
    }

    pub(super) fn due(&mut self) -> Vec<Due> {
        let (now, forgets) = (self.now, self.mutation == Mutation::SweepForgetsRow);
        let mut due = Vec::new();
        if let Some(account) = &mut self.account
            && account.row.sweep(now, forgets)
        {
            due.push(Due::Account {
                corp: corp(),
                account: account_id(),
                app: "default".to_owned(),
            });
        }
        for (customer, conversation) in &mut self.conversations {
            if conversation.row.sweep(now, forgets) {
                due.push(Due::Conversation {
                    key: key(customer),
                    app: "default".to_owned(),
                });
            }
        }
        due
    }

    pub(super) fn look(&self) -> Look {
        Look {
            account: self.account.as_ref().map(|account| account.row.look("wk1", 0)),
            conversations: self
                .conversations
                .iter()
                .map(|(customer, one)| LookRow {
                    handover: one.handover.clone(),
                    ..one.row.look(customer, i64::from(one.budget_used))
                })
                .collect(),
            messages: self
                .messages
                .iter()
                .map(|message| LookMessage {
                    msgid: message.msgid.clone(),
                    customer: message.customer.clone(),
                    handled: message.handled.map(|handled| handled.as_str().to_owned()),
                    reply_id: message.reply_id.clone(),
                    recalled: message.recalled,
                })
                .collect(),
            parts: self
                .parts
                .values()
                .map(|row| LookPart {
                    msgid: row.part.msgid.clone(),
                    customer: row.customer.clone(),
                    reply_id: row.part.reply_id.clone(),
                    status: row.part.status.as_str().to_owned(),
                })
                .collect(),
        }
    }
}

impl Row {
    fn new() -> Row {
        Row {
            fence: 0,
            lease: None,
            wanted: 0,
            wake_at: None,
            wake_backoff: 60_000,
            failures: 0,
        }
    }

    /// Free, run out, or this job's own and given out again.
    fn is_free_for(&self, now: i64, job_id: &str, redelivered: bool, mutation: Mutation) -> bool {
        self.lease.as_ref().is_none_or(|lease| {
            let own = lease.owner == job_id || mutation == Mutation::AnyRedeliveryTakes;
            lease.until <= now || (own && redelivered)
        })
    }

    fn is_held_by(&self, fence: i64, job_id: &str) -> bool {
        self.fence == fence && self.lease.as_ref().is_some_and(|lease| lease.owner == job_id)
    }

    fn take(&mut self, now: i64, by: Duration, job_id: &str) {
        self.fence += 1;
        self.wake_backoff = 60_000;
        self.lease = Some(Lease {
            owner: job_id.to_owned(),
            until: now,
        });
        self.extend(now, by);
    }

    fn extend(&mut self, now: i64, by: Duration) {
        let until = (Millis(now) + by).0;
        if let Some(lease) = &mut self.lease {
            lease.until = until;
        }
        self.wake_at = Some(until);
    }

    fn give_up(&mut self, wake_at: Option<i64>) {
        self.lease = None;
        self.wake_at = wake_at;
    }

    fn sweep(&mut self, now: i64, forgets: bool) -> bool {
        if self.wake_at.is_none_or(|at| now < at) {
            return false;
        }
        self.wake_at = (!forgets).then_some(now + self.wake_backoff);
        self.wake_backoff = match self.wake_backoff < 1_800_000 {
            true => self.wake_backoff * 2,
            false => 3_600_000,
        };
        true
    }

    fn look(&self, name: &str, budget_used: i64) -> LookRow {
        LookRow {
            name: name.to_owned(),
            fence: self.fence,
            lease_owner: self.lease.as_ref().map(|lease| lease.owner.clone()),
            lease_until: self.lease.as_ref().map(|lease| lease.until),
            wanted: self.wanted,
            wake_at: self.wake_at,
            failures: i64::from(self.failures),
            budget_used,
            handover: None,
        }
    }
}

/// Every method by its own name: the work is in the files below this one.
macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        $(fn $name(&mut self $(, $argument: $type)*) -> $result {
            Model::$name(self $(, $argument)*)
        })+
    };
}

impl Transitions for Model {
    delegate! {
        set_now(now: i64) -> ();
        due() -> Vec<Due>;
        acquire_account(job_id: &str, redelivered: bool, received_at: i64) -> AcquiredAccount;
        extend_account(lease: &AccountLease) -> bool;
        commit_page(lease: &AccountLease, page: &Page) -> PageOutcome;
        release_account(lease: &AccountLease, noted: i64) -> Released<AccountLease>;
        yield_account(lease: &AccountLease) -> bool;
        fail_account(lease: &AccountLease, wake_in: Duration) -> u32;
        park_account(lease: &AccountLease, wake_in: Duration) -> bool;
        acquire_conversation(key: &ConversationKey, job_id: &str, redelivered: bool) -> AcquiredConversation;
        extend_conversation(lease: &ConversationLease) -> bool;
        reload_turn(lease: &ConversationLease) -> Option<Turn>;
        release_conversation(lease: &ConversationLease, noted: i64) -> Released<()>;
        fail_conversation(lease: &ConversationLease, wake_in: Duration, whose: Whose) -> u32;
        park_conversation(lease: &ConversationLease, wake_in: Duration) -> bool;
        give_up_conversation(lease: &ConversationLease, handled: Handled) -> u64;
        decide(lease: &ConversationLease, decision: &Decision) -> Option<Vec<Part>>;
        set_handled(lease: &ConversationLease, ids: &[MessageId], handled: Handled) -> bool;
        mark_sending(lease: &ConversationLease, msgid: &str) -> bool;
        settle_part(lease: &ConversationLease, msgid: &str, outcome: &PartOutcome) -> bool;
        replan_part(lease: &ConversationLease, msgid: &str) -> bool;
        decide_handover(lease: &ConversationLease, handover: &Handover) -> Option<bool>;
        end_handover(lease: &ConversationLease, handled: Handled) -> bool;
        refuse_handover(lease: &ConversationLease) -> bool;
    }

    fn cancel_reply(
        &mut self,
        lease: &ConversationLease,
        reply_id: &str,
        _: CancelReason,
        owed: Owed,
    ) -> bool {
        Model::cancel_reply(self, lease, reply_id, owed)
    }

    fn look(&mut self) -> Look {
        Model::look(self)
    }
}
