//! Handing a conversation over: decided with what is said about it, in one transaction, and ended in another once
//! WeCom has moved the session or refused to. In between the row says that it is owed.

use std::time::Duration;

use kefu_domain::{ConversationKey, Handled, MessageId, PartName, Purpose, Source, msgid};

use super::decide::{generations, handle, insert, planned};
use super::{Decision, NewPart};
use crate::conversation::parts_of;
use crate::notice::NewNotice;
use crate::sql::{Session, values};
use crate::store::transact;
use crate::{ConversationLease, Store, StoreError};

/// A hand-over as it is decided.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Exactly the messages read.
    pub asked: Vec<MessageId>,
    /// The last of them: a word of the msgid.
    pub answers: MessageId,
    /// What is said before the session is moved; `None`: nothing.
    pub text: Option<String>,
}

/// What may be said on the code that WeCom gave for moving the session.
#[derive(Clone, Debug)]
pub struct PoolCode {
    pub code: String,
    /// That a person comes: said at once where no part could say it before.
    pub handover: Option<String>,
    /// That it takes long, and after which time.
    pub waiting: Option<(String, Duration)>,
}

/// What became of a hand-over that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverEnd {
    /// Messages that ended with it.
    pub messages: u64,
    /// The notice to be said at once.
    pub notice: Option<String>,
}

impl Store {
    /// Handles exactly the messages read as `pool`, stores what is said first, and notes on the row that the session
    /// is to be moved, all or nothing. False: none of the messages is owed any more, or it is decided already.
    /// `None`: the lease is lost.
    pub async fn decide_handover(
        &self,
        lease: &ConversationLease,
        handover: &Handover,
    ) -> Result<Option<bool>, StoreError> {
        const OWE: &str = "
            UPDATE conversation SET handover = $4
            WHERE corp = $1 AND account = $2 AND customer = $3";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let Some((now, owed)) = hold(session, lease).await? else {
                return Ok(None);
            };
            if owed.is_some() {
                return Ok(Some(false));
            }
            let answers = handover.answers.as_str();
            let earlier = generations(session, &lease.key, Purpose::Handover, answers).await?;
            let generation = earlier.next;
            let id = name(&lease.key, &handover.answers, generation);
            let pool = Handled::Pool;
            if handle(session, lease, &handover.asked, pool, Some(&id), now).await? == 0 {
                return Ok(Some(false));
            }
            // Said before, in a try that a person made again: once is enough.
            if let (Some(text), false) = (&handover.text, earlier.said) {
                let decision = decision(handover, text, generation);
                let parts = planned(&lease.key, &decision, 0);
                insert(session, &lease.key, &parts, decision.source, now).await?;
            }
            session.execute(OWE, values![corp, account, customer, &id]).await?;
            Ok(Some(true))
        })
    }

    /// Ends a hand-over whose session is where we may not speak: its messages become `handled`, and what its code is
    /// good for is stored with it. `None`: the lease is lost.
    pub async fn end_handover(
        &self,
        lease: &ConversationLease,
        handled: Handled,
        code: Option<&PoolCode>,
    ) -> Result<Option<HandoverEnd>, StoreError> {
        const MESSAGES: &str = "
            UPDATE message SET handled = $5, handled_at = $6
            WHERE corp = $1 AND account = $2 AND customer = $3 AND reply_id = $4
                AND handled IN ('pool', 'failed', 'expired')";
        // By what they asked and not by the reply: an earlier try may have said it, under another msgid.
        const SAID: &str = "
            SELECT count(*) FROM outbox
            WHERE corp = $1 AND account = $2 AND customer = $3 AND purpose = $5
                AND status IN ('sending', 'sent', 'unknown')
                AND answers IN (
                    SELECT msgid FROM message
                    WHERE message.corp = $1 AND message.account = $2 AND message.customer = $3
                        AND message.reply_id = $4)";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let Some((now, owed)) = hold(session, lease).await? else {
                return Ok(None);
            };
            let Some(id) = owed else {
                return Ok(Some(HandoverEnd { messages: 0, notice: None }));
            };
            let values = values![corp, account, customer, &id, handled.as_str(), now];
            let messages = session.execute(MESSAGES, values).await?;
            clear(session, &lease.key).await?;
            let mut end = HandoverEnd { messages, notice: None };
            if let Some(code) = code {
                let said: Option<(i64,)> = session.fetch_optional(SAID, values![corp, account, customer, &id, Purpose::Handover.as_str()]).await?;
                let said = said.is_some_and(|(parts,)| 0 < parts);
                let notice = NewNotice::of(code, said, &lease.key, &id);
                NewNotice::end_earlier(session, &lease.key, now).await?;
                if let Some(notice) = notice {
                    notice.insert(session, &lease.key, now).await?;
                    end.notice = notice.is_due_now().then_some(notice.id);
                }
            }
            Ok(Some(end))
        })
    }

    /// Nobody comes: the messages of a hand-over that was decided are owed again, and nothing of what is owed asks for a
    /// person any more. The messages owed again; `None`: the lease is lost.
    pub async fn refuse_handover(&self, lease: &ConversationLease) -> Result<Option<u64>, StoreError> {
        const AGAIN: &str = "
            UPDATE message SET
                handled = CASE WHEN recalled THEN 'recalled' ELSE NULL END,
                handled_at = CASE WHEN recalled THEN handled_at ELSE NULL END,
                reply_id = NULL
            WHERE corp = $1 AND account = $2 AND customer = $3 AND reply_id = $4
                AND handled IN ('pool', 'failed', 'expired')";
        const REFUSED: &str = "
            UPDATE message SET person_refused = TRUE
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled IS NULL";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let Some((_, owed)) = hold(session, lease).await? else {
                return Ok(None);
            };
            let again = match owed {
                Some(id) => session.execute(AGAIN, values![corp, account, customer, &id]).await?,
                None => 0,
            };
            session.execute(REFUSED, values![corp, account, customer]).await?;
            clear(session, &lease.key).await?;
            Ok(Some(again))
        })
    }
}

/// Locks the row for its holder: the database's time, and the hand-over that is owed. `None`: the lease is lost.
async fn hold(
    session: &mut Session,
    lease: &ConversationLease,
) -> Result<Option<(i64, Option<String>)>, StoreError> {
    const SQL: &str = "
        UPDATE conversation SET lease_until = lease_until
        WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
        RETURNING (SELECT now_ms FROM clock) AS now_ms, handover";
    let (corp, account, customer) = parts_of(&lease.key);
    let values = values![corp, account, customer, lease.fence, &lease.job_id];
    session.fetch_optional(SQL, values).await
}

async fn clear(session: &mut Session, key: &ConversationKey) -> Result<(), StoreError> {
    const SQL: &str = "
        UPDATE conversation SET handover = NULL
        WHERE corp = $1 AND account = $2 AND customer = $3";
    let (corp, account, customer) = parts_of(key);
    session.execute(SQL, values![corp, account, customer]).await?;
    Ok(())
}

/// The msgid of what is said about it, which the messages carry whether or not anything is said.
fn name(key: &ConversationKey, answers: &MessageId, generation: u32) -> String {
    let name = PartName {
        purpose: Purpose::Handover,
        answers: answers.as_str(),
        generation,
        part: 1,
    };
    msgid(key, name)
}

fn decision(handover: &Handover, text: &str, generation: u32) -> Decision {
    Decision {
        answered: handover.asked.clone(),
        handled: Handled::Pool,
        parts: vec![NewPart {
            purpose: Purpose::Handover,
            generation,
            text: text.to_owned(),
        }],
        answers: handover.answers.clone(),
        source: Source::Handover,
    }
}
