use kefu_domain::{CorpId, Millis};

use sqlx::FromRow;

use crate::listed::Moment;
use crate::sql::values;
use crate::text::{clean, clean_option};
use crate::{Listed, Store, StoreError};

/// A callback that is no wake-up of a kf account, as it was decrypted.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    pub app: &'a str,
    pub corp: &'a CorpId,
    /// SHA-1 of `raw`, in hex: the same bytes are the same event.
    pub hash: &'a str,
    pub kind: &'a str,
    pub from_user: Option<&'a str>,
    pub created_at: Option<Millis>,
    /// By the clock of the ingress; stored as no later than the database's now.
    pub received_at: Millis,
    pub raw: &'a [u8],
    /// W3C `traceparent`.
    pub trace: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub seq: i64,
    pub app: String,
    pub kind: String,
    pub hash: String,
    pub from_user: Option<String>,
    pub created_at: Option<Millis>,
    pub received_at: Millis,
    pub stored_at: Millis,
    pub raw: Vec<u8>,
}

/// Which events are meant. What is `None` does not narrow.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventQuery<'a> {
    pub kind: Option<&'a str>,
    pub app: Option<&'a str>,
    /// Received at this moment or later.
    pub since: Option<Moment>,
    /// Received before this moment.
    pub until: Option<Moment>,
    /// With a smaller number than this.
    pub before: Option<i64>,
}

impl Store {
    /// True when it is new: the same bytes of the same app are one event.
    pub async fn insert_event(&self, event: &NewEvent<'_>) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO app_event
                (app, corp, hash, kind, from_user, created_at, received_at, raw, trace, stored_at)
            SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $7 > now_ms THEN now_ms ELSE $7 END, $8, $9, now_ms
            FROM clock WHERE true
            ON CONFLICT (app, hash) DO NOTHING";
        let kind = clean(event.kind);
        let from_user = clean_option(event.from_user);
        let trace = clean_option(event.trace);
        let values = values![
            event.app,
            event.corp.as_str(),
            event.hash,
            &*kind,
            from_user.as_deref(),
            event.created_at,
            event.received_at,
            event.raw,
            trace.as_deref()
        ];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// The newest events first.
    pub async fn events(&self, query: &EventQuery<'_>, limit: u32) -> Result<Listed<EventRow>, StoreError> {
        const FLOOR: &str = "SELECT seq FROM app_event WHERE seq < $1 ORDER BY seq DESC LIMIT 1 OFFSET $2";
        const SQL: &str = "
            SELECT seq, app, kind, hash, from_user, created_at, received_at, stored_at, raw
            FROM app_event, clock
            WHERE seq < $1 AND seq >= $2 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR app = $4)
                AND ($5 IS NULL OR received_at >= $5 + now_ms * $6)
                AND ($7 IS NULL OR received_at < $7 + now_ms * $8)
            ORDER BY seq DESC LIMIT $9";
        let before = query.before.unwrap_or(i64::MAX);
        let floor = self.bound(FLOOR, before).await?;
        let (since, since_now) = Moment::values(query.since);
        let (until, until_now) = Moment::values(query.until);
        let values = values![
            before,
            floor.unwrap_or(0),
            query.kind,
            query.app,
            since,
            since_now,
            until,
            until_now,
            limit.saturating_add(1)
        ];
        let rows: Vec<StoredEvent> = self.fetch_all(SQL, values).await?;
        let rows = rows.into_iter().map(StoredEvent::row).collect();
        Ok(Listed::new(rows, limit, |event: &EventRow| event.seq, floor))
    }
}

#[derive(FromRow)]
struct StoredEvent {
    seq: i64,
    app: String,
    kind: String,
    hash: String,
    from_user: Option<String>,
    created_at: Option<i64>,
    received_at: i64,
    stored_at: i64,
    raw: Vec<u8>,
}

impl StoredEvent {
    fn row(self) -> EventRow {
        EventRow {
            seq: self.seq,
            app: self.app,
            kind: self.kind,
            hash: self.hash,
            from_user: self.from_user,
            created_at: self.created_at.map(Millis),
            received_at: Millis(self.received_at),
            stored_at: Millis(self.stored_at),
            raw: self.raw,
        }
    }
}
