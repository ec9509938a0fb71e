//! WeCom as documented: a stream with pages and cursors, the msgid rule, five messages in 48 hours, sessions.

use std::collections::{BTreeMap, BTreeSet};

use kefu_domain::{Millis, PARTS_PER_MESSAGE_MAX, SessionState, WINDOW};
use kefu_store::{EventEffect, PageMessage};

use crate::harness::{customer, event, says, servicer_says};

/// Messages of one page.
const PAGE_MAX: usize = 3;

#[derive(Default)]
pub(super) struct Wecom {
    stream: Vec<PageMessage>,
    pub(super) customers: BTreeMap<String, Customer>,
    /// Every msgid that was accepted.
    pub(super) used: BTreeSet<String>,
    /// In the order in which customers saw them.
    pub(super) shown: Vec<Shown>,
    /// Calls that were cut off on our side and are still on their way.
    pub(super) under_way: Vec<Call>,
    last_id: u32,
}

pub(super) struct Customer {
    pub(super) state: SessionState,
    /// Since when, counted in steps.
    pub(super) state_since: u64,
    pub(super) wrote_at: i64,
    used: u32,
    /// Was in the pool once.
    pub(super) waited: bool,
    /// What was written, oldest first.
    pub(super) messages: Vec<String>,
}

/// A message of ours that a customer saw.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) customer: String,
    pub(super) msgid: String,
    /// Which answer of the model it is a part of.
    pub(super) answer: u32,
    pub(super) part: u32,
    /// The messages it answers.
    pub(super) answers: Vec<String>,
    /// The wishes for a person that it hears.
    pub(super) announces: Vec<String>,
    /// WeCom took it and said later that it was not delivered.
    pub(super) undelivered: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) customer: String,
    pub(super) msgid: String,
    pub(super) text: String,
}

/// What a call of `send_msg` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    MsgidUsed,
    /// No answer, or one that says nothing.
    Unclear,
    /// Certainly not accepted, and may be soon.
    Busy,
    RateLimited,
    /// The session does not allow it.
    Forbidden,
    WindowOver,
    BudgetSpent,
    Refused,
}

/// What a call of `service_state/trans` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Done,
    /// No answer: it may have worked.
    Unclear,
    /// For good, whatever the state.
    Refused,
}

/// One answer of `sync_msg`.
pub(super) struct Pulled {
    pub(super) messages: Vec<PageMessage>,
    pub(super) next_cursor: Option<String>,
    pub(super) has_more: bool,
}

impl Wecom {
    fn next_id(&mut self, kind: &str) -> String {
        self.last_id += 1;
        format!("{kind}{}", self.last_id)
    }

    /// A customer writes: `hello`, `poison` at which whoever answers it panics, or `person`.
    pub(super) fn write(&mut self, who: &str, sent_at: i64, now: i64, step: u64, text: &str) -> String {
        let id = self.next_id("m");
        self.stream
            .push(says(&id, who, text, Millis(sent_at / 1000 * 1000)));
        let customer = self.customers.entry(who.to_owned()).or_insert(Customer {
            state: SessionState::Unhandled,
            state_since: step,
            wrote_at: sent_at,
            used: 0,
            waited: false,
            messages: Vec::new(),
        });
        customer.messages.push(id.clone());
        customer.wrote_at = customer.wrote_at.max(sent_at.min(now));
        customer.used = 0;
        if customer.state == SessionState::Ended {
            customer.state = SessionState::Unhandled;
            customer.state_since = step;
        }
        id
    }

    /// A customer takes a message back.
    pub(super) fn recall(&mut self, who: &str, nth: usize, now: i64) -> Option<String> {
        let message = self.customers.get(who)?.messages.get(nth)?.clone();
        let id = self.next_id("r");
        let effect = EventEffect::Recall {
            customer: Some(customer(who)),
            message: message.clone(),
        };
        self.stream.push(event(&id, effect, Millis(now / 1000 * 1000)));
        Some(message)
    }

    /// A person takes the conversation, hands it on or back.
    pub(super) fn set_state(&mut self, who: &str, state: SessionState, step: u64) {
        if let Some(customer) = self.customers.get_mut(who)
            && customer.state != state
        {
            customer.state = state;
            customer.state_since = step;
            customer.waited |= state == SessionState::Pool;
        }
    }

