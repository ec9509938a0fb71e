//! What must hold after each step, and once everything is quiet.

use std::collections::{BTreeMap, BTreeSet};

use kefu_domain::{Handled, PartStatus};

use super::transitions::{Look, LookMessage, LookPart, LookRow};
use super::wecom::Wecom;

#[derive(Default)]
pub(super) struct Checks {
    before: Look,
    /// The first rule that was broken.
    pub(super) violation: Option<String>,
    /// How often WeCom said that the five messages are spent.
    pub(super) budget_refusals: u32,
    shown: usize,
}

impl Checks {
    pub(super) fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub(super) fn after_step(&mut self, look: Look, wecom: &Wecom, now: i64) {
        if look != self.before {
            self.living_holders_keep_their_lease(&look, now);
            self.rows_wake(&look);
            self.statuses_move_forward(&look);
            self.messages_stay_ended(&look);
            self.nothing_recalled_waits_to_be_answered(&look);
            self.parts_and_wecom_agree(&look, wecom);
            self.before = look;
        }
        if self.shown != wecom.shown.len() {
            self.shown = wecom.shown.len();
            self.parts_and_wecom_agree(&self.before.clone(), wecom);
            self.customers_saw_one_answer(wecom);
        }
    }

    /// Nothing waits for ever: what is held or owed has a time to wake.
    fn rows_wake(&mut self, look: &Look) {
        let held_asleep = |row: &&LookRow| row.lease_until.is_some() && row.wake_at.is_none();
        if let Some(row) = look.account.iter().chain(&look.conversations).find(held_asleep) {
            self.violated(format!("{} is held and has no time to wake", row.name));
        }
        for row in look.conversations.iter().filter(|row| row.wake_at.is_none()) {
            if row.handover.is_some() {
                self.violated(format!(
                    "{} is to be handed over and has no time to wake",
                    row.name
                ));
            }
            let owed = |message: &&LookMessage| message.customer == row.name && message.handled.is_none();
            let open = |part: &&LookPart| part.customer == row.name && is_open(part);
            if let Some(message) = look.messages.iter().find(owed) {
                self.violated(format!(
                    "{} is owed and {} has no time to wake",
                    message.msgid, row.name
                ));
            }
            if let Some(part) = look.parts.iter().find(open) {
                self.violated(format!(
                    "{} is open and {} has no time to wake",
                    part.msgid, row.name
                ));
            }
        }
    }

    /// A lease that lasts goes to nobody but the same job, given out again.
    fn living_holders_keep_their_lease(&mut self, look: &Look, now: i64) {
        let before = self.before.account.iter().chain(&self.before.conversations);
        let after: BTreeMap<&str, &LookRow> = look
            .account
            .iter()
            .chain(&look.conversations)
            .map(|row| (&*row.name, row))
            .collect();
        let robbed = before
            .filter(|row| row.lease_until.is_some_and(|until| now < until))
            .filter_map(|row| Some((row, *after.get(&*row.name)?)))
            .find(|(was, is)| was.fence < is.fence && was.lease_owner != is.lease_owner);
        if let Some((was, is)) = robbed {
            let (from, to) = (was.lease_owner.clone(), is.lease_owner.clone());
            self.violated(format!(
                "{} was taken from {from:?}, who lives, by {to:?}",
                is.name
            ));
        }
    }

    fn statuses_move_forward(&mut self, look: &Look) {
        let after: BTreeMap<&str, &str> = look
            .parts
            .iter()
            .map(|part| (&*part.msgid, &*part.status))
            .collect();
        let mut violations = Vec::new();
        for part in &self.before.parts {
            let was = PartStatus::parse(&part.status).unwrap();
            match after
                .get(&*part.msgid)
                .map(|word| PartStatus::parse(word).unwrap())
            {
                None => violations.push(format!("{} has gone", part.msgid)),
                Some(is) if is != was && !was.may_become(is) => {
                    violations.push(format!("{} went from {was:?} to {is:?}", part.msgid));
                }
                Some(_) => (),
            }
        }
        for violation in violations {
            self.violated(violation);
        }
    }

    /// Only the messages of a reply that never left may be owed again, and none is stored twice.
    fn messages_stay_ended(&mut self, look: &Look) {
        let mut ids = BTreeSet::new();
        for message in &look.messages {
            if !ids.insert(&message.msgid) {
                self.violated(format!("{} is stored twice", message.msgid));
            }
        }
        let owed_again = self.before.messages.iter().zip(&look.messages).find(|(was, is)| {
            let ended = was.handled.as_deref();
            // A hand-over that WeCom refuses ends nothing.
            let mut rows = self.before.conversations.iter();
            let not_moved = was.reply_id.is_some() && rows.any(|row| row.handover == was.reply_id);
            let may_return = not_moved || ended == Some(Handled::Answered.as_str());
            ended.is_some() && !may_return && is.handled.is_none()
        });
        if let Some((was, _)) = owed_again {
            let (msgid, handled) = (was.msgid.clone(), was.handled.clone());
            self.violated(format!("{msgid} was {handled:?} and is owed again"));
        }
    }

