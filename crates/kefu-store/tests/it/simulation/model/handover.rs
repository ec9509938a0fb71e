use kefu_domain::{ConversationKey, Handled, MessageId, PartName, PartStatus, Purpose, Source, msgid};
use kefu_store::{ConversationLease, Decision, Handover, NewPart};

use super::{Message, Model};

impl Model {
    /// Whether it was decided now; `None` when the lease is lost.
    pub(in crate::simulation) fn decide_handover(
        &mut self,
        lease: &ConversationLease,
        handover: &Handover,
    ) -> Option<bool> {
        if self.hold(lease)?.handover.is_some() {
            return Some(false);
        }
        let customer = lease.key.customer.as_str();
        let earlier = self.parts.values().filter(|row| {
            let part = &row.part;
            row.customer == customer && part.answers == handover.answers && part.purpose == Purpose::Handover
        });
        let (mut generation, mut said) = (0, false);
        for row in earlier {
            generation = generation.max(row.part.generation + 1);
            said |= row.part.status != PartStatus::Cancelled;
        }
        let id = name(&lease.key, &handover.answers, generation);
        if self.handle(lease, &handover.asked, Handled::Pool, Some(&id)) == 0 {
            return Some(false);
        }
        if let (Some(text), false) = (&handover.text, said) {
            let decision = Decision {
                answered: handover.asked.clone(),
                handled: Handled::Pool,
                parts: vec![NewPart {
                    purpose: Purpose::Handover,
                    generation,
                    text: text.clone(),
                }],
                answers: handover.answers.clone(),
                source: Source::Handover,
            };
            self.store_parts(lease, &super::reply::planned(&lease.key, &decision, 0));
        }
        self.hold(lease)?.handover = Some(id);
        Some(true)
    }

    pub(in crate::simulation) fn end_handover(
        &mut self,
        lease: &ConversationLease,
        handled: Handled,
    ) -> bool {
        let Some(conversation) = self.hold(lease) else {
            return false;
        };
        if let Some(id) = conversation.handover.take() {
            for message in self.of_handover(lease, &id) {
                message.handled = Some(handled);
            }
        }
        true
    }

    pub(in crate::simulation) fn refuse_handover(&mut self, lease: &ConversationLease) -> bool {
        let Some(conversation) = self.hold(lease) else {
            return false;
        };
        if let Some(id) = conversation.handover.take() {
            for message in self.of_handover(lease, &id) {
                message.handled = message.recalled.then_some(Handled::Recalled);
                message.reply_id = None;
            }
        }
        let customer = lease.key.customer.as_str();
        for message in &mut self.messages {
            message.person_refused |= message.customer == customer && message.handled.is_none();
        }
        true
    }

    fn of_handover<'a>(
        &'a mut self,
        lease: &'a ConversationLease,
        id: &'a str,
    ) -> impl Iterator<Item = &'a mut Message> {
        self.messages.iter_mut().filter(move |message| {
            let ended = matches!(
                message.handled,
                Some(Handled::Pool | Handled::Failed | Handled::Expired)
            );
            ended
                && message.customer == lease.key.customer.as_str()
                && message.reply_id.as_deref() == Some(id)
        })
    }
}

fn name(key: &ConversationKey, answers: &MessageId, generation: u32) -> String {
    let name = PartName {
        purpose: Purpose::Handover,
        answers: answers.as_str(),
        generation,
        part: 1,
    };
    msgid(key, name)
}
