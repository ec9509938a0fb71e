use std::collections::{BTreeMap, HashSet};

use kefu_domain::{CustomerId, Handled, WINDOW};
use secrecy::ExposeSecret;
use sha1::{Digest, Sha1};

use super::PageMessage;
use super::plan::{NewWelcome, Plan, Row};
use crate::outbox::End;
use crate::sql::{Session, Value, assembled, filled, placeholder_rows, placeholders, runs, values};
use crate::text::{clean, error_text};
use crate::{AccountLease, StoreError};

/// Most ids in one question.
const IDS_MAX: usize = 1024;

/// Most rows in one insert. A page has a thousand: were it cut much smaller, a database 200 ms away would never take
/// one within the time limit. SQLite takes 32,766 values in a statement, PostgreSQL twice as many.
pub(super) const ROWS_MAX: usize = 256;

const MESSAGE_COLUMNS: usize = 17;
const CONVERSATION_COLUMNS: usize = 7;
const WELCOME_COLUMNS: usize = 11;
const UNREADABLE_COLUMNS: usize = 7;

/// A pending welcome is published again after this, in ms; its code lives 20 s.
const WELCOME_WAKE_MS: i64 = 5_000;

/// An owed conversation is published again after this, in ms.
pub(super) const OWED_WAKE_MS: i64 = 10_000;

/// 48 h: what was planned longer before a message did not leave after it.
const WINDOW_MS: u128 = WINDOW.as_millis();

/// Writes the pieces of a page, each in as few statements as it takes.
pub(super) struct Writer<'a> {
    pub(super) session: &'a mut Session,
    pub(super) lease: &'a AccountLease,
    pub(super) now: i64,
}

impl<'a> Writer<'a> {
    pub(super) fn names(&self) -> (&'a str, &'a str) {
        (self.lease.corp.as_str(), self.lease.account.as_str())
    }

    /// Which of the messages are stored already.
    pub(super) async fn known(&mut self, messages: &[PageMessage]) -> Result<HashSet<String>, StoreError> {
        let ids: Vec<&str> = messages
            .iter()
            .filter_map(|message| message.id.as_ref().map(|id| id.as_str()))
            .collect();
        let found = self.among("SELECT msgid FROM message", &ids).await?;
        Ok(found.into_iter().collect())
    }

    /// Conversations of failed parts and of recalled messages, where the event does not tell them.
    pub(super) async fn touched(&mut self, plan: &Plan<'_>) -> Result<Vec<CustomerId>, StoreError> {
        let failed: Vec<&str> = plan.failures.iter().map(|(msgid, _)| &**msgid).collect();
        let mut customers = self.among("SELECT customer FROM outbox", &failed).await?;
        let recalled: Vec<&str> = plan.recalls_of_unknown.iter().map(|id| &**id).collect();
        let sql = "SELECT COALESCE(customer, '') FROM message";
        customers.extend(self.among(sql, &recalled).await?);
        Ok(customers
            .iter()
            .filter_map(|customer| CustomerId::parse(customer).ok())
            .collect())
    }

    /// The one text column of `select` for every msgid that is there.
    async fn among(&mut self, select: &str, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        let (corp, account) = self.names();
        let mut found = Vec::new();
        for run in filled(ids, IDS_MAX) {
            let sql = format!(
                "{select} WHERE corp = $1 AND account = $2 AND msgid IN ({})",
                placeholders(3, run.len())
            );
            let mut values = values![corp, account].to_vec();
            values.extend(run.iter().map(|id| Value::from(**id)));
            let rows: Vec<(String,)> = self.session.fetch_all(assembled(sql), &values).await?;
            found.extend(rows.into_iter().map(|(text,)| text));
        }
        Ok(found)
    }

