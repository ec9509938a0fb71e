use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use kefu_domain::{
    ConversationKey, CustomerId, Handled, MessageId, Millis, Origin, PartName, Purpose, SessionState, msgid,
};
use secrecy::SecretString;

use super::{EventEffect, Late, Page, PageContent, PageMessage};
use crate::AccountLease;
use crate::text::{clean, clean_option};

/// What a page changes, worked out before anything is written.
pub(super) struct Plan<'p> {
    pub(super) rows: Vec<Row<'p>>,
    /// By customer, hence sorted: the order in which conversations are locked.
    pub(super) conversations: BTreeMap<CustomerId, Change>,
    pub(super) recalls: Vec<Cow<'p, str>>,
    /// Recalled messages whose conversation the event does not tell.
    pub(super) recalls_of_unknown: Vec<Cow<'p, str>>,
    /// msgid and fail type of parts that were not delivered.
    pub(super) failures: Vec<(Cow<'p, str>, i64)>,
    pub(super) sessions: Vec<(&'p CustomerId, SessionState, Millis)>,
    pub(super) welcomes: Vec<NewWelcome<'p>>,
    pub(super) unreadable: Vec<(&'p PageMessage, String)>,
    pub(super) repeated: u64,
}

/// A message to be stored.
pub(super) struct Row<'p> {
    pub(super) id: &'p MessageId,
    pub(super) customer: Option<&'p CustomerId>,
    pub(super) origin: Origin,
    pub(super) msgtype: Cow<'p, str>,
    pub(super) event_type: Option<Cow<'p, str>>,
    pub(super) text: Option<Cow<'p, str>>,
    pub(super) menu_id: Option<Cow<'p, str>>,
    pub(super) media_id: Option<Cow<'p, str>>,
    pub(super) servicer: Option<Cow<'p, str>>,
    pub(super) raw: &'p [u8],
    pub(super) sent_at: Millis,
    /// `None`: owed.
    pub(super) handled: Option<Handled>,
    pub(super) recalled: bool,
}

/// What a page changes on a conversation's row.
#[derive(Default)]
pub(super) struct Change {
    pub(super) wrote_at: Option<Millis>,
    /// New messages that are owed.
    pub(super) owed: i64,
    /// A person answered at this time: what the customer said until then is handled.
    pub(super) taken_over_at: Option<Millis>,
}

pub(super) struct NewWelcome<'p> {
    pub(super) id: String,
    pub(super) customer: &'p CustomerId,
    pub(super) code: &'p SecretString,
    pub(super) scene: Option<Cow<'p, str>>,
    pub(super) event_at: Millis,
    pub(super) late: bool,
}