    /// A reply that has all of its parts before it answers nothing that was taken back.
    fn nothing_recalled_waits_to_be_answered(&mut self, look: &Look) {
        let planned = PartStatus::Planned.as_str();
        let unsaid = |reply_id: &str| {
            let parts: Vec<_> = look
                .parts
                .iter()
                .filter(|part| part.reply_id == reply_id)
                .collect();
            !parts.is_empty() && parts.iter().all(|part| part.status == planned)
        };
        let waits = |message: &&LookMessage| {
            message.recalled
                && message.handled.as_deref() == Some(Handled::Answered.as_str())
                && message.reply_id.as_deref().is_some_and(unsaid)
        };
        if let Some(message) = look.messages.iter().find(waits) {
            self.violated(format!("{} was taken back and is to be answered", message.msgid));
        }
    }

    /// What counts as sent was accepted, and what counts as never sent was not.
    fn parts_and_wecom_agree(&mut self, look: &Look, wecom: &Wecom) {
        for part in &look.parts {
            let accepted = wecom.used.contains(&part.msgid);
            let reported = wecom
                .shown
                .iter()
                .any(|shown| shown.undelivered && shown.msgid == part.msgid);
            let wrong = match PartStatus::parse(&part.status).unwrap() {
                PartStatus::Sent => !accepted,
                PartStatus::Failed => accepted && !reported,
                PartStatus::Planned | PartStatus::Cancelled => accepted,
                PartStatus::Sending | PartStatus::Unknown => false,
            };
            if wrong {
                self.violated(format!(
                    "{} is {} and WeCom says accepted = {accepted}",
                    part.msgid, part.status
                ));
            }
        }
    }

    /// Each message is answered by one reply, whose parts come in their order and once.
    fn customers_saw_one_answer(&mut self, wecom: &Wecom) {
        let mut answered_by: BTreeMap<&str, u32> = BTreeMap::new();
        let mut announced_by: BTreeMap<&str, u32> = BTreeMap::new();
        let mut last_part: BTreeMap<u32, u32> = BTreeMap::new();
        let mut violations = Vec::new();
        for shown in &wecom.shown {
            let last = last_part.insert(shown.answer, shown.part).unwrap_or(0);
            if shown.part <= last {
                violations.push(format!(
                    "part {} of answer {} was seen after part {last}",
                    shown.part, shown.answer
                ));
            }
            for message in &shown.announces {
                let first = *announced_by.entry(message).or_insert(shown.answer);
                if first != shown.answer {
                    violations.push(format!(
                        "{message} of {} was told twice that a person comes",
                        shown.customer
                    ));
                }
            }
            for message in shown.answers.iter().filter(|_| !shown.undelivered) {
                let first = *answered_by.entry(message).or_insert(shown.answer);
                if first != shown.answer {
                    violations.push(format!(
                        "{message} of {} was answered by answers {first} and {}",
                        shown.customer, shown.answer
                    ));
                }
            }
        }
        for violation in violations {
            self.violated(violation);
        }
    }

    /// Time has passed and nothing moves any more.
    pub(super) fn at_the_end(&mut self, look: &Look, wecom: &Wecom) {
        for row in look.account.iter().chain(&look.conversations) {
            if row.lease_until.is_some() || row.wake_at.is_some() || row.handover.is_some() {
                self.violated(format!("{} is not at rest: {row:?}", row.name));
            }
        }
        let stored: BTreeMap<&str, &LookMessage> = look
            .messages
            .iter()
            .map(|message| (&*message.msgid, message))
            .collect();
        for id in wecom.written() {
            match stored.get(&**id).map(|message| message.handled.as_deref()) {
                None => self.violated(format!("{id} was written and never stored")),
                Some(None) => self.violated(format!("{id} is owed for ever")),
                Some(Some("answered")) => {
                    let reply_id = stored[&**id].reply_id.as_deref();
                    let said = |part: &&LookPart| {
                        Some(&*part.reply_id) == reply_id && part.status != PartStatus::Cancelled.as_str()
                    };
                    if !look.parts.iter().any(|part| said(&part)) {
                        self.violated(format!("{id} counts as answered and nothing was said"));
                    }
                }
                Some(Some("pool")) => {
                    let customer = &wecom.customers[&*stored[&**id].customer];
                    if !customer.waited {
                        self.violated(format!("{id} ended as pool, and its customer never was there"));
                    }
                }
                Some(Some(_)) => (),
            }
        }
        if let Some(part) = look.parts.iter().find(|part| is_open(part)) {
            self.violated(format!("{} is open for ever", part.msgid));
        }
    }

    /// Without faults, people and recalls everything is answered to its last part, while WeCom takes it.
    pub(super) fn at_a_calm_end(&mut self, look: &Look, wecom: &Wecom) {
        if 0 < self.budget_refusals {
            return;
        }
        let seen: BTreeSet<&String> = wecom.shown.iter().flat_map(|shown| &shown.answers).collect();
        for message in &look.messages {
            let wrong = match message.handled.as_deref() {
                Some("answered") => !seen.contains(&message.msgid),
                other => other != Some("history"),
            };
            if wrong {
                let Some(handled) = &message.handled else { continue };
                self.violated(format!("{} ended as {handled} in calm", message.msgid));
            }
        }
        for part in &look.parts {
            let never_called = part.status == PartStatus::Cancelled.as_str();
            if part.status != PartStatus::Sent.as_str() && !never_called {
                self.violated(format!("{} ended as {} in calm", part.msgid, part.status));
            }
        }
    }
}

fn is_open(part: &LookPart) -> bool {
    part.status == PartStatus::Planned.as_str() || part.status == PartStatus::Sending.as_str()
}
