use kefu_domain::{ConversationKey, Handled, MessageId, PartName, PartStatus, Purpose, Source, msgid};

use super::{Decision, Part, PartRow};
use crate::conversation::parts_of;
use crate::sql::{Session, Value, assembled, filled, placeholder_rows, placeholders, runs, small, values};
use crate::store::transact;
use crate::text::clean;
use crate::{ConversationLease, Store, StoreError};

/// Most message ids in one statement.
const IDS_MAX: usize = 64;

/// Columns of one inserted part.
const PART_COLUMNS: usize = 13;

impl Store {
    /// Stores the parts as planned and handles exactly the messages read, of which some may have been
    /// handled meanwhile (recalled, answered by a person). `None`: the lease is lost.
    ///
    /// Repeating a decision changes nothing and returns what was stored. When none of the messages was owed
    /// any more nothing is stored. Parts of a reply that was cancelled before it left are dead: a new decision
    /// about the same message gets the next generation, hence new msgids.
    pub async fn decide(
        &self,
        lease: &ConversationLease,
        decision: &Decision,
    ) -> Result<Option<Vec<Part>>, StoreError> {
        transact!(self, session => {
            let mut parts = planned(&lease.key, decision, 0);
            let Some((now, decided_before)) = hold(session, lease, parts.first()).await? else {
                return Ok(None);
            };
            if let (Some(first), true) = (parts.first(), decided_before) {
                let earlier = earlier(session, &lease.key, first).await?;
                if earlier.iter().any(|part| part.status != PartStatus::Cancelled) {
                    handle(
                        session,
                        lease,
                        &decision.answered,
                        decision.handled,
                        Some(&first.reply_id),
                        now,
                    )
                    .await?;
                    return Ok(Some(earlier));
                }
                let answers = first.answers.as_str();
                let earlier = generations(session, &lease.key, first.purpose, answers).await?;
                parts = planned(&lease.key, decision, earlier.next);
            }
            let reply_id = parts.first().map(|part| part.reply_id.as_str());
            let changed = handle(
                session,
                lease,
                &decision.answered,
                decision.handled,
                reply_id,
                now,
            )
            .await?;
            if changed == 0 && !decision.answered.is_empty() {
                return Ok(Some(Vec::new()));
            }
            insert(session, &lease.key, &parts, decision.source, now).await?;
            Ok(Some(parts))
        })
    }

    /// Ends messages without an answer, those which are still owed. False when the lease is lost.
    pub async fn set_handled(
        &self,
        lease: &ConversationLease,
        ids: &[MessageId],
        handled: Handled,
    ) -> Result<bool, StoreError> {
        transact!(self, session => {
            let Some(now) = lease.hold(session).await? else {
                return Ok(false);
            };
            handle(session, lease, ids, handled, None, now).await?;
            Ok(true)
        })
    }

    /// Keeps messages of a conversation out of what models are shown from now on: a server has refused a question for
    /// what they hold. False when the lease is lost.
    pub async fn set_unfit(&self, lease: &ConversationLease, ids: &[MessageId]) -> Result<bool, StoreError> {
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            if lease.hold(session).await?.is_none() {
                return Ok(false);
            }
            for run in filled(ids, IDS_MAX) {
                let sql = format!(
                    "UPDATE message SET unfit = TRUE
                    WHERE corp = $1 AND account = $2 AND customer = $3 AND msgid IN ({})",
                    placeholders(4, run.len())
                );
                let mut values = values![corp, account, customer].to_vec();
                values.extend(run.iter().map(|id| Value::from(id.as_str())));
                session.execute(assembled(sql), &values).await?;
            }
            Ok(true)
        })
    }
}

/// The parts of a decision as they will be stored. Generations below `generation_min` are raised to it.
pub(super) fn planned(key: &ConversationKey, decision: &Decision, generation_min: u32) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(decision.parts.len());
    for (part, new) in (1..).zip(&decision.parts) {
        let generation = new.generation.max(generation_min);
        let id = msgid(
            key,
            PartName {
                purpose: new.purpose,
                answers: decision.answers.as_str(),
                generation,
                part,
            },
        );
        let reply_id = parts.first().map_or(&id, |first| &first.reply_id).clone();
        parts.push(Part {
            msgid: id,
            reply_id,
            purpose: new.purpose,
            answers: decision.answers.clone(),
            generation,
            part,
            parts: u32::try_from(decision.parts.len()).unwrap_or(u32::MAX),
            text: clean(&new.text).into_owned(),
            status: PartStatus::Planned,
            attempts: 0,
            ambiguous: false,
            reply_started: false,
        });
    }
    parts
}

