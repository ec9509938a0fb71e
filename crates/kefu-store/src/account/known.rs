//! Which accounts there are, and which of them nobody woke for long.

use std::time::Duration;

use kefu_domain::{AccountId, CorpId, Millis};
use sqlx::FromRow;

use crate::sql::{small, values};
use crate::text::clean_option;
use crate::{Store, StoreError};

/// Most accounts listed for one app.
const ACCOUNTS_MAX: i64 = 5000;

/// A known kf account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    pub corp: CorpId,
    pub account: AccountId,
    pub app: String,
    pub name: Option<String>,
    pub cursor: Option<String>,
    /// When its last page was stored.
    pub pulled_at: Option<Millis>,
    pub failures: u32,
}

/// An account nobody woke for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleAccount {
    pub corp: CorpId,
    pub account: AccountId,
    pub app: String,
}

impl Store {
    /// Makes the account known; true when it was not. A new one is due for its first pull in 30 s.
    pub async fn ensure_account(
        &self,
        corp: &CorpId,
        account: &AccountId,
        app: &str,
        name: Option<&str>,
    ) -> Result<bool, StoreError> {
        const INSERT: &str = "
            INSERT INTO account (corp, account, app, name, created_at, wake_at)
            SELECT $1, $2, $3, $4, now_ms, now_ms + 30000 FROM clock WHERE true
            ON CONFLICT (corp, account) DO NOTHING";
        const RENAME: &str = "
            UPDATE account SET app = $3, name = COALESCE($4, name)
            WHERE corp = $1 AND account = $2
                AND (app <> $3 OR name IS DISTINCT FROM COALESCE($4, name))";
        let name = clean_option(name);
        let values = values![corp.as_str(), account.as_str(), app, name.as_deref()];
        if self.execute(INSERT, values).await? == 1 {
            return Ok(true);
        }
        self.execute(RENAME, values).await?;
        Ok(false)
    }

    /// Takes the account that was pulled longest ago, if that is `older_than` ago: a callback may have been lost.
    /// To be pulled now; due in 30 s should that not come to pass.
    ///
    /// At most one in each `pace`, over all processes: such a pull has no callback token, and WeCom limits those
    /// strictly.
    pub async fn take_stale(
        &self,
        older_than: Duration,
        pace: Duration,
    ) -> Result<Option<StaleAccount>, StoreError> {
        const SQL: &str = "
            UPDATE account SET wake_at = now_ms + 30000, polled_at = now_ms
            FROM clock
            WHERE wake_at IS NULL AND (corp, account) IN (
                SELECT stale.corp, stale.account FROM account AS stale, clock AS now
                WHERE stale.wake_at IS NULL
                    AND COALESCE(stale.pulled_at, 0) <= now.now_ms - $1
                    AND COALESCE(stale.polled_at, 0) <= now.now_ms - $1
                    AND NOT EXISTS (
                        SELECT 1 FROM account AS recent WHERE recent.polled_at > now.now_ms - $2)
                ORDER BY COALESCE(stale.pulled_at, 0), stale.corp, stale.account
                LIMIT 1)
            RETURNING corp, account, app";
        let row: Option<(String, String, String)> =
            self.fetch_optional(SQL, values![older_than, pace]).await?;
        let Some((corp, account, app)) = row else {
            return Ok(None);
        };
        let corp = CorpId::parse(&corp).map_err(StoreError::unreadable)?;
        let account = AccountId::parse(&account).map_err(StoreError::unreadable)?;
        Ok(Some(StaleAccount { corp, account, app }))
    }

    /// The accounts of an app, at most 5000.
    pub async fn accounts(&self, app: &str) -> Result<Vec<AccountRow>, StoreError> {
        const SQL: &str = "
            SELECT corp, account, app, name, cursor, pulled_at, failures
            FROM account WHERE app = $1 ORDER BY corp, account LIMIT $2";
        let rows: Vec<KnownRow> = self.fetch_all(SQL, values![app, ACCOUNTS_MAX]).await?;
        rows.into_iter().map(KnownRow::account).collect()
    }

    /// The rows of an account whose corp and app are not known; WeCom gives its ids out once, so there is mostly one.
    pub async fn accounts_called(&self, account: &AccountId) -> Result<Vec<AccountRow>, StoreError> {
        const SQL: &str = "
            SELECT corp, account, app, name, cursor, pulled_at, failures
            FROM account WHERE account = $1 ORDER BY corp LIMIT $2";
        let values = values![account.as_str(), ACCOUNTS_MAX];
        let rows: Vec<KnownRow> = self.fetch_all(SQL, values).await?;
        rows.into_iter().map(KnownRow::account).collect()
    }
}

#[derive(FromRow)]
struct KnownRow {
    corp: String,
    account: String,
    app: String,
    name: Option<String>,
    cursor: Option<String>,
    pulled_at: Option<i64>,
    failures: i64,
}

impl KnownRow {
    fn account(self) -> Result<AccountRow, StoreError> {
        Ok(AccountRow {
            corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
            account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
            app: self.app,
            name: self.name,
            cursor: self.cursor,
            pulled_at: self.pulled_at.map(Millis),
            failures: small(self.failures),
        })
    }
}
