use kefu_domain::{ConversationKey, Handled, MessageId, PartName, PartStatus, msgid};
use kefu_store::{ConversationLease, Decision, Owed, Part, PartOutcome};

use super::{Model, OutboxRow};
use crate::simulation::mutation::Mutation;

impl Model {
    pub(in crate::simulation) fn decide(
        &mut self,
        lease: &ConversationLease,
        decision: &Decision,
    ) -> Option<Vec<Part>> {
        self.hold(lease)?;
        let mut parts = planned(&lease.key, decision, 0);
        let reply_id = parts.first().map(|part| part.reply_id.clone());
        let earlier = self.reply(reply_id.as_deref());
        if !earlier.is_empty() {
            if earlier.iter().any(|part| part.status != PartStatus::Cancelled) {
                self.handle(lease, &decision.answered, decision.handled, reply_id.as_deref());
                return Some(earlier);
            }
            let of_answer = |row: &&OutboxRow| {
                let part = &row.part;
                row.customer == lease.key.customer.as_str()
                    && part.answers == decision.answers
                    && parts.iter().any(|new| new.purpose == part.purpose)
            };
            let newest = self.parts.values().filter(of_answer);
            let newest = newest.map(|row| row.part.generation).max().unwrap_or(0);
            parts = planned(&lease.key, decision, newest + 1);
        }
        let reply_id = parts.first().map(|part| part.reply_id.clone());
        let changed = self.handle(lease, &decision.answered, decision.handled, reply_id.as_deref());
        if changed == 0 && !decision.answered.is_empty() {
            return Some(Vec::new());
        }
        self.store_parts(lease, &parts);
        Some(parts)
    }

    pub(super) fn store_parts(&mut self, lease: &ConversationLease, parts: &[Part]) {
        for part in parts {
            let row = OutboxRow {
                customer: lease.key.customer.as_str().to_owned(),
                part: part.clone(),
                planned_at: self.now,
                sending_at: None,
                settled_at: None,
            };
            self.parts.entry(part.msgid.clone()).or_insert(row);
        }
    }

    fn reply(&self, reply_id: Option<&str>) -> Vec<Part> {
        let rows = self.parts.values().map(|row| &row.part);
        let mut parts: Vec<Part> = rows
            .filter(|part| Some(&*part.reply_id) == reply_id)
            .cloned()
            .collect();
        parts.sort_by_key(|part| (part.part, part.generation));
        parts
    }

    pub(in crate::simulation) fn set_handled(
        &mut self,
        lease: &ConversationLease,
        ids: &[MessageId],
        handled: Handled,
    ) -> bool {
        if self.hold(lease).is_none() {
            return false;
        }
        self.handle(lease, ids, handled, None);
        true
    }

    pub(super) fn handle(
        &mut self,
        lease: &ConversationLease,
        ids: &[MessageId],
        handled: Handled,
        reply_id: Option<&str>,
    ) -> usize {
        let all = self.mutation == Mutation::DecideHighWater && !ids.is_empty();
        let mut changed = 0;
        for message in &mut self.messages {
            let is_meant = all || ids.iter().any(|id| id.as_str() == message.msgid);
            if is_meant && message.customer == lease.key.customer.as_str() && message.handled.is_none() {
                message.handled = Some(handled);
                message.reply_id = reply_id.map(str::to_owned);
                changed += 1;
            }
        }
        changed
    }

    pub(in crate::simulation) fn mark_sending(&mut self, lease: &ConversationLease, msgid: &str) -> bool {
        let (now, mutation) = (self.now, self.mutation);
        if self.hold(lease).is_none() && mutation != Mutation::MarkIgnoresFence {
            return false;
        }
        let Some(row) = self.parts.get_mut(msgid) else {
            return false;
        };
        let again = mutation == Mutation::SettledPartSentAgain;
        let was = row.part.status;
        if !matches!(was, PartStatus::Planned | PartStatus::Sending) && !again {
            return false;
        }
        row.part.status = PartStatus::Sending;
        row.part.attempts += 1;
        row.sending_at = Some(now);
        row.part.ambiguous |= was == PartStatus::Sending;
        if let (PartStatus::Planned, Some(conversation)) =
            (was, self.conversations.get_mut(lease.key.customer.as_str()))
        {
            conversation.budget_used += 1;
        }
        true
    }

