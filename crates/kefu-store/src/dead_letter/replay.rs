//! Replaying is a mark on the letter; workers publish what is marked. So the mark survives whatever crashes in
//! between, needs no broker, and is set once however often it is asked for.

use std::time::Duration;

use kefu_domain::RowRef;

use super::{DeadLetterRow, LetterState, StoredLetter, letter_columns};
use crate::conversation::parts_of;
use crate::sql::values;
use crate::store::transact;
use crate::{Store, StoreError};

/// Takes marked letters and moves them on, at most 200: a limit that PostgreSQL can see, as in `due.rs`. PostgreSQL leaves those that another worker takes at this moment.
macro_rules! take {
    ($lock:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (
                SELECT seq AS taken_seq FROM dead_letter
                WHERE state = 'replaying' AND publish_at <= (SELECT now_ms FROM clock)
                ORDER BY publish_at, seq LIMIT 200 ",
            $lock,
            "), first AS (SELECT * FROM taken LIMIT $1)
            UPDATE dead_letter SET publish_at = now_ms + $2
            FROM clock, first
            WHERE seq = taken_seq
            RETURNING ",
            letter_columns!("raw")
        )
    };
}

impl Store {
    /// Marks an open letter: workers publish its job again. What it was before; anything but `Open` is left as it
    /// is, and `None` means that there is no such letter.
    pub async fn begin_replay(&self, seq: i64) -> Result<Option<LetterState>, StoreError> {
        const SQL: &str = "
            UPDATE dead_letter SET state = 'replaying', state_at = now_ms, publish_at = now_ms
            FROM clock
            WHERE seq = $1 AND state = 'open'";
        self.leave_open(SQL, seq).await
    }

    /// Marks a letter as of no further interest, also one that is to be replayed and cannot be: its mark goes. A worker
    /// that has taken it at this moment may still publish its job. Answers like [`Store::begin_replay`].
    pub async fn discard_dead_letter(&self, seq: i64) -> Result<Option<LetterState>, StoreError> {
        const SQL: &str = "
            UPDATE dead_letter SET state = 'discarded', state_at = now_ms, publish_at = NULL
            FROM clock
            WHERE seq = $1 AND state IN ('open', 'replaying')";
        self.leave_open(SQL, seq).await
    }

    async fn leave_open(&self, update: &'static str, seq: i64) -> Result<Option<LetterState>, StoreError> {
        const LOOK: &str = "SELECT state FROM dead_letter WHERE seq = $1";
        if self.execute(update, values![seq]).await? == 1 {
            return Ok(Some(LetterState::Open));
        }
        let row: Option<(String,)> = self.fetch_optional(LOOK, values![seq]).await?;
        row.map(|(state,)| LetterState::parse(&state)).transpose()
    }

    /// Letters whose job is to be published now, the oldest mark first. Nobody else gets them for `lease`; whoever
    /// takes them and dies leaves them to the next, which publishes the same job again.
    pub async fn take_replays(&self, limit: u32, lease: Duration) -> Result<Vec<DeadLetterRow>, StoreError> {
        let rows: Vec<StoredLetter> = transact!(self, session => {
            let sql = match session.is_postgres() {
                true => take!("FOR UPDATE SKIP LOCKED"),
                false => take!(""),
            };
            session.fetch_all(sql, values![limit, lease]).await
        })?;
        let mut letters = StoredLetter::rows(rows)?;
        letters.sort_by_key(|letter| letter.seq);
        Ok(letters)
    }

    /// Its job was published. False when it is not being replayed (any more).
    pub async fn finish_replay(&self, seq: i64) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE dead_letter SET state = 'replayed', state_at = now_ms, publish_at = NULL
            FROM clock
            WHERE seq = $1 AND state = 'replaying'";
        Ok(self.execute(SQL, values![seq]).await? == 1)
    }

    /// It cannot be published by anybody: back to the open ones.
    pub async fn give_up_replay(&self, seq: i64) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE dead_letter SET state = 'open', state_at = now_ms, publish_at = NULL
            FROM clock
            WHERE seq = $1 AND state = 'replaying'";
        Ok(self.execute(SQL, values![seq]).await? == 1)
    }

    /// Gives the row of a replayed job a fresh start: no failures, due in 30 s should the job not reach anybody before.
    /// Messages of a conversation that were given up without a part of their reply having left are owed again, unless
    /// they were recalled or somebody has answered later ones. False when there is no such row.
    pub async fn restart_row(&self, row: &RowRef) -> Result<bool, StoreError> {
        const ACCOUNT: &str = "
            UPDATE account SET failures = 0, wake_backoff = 60000,
                wake_at = CASE WHEN lease_until > now_ms THEN wake_at ELSE now_ms + 30000 END
            FROM clock
            WHERE corp = $1 AND account = $2";
        const CONVERSATION: &str = "
            UPDATE conversation SET failures = 0, own_failures = 0, wake_backoff = 60000, wanted = wanted + 1,
                wake_at = CASE WHEN lease_until > now_ms THEN wake_at ELSE now_ms + 30000 END
            FROM clock
            WHERE corp = $1 AND account = $2 AND customer = $3";
        const OWED_AGAIN: &str = "
            UPDATE message SET handled = NULL, handled_at = NULL, reply_id = NULL
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled = 'failed' AND NOT recalled
                AND origin = 'customer'
                AND NOT EXISTS (
                    SELECT 1 FROM outbox
                    WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = message.reply_id
                        AND outbox.status NOT IN ('planned', 'cancelled'))
                AND NOT EXISTS (
                    SELECT 1 FROM message AS later
                    WHERE later.corp = $1 AND later.account = $2 AND later.customer = $3
                        AND later.seq > message.seq
                        AND (later.origin = 'servicer' OR later.handled IN ('answered', 'human', 'pool')))";
        match row {
            RowRef::Account { corp, account } => {
                let values = values![corp.as_str(), account.as_str()];
                Ok(0 < self.execute(ACCOUNT, values).await?)
            }
            RowRef::Conversation(key) => transact!(self, session => {
                let (corp, account, customer) = parts_of(key);
                let values = values![corp, account, customer];
                let found = session.execute(CONVERSATION, values).await?;
                session.execute(OWED_AGAIN, values).await?;
                Ok(0 < found)
            }),
        }
    }
}