    /// Creates or locks every conversation of the page, in order of their keys, and raises what is wanted.
    ///
    /// What was said between a message and its page counts against the budget which that message opened, and so does what
    /// may have been: a part on its way, and one that ended within 2 s before it, for a message's time has seconds and is
    /// of another clock. Better one part that waits than one that WeCom refuses.
    pub(super) async fn conversations(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        let changes: Vec<_> = plan.conversations.iter().collect();
        for run in runs(&changes, ROWS_MAX) {
            let sql = format!(
                "INSERT INTO conversation (corp, account, customer, customer_wrote_at, wanted, wake_at, created_at)
                VALUES {}
                ON CONFLICT (corp, account, customer) DO UPDATE SET
                    budget_used = CASE
                        WHEN excluded.customer_wrote_at / 1000
                            >= COALESCE(conversation.customer_wrote_at, excluded.customer_wrote_at) / 1000
                        THEN (
                            SELECT count(*) FROM outbox
                            WHERE outbox.corp = excluded.corp AND outbox.account = excluded.account
                                AND outbox.customer = excluded.customer
                                AND outbox.planned_at > excluded.customer_wrote_at - {WINDOW_MS}
                                AND outbox.status NOT IN ('planned', 'cancelled')
                                AND (outbox.status = 'sending'
                                    OR outbox.settled_at / 1000 >= excluded.customer_wrote_at / 1000 - 2))
                        ELSE conversation.budget_used END,
                    customer_wrote_at = CASE
                        WHEN conversation.customer_wrote_at > excluded.customer_wrote_at
                        THEN conversation.customer_wrote_at
                        ELSE COALESCE(excluded.customer_wrote_at, conversation.customer_wrote_at) END,
                    wanted = conversation.wanted + excluded.wanted,
                    wake_at = CASE
                        WHEN excluded.wanted = 0 OR conversation.lease_until > excluded.created_at
                        THEN conversation.wake_at ELSE excluded.wake_at END",
                placeholder_rows(run.len(), CONVERSATION_COLUMNS)
            );
            let mut values = Vec::with_capacity(run.len() * CONVERSATION_COLUMNS);
            for (customer, change) in run {
                // A time from the far future would keep the budget shut for ever.
                let wrote_at = change.wrote_at.map(|at| at.0.min(self.now));
                let wake_at = (0 < change.owed).then_some(self.now + OWED_WAKE_MS);
                values.extend_from_slice(values![
                    corp,
                    account,
                    customer.as_str(),
                    wrote_at,
                    change.owed,
                    wake_at,
                    self.now
                ]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    pub(super) async fn messages(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        for run in runs(rows, ROWS_MAX) {
            let sql = format!(
                "INSERT INTO message (corp, account, msgid, customer, origin, msgtype, event_type, text,
                    menu_id, media_id, servicer, raw, sent_at, received_at, handled, handled_at, recalled)
                VALUES {}
                ON CONFLICT (corp, account, msgid) DO NOTHING",
                placeholder_rows(run.len(), MESSAGE_COLUMNS)
            );
            let mut values = Vec::with_capacity(run.len() * MESSAGE_COLUMNS);
            for row in run {
                values.extend_from_slice(values![
                    corp,
                    account,
                    row.id.as_str(),
                    row.customer.map(|customer| customer.as_str()),
                    row.origin.as_str(),
                    &*row.msgtype,
                    row.event_type.as_deref(),
                    row.text.as_deref(),
                    row.menu_id.as_deref(),
                    row.media_id.as_deref(),
                    row.servicer.as_deref(),
                    row.raw,
                    row.sent_at,
                    self.now,
                    row.handled.map(Handled::as_str),
                    row.handled.map(|_| self.now),
                    row.recalled
                ]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    /// A person answered: what was stored before and sent until then is handled.
    pub(super) async fn takeovers(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        let taken_over = plan.taken_over();
        let (corp, account) = self.names();
        for run in filled(&taken_over, ROWS_MAX) {
            let sql = format!(
                "WITH given (customer, at) AS (VALUES {})
                UPDATE message SET handled = 'human', handled_at = $3
                FROM given
                WHERE message.corp = $1 AND message.account = $2 AND message.customer = given.customer
                    AND message.handled IS NULL AND message.sent_at <= given.at",
                typed_rows(4, run.len(), &["TEXT", "BIGINT"])
            );
            let mut values = values![corp, account, self.now].to_vec();
            for (customer, at) in run {
                values.extend_from_slice(values![*customer, *at]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    pub(super) async fn recalls(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        for run in filled(&plan.recalls, IDS_MAX) {
            let sql = format!(
                "UPDATE message SET
                    recalled = TRUE,
                    handled = COALESCE(handled, 'recalled'), handled_at = COALESCE(handled_at, $3)
                WHERE corp = $1 AND account = $2 AND msgid IN ({})",
                placeholders(4, run.len())
            );
            let mut values = values![corp, account, self.now].to_vec();
            values.extend(run.iter().map(|id| Value::from(&***id)));
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    /// `msg_send_fail`: WeCom took it and could not deliver it.
    pub(super) async fn failures(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        const WELCOME: &str = "
            UPDATE welcome SET status = 'failed', error_code = $2, error = 'msg_send_fail', settled_at = $3
            WHERE id = $1 AND status IN ('sending', 'sent', 'unknown')";
        let (corp, account) = self.names();
        for (msgid, fail_type) in &plan.failures {
            let end = End {
                code: Some(*fail_type),
                error: Some("msg_send_fail"),
                handled: Some(Handled::Failed),
                reported: true,
                ..End::BROKEN
            };
            if !end.apply(self.session, corp, account, msgid).await? {
                let values = values![&**msgid, *fail_type, self.now];
                self.session.execute(WELCOME, values).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn sessions(&mut self, plan: &Plan<'_>) -> Result<(), StoreError> {
        // One statement changes a row once: the newest news of each customer, the later one of two at one time.
        let mut newest: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (customer, state, at) in &plan.sessions {
            let news = newest.entry(customer.as_str()).or_insert((state.code(), at.0));
            if news.1 <= at.0 {
                *news = (state.code(), at.0);
            }
        }
        let newest: Vec<_> = newest.into_iter().collect();
        let (corp, account) = self.names();
        for run in filled(&newest, ROWS_MAX) {
            let sql = format!(
                "WITH given (customer, state, at) AS (VALUES {})
                UPDATE conversation SET session = given.state, session_at = given.at
                FROM given
                WHERE conversation.corp = $1 AND conversation.account = $2
                    AND conversation.customer = given.customer
                    AND (conversation.session_at IS NULL OR conversation.session_at <= given.at)",
                typed_rows(3, run.len(), &["TEXT", "BIGINT", "BIGINT"])
            );
            let mut values = values![corp, account].to_vec();
            for (customer, (state, at)) in run {
                values.extend_from_slice(values![*customer, *state, *at]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    pub(super) async fn welcomes(&mut self, welcomes: &[NewWelcome<'_>]) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        for run in filled(welcomes, ROWS_MAX) {
            let sql = format!(
                "INSERT INTO welcome
                    (id, corp, account, customer, code, scene, event_at, created_at, status, wake_at, settled_at)
                VALUES {}
                ON CONFLICT (id) DO NOTHING",
                placeholder_rows(run.len(), WELCOME_COLUMNS)
            );
            let codes: Vec<_> = run
                .iter()
                .map(|welcome| clean(welcome.code.expose_secret()))
                .collect();
            let mut values = Vec::with_capacity(run.len() * WELCOME_COLUMNS);
            for (welcome, code) in run.iter().zip(&codes) {
                let (status, wake_at, settled_at) = match welcome.late {
                    true => ("late", None, Some(self.now)),
                    false => ("pending", Some(self.now + WELCOME_WAKE_MS), None),
                };
                values.extend_from_slice(values![
                    &welcome.id,
                    corp,
                    account,
                    welcome.customer.as_str(),
                    &**code,
                    welcome.scene.as_deref(),
                    welcome.event_at,
                    self.now,
                    status,
                    wake_at,
                    settled_at
                ]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    /// Keeps the bytes; how many of them are new.
    pub(super) async fn unreadable(
        &mut self,
        messages: &[(&PageMessage, String)],
    ) -> Result<u64, StoreError> {
        let (corp, account) = self.names();
        let rows: Vec<(String, String, &PageMessage)> = messages
            .iter()
            .map(|(message, error)| (hash(&message.raw), error_text(error).into_owned(), *message))
            .collect();
        let mut kept = 0;
        for run in filled(&rows, ROWS_MAX) {
            let sql = format!(
                "INSERT INTO unreadable (corp, account, hash, sent_at, received_at, error, raw)
                VALUES {}
                ON CONFLICT (corp, account, hash) DO NOTHING",
                placeholder_rows(run.len(), UNREADABLE_COLUMNS)
            );
            let mut values = Vec::with_capacity(run.len() * UNREADABLE_COLUMNS);
            for (hash, error, message) in run {
                let raw = message.raw.as_slice();
                values.extend_from_slice(values![
                    corp,
                    account,
                    hash,
                    message.sent_at,
                    self.now,
                    error,
                    raw
                ]);
            }
            kept += self.session.execute(assembled(sql), &values).await?;
        }
        Ok(kept)
    }
}

/// SHA-1 in hex: the same bytes are kept once.
fn hash(raw: &[u8]) -> String {
    Sha1::digest(raw)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// `(CAST($from AS TEXT), …), (…)`: rows of values whose types PostgreSQL could not tell by itself.
pub(super) fn typed_rows(from: usize, rows: usize, types: &[&str]) -> String {
    let list: Vec<String> = (0..rows)
        .map(|row| {
            let first = from + row * types.len();
            let casts: Vec<String> = (first..)
                .zip(types)
                .map(|(number, kind)| format!("CAST(${number} AS {kind})"))
                .collect();
            format!("({})", casts.join(", "))
        })
        .collect();
    list.join(", ")
}
