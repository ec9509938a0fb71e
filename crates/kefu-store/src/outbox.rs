use kefu_domain::{CancelReason, ConversationKey, Handled, MessageId, PartName, msgid};

use crate::conversation::parts_of;
use crate::sql::{Session, values};
use crate::store::transact;
use crate::text::error_text;
use crate::turn::PartRow;
use crate::{ConversationLease, Part, Store, StoreError};

/// How a call of `send_msg` ended.
#[derive(Clone, Debug)]
pub enum PartOutcome {
    Sent,
    /// An earlier life of the database said it: the other planned parts of the reply are dropped.
    SaidBefore,
    /// Not known; sent again under the same msgid.
    Ambiguous {
        error: String,
    },
    /// Refused for good: the rest of the reply is dropped, its messages become `handled`.
    Failed {
        code: Option<i64>,
        error: String,
        handled: Handled,
    },
    /// Never to be known: the rest of the reply is dropped, its messages stay answered.
    Unknown {
        error: String,
    },
}

/// Whether an outcome was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Noted,
    /// The part had ended already: another run of its job was first, or a report.
    Before,
    LeaseLost,
}

/// What becomes of the messages of a cancelled reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Owed again, unless a part of the reply has left.
    Again,
    Handled(Handled),
}

impl Store {
    /// Marks a part as leaving, before the HTTP call; its first time spends one of the customer's budget.
    /// False: the lease is lost or the part is settled, so do not call.
    pub async fn mark_sending(&self, lease: &ConversationLease, msgid: &str) -> Result<bool, StoreError> {
        const HOLD: &str = "
            UPDATE conversation SET budget_used = budget_used + (
                SELECT count(*) FROM outbox
                WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.msgid = $6
                    AND outbox.status = 'planned')
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
                AND EXISTS (
                    SELECT 1 FROM outbox
                    WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.msgid = $6
                        AND outbox.customer = $3 AND outbox.status IN ('planned', 'sending'))";
        const MARK: &str = "
            UPDATE outbox SET
                status = 'sending', attempts = attempts + 1, sending_at = now_ms,
                ambiguous = ambiguous OR status = 'sending'
            FROM clock
            WHERE corp = $1 AND account = $2 AND msgid = $3 AND status IN ('planned', 'sending')";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let values = values![corp, account, customer, lease.fence, &lease.job_id, msgid];
            if session.execute(HOLD, values).await? == 0 {
                return Ok(false);
            }
            Ok(session.execute(MARK, values![corp, account, msgid]).await? == 1)
        })
    }

    /// Notes what became of a part that was `sending`; one that is not any more keeps its state.
    ///
    /// That it was sent, or that nobody knows, is true whoever holds the lease. An end without success is not: the
    /// next holder may have sent the part meanwhile, and what WeCom then says to us is about that.
    pub async fn settle_part(
        &self,
        lease: &ConversationLease,
        msgid: &str,
        outcome: &PartOutcome,
    ) -> Result<Settled, StoreError> {
        const SENT: &str = "
            UPDATE outbox SET status = 'sent', settled_at = now_ms FROM clock
            WHERE corp = $1 AND account = $2 AND msgid = $3 AND status = 'sending'";
        const AMBIGUOUS: &str = "
            UPDATE outbox SET ambiguous = TRUE, error = $4
            WHERE corp = $1 AND account = $2 AND msgid = $3 AND status = 'sending'";
        let (corp, account, _) = parts_of(&lease.key);
        let end = match outcome {
            PartOutcome::Sent => {
                let changed = self.execute(SENT, values![corp, account, msgid]).await?;
                return Ok(Settled::of(changed == 1));
            }
            PartOutcome::Ambiguous { error } => {
                let error = error_text(error);
                let values = values![corp, account, msgid, &*error];
                return Ok(Settled::of(self.execute(AMBIGUOUS, values).await? == 1));
            }
            PartOutcome::SaidBefore => End {
                status: "sent",
                rest: CancelReason::SaidBefore,
                ..End::BROKEN
            },
            PartOutcome::Failed { code, error, handled } => End {
                status: "failed",
                code: *code,
                error: Some(error),
                handled: Some(*handled),
                ..End::BROKEN
            },
            PartOutcome::Unknown { error } => End {
                status: "unknown",
                error: Some(error),
                ..End::BROKEN
            },
        };
        transact!(self, session => {
            if lease.hold(session).await?.is_none() {
                return Ok(Settled::LeaseLost);
            }
            Ok(Settled::of(end.apply(session, corp, account, msgid).await?))
        })
    }

    /// After a definite refusal that may work later: the same text under a new msgid, its budget given back.
    /// `None`: the lease is lost or the part is not `sending`.
    pub async fn replan_part(
        &self,
        lease: &ConversationLease,
        msgid: &str,
        error: &str,
    ) -> Result<Option<Part>, StoreError> {
        const DROP: &str = "
            UPDATE outbox SET status = 'cancelled', cancel_reason = 'replanned', error = $4, settled_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND msgid = $3 AND customer = $5 AND status = 'sending'";
        const COPY: &str = "
            INSERT INTO outbox (corp, account, customer, msgid, reply_id, purpose, answers,
                generation, part, parts, text, status, planned_at, source)
            SELECT corp, account, customer, $4, reply_id, purpose, answers,
                generation + 1, part, parts, text, 'planned', planned_at, source
            FROM outbox WHERE corp = $1 AND account = $2 AND msgid = $3";
        const GIVE_BACK: &str = "
            UPDATE conversation SET budget_used = budget_used - 1
            WHERE corp = $1 AND account = $2 AND customer = $3 AND budget_used > 0";
        let (corp, account, customer) = parts_of(&lease.key);
        let error = error_text(error);
        transact!(self, session => {
            if lease.hold(session).await?.is_none() {
                return Ok(None);
            }
            let values = values![corp, account, msgid, &*error, customer];
            if session.execute(DROP, values).await? == 0 {
                return Ok(None);
            }
            let Some(old) = one(session, corp, account, msgid).await? else {
                return Ok(None);
            };
            let new = next_msgid(lease, &old);
            session.execute(COPY, values![corp, account, msgid, &new]).await?;
            session
                .execute(GIVE_BACK, values![corp, account, customer])
                .await?;
            one(session, corp, account, &new).await
        })
    }

    /// The messages that a reply answers, in the order of their arrival; none for one that answers no messages.
    pub async fn answered_by(
        &self,
        key: &ConversationKey,
        reply_id: &str,
    ) -> Result<Vec<MessageId>, StoreError> {
        const SQL: &str = "
            SELECT msgid FROM message
            WHERE corp = $1 AND account = $2 AND reply_id = $3 AND customer = $4
            ORDER BY seq";
        let (corp, account, customer) = parts_of(key);
        let rows: Vec<(String,)> = self
            .fetch_all(SQL, values![corp, account, reply_id, customer])
            .await?;
        rows.iter()
            .map(|(id,)| MessageId::parse(id).map_err(StoreError::unreadable))
            .collect()
    }

    /// Drops the planned parts of a reply. With [`Owed::Again`] its messages are owed again, except those
    /// recalled meanwhile, and except when a part has left: then they stay answered.
    /// False when the lease is lost.
    pub async fn cancel_reply(
        &self,
        lease: &ConversationLease,
        reply_id: &str,
        reason: CancelReason,
        owed: Owed,
    ) -> Result<bool, StoreError> {
        const AGAIN: &str = "
            UPDATE message SET
                handled = CASE WHEN recalled THEN 'recalled' ELSE NULL END,
                handled_at = CASE WHEN recalled THEN handled_at ELSE NULL END,
                reply_id = NULL
            WHERE corp = $1 AND account = $2 AND reply_id = $3 AND customer = $4
                AND NOT EXISTS (
                    SELECT 1 FROM outbox
                    WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = $3
                        AND outbox.status NOT IN ('planned', 'cancelled'))";
        const HANDLED: &str = "
            UPDATE message SET handled = $5, handled_at = $6
            WHERE corp = $1 AND account = $2 AND reply_id = $3 AND customer = $4";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let Some(now) = lease.hold(session).await? else {
                return Ok(false);
            };
            match owed {
                Owed::Again => {
                    session
                        .execute(AGAIN, values![corp, account, reply_id, customer])
                        .await?
                }
                Owed::Handled(handled) => {
                    let values = values![corp, account, reply_id, customer, handled.as_str(), now];
                    session.execute(HANDLED, values).await?
                }
            };
            cancel_planned(session, corp, account, reply_id, reason).await?;
            Ok(true)
        })
    }
}

