mod decide;
mod handover;

use kefu_domain::{
    Budget, Handled, MessageId, Millis, OpenPart, Origin, PartStatus, Purpose, SessionState, Source, Step,
    TurnView, next_step,
};
use sqlx::FromRow;

use crate::conversation::parts_of;
use crate::sql::{Session, small, values};
use crate::{ConversationLease, StoreError};
pub(crate) use decide::generations;
pub use handover::{Handover, HandoverEnd, PoolCode};

/// How much of a conversation a turn reads.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    pub owed_max: u32,
    pub history_max: u32,
}

/// Everything a turn decides on, read after the lease was taken.
#[derive(Clone, Debug)]
pub struct Turn {
    pub lease: ConversationLease,
    /// Hand it to the release.
    pub wanted: i64,
    /// Failed runs in a row.
    pub failures: u32,
    /// Those of them that were our own fault.
    pub own_failures: u32,
    pub session: Option<SessionState>,
    pub budget: Budget,
    /// A hand-over that is decided and not made: what its messages have as their reply.
    pub handover: Option<String>,
    /// Planned and sending parts, oldest reply first, in order of their parts.
    pub open_parts: Vec<Part>,
    /// Unhandled customer messages, oldest first, at most `owed_max`.
    pub owed: Vec<OwedMessage>,
    pub owed_more: bool,
    /// What was said before, oldest first, at most `history_max`.
    pub history: Vec<HistoryLine>,
    /// The database's clock.
    pub now: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedMessage {
    pub id: MessageId,
    pub msgtype: String,
    pub text: Option<String>,
    pub menu_id: Option<String>,
    pub sent_at: Millis,
    /// It asked for a person whom WeCom did not give.
    pub person_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// Of a message of the stream; what we said has none.
    pub id: Option<MessageId>,
    pub who: Speaker,
    pub msgtype: String,
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Customer,
    Us,
    Servicer,
}

/// One outgoing message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub msgid: String,
    /// The msgid of part 1 as it was first decided.
    pub reply_id: String,
    pub purpose: Purpose,
    /// The last message the reply answers.
    pub answers: MessageId,
    pub generation: u32,
    /// From 1.
    pub part: u32,
    pub parts: u32,
    pub text: String,
    pub status: PartStatus,
    pub attempts: u32,
    /// An earlier call ended without a clear answer, or its process died in `sending`.
    pub ambiguous: bool,
    /// Some part of this reply has left (sending, sent, unknown or failed).
    pub reply_started: bool,
}

/// What a turn decided about the messages it read.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Exactly the messages read.
    pub answered: Vec<MessageId>,
    pub handled: Handled,
    /// None: nothing is said.
    pub parts: Vec<NewPart>,
    /// The last message answered: a word of the msgid.
    pub answers: MessageId,
    pub source: Source,
}

#[derive(Clone, Debug)]
pub struct NewPart {
    pub purpose: Purpose,
    pub generation: u32,
    pub text: String,
}

/// What the conversation's own row tells.
pub(crate) struct Head {
    pub(crate) lease: ConversationLease,
    pub(crate) wanted: i64,
    pub(crate) failures: u32,
    pub(crate) own_failures: u32,
    pub(crate) session: Option<SessionState>,
    pub(crate) budget: Budget,
    pub(crate) handover: Option<String>,
    pub(crate) now: Millis,
}

impl Turn {
    /// What the next round does; a number in it is a place in `open_parts`.
    pub fn next_step(&self) -> Step {
        let open_parts: Vec<OpenPart> = self
            .open_parts
            .iter()
            .map(|part| OpenPart {
                status: part.status,
                reply_started: part.reply_started,
            })
            .collect();
        next_step(&TurnView {
            open_parts: &open_parts,
            owes: !self.owed.is_empty(),
            transfer_owed: self.handover.is_some(),
            budget: self.budget,
            now: self.now,
        })
    }

