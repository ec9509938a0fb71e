use std::collections::{BTreeMap, BTreeSet};

use kefu_domain::{Handled, Millis, PartStatus};
use kefu_store::{AccountLease, EventEffect, Late, Page, PageContent, PageOutcome};

use super::{Conversation, Message, Model, OutboxRow, Row};
use crate::harness::key;
use crate::simulation::mutation::Mutation;

/// What a page changes on a conversation's row.
#[derive(Default)]
struct Change {
    wrote_at: Option<i64>,
    owed: i64,
    taken_over_at: Option<i64>,
}

/// What a page says, before anything is written.
#[derive(Default)]
struct Plan {
    rows: Vec<Message>,
    changes: BTreeMap<String, Change>,
    recalls: Vec<String>,
    failures: Vec<String>,
}

impl Model {
    pub(in crate::simulation) fn commit_page(&mut self, lease: &AccountLease, page: &Page) -> PageOutcome {
        if let Err(outcome) = self.move_cursor(lease, page) {
            return outcome;
        }
        let mut plan = self.plan(page);
        plan.settle();
        for msgid in &plan.failures {
            if let Some(row) = self.parts.get(msgid) {
                plan.changes.entry(row.customer.clone()).or_default();
            }
        }
        for (customer, change) in &plan.changes {
            self.change(customer, change);
        }
        let owed = plan.changes.iter().filter(|(_, change)| 0 < change.owed);
        let mut owed: BTreeSet<_> = owed.map(|(customer, _)| key(customer)).collect();
        self.messages.append(&mut plan.rows);
        self.take_over(&plan.changes);
        for id in &plan.recalls {
            for message in self.messages.iter_mut().filter(|message| message.msgid == *id) {
                message.recalled = true;
                message.handled = message.handled.or(Some(Handled::Recalled));
            }
        }
        let dropped = self.drop_replies(&plan);
        owed.extend(dropped.iter().map(|customer| key(customer)));
        for msgid in &plan.failures {
            self.report_failed(msgid);
        }
        PageOutcome::Committed {
            owed: owed.into_iter().collect(),
            welcomes: Vec::new(),
            stored: 0,
            repeated: 0,
            unreadable: 0,
            late: Late::default(),
        }
    }

    fn move_cursor(&mut self, lease: &AccountLease, page: &Page) -> Result<(), PageOutcome> {
        let now = self.now;
        if self.mutation == Mutation::PageIgnoresFence {
            if let Some(account) = &mut self.account {
                account.cursor.clone_from(&page.cursor_after);
            }
            return Ok(());
        }
        let Some(account) = self.hold_account(lease) else {
            return Err(PageOutcome::LeaseLost);
        };
        if account.cursor != page.cursor_before {
            let cursor = account.cursor.clone();
            return Err(PageOutcome::CursorMoved { cursor });
        }
        let from_customers = page
            .messages
            .iter()
            .filter(|message| matches!(message.content, PageContent::Customer { .. }));
        let is_old = from_customers
            .map(|message| message.sent_at.0)
            .min()
            .is_some_and(|oldest| oldest < now - 600_000);
        account.cursor.clone_from(&page.cursor_after);
        let goes_on = page.has_more && page.cursor_after != page.cursor_before;
        if goes_on || !page.has_more {
            account.row.failures = 0;
        }
        account.pulled_at = Some(now);
        account.row.extend(now, page.lease);
        account.catching_up = goes_on && (account.first_pull || is_old);
        account.first_pull = account.first_pull && page.has_more;
        Ok(())
    }

    fn plan(&self, page: &Page) -> Plan {
        let known: BTreeSet<&str> = self.messages.iter().map(|message| &*message.msgid).collect();
        let forgetful = matches!(
            self.mutation,
            Mutation::MessageTakenTwice | Mutation::PageIgnoresFence
        );
        let mut plan = Plan::default();
        let mut seen = BTreeSet::new();
        for message in &page.messages {
            let Some(id) = &message.id else { continue };
            if (known.contains(id.as_str()) && !forgetful) || !seen.insert(id) {
                continue;
            }
            let mut row = Message {
                msgid: id.as_str().to_owned(),
                customer: String::new(),
                text: None,
                sent_at: message.sent_at.0,
                handled: Some(Handled::NoReply),
                reply_id: None,
                recalled: false,
                person_refused: false,
            };
            match &message.content {
                PageContent::Customer { customer, text, .. } => {
                    let is_history = page.history_before.is_some_and(|before| message.sent_at < before);
                    row.text.clone_from(text);
                    row.handled = is_history.then_some(Handled::History);
                    let change = plan.touch(&mut row, customer.as_str());
                    change.wrote_at = change.wrote_at.max(Some(message.sent_at.0));
                }
                PageContent::Servicer { customer, .. } => {
                    row.handled = Some(Handled::Human);
                    let change = plan.touch(&mut row, customer.as_str());
                    change.taken_over_at = change.taken_over_at.max(Some(message.sent_at.0));
                }
                PageContent::Event { effect, .. } => match effect {
                    EventEffect::SendFailed { msgid, .. } => plan.failures.push(msgid.clone()),
                    EventEffect::Recall { customer, message } => {
                        plan.recalls.push(message.clone());
                        if let Some(customer) = customer {
                            plan.touch(&mut row, customer.as_str());
                        }
                    }
                    _ => (),
                },
                PageContent::Unreadable { .. } => continue,
            }
            plan.rows.push(row);
        }
        plan
    }