    pub(in crate::simulation) fn settle_part(
        &mut self,
        lease: &ConversationLease,
        msgid: &str,
        outcome: &PartOutcome,
    ) -> bool {
        let now = self.now;
        let of_anybody = matches!(outcome, PartOutcome::Sent | PartOutcome::Ambiguous { .. });
        let careless = self.mutation == Mutation::SettleIgnoresFence;
        if !of_anybody && !careless && self.hold(lease).is_none() {
            return false;
        }
        let Some(row) = self.parts.get_mut(msgid) else {
            return true;
        };
        if row.part.status != PartStatus::Sending {
            return true;
        }
        let (status, handled) = match outcome {
            PartOutcome::Ambiguous { .. } => {
                row.part.ambiguous = true;
                return true;
            }
            PartOutcome::Sent | PartOutcome::SaidBefore => (PartStatus::Sent, None),
            PartOutcome::Failed { handled, .. } => (PartStatus::Failed, Some(*handled)),
            PartOutcome::Unknown { .. } => (PartStatus::Unknown, None),
        };
        row.part.status = status;
        row.settled_at = Some(now);
        if matches!(outcome, PartOutcome::Sent) {
            return true;
        }
        let reply_id = row.part.reply_id.clone();
        for message in &mut self.messages {
            if let (Some(handled), true) = (handled, message.reply_id.as_ref() == Some(&reply_id)) {
                message.handled = Some(handled);
            }
        }
        self.cancel_planned(&reply_id);
        true
    }

    pub(in crate::simulation) fn replan_part(&mut self, lease: &ConversationLease, msgid: &str) -> bool {
        if self.hold(lease).is_none() {
            return false;
        }
        let customer = lease.key.customer.as_str();
        let Some(row) = self.parts.get_mut(msgid).filter(|row| row.customer == customer) else {
            return false;
        };
        if row.part.status != PartStatus::Sending {
            return false;
        }
        row.part.status = PartStatus::Cancelled;
        let (old, planned_at) = (row.part.clone(), row.planned_at);
        let generation = old.generation + 1;
        let new = name(&lease.key, &old, generation);
        let part = Part {
            msgid: new.clone(),
            generation,
            status: PartStatus::Planned,
            attempts: 0,
            ambiguous: false,
            ..old
        };
        let row = OutboxRow {
            customer: customer.to_owned(),
            part,
            planned_at,
            sending_at: None,
            settled_at: None,
        };
        assert!(self.parts.insert(new, row).is_none(), "the msgid is taken");
        if let Some(conversation) = self.hold(lease) {
            conversation.budget_used = conversation.budget_used.saturating_sub(1);
        }
        true
    }

    pub(in crate::simulation) fn cancel_reply(
        &mut self,
        lease: &ConversationLease,
        reply_id: &str,
        owed: Owed,
    ) -> bool {
        if self.hold(lease).is_none() {
            return false;
        }
        let started = self.has_started(reply_id) && self.mutation != Mutation::StartedReplyOvertaken;
        for message in &mut self.messages {
            if message.reply_id.as_deref() != Some(reply_id) {
                continue;
            }
            match owed {
                Owed::Again if started => (),
                Owed::Again => {
                    message.handled = message.recalled.then_some(Handled::Recalled);
                    message.reply_id = None;
                }
                Owed::Handled(handled) => message.handled = Some(handled),
            }
        }
        self.cancel_planned(reply_id);
        true
    }
}

fn name(key: &ConversationKey, part: &Part, generation: u32) -> String {
    let name = PartName {
        purpose: part.purpose,
        answers: part.answers.as_str(),
        generation,
        part: part.part,
    };
    msgid(key, name)
}

/// The parts of a decision as they are stored.
pub(super) fn planned(key: &ConversationKey, decision: &Decision, generation_min: u32) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (number, new) in (1..).zip(&decision.parts) {
        let mut part = Part {
            msgid: String::new(),
            reply_id: String::new(),
            purpose: new.purpose,
            answers: decision.answers.clone(),
            generation: new.generation.max(generation_min),
            part: number,
            parts: u32::try_from(decision.parts.len()).unwrap(),
            text: new.text.clone(),
            status: PartStatus::Planned,
            attempts: 0,
            ambiguous: false,
            reply_started: false,
        };
        part.msgid = name(key, &part, part.generation);
        part.reply_id = parts.first().map_or(&part.msgid, |first| &first.msgid).clone();
        parts.push(part);
    }
    parts
}