    /// `service_state/trans` to the pool. False: the state does not allow it.
    pub(super) fn transfer(&mut self, who: &str, step: u64) -> bool {
        let allowed = self
            .customers
            .get(who)
            .is_some_and(|customer| customer.state.may_send());
        if allowed {
            self.set_state(who, SessionState::Pool, step);
        }
        allowed
    }

    /// A person writes to a customer.
    pub(super) fn servicer_writes(&mut self, who: &str, now: i64) {
        let id = self.next_id("s");
        self.stream
            .push(servicer_says(&id, who, Millis(now / 1000 * 1000)));
    }

    /// WeCom says late that a message was not delivered.
    pub(super) fn report_failed(&mut self, nth: usize, now: i64) -> Option<String> {
        let shown = self.shown.get_mut(nth).filter(|shown| !shown.undelivered)?;
        shown.undelivered = true;
        let msgid = shown.msgid.clone();
        let id = self.next_id("f");
        let effect = EventEffect::SendFailed {
            msgid: msgid.clone(),
            fail_type: 4,
        };
        self.stream.push(event(&id, effect, Millis(now / 1000 * 1000)));
        Some(msgid)
    }

    /// `sync_msg`. Some cursors lead to an empty page with more behind it, some pages begin with what is known.
    pub(super) fn pull(&self, cursor: Option<&str>) -> Pulled {
        let (place, passed_gap) = match cursor.map(|cursor| cursor.trim_start_matches('c')) {
            None => (0, true),
            Some(cursor) => match cursor.strip_suffix('e') {
                Some(place) => (place.parse().unwrap(), true),
                None => (cursor.parse().unwrap(), false),
            },
        };
        if place % 4 == 3 && !passed_gap && place < self.stream.len() {
            return Pulled {
                messages: Vec::new(),
                next_cursor: Some(format!("c{place}e")),
                has_more: true,
            };
        }
        let end = (place + PAGE_MAX).min(self.stream.len());
        // Some pages overlap.
        let begin = if place % 5 == 2 { place - 1 } else { place };
        let next_cursor = match end == place {
            true => cursor.map(str::to_owned),
            false => Some(format!("c{end}")),
        };
        Pulled {
            messages: self.stream[begin..end].to_vec(),
            next_cursor,
            has_more: end < self.stream.len(),
        }
    }

    /// `send_msg` as the server works it off.
    pub(super) fn accept(&mut self, call: &Call, now: i64) -> Answer {
        let Some(customer) = self.customers.get_mut(&call.customer) else {
            return Answer::Refused;
        };
        if self.used.contains(&call.msgid) {
            return Answer::MsgidUsed;
        }
        if !customer.state.may_send() {
            return Answer::Forbidden;
        }
        if Millis(customer.wrote_at) + WINDOW <= Millis(now) {
            return Answer::WindowOver;
        }
        if PARTS_PER_MESSAGE_MAX <= customer.used {
            return Answer::BudgetSpent;
        }
        customer.used += 1;
        self.used.insert(call.msgid.clone());
        self.shown.push(Shown::of(call));
        Answer::Accepted
    }

    /// The ids of all that customers wrote.
    pub(super) fn written(&self) -> impl Iterator<Item = &String> {
        self.customers.values().flat_map(|customer| &customer.messages)
    }
}

impl Shown {
    /// Reads the first line of a text: `<answer> <part> <messages>`, the messages after a dash for a hand-over.
    fn of(call: &Call) -> Shown {
        let line = call.text.lines().next().unwrap();
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse().unwrap();
        let (answer, part) = (number(), number());
        let ids = words.next().unwrap();
        let list = |ids: &str| ids.split(',').map(str::to_owned).collect();
        let (answers, announces) = match ids.strip_prefix('-') {
            None => (list(ids), Vec::new()),
            Some(ids) => (Vec::new(), list(ids)),
        };
        Shown {
            customer: call.customer.clone(),
            msgid: call.msgid.clone(),
            answer,
            part,
            answers,
            announces,
            undelivered: false,
        }
    }
}
