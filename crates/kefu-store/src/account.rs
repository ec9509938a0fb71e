//! The lease of an account: who pulls it.

mod known;

use std::time::Duration;

use kefu_domain::{AccountId, CorpId, Millis};
use sqlx::FromRow;

use crate::sql::{small, values};
use crate::text::{clean_option, error_text};
use crate::{Released, Store, StoreError};
pub use known::{AccountRow, StaleAccount};

/// Who asks for the lease of an account, and the wake-up that made it ask.
#[derive(Clone, Copy, Debug)]
pub struct AcquireAccount<'a> {
    pub corp: &'a CorpId,
    pub account: &'a AccountId,
    pub app: &'a str,
    pub job_id: &'a str,
    /// The broker gives this job out again: its earlier holder is gone, its lease may be taken over.
    pub redelivered: bool,
    /// Token of the callback, if it had one. Never logged.
    pub token: Option<&'a str>,
    /// By the clock of whoever received it; counts as no later than the database's now.
    pub received_at: Millis,
    pub lease: Duration,
}

#[derive(Debug)]
pub enum AcquiredAccount {
    /// Another job holds it. The wake-up is noted on the row: its holder will pull once more.
    Held,
    Won(AccountLease),
}

/// The right to pull an account, until somebody else takes the next fence.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountLease {
    pub corp: CorpId,
    pub account: AccountId,
    pub app: String,
    pub job_id: String,
    pub fence: i64,
    pub cursor: Option<String>,
    /// Note it before each pull; a release with an older number says `Again`.
    pub wanted: i64,
    /// The newest callback token. Never logged.
    pub token: Option<String>,
    pub token_at: Option<Millis>,
    /// No pull has reached the end of the stream yet.
    pub first_pull: bool,
    pub first_woken_at: Millis,
    pub catching_up: bool,
    pub failures: u32,
}

impl std::fmt::Debug for AccountLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountLease")
            .field("account", &self.account)
            .field("job_id", &self.job_id)
            .field("fence", &self.fence)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// When a wake-up came, in the words of an ingress, of which one may be ahead: never later than now. Later, it would keep
/// newer tokens of others out, and make the first messages of a new account history.
macro_rules! came_at {
    ($at:literal) => {
        concat!("CASE WHEN ", $at, " > now_ms THEN now_ms ELSE ", $at, " END")
    };
}

/// The newest callback token and its time.
macro_rules! newest_token {
    ($token:literal, $at:literal) => {
        concat!(
            "token = CASE WHEN ",
            $token,
            " IS NOT NULL AND (token_at IS NULL OR token_at <= ",
            came_at!($at),
            ") THEN ",
            $token,
            " ELSE token END,
            token_at = CASE WHEN ",
            $token,
            " IS NOT NULL AND (token_at IS NULL OR token_at <= ",
            came_at!($at),
            ") THEN ",
            came_at!($at),
            " ELSE token_at END"
        )
    };
}

/// Takes the lease if it is free, run out, or this job's own and given out again.
const TAKE: &str = concat!(
    "UPDATE account SET
        fence = fence + 1, lease_owner = $3, lease_until = now_ms + $5,
        wake_at = now_ms + $5, wake_backoff = 60000,
        app = $6, ",
    newest_token!("$7", "$8"),
    ", first_woken_at = COALESCE(first_woken_at, ",
    came_at!("$8"),
    ")
    FROM clock
    WHERE corp = $1 AND account = $2
        AND (lease_until IS NULL OR lease_until <= now_ms OR (lease_owner = $3 AND $4))
    RETURNING app, fence, cursor, wanted, token, token_at, first_pull, first_woken_at, catching_up, failures"
);

/// The opposite condition, judged again on the locked row: the wake-up is noted only while somebody is there
/// to see it when releasing.
const RAISE: &str = concat!(
    "UPDATE account SET wanted = wanted + 1, ",
    newest_token!("$5", "$6"),
    "
    FROM clock
    WHERE corp = $1 AND account = $2
        AND lease_until > now_ms AND NOT (lease_owner = $3 AND $4)"
);

/// The columns of a lease as its holder finds them now.
const LOOK: &str = "
    SELECT app, fence, cursor, wanted, token, token_at, first_pull, first_woken_at, catching_up, failures
    FROM account
    WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";

/// The wake-up of a job that lost every round while the row changed hands under it. Nobody may be there to see
/// it, so it gets a time to wake as well.
const RAISE_ANYHOW: &str = concat!(
    "UPDATE account SET wanted = wanted + 1, ",
    newest_token!("$5", "$6"),
    ",
        wake_at = CASE WHEN lease_until > now_ms AND NOT (lease_owner = $3 AND $4) THEN wake_at ELSE now_ms END
    FROM clock
    WHERE corp = $1 AND account = $2"
);

/// Taking, noting and creating chase each other only while the row changes hands under us.
const ACQUIRE_ROUNDS: u32 = 4;