    /// Creates or changes one conversation.
    fn change(&mut self, customer: &str, change: &Change) {
        let now = self.now;
        let wrote_at = change.wrote_at.map(|at| at.min(now));
        let since = |row: &&OutboxRow| {
            row.customer == customer
                && match row.part.status {
                    PartStatus::Planned | PartStatus::Cancelled => false,
                    PartStatus::Sending => true,
                    // Within 2 s nobody knows which came first.
                    _ => row.settled_at.map(seconds) >= wrote_at.map(|at| seconds(at) - 2),
                }
        };
        let said_since = self.parts.values().filter(since).count();
        let wakes = 0 < change.owed && self.mutation != Mutation::PageWithoutWake;
        let row = self
            .conversations
            .entry(customer.to_owned())
            .or_insert_with(|| Conversation {
                row: Row::new(),
                own_failures: 0,
                customer_wrote_at: None,
                budget_used: 0,
                handover: None,
            });
        if wrote_at.is_some() && row.customer_wrote_at.map(seconds) <= wrote_at.map(seconds) {
            row.budget_used = match self.mutation {
                Mutation::BudgetForgetsWhatWasSaid => 0,
                _ => said_since as u32,
            };
        }
        row.customer_wrote_at = row.customer_wrote_at.max(wrote_at);
        row.row.wanted += change.owed;
        let held = row.row.lease.as_ref().is_some_and(|lease| now < lease.until);
        if wakes && !held {
            row.row.wake_at = Some(now + 10_000);
        }
    }

    fn take_over(&mut self, changes: &BTreeMap<String, Change>) {
        for message in &mut self.messages {
            let taken = changes
                .get(&message.customer)
                .and_then(|change| change.taken_over_at);
            if taken.is_some_and(|at| message.sent_at <= at) {
                message.handled = message.handled.or(Some(Handled::Human));
            }
        }
    }

    /// Replies not begun, of which a message was taken back or answered by a person; whose they were.
    fn drop_replies(&mut self, plan: &Plan) -> BTreeSet<String> {
        let mut customers = BTreeSet::new();
        if self.mutation == Mutation::PlannedReplyKept {
            return customers;
        }
        let planned = self.parts.values().filter(|row| {
            row.part.status == PartStatus::Planned && row.part.purpose == kefu_domain::Purpose::Reply
        });
        let replies: BTreeSet<(String, String)> = planned
            .map(|row| (row.part.reply_id.clone(), row.customer.clone()))
            .collect();
        for (reply_id, customer) in replies {
            let taken_over_at = plan
                .changes
                .get(&customer)
                .and_then(|change| change.taken_over_at);
            let answered = |message: &Message| {
                message.reply_id.as_ref() == Some(&reply_id) && message.handled == Some(Handled::Answered)
            };
            let is_over = |message: &Message| {
                plan.recalls.contains(&message.msgid) || Some(message.sent_at) <= taken_over_at
            };
            let mut messages = self.messages.iter();
            if self.has_started(&reply_id) || !messages.any(|one| answered(one) && is_over(one)) {
                continue;
            }
            for message in self.messages.iter_mut().filter(|message| answered(message)) {
                message.handled = match message.recalled {
                    true => Some(Handled::Recalled),
                    false => (Some(message.sent_at) <= taken_over_at).then_some(Handled::Human),
                };
                message.reply_id = None;
            }
            self.cancel_planned(&reply_id);
            customers.insert(customer);
        }
        for customer in &customers {
            let Some(row) = self.conversations.get_mut(customer) else {
                continue;
            };
            row.row.wanted += 1;
            if row.row.lease.as_ref().is_none_or(|lease| lease.until <= self.now) {
                row.row.wake_at = Some(self.now + 10_000);
            }
        }
        customers
    }

    /// `msg_send_fail`.
    fn report_failed(&mut self, msgid: &str) {
        let now = self.now;
        let Some(row) = self.parts.get_mut(msgid) else {
            return;
        };
        let may_fail = [PartStatus::Sending, PartStatus::Sent, PartStatus::Unknown];
        if !may_fail.contains(&row.part.status) {
            return;
        }
        row.part.status = PartStatus::Failed;
        row.settled_at = Some(now);
        let reply_id = row.part.reply_id.clone();
        for message in &mut self.messages {
            if message.reply_id.as_ref() == Some(&reply_id) && message.handled == Some(Handled::Answered) {
                message.handled = Some(Handled::Failed);
            }
        }
        self.cancel_planned(&reply_id);
    }
}

fn seconds(at: i64) -> i64 {
    at / 1000
}

impl Plan {
    fn touch(&mut self, row: &mut Message, customer: &str) -> &mut Change {
        row.customer = customer.to_owned();
        self.changes.entry(customer.to_owned()).or_default()
    }

    /// What later messages of the page say about earlier ones, then what stays owed.
    fn settle(&mut self) {
        for row in &mut self.rows {
            if self.recalls.contains(&row.msgid) {
                row.recalled = true;
                row.handled = row.handled.or(Some(Handled::Recalled));
            }
            let Some(change) = self.changes.get_mut(&row.customer) else {
                continue;
            };
            if change
                .taken_over_at
                .is_some_and(|at| Millis(row.sent_at) <= Millis(at))
            {
                row.handled = row.handled.or(Some(Handled::Human));
            }
            change.owed += i64::from(row.handled.is_none());
        }
    }
}