impl Settled {
    fn of(changed: bool) -> Settled {
        if changed { Settled::Noted } else { Settled::Before }
    }
}

/// The end of a part that ends its reply as well.
pub(crate) struct End<'a> {
    pub(crate) status: &'static str,
    pub(crate) code: Option<i64>,
    pub(crate) error: Option<&'a str>,
    /// What the reply's other planned parts are cancelled with.
    pub(crate) rest: CancelReason,
    /// What becomes of the messages it answered.
    pub(crate) handled: Option<Handled>,
    /// A report from outside about what was sent, not the sender's own result.
    pub(crate) reported: bool,
}

impl<'a> End<'a> {
    pub(crate) const BROKEN: End<'a> = End {
        status: "failed",
        code: None,
        error: None,
        rest: CancelReason::Broken,
        handled: None,
        reported: false,
    };

    /// States only move forward. False when the part was not in a state that can end this way.
    pub(crate) async fn apply(
        &self,
        session: &mut Session,
        corp: &str,
        account: &str,
        msgid: &str,
    ) -> Result<bool, StoreError> {
        const END: &str = "
            UPDATE outbox SET status = $4, error_code = $5, error = COALESCE($6, error), settled_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND msgid = $3
                AND (status = 'sending' OR ($7 AND status IN ('sent', 'unknown')))
            RETURNING reply_id";
        // A report must not turn what a person took over into a failure of ours.
        const MESSAGES: &str = "
            UPDATE message SET handled = $4, handled_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND reply_id = $3 AND (NOT $5 OR handled = 'answered')";
        let error = self.error.map(error_text);
        let values = values![
            corp,
            account,
            msgid,
            self.status,
            self.code,
            error.as_deref(),
            self.reported
        ];
        let Some((reply_id,)) = session.fetch_optional::<(String,)>(END, values).await? else {
            return Ok(false);
        };
        if let Some(handled) = self.handled {
            let values = values![corp, account, &reply_id, handled.as_str(), self.reported];
            session.execute(MESSAGES, values).await?;
        }
        cancel_planned(session, corp, account, &reply_id, self.rest).await?;
        Ok(true)
    }
}

async fn cancel_planned(
    session: &mut Session,
    corp: &str,
    account: &str,
    reply_id: &str,
    reason: CancelReason,
) -> Result<(), StoreError> {
    const SQL: &str = "
        UPDATE outbox SET status = 'cancelled', cancel_reason = $4, settled_at = now_ms
        FROM clock
        WHERE corp = $1 AND account = $2 AND reply_id = $3 AND status = 'planned'";
    session
        .execute(SQL, values![corp, account, reply_id, reason.as_str()])
        .await?;
    Ok(())
}

async fn one(
    session: &mut Session,
    corp: &str,
    account: &str,
    msgid: &str,
) -> Result<Option<Part>, StoreError> {
    session
        .fetch_optional::<PartRow>(PartRow::ONE, values![corp, account, msgid])
        .await?
        .map(PartRow::part)
        .transpose()
}

fn next_msgid(lease: &ConversationLease, old: &Part) -> String {
    let name = PartName {
        purpose: old.purpose,
        answers: old.answers.as_str(),
        generation: old.generation + 1,
        part: old.part,
    };
    msgid(&lease.key, name)
}