impl Store {
    /// Takes the account's lease, or notes on the row that its holder must pull once more.
    /// An account nobody knew is created by its first wake-up.
    pub async fn acquire_account(&self, ask: AcquireAccount<'_>) -> Result<AcquiredAccount, StoreError> {
        const INSERT: &str = concat!(
            "INSERT INTO account (corp, account, app, first_woken_at, created_at)
            SELECT $1, $2, $3, ",
            came_at!("$4"),
            ", now_ms FROM clock WHERE true
            ON CONFLICT (corp, account) DO NOTHING"
        );
        let (corp, account) = (ask.corp.as_str(), ask.account.as_str());
        let token = clean_option(ask.token);
        let take = values![
            corp,
            account,
            ask.job_id,
            ask.redelivered,
            ask.lease,
            ask.app,
            token.as_deref(),
            ask.received_at
        ];
        let raise = values![
            corp,
            account,
            ask.job_id,
            ask.redelivered,
            token.as_deref(),
            ask.received_at
        ];
        for _ in 0..ACQUIRE_ROUNDS {
            if let Some(row) = self.fetch_optional::<LeaseRow>(TAKE, take).await? {
                return Ok(AcquiredAccount::Won(row.lease(ask.corp, ask.account, ask.job_id)));
            }
            if self.execute(RAISE, raise).await? == 1 {
                return Ok(AcquiredAccount::Held);
            }
            self.execute(INSERT, values![corp, account, ask.app, ask.received_at])
                .await?;
        }
        self.execute(RAISE_ANYHOW, raise).await?;
        Ok(AcquiredAccount::Held)
    }

    /// False when the lease is lost.
    pub async fn extend_account(&self, lease: &AccountLease, by: Duration) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE account SET lease_until = now_ms + $5, wake_at = now_ms + $5
            FROM clock
            WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";
        let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
        let values = values![corp, account, lease.fence, &lease.job_id, by];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// Gives the lease back while `wanted` is what it was when it was noted, before the last pull.
    pub async fn release_account(
        &self,
        lease: &AccountLease,
        noted_wanted: i64,
    ) -> Result<Released<AccountLease>, StoreError> {
        const SQL: &str = "
            UPDATE account SET
                lease_owner = NULL, lease_until = NULL, wake_at = NULL,
                failures = 0, first_pull = FALSE, catching_up = FALSE
            WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4 AND wanted = $5";
        let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
        let values = values![corp, account, lease.fence, &lease.job_id, noted_wanted];
        if self.execute(SQL, values).await? == 1 {
            return Ok(Released::Free);
        }
        let values = values![corp, account, lease.fence, &lease.job_id];
        Ok(match self.fetch_optional::<LeaseRow>(LOOK, values).await? {
            Some(row) => Released::Again(row.lease(&lease.corp, &lease.account, &lease.job_id)),
            None => Released::Lost,
        })
    }

    /// Gives the lease up for a successor that was published; due again in 30 s if it never comes.
    /// False when the lease is lost.
    pub async fn yield_account(&self, lease: &AccountLease) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE account SET lease_owner = NULL, lease_until = NULL, wake_at = now_ms + 30000
            FROM clock
            WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";
        let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
        let values = values![corp, account, lease.fence, &lease.job_id];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// Gives the lease up after a failure. The failures so far, 0 when the lease is lost.
    pub async fn fail_account(
        &self,
        lease: &AccountLease,
        wake_in: Duration,
        error: &str,
    ) -> Result<u32, StoreError> {
        const SQL: &str = "
            UPDATE account SET
                lease_owner = NULL, lease_until = NULL, wake_at = now_ms + $5,
                failures = failures + 1,
                first_error = CASE WHEN failures = 0 THEN $6 ELSE first_error END,
                first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
                last_error = $6, last_error_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4
            RETURNING failures";
        let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
        let error = error_text(error);
        let values = values![corp, account, lease.fence, &lease.job_id, wake_in, &*error];
        let row: Option<(i64,)> = self.fetch_optional(SQL, values).await?;
        Ok(row.map_or(0, |(failures,)| small(failures)))
    }

    /// Gives the lease up for a while, without a failure. False when the lease is lost.
    pub async fn park_account(&self, lease: &AccountLease, wake_in: Duration) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE account SET lease_owner = NULL, lease_until = NULL, wake_at = now_ms + $5
            FROM clock
            WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";
        let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
        let values = values![corp, account, lease.fence, &lease.job_id, wake_in];
        Ok(self.execute(SQL, values).await? == 1)
    }
}

#[derive(FromRow)]
struct LeaseRow {
    app: String,
    fence: i64,
    cursor: Option<String>,
    wanted: i64,
    token: Option<String>,
    token_at: Option<i64>,
    first_pull: bool,
    first_woken_at: Option<i64>,
    catching_up: bool,
    failures: i64,
}

impl LeaseRow {
    fn lease(self, corp: &CorpId, account: &AccountId, job_id: &str) -> AccountLease {
        AccountLease {
            corp: corp.clone(),
            account: account.clone(),
            app: self.app,
            job_id: job_id.to_owned(),
            fence: self.fence,
            cursor: self.cursor,
            wanted: self.wanted,
            token: self.token,
            token_at: self.token_at.map(Millis),
            first_pull: self.first_pull,
            first_woken_at: Millis(self.first_woken_at.unwrap_or(0)),
            catching_up: self.catching_up,
            failures: small(self.failures),
        }
    }
}