    /// Reads what is owed and what was said. The conversation's row is locked.
    pub(crate) async fn load(
        session: &mut Session,
        head: Head,
        limits: TurnLimits,
    ) -> Result<Turn, StoreError> {
        const OWED: &str = "
            SELECT msgid, msgtype, text, menu_id, sent_at, person_refused FROM message
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled IS NULL
            ORDER BY sent_at, seq LIMIT $4";
        const HISTORY: &str = "
            SELECT id, who, msgtype, text, unasked FROM (
                SELECT * FROM (
                    SELECT msgid AS id, origin AS who, msgtype, text, handled = 'history' AS unasked, received_at AS at, seq AS tie
                    FROM message
                    WHERE corp = $1 AND account = $2 AND customer = $3
                        AND handled IS NOT NULL AND NOT recalled AND NOT unfit AND origin <> 'system'
                    ORDER BY received_at DESC, seq DESC LIMIT $4) AS theirs
                UNION ALL
                SELECT * FROM (
                    SELECT NULL AS id, 'us' AS who, 'text' AS msgtype, text, FALSE AS unasked, planned_at AS at, part AS tie
                    FROM outbox
                    WHERE corp = $1 AND account = $2 AND customer = $3
                        AND status IN ('sending', 'sent', 'unknown')
                        AND (source IS NULL OR source NOT IN ('fallback', 'handover'))
                    ORDER BY planned_at DESC, part DESC LIMIT $4) AS ours
            ) AS said
            ORDER BY at DESC, tie DESC LIMIT $4";
        let (corp, account, customer) = parts_of(&head.lease.key);
        let one_more = i64::from(limits.owed_max) + 1;
        let mut owed: Vec<OwedRow> = session
            .fetch_all(OWED, values![corp, account, customer, one_more])
            .await?;
        let owed_more = (limits.owed_max as usize) < owed.len();
        owed.truncate(limits.owed_max as usize);
        let open_parts: Vec<PartRow> = session
            .fetch_all(PartRow::OPEN, values![corp, account, customer])
            .await?;
        let mut history: Vec<HistoryRow> = session
            .fetch_all(HISTORY, values![corp, account, customer, limits.history_max])
            .await?;
        // Last of all they would read as questions that still want an answer.
        history.drain(..history.iter().take_while(|line| line.unasked).count());
        history.reverse();
        Ok(Turn {
            open_parts: open_parts
                .into_iter()
                .map(PartRow::part)
                .collect::<Result<_, _>>()?,
            owed: owed.into_iter().map(OwedRow::message).collect::<Result<_, _>>()?,
            owed_more,
            history: history
                .into_iter()
                .map(HistoryRow::line)
                .collect::<Result<_, _>>()?,
            lease: head.lease,
            wanted: head.wanted,
            failures: head.failures,
            own_failures: head.own_failures,
            session: head.session,
            budget: head.budget,
            handover: head.handover,
            now: head.now,
        })
    }
}

#[derive(FromRow)]
struct OwedRow {
    msgid: String,
    msgtype: String,
    text: Option<String>,
    menu_id: Option<String>,
    sent_at: i64,
    person_refused: bool,
}

impl OwedRow {
    fn message(self) -> Result<OwedMessage, StoreError> {
        Ok(OwedMessage {
            id: MessageId::parse(&self.msgid).map_err(StoreError::unreadable)?,
            msgtype: self.msgtype,
            text: self.text,
            menu_id: self.menu_id,
            sent_at: Millis(self.sent_at),
            person_refused: self.person_refused,
        })
    }
}

#[derive(FromRow)]
struct HistoryRow {
    id: Option<String>,
    who: String,
    /// Of a customer, from before our time: not ours to answer.
    unasked: bool,
    msgtype: String,
    text: Option<String>,
}

impl HistoryRow {
    fn line(self) -> Result<HistoryLine, StoreError> {
        let who = match self.who.as_str() {
            "us" => Speaker::Us,
            word => match Origin::parse(word).map_err(StoreError::unreadable)? {
                Origin::Servicer => Speaker::Servicer,
                Origin::Customer | Origin::System => Speaker::Customer,
            },
        };
        let id = self.id.as_deref().map(MessageId::parse).transpose();
        Ok(HistoryLine {
            id: id.map_err(StoreError::unreadable)?,
            who,
            msgtype: self.msgtype,
            text: self.text,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct PartRow {
    msgid: String,
    reply_id: String,
    purpose: String,
    answers: String,
    pub(crate) generation: i64,
    part: i64,
    parts: i64,
    text: String,
    pub(crate) status: String,
    attempts: i64,
    ambiguous: bool,
    reply_started: bool,
}

macro_rules! select_parts {
    ($where:literal) => {
        concat!(
            "SELECT msgid, reply_id, purpose, answers, generation, part, parts, text, status, attempts, ambiguous,
                EXISTS (
                    SELECT 1 FROM outbox AS other
                    WHERE other.corp = $1 AND other.account = $2 AND other.reply_id = outbox.reply_id
                        AND other.status NOT IN ('planned', 'cancelled')) AS reply_started
            FROM outbox
            WHERE corp = $1 AND account = $2 AND ",
            $where
        )
    };
}

impl PartRow {
    /// Of a conversation. A part planned again keeps the time of its reply, so the order stays.
    pub(crate) const OPEN: &str = select_parts!(
        "customer = $3 AND status IN ('planned', 'sending') ORDER BY planned_at, reply_id, part"
    );
    pub(crate) const OF_REPLY: &str = select_parts!("reply_id = $3 ORDER BY part, generation");
    pub(crate) const ONE: &str = select_parts!("msgid = $3");

    pub(crate) fn part(self) -> Result<Part, StoreError> {
        Ok(Part {
            msgid: self.msgid,
            reply_id: self.reply_id,
            purpose: Purpose::parse(&self.purpose).map_err(StoreError::unreadable)?,
            answers: MessageId::parse(&self.answers).map_err(StoreError::unreadable)?,
            generation: small(self.generation),
            part: small(self.part),
            parts: small(self.parts),
            text: self.text,
            status: PartStatus::parse(&self.status).map_err(StoreError::unreadable)?,
            attempts: small(self.attempts),
            ambiguous: self.ambiguous,
            reply_started: self.reply_started,
        })
    }
}
