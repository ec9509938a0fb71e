use kefu_domain::{
    AccountId, Budget, ConversationKey, CorpId, CustomerId, Handled, Millis, PartName, PartStatus, msgid,
};
use sqlx::FromRow;

use crate::conversation::parts_of;
use crate::outbox::End;
use crate::sql::{Session, small, values};
use crate::store::transact;
use crate::turn::{PartRow, generations};
use crate::{Part, Store, StoreError};

/// What a person says about a part whose end nobody knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The customer has it.
    Sent,
    /// The customer never got it: what it answered counts as failed.
    Failed,
    /// The customer never got it and shall: the same text goes out under a new msgid.
    Resend,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// No part has this msgid.
    Missing,
    /// Its end is known, or not over yet.
    NotUnknown(PartStatus),
    /// Nothing can be sent until the customer writes again. The part is as it was.
    WindowClosed,
    /// It is what the person said.
    Settled,
    /// The msgids of the parts planned, in order: the part itself, and those that were dropped because of it.
    Planned(Vec<String>),
}

impl Store {
    /// Settles an UNKNOWN part as a person says; any other is left as it is.
    pub async fn resolve_reply(&self, msgid: &str, resolution: Resolution) -> Result<Resolved, StoreError> {
        transact!(self, session => {
            let Some(held) = hold(session, msgid).await? else {
                return Ok(Resolved::Missing);
            };
            let (corp, account, _) = parts_of(&held.key);
            let Some(part) = one(session, &held.key, msgid).await? else {
                return Ok(Resolved::Missing);
            };
            if part.status != PartStatus::Unknown {
                return Ok(Resolved::NotUnknown(part.status));
            }
            let end = match resolution {
                Resolution::Resend if !held.budget.window_open(held.now) => return Ok(Resolved::WindowClosed),
                Resolution::Resend => return plan_again(session, &held.key, &part).await.map(Resolved::Planned),
                Resolution::Sent => End { status: "sent", reported: true, ..End::BROKEN },
                Resolution::Failed => End { handled: Some(Handled::Failed), reported: true, ..End::BROKEN },
            };
            end.apply(session, corp, account, msgid).await?;
            Ok(Resolved::Settled)
        })
    }
}

/// The locked conversation of a part.
struct Held {
    key: ConversationKey,
    budget: Budget,
    now: Millis,
}

#[derive(FromRow)]
struct HeldRow {
    corp: String,
    account: String,
    customer: String,
    customer_wrote_at: Option<i64>,
    budget_used: i64,
    now_ms: i64,
}

async fn hold(session: &mut Session, msgid: &str) -> Result<Option<Held>, StoreError> {
    const SQL: &str = "
        UPDATE conversation SET wanted = wanted
        FROM outbox
        WHERE outbox.msgid = $1 AND conversation.corp = outbox.corp
            AND conversation.account = outbox.account AND conversation.customer = outbox.customer
        RETURNING conversation.corp, conversation.account, conversation.customer,
            customer_wrote_at, budget_used, (SELECT now_ms FROM clock) AS now_ms";
    let Some(row) = session.fetch_optional::<HeldRow>(SQL, values![msgid]).await? else {
        return Ok(None);
    };
    Ok(Some(Held {
        key: ConversationKey {
            corp: CorpId::parse(&row.corp).map_err(StoreError::unreadable)?,
            account: AccountId::parse(&row.account).map_err(StoreError::unreadable)?,
            customer: CustomerId::parse(&row.customer).map_err(StoreError::unreadable)?,
        },
        budget: Budget {
            customer_wrote_at: row.customer_wrote_at.map(Millis),
            used: small(row.budget_used),
        },
        now: Millis(row.now_ms),
    }))
}

async fn one(session: &mut Session, key: &ConversationKey, msgid: &str) -> Result<Option<Part>, StoreError> {
    let (corp, account, _) = parts_of(key);
    session
        .fetch_optional::<PartRow>(PartRow::ONE, values![corp, account, msgid])
        .await?
        .map(PartRow::part)
        .transpose()
}

/// The part, and the later ones of its reply that were dropped because of it, under the next generation: whether
/// WeCom took the old msgid is what nobody knows. The old part is failed from now on, so this happens once.
async fn plan_again(
    session: &mut Session,
    key: &ConversationKey,
    part: &Part,
) -> Result<Vec<String>, StoreError> {
    const DROP: &str = "
        UPDATE outbox SET status = 'failed', cancel_reason = 'replanned', settled_at = now_ms
        FROM clock
        WHERE corp = $1 AND account = $2 AND msgid = $3";
    const DROPPED: &str = "
        SELECT msgid, part FROM outbox
        WHERE corp = $1 AND account = $2 AND reply_id = $3 AND part > $4
            AND status = 'cancelled' AND cancel_reason = 'broken'
        ORDER BY part, generation DESC";
    const COPY: &str = "
        INSERT INTO outbox (corp, account, customer, msgid, reply_id, purpose, answers,
            generation, part, parts, text, status, planned_at, source)
        SELECT corp, account, customer, $4, reply_id, purpose, answers,
            $5, part, parts, text, 'planned', planned_at, source
        FROM outbox WHERE corp = $1 AND account = $2 AND msgid = $3";
    const WAKE: &str = "
        UPDATE conversation SET wanted = wanted + 1, wake_backoff = 60000,
            wake_at = CASE WHEN lease_until > now_ms THEN wake_at ELSE now_ms END
        FROM clock
        WHERE corp = $1 AND account = $2 AND customer = $3";
    let (corp, account, customer) = parts_of(key);
    let answers = part.answers.as_str();
    let generation = generations(session, key, part.purpose, answers).await?.next;
    let later = values![corp, account, &part.reply_id, part.part];
    let later: Vec<(String, i64)> = session.fetch_all(DROPPED, later).await?;
    session.execute(DROP, values![corp, account, &part.msgid]).await?;
    let mut old = vec![(part.msgid.clone(), i64::from(part.part))];
    old.extend(later);
    old.dedup_by_key(|(_, number)| *number);
    let mut planned = Vec::with_capacity(old.len());
    for (old, number) in old {
        let name = PartName {
            purpose: part.purpose,
            answers,
            generation,
            part: small(number),
        };
        let new = msgid(key, name);
        let values = values![corp, account, &old, &new, generation];
        session.execute(COPY, values).await?;
        planned.push(new);
    }
    session.execute(WAKE, values![corp, account, customer]).await?;
    Ok(planned)
}
