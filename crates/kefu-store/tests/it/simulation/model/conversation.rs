use std::time::Duration;

use kefu_domain::{Budget, ConversationKey, Handled, MessageId, Millis, PartStatus};
use kefu_store::{AcquiredConversation, ConversationLease, OwedMessage, Part, Released, Turn, Whose};

use super::Model;
use crate::simulation::mutation::Mutation;
use crate::simulation::transitions::{LEASE, LIMITS};

impl Model {
    pub(in crate::simulation) fn acquire_conversation(
        &mut self,
        key: &ConversationKey,
        job_id: &str,
        redelivered: bool,
    ) -> AcquiredConversation {
        let (now, mutation) = (self.now, self.mutation);
        let catching_up = self.account.as_ref().is_some_and(|account| {
            account.catching_up && account.pulled_at.is_some_and(|at| now - 600_000 < at)
        });
        let Some(conversation) = self.conversations.get_mut(key.customer.as_str()) else {
            return AcquiredConversation::Missing;
        };
        let row = &mut conversation.row;
        if !row.is_free_for(now, job_id, redelivered, mutation) {
            return AcquiredConversation::Held;
        }
        if catching_up {
            if row.wake_at.is_some() {
                row.give_up(Some(now + 30_000));
            }
            return AcquiredConversation::CatchingUp;
        }
        row.take(now, LEASE, job_id);
        let lease = ConversationLease {
            key: key.clone(),
            app: "default".to_owned(),
            job_id: job_id.to_owned(),
            fence: row.fence,
        };
        AcquiredConversation::Won(Box::new(self.turn(lease)))
    }

    pub(in crate::simulation) fn extend_conversation(&mut self, lease: &ConversationLease) -> bool {
        let now = self.now;
        self.hold(lease)
            .map(|conversation| conversation.row.extend(now, LEASE))
            .is_some()
    }

    pub(in crate::simulation) fn reload_turn(&mut self, lease: &ConversationLease) -> Option<Turn> {
        self.extend_conversation(lease).then(|| self.turn(lease.clone()))
    }

    /// What a turn reads.
    fn turn(&self, lease: ConversationLease) -> Turn {
        let customer = lease.key.customer.as_str();
        let conversation = &self.conversations[customer];
        let mut owed: Vec<_> = self.owed(customer).collect();
        owed.sort_by_key(|(seq, message)| (message.sent_at, *seq));
        let owed_more = (LIMITS.owed_max as usize) < owed.len();
        owed.truncate(LIMITS.owed_max as usize);
        let owed = owed.into_iter().map(|(_, message)| OwedMessage {
            id: MessageId::parse(&message.msgid).unwrap(),
            msgtype: "text".to_owned(),
            text: message.text.clone(),
            menu_id: None,
            sent_at: Millis(message.sent_at),
            person_refused: message.person_refused,
        });
        Turn {
            wanted: conversation.row.wanted,
            failures: conversation.row.failures,
            own_failures: conversation.own_failures,
            session: None,
            budget: Budget {
                customer_wrote_at: conversation.customer_wrote_at.map(Millis),
                used: conversation.budget_used,
            },
            handover: conversation.handover.clone(),
            open_parts: self.open_parts(customer),
            owed: owed.collect(),
            owed_more,
            history: Vec::new(),
            now: Millis(self.now),
            lease,
        }
    }

    fn owed<'a>(&'a self, customer: &'a str) -> impl Iterator<Item = (usize, &'a super::Message)> {
        self.messages
            .iter()
            .enumerate()
            .filter(move |(_, message)| message.handled.is_none() && message.customer == customer)
    }

    fn open_parts(&self, customer: &str) -> Vec<Part> {
        let mut open: Vec<_> = self
            .parts
            .values()
            .filter(|row| row.customer == customer)
            .filter(|row| matches!(row.part.status, PartStatus::Planned | PartStatus::Sending))
            .collect();
        open.sort_by_key(|row| (row.planned_at, &row.part.reply_id, row.part.part));
        open.into_iter()
            .map(|row| Part {
                reply_started: self.has_started(&row.part.reply_id),
                ..row.part.clone()
            })
            .collect()
    }

    pub(in crate::simulation) fn release_conversation(
        &mut self,
        lease: &ConversationLease,
        noted: i64,
    ) -> Released<()> {
        let customer = lease.key.customer.as_str();
        let owes = self.owed(customer).next().is_some();
        let is_sending = self
            .parts
            .values()
            .any(|row| row.customer == customer && row.part.status == PartStatus::Sending);
        let careless = matches!(
            self.mutation,
            Mutation::ReleaseWhileOwed | Mutation::TransferForgotten
        );
        let Some(conversation) = self.hold(lease) else {
            return Released::Lost;
        };
        let is_owed = owes || is_sending || conversation.handover.is_some();
        if (conversation.row.wanted != noted || is_owed) && !careless {
            return Released::Again(());
        }
        conversation.row.give_up(None);
        conversation.row.failures = 0;
        conversation.own_failures = 0;
        Released::Free
    }

    pub(in crate::simulation) fn fail_conversation(
        &mut self,
        lease: &ConversationLease,
        wake_in: Duration,
        whose: Whose,
    ) -> u32 {
        let wake_at = (Millis(self.now) + wake_in).0;
        self.hold(lease).map_or(0, |conversation| {
            conversation.row.give_up(Some(wake_at));
            conversation.row.failures += 1;
            conversation.own_failures += u32::from(whose == Whose::Ours);
            conversation.row.failures
        })
    }

    pub(in crate::simulation) fn park_conversation(
        &mut self,
        lease: &ConversationLease,
        wake_in: Duration,
    ) -> bool {
        let wake_at = (self.mutation != Mutation::ParkWithoutWake).then_some((Millis(self.now) + wake_in).0);
        self.hold(lease)
            .map(|conversation| conversation.row.give_up(wake_at))
            .is_some()
    }

    pub(in crate::simulation) fn give_up_conversation(
        &mut self,
        lease: &ConversationLease,
        handled: Handled,
    ) -> u64 {
        if self.hold(lease).is_none() {
            return 0;
        }
        let customer = lease.key.customer.as_str();
        let unsaid: Vec<String> = self
            .parts
            .values()
            .filter(|row| row.customer == customer && row.part.status == PartStatus::Planned)
            .map(|row| row.part.reply_id.clone())
            .filter(|reply_id| !self.has_started(reply_id))
            .collect();
        let handover = self.hold(lease).and_then(|row| row.handover.take());
        let mut ended = 0;
        for message in self
            .messages
            .iter_mut()
            .filter(|message| message.customer == customer)
        {
            let was_unsaid = message.handled == Some(Handled::Answered)
                && message.reply_id.as_ref().is_some_and(|id| unsaid.contains(id));
            let not_moved = matches!(message.handled, Some(Handled::Pool | Handled::Failed))
                && message.reply_id.is_some()
                && message.reply_id == handover;
            if not_moved {
                message.reply_id = None;
            }
            if was_unsaid || not_moved || message.handled.is_none() {
                message.handled = Some(handled);
                ended += 1;
            }
        }
        for row in self.parts.values_mut().filter(|row| row.customer == customer) {
            row.part.status = match row.part.status {
                PartStatus::Planned => PartStatus::Cancelled,
                PartStatus::Sending => {
                    row.settled_at = Some(self.now);
                    PartStatus::Unknown
                }
                status => status,
            };
        }
        if let Some(conversation) = self.hold(lease) {
            conversation.row.give_up(None);
            conversation.row.failures = 0;
            conversation.own_failures = 0;
        }
        ended
    }
}
