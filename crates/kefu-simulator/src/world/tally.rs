//! Counting: which customer messages were answered, how often, and how fast.

use std::collections::{BTreeMap, HashMap};

use super::World;
use crate::report::{Report, Samples};
use crate::tags;

/// Tagged messages that are followed; later ones are only counted as messages.
const TAGGED_MAX: usize = 200_000;

#[derive(Debug, Default)]
pub(super) struct Tally {
    tagged: HashMap<String, Tagged>,
    tags_reserved: u64,
    pub(super) messages: u64,
    answered: u64,
    duplicated: u64,
    misdirected: u64,
    reply_ms: Samples,
    pub(super) welcomes: u64,
    pub(super) sends: u64,
    pub(super) sends_refused: BTreeMap<i32, u64>,
    pub(super) sync_calls: u64,
    pub(super) gettoken_calls: u64,
    pub(super) model_calls: u64,
    pub(super) calls: BTreeMap<&'static str, u64>,
    pub(super) callbacks: CallbackTally,
}

/// What became of the callbacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallbackTally {
    pub(crate) delivered: u64,
    pub(crate) attempts: u64,
    pub(crate) retries: u64,
    pub(crate) given_up: u64,
    pub(crate) dropped: u64,
    pub(crate) latency_ms: Samples,
}

/// One customer message with a tag, and the distinct visible replies that carry it.
#[derive(Debug)]
struct Tagged {
    account: usize,
    customer: String,
    sent_ms: i64,
    replies: u32,
}

impl Tally {
    /// A customer's text: its first counted tag names it.
    pub(super) fn asked(&mut self, account: usize, customer: &str, text: &str, now: i64) {
        let Some(tag) = tags::counted(text).first().copied() else {
            return;
        };
        if self.tagged.len() < TAGGED_MAX && !self.tagged.contains_key(tag) {
            let tagged = Tagged {
                account,
                customer: customer.to_owned(),
                sent_ms: now,
                replies: 0,
            };
            self.tagged.insert(tag.to_owned(), tagged);
        }
    }

    /// A reply became visible. Each call is a distinct message: a repeat refused by `msgid` never comes here.
    pub(super) fn shown(&mut self, account: usize, customer: &str, text: &str, now: i64) {
        for tag in tags::counted(text) {
            let Some(tagged) = self.tagged.get_mut(tag) else {
                continue;
            };
            if tagged.account != account || tagged.customer != customer {
                self.misdirected += 1;
                continue;
            }
            tagged.replies += 1;
            match tagged.replies {
                1 => {
                    self.answered += 1;
                    self.reply_ms.add((now - tagged.sent_ms) as f64);
                }
                2 => self.duplicated += 1,
                _ => (),
            }
        }
    }

    /// A reply that was counted as visible did not arrive after all.
    pub(super) fn hidden(&mut self, account: usize, customer: &str, text: &str) {
        for tag in tags::counted(text) {
            let tagged = self.tagged.get_mut(tag);
            let Some(tagged) = tagged.filter(|tagged| {
                tagged.account == account && tagged.customer == customer && 0 < tagged.replies
            }) else {
                continue;
            };
            tagged.replies -= 1;
            match tagged.replies {
                0 => self.answered -= 1,
                1 => self.duplicated -= 1,
                _ => (),
            }
        }
    }
}

impl World {
    pub fn report(&self) -> Report {
        let tally = &self.tally;
        let asked = tally.tagged.len() as u64;
        Report {
            customers: self.customers.len() as u64,
            messages: asked,
            answered: tally.answered,
            lost: asked - tally.answered,
            duplicated: tally.duplicated,
            misdirected: tally.misdirected,
            customer_messages: tally.messages,
            welcomes: tally.welcomes,
            callbacks: tally.callbacks.delivered,
            callback_attempts: tally.callbacks.attempts,
            callback_retries: tally.callbacks.retries,
            callbacks_given_up: tally.callbacks.given_up,
            callbacks_dropped: tally.callbacks.dropped,
            callback_p50_ms: tally.callbacks.latency_ms.percentile(50),
            callback_p99_ms: tally.callbacks.latency_ms.percentile(99),
            callback_max_ms: tally.callbacks.latency_ms.percentile(100),
            reply_p50_ms: tally.reply_ms.percentile(50),
            reply_p99_ms: tally.reply_ms.percentile(99),
            reply_max_ms: tally.reply_ms.percentile(100),
            sends: tally.sends,
            sends_refused: tally.sends_refused.clone(),
            sync_calls: tally.sync_calls,
            gettoken_calls: tally.gettoken_calls,
            model_calls: tally.model_calls,
            calls: tally
                .calls
                .iter()
                .map(|(api, calls)| ((*api).to_owned(), *calls))
                .collect(),
        }
    }

    /// Tags whose message has no visible reply, at most `most` of them, for people who look for the loss.
    pub fn unanswered(&self, most: usize) -> Vec<String> {
        let open = self.tally.tagged.iter().filter(|(_, tagged)| tagged.replies == 0);
        let mut tags: Vec<String> = open.map(|(tag, _)| tag.clone()).take(most).collect();
        tags.sort_unstable();
        tags
    }

    /// Answered so far, without building a report.
    pub fn answered(&self) -> u64 {
        self.tally.answered
    }

    /// Counts one call of an API.
    pub(crate) fn called(&mut self, api: &'static str) {
        *self.tally.calls.entry(api).or_default() += 1;
    }

    /// Numbers for so many tags that no other script uses; returns the first.
    pub(crate) fn reserve_tags(&mut self, count: u64) -> u64 {
        let first = self.tally.tags_reserved + 1;
        self.tally.tags_reserved += count;
        first
    }

    pub(crate) fn model_called(&mut self) {
        self.tally.model_calls += 1;
    }

    pub(crate) fn callbacks_mut(&mut self) -> &mut CallbackTally {
        &mut self.tally.callbacks
    }
}
