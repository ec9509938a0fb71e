//! Replies that were decided before their message was taken back, or before a person answered it, and not begun yet:
//! they are dropped, and what else they answered is owed again.

use std::collections::BTreeSet;

use kefu_domain::{CancelReason, CustomerId, Purpose};

use super::plan::Plan;
use super::write::{OWED_WAKE_MS, ROWS_MAX, Writer, typed_rows};
use crate::StoreError;
use crate::sql::{Value, assembled, filled, placeholders, values};

/// A reply to be dropped.
struct Dropped {
    reply_id: String,
    /// Until when a person answered what it answers; before all time where none did.
    taken_over_at: i64,
    reason: CancelReason,
}

/// A planned part of a reply of which none is on its way or beyond. Whoever begins one locks the conversation
/// first, which this transaction holds.
const NOT_BEGUN: &str = "
    outbox.status = 'planned' AND outbox.purpose = $3
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.corp = $1 AND other.account = $2 AND other.reply_id = outbox.reply_id
            AND other.status NOT IN ('planned', 'cancelled'))";

impl Writer<'_> {
    /// The conversations whose replies were dropped; their rows are locked. Messages first, then replies.
    pub(super) async fn drop_replies(&mut self, plan: &Plan<'_>) -> Result<BTreeSet<CustomerId>, StoreError> {
        let mut dropped = Vec::new();
        let mut customers = BTreeSet::new();
        for (reply_id, customer) in self.of_recalled(plan).await? {
            // An event may name another customer than the message's own, whose row is not locked then.
            let Some((customer, taken_over_at)) = locked(plan, &customer) else {
                continue;
            };
            customers.insert(customer);
            dropped.push(Dropped {
                reply_id,
                taken_over_at: taken_over_at.unwrap_or(i64::MIN),
                reason: CancelReason::Recalled,
            });
        }
        for (reply_id, customer) in self.of_taken_over(plan).await? {
            let Some((customer, Some(taken_over_at))) = locked(plan, &customer) else {
                continue;
            };
            if dropped.iter().any(|other| other.reply_id == reply_id) {
                continue;
            }
            customers.insert(customer);
            dropped.push(Dropped {
                reply_id,
                taken_over_at,
                reason: CancelReason::Human,
            });
        }
        if !dropped.is_empty() {
            self.owe_again(&dropped).await?;
            self.cancel(&dropped).await?;
            self.wake(&customers).await?;
        }
        Ok(customers)
    }

    /// Reply and customer.
    async fn of_recalled(&mut self, plan: &Plan<'_>) -> Result<Vec<(String, String)>, StoreError> {
        let (corp, account) = self.names();
        let mut found = Vec::new();
        for run in filled(&plan.recalls, ROWS_MAX) {
            let sql = format!(
                "SELECT DISTINCT outbox.reply_id, outbox.customer FROM message
                JOIN outbox ON outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = message.reply_id
                WHERE message.corp = $1 AND message.account = $2 AND message.msgid IN ({})
                    AND message.handled = 'answered' AND {NOT_BEGUN}",
                placeholders(4, run.len())
            );
            let mut values = values![corp, account, Purpose::Reply.as_str()].to_vec();
            values.extend(run.iter().map(|id| Value::from(&***id)));
            found.extend(self.session.fetch_all(assembled(sql), &values).await?);
        }
        Ok(found)
    }

    /// Reply and customer.
    async fn of_taken_over(&mut self, plan: &Plan<'_>) -> Result<Vec<(String, String)>, StoreError> {
        let (corp, account) = self.names();
        let taken_over = plan.taken_over();
        let mut found = Vec::new();
        for run in filled(&taken_over, ROWS_MAX) {
            // Only open parts are looked through: of those there are few.
            let sql = format!(
                "WITH given (customer, at) AS (VALUES {})
                SELECT DISTINCT outbox.reply_id, outbox.customer FROM given
                JOIN outbox ON outbox.corp = $1 AND outbox.account = $2 AND outbox.customer = given.customer
                    AND outbox.status IN ('planned', 'sending')
                WHERE {NOT_BEGUN} AND EXISTS (
                    SELECT 1 FROM message
                    WHERE message.corp = $1 AND message.account = $2 AND message.reply_id = outbox.reply_id
                        AND message.handled = 'answered' AND message.sent_at <= given.at)",
                typed_rows(4, run.len(), &["TEXT", "BIGINT"])
            );
            let mut values = values![corp, account, Purpose::Reply.as_str()].to_vec();
            for (customer, at) in run {
                values.extend_from_slice(values![*customer, *at]);
            }
            found.extend(self.session.fetch_all(assembled(sql), &values).await?);
        }
        Ok(found)
    }

    async fn owe_again(&mut self, dropped: &[Dropped]) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        for run in filled(dropped, ROWS_MAX) {
            let sql = format!(
                "WITH given (reply_id, at) AS (VALUES {})
                UPDATE message SET
                    handled = CASE WHEN recalled THEN 'recalled' WHEN sent_at <= given.at THEN 'human' END,
                    handled_at = CASE WHEN recalled OR sent_at <= given.at THEN $3 END,
                    reply_id = NULL
                FROM given
                WHERE message.corp = $1 AND message.account = $2 AND message.reply_id = given.reply_id
                    AND message.handled = 'answered'",
                typed_rows(4, run.len(), &["TEXT", "BIGINT"])
            );
            let mut values = values![corp, account, self.now].to_vec();
            for reply in run {
                values.extend_from_slice(values![&reply.reply_id, reply.taken_over_at]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    async fn cancel(&mut self, dropped: &[Dropped]) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        for run in filled(dropped, ROWS_MAX) {
            let sql = format!(
                "WITH given (reply_id, reason) AS (VALUES {})
                UPDATE outbox SET status = 'cancelled', cancel_reason = given.reason, settled_at = $3
                FROM given
                WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = given.reply_id
                    AND outbox.status = 'planned'",
                typed_rows(4, run.len(), &["TEXT", "TEXT"])
            );
            let mut values = values![corp, account, self.now].to_vec();
            for reply in run {
                values.extend_from_slice(values![&reply.reply_id, reply.reason.as_str()]);
            }
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }

    /// Whoever holds such a row looks again before it gives it back.
    async fn wake(&mut self, customers: &BTreeSet<CustomerId>) -> Result<(), StoreError> {
        let (corp, account) = self.names();
        let customers: Vec<&CustomerId> = customers.iter().collect();
        // A row that is named twice is changed once.
        for run in filled(&customers, ROWS_MAX) {
            let sql = format!(
                "UPDATE conversation SET wanted = wanted + 1,
                    wake_at = CASE WHEN lease_until > $3 THEN wake_at ELSE $4 END
                WHERE corp = $1 AND account = $2 AND customer IN ({})",
                placeholders(5, run.len())
            );
            let wake_at = self.now + OWED_WAKE_MS;
            let mut values = values![corp, account, self.now, wake_at].to_vec();
            values.extend(run.iter().map(|customer| Value::from(customer.as_str())));
            self.session.execute(assembled(sql), &values).await?;
        }
        Ok(())
    }
}

/// A customer whose row the page has locked, and until when a person answered.
fn locked(plan: &Plan<'_>, customer: &str) -> Option<(CustomerId, Option<i64>)> {
    let customer = CustomerId::parse(customer).ok()?;
    let change = plan.conversations.get(&customer)?;
    let taken_over_at = change.taken_over_at.map(|at| at.0);
    Some((customer, taken_over_at))
}