impl<'p> Plan<'p> {
    pub(super) fn new(
        lease: &AccountLease,
        page: &Page,
        messages: &'p [PageMessage],
        known: &HashSet<String>,
    ) -> Plan<'p> {
        let mut plan = Plan {
            rows: Vec::with_capacity(messages.len()),
            conversations: BTreeMap::new(),
            recalls: Vec::new(),
            recalls_of_unknown: Vec::new(),
            failures: Vec::new(),
            sessions: Vec::new(),
            welcomes: Vec::new(),
            unreadable: Vec::new(),
            repeated: 0,
        };
        let mut seen = HashSet::new();
        for message in messages {
            match (&message.content, &message.id) {
                (PageContent::Unreadable { error }, _) => plan.unreadable.push((message, error.clone())),
                (_, None) => plan.unreadable.push((message, "no usable message id".to_owned())),
                (_, Some(id)) if known.contains(id.as_str()) || !seen.insert(id) => plan.repeated += 1,
                (_, Some(id)) => plan.add(lease, page, message, id),
            }
        }
        plan.settle();
        plan
    }

    /// Conversations which the page changes without naming them.
    pub(super) fn touch(&mut self, customers: Vec<CustomerId>) {
        for customer in customers {
            self.conversations.entry(customer).or_default();
        }
    }

    pub(super) fn owed(&self, lease: &AccountLease) -> impl Iterator<Item = ConversationKey> {
        self.conversations
            .iter()
            .filter(|(_, change)| 0 < change.owed)
            .map(|(customer, _)| key(lease, customer))
    }

    /// Whose customer a person answered, and until when.
    pub(super) fn taken_over(&self) -> Vec<(&str, i64)> {
        self.conversations
            .iter()
            .filter_map(|(customer, change)| Some((customer.as_str(), change.taken_over_at?.0)))
            .collect()
    }

    /// What customers said long ago and nobody has seen before.
    pub(super) fn late(&self, now: Millis) -> Late {
        let said = |row: &&Row<'_>| row.origin == Origin::Customer && row.handled != Some(Handled::History);
        Late::of(self.rows.iter().filter(said).map(|row| row.sent_at), now)
    }

    pub(super) fn pending_welcomes(&self) -> impl Iterator<Item = String> {
        self.welcomes
            .iter()
            .filter(|welcome| !welcome.late)
            .map(|welcome| welcome.id.clone())
    }

    fn add(&mut self, lease: &AccountLease, page: &Page, message: &'p PageMessage, id: &'p MessageId) {
        let mut row = Row {
            id,
            customer: None,
            origin: Origin::System,
            msgtype: Cow::Borrowed("event"),
            event_type: None,
            text: None,
            menu_id: None,
            media_id: None,
            servicer: None,
            raw: &message.raw,
            sent_at: message.sent_at,
            // Only customer messages are ever owed.
            handled: Some(Handled::NoReply),
            recalled: false,
        };
        match &message.content {
            PageContent::Customer {
                customer,
                msgtype,
                text,
                menu_id,
                media_id,
                handled,
            } => {
                let history = page.history_before.is_some_and(|before| message.sent_at < before);
                row.customer = Some(customer);
                row.origin = Origin::Customer;
                row.msgtype = clean(msgtype);
                row.text = clean_option(text.as_deref());
                row.menu_id = clean_option(menu_id.as_deref());
                row.media_id = clean_option(media_id.as_deref());
                row.handled = handled.or(history.then_some(Handled::History));
                let change = self.change(customer);
                change.wrote_at = change.wrote_at.max(Some(message.sent_at));
            }
            PageContent::Servicer {
                customer,
                servicer,
                msgtype,
                text,
            } => {
                row.customer = Some(customer);
                row.origin = Origin::Servicer;
                row.msgtype = clean(msgtype);
                row.text = clean_option(text.as_deref());
                row.servicer = Some(clean(servicer));
                row.handled = Some(Handled::Human);
                let change = self.change(customer);
                change.taken_over_at = change.taken_over_at.max(Some(message.sent_at));
            }
            PageContent::Event { event_type, effect } => {
                row.event_type = Some(clean(event_type));
                row.customer = self.effect(lease, page, message, id, effect);
            }
            // Sorted out before.
            PageContent::Unreadable { .. } => return,
        }
        self.rows.push(row);
    }

    /// Notes what an event does; the customer it is about.
    fn effect(
        &mut self,
        lease: &AccountLease,
        page: &Page,
        message: &'p PageMessage,
        id: &'p MessageId,
        effect: &'p EventEffect,
    ) -> Option<&'p CustomerId> {
        match effect {
            EventEffect::None => None,
            EventEffect::EnterSession {
                customer,
                welcome_code,
                scene,
            } => {
                if let Some(code) = welcome_code {
                    let name = PartName {
                        purpose: Purpose::Welcome,
                        answers: id.as_str(),
                        generation: 0,
                        part: 1,
                    };
                    self.welcomes.push(NewWelcome {
                        id: msgid(&key(lease, customer), name),
                        customer,
                        code,
                        scene: clean_option(scene.as_deref()),
                        event_at: message.sent_at,
                        late: message.sent_at < page.welcome_after,
                    });
                }
                Some(customer)
            }
            EventEffect::SendFailed { msgid, fail_type } => {
                self.failures.push((clean(msgid), *fail_type));
                None
            }
            EventEffect::Session { customer, state } => {
                self.change(customer);
                self.sessions.push((customer, *state, message.sent_at));
                Some(customer)
            }
            EventEffect::Recall { customer, message } => {
                self.recalls.push(clean(message));
                match customer {
                    Some(customer) => drop(self.change(customer)),
                    None => self.recalls_of_unknown.push(clean(message)),
                }
                customer.as_ref()
            }
        }
    }

    fn change(&mut self, customer: &CustomerId) -> &mut Change {
        self.conversations.entry(customer.clone()).or_default()
    }

    /// What later messages of the page say about earlier ones, then what stays owed.
    fn settle(&mut self) {
        let recalled: HashSet<&str> = self.recalls.iter().map(|id| &**id).collect();
        for row in &mut self.rows {
            if recalled.contains(row.id.as_str()) {
                row.recalled = true;
                row.handled = row.handled.or(Some(Handled::Recalled));
            }
            let Some(change) = row
                .customer
                .and_then(|customer| self.conversations.get_mut(customer))
            else {
                continue;
            };
            if change.taken_over_at.is_some_and(|at| row.sent_at <= at) {
                row.handled = row.handled.or(Some(Handled::Human));
            }
            change.owed += i64::from(row.handled.is_none());
        }
    }
}

pub(super) fn key(lease: &AccountLease, customer: &CustomerId) -> ConversationKey {
    ConversationKey {
        corp: lease.corp.clone(),
        account: lease.account.clone(),
        customer: customer.clone(),
    }
}