/// Locks the row; the database's time, and whether the reply is there already.
async fn hold(
    session: &mut Session,
    lease: &ConversationLease,
    first: Option<&Part>,
) -> Result<Option<(i64, bool)>, StoreError> {
    const SQL: &str = "
        UPDATE conversation SET lease_until = lease_until
        WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
        RETURNING (SELECT now_ms FROM clock) AS now_ms, EXISTS (
            SELECT 1 FROM outbox
            WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = $6) AS decided_before";
    let (corp, account, customer) = parts_of(&lease.key);
    let reply_id = first.map(|part| part.reply_id.as_str());
    let values = values![corp, account, customer, lease.fence, &lease.job_id, reply_id];
    session.fetch_optional(SQL, values).await
}

/// Parts stored before under the same reply.
async fn earlier(
    session: &mut Session,
    key: &ConversationKey,
    first: &Part,
) -> Result<Vec<Part>, StoreError> {
    let (corp, account, _) = parts_of(key);
    let rows: Vec<PartRow> = session
        .fetch_all(PartRow::OF_REPLY, values![corp, account, &first.reply_id])
        .await?;
    rows.into_iter().map(PartRow::part).collect()
}

/// What was planned about one message for one purpose, whatever became of it.
pub(crate) struct Generations {
    /// Of the next decision about it: its msgids are those of no other.
    pub(crate) next: u32,
    /// Some part was not dropped before it left.
    pub(crate) said: bool,
}

pub(crate) async fn generations(
    session: &mut Session,
    key: &ConversationKey,
    purpose: Purpose,
    answers: &str,
) -> Result<Generations, StoreError> {
    const SQL: &str = "
        SELECT COALESCE(max(generation), -1), count(CASE WHEN status <> 'cancelled' THEN 1 END)
        FROM outbox
        WHERE corp = $1 AND account = $2 AND customer = $3 AND purpose = $4 AND answers = $5";
    let (corp, account, customer) = parts_of(key);
    let values = values![corp, account, customer, purpose.as_str(), answers];
    let row: Option<(i64, i64)> = session.fetch_optional(SQL, values).await?;
    let (newest, said) = row.unwrap_or((-1, 0));
    Ok(Generations {
        next: small(newest + 1),
        said: 0 < said,
    })
}

/// Handles those of `ids` which are still owed; how many there were.
pub(super) async fn handle(
    session: &mut Session,
    lease: &ConversationLease,
    ids: &[MessageId],
    handled: Handled,
    reply_id: Option<&str>,
    now: i64,
) -> Result<u64, StoreError> {
    let (corp, account, customer) = parts_of(&lease.key);
    let mut changed = 0;
    for run in runs(ids, IDS_MAX) {
        let sql = format!(
            "UPDATE message SET handled = $4, handled_at = $5, reply_id = $6
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled IS NULL AND msgid IN ({})",
            placeholders(7, run.len())
        );
        let mut values = values![corp, account, customer, handled.as_str(), now, reply_id].to_vec();
        values.extend(run.iter().map(|id| Value::from(id.as_str())));
        changed += session.execute(assembled(sql), &values).await?;
    }
    Ok(changed)
}

pub(super) async fn insert(
    session: &mut Session,
    key: &ConversationKey,
    parts: &[Part],
    source: Source,
    now: i64,
) -> Result<(), StoreError> {
    let (corp, account, customer) = parts_of(key);
    for run in runs(parts, 8) {
        let sql = format!(
            "INSERT INTO outbox (corp, account, customer, msgid, reply_id, purpose, answers,
                generation, part, parts, text, planned_at, source, status)
            SELECT given.*, 'planned' FROM (VALUES {}) AS given WHERE true
            ON CONFLICT (corp, account, msgid) DO NOTHING",
            placeholder_rows(run.len(), PART_COLUMNS)
        );
        let mut values = Vec::with_capacity(run.len() * PART_COLUMNS);
        for part in run {
            values.extend_from_slice(values![
                corp,
                account,
                customer,
                &part.msgid,
                &part.reply_id,
                part.purpose.as_str(),
                part.answers.as_str(),
                part.generation,
                part.part,
                part.parts,
                &part.text,
                now,
                source.as_str()
            ]);
        }
        session.execute(assembled(sql), &values).await?;
    }
    Ok(())
}
