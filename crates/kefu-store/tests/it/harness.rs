use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kefu_domain::{
    AccountId, ConversationKey, CorpId, CustomerId, Handled, MessageId, Millis, Purpose, Source,
};
use kefu_store::{
    AccountLease, AcquireAccount, AcquiredAccount, AcquiredConversation, ConversationLease, DatabaseSettings,
    Decision, EventEffect, NewPart, Page, PageContent, PageMessage, PageOutcome, Part, Released, Store, Turn,
    TurnLimits,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::statements;

/// Runs every test of a list on both engines.
macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let database = crate::harness::sqlite().await;
                super::$test(&database).await;
                database.remove().await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let database = crate::harness::postgres().await;
                super::$test(&database).await;
                database.remove().await;
            })+
        }
    };
}
pub(crate) use conformance;

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const LIMITS: TurnLimits = TurnLimits {
    owed_max: 200,
    history_max: 20,
};

/// A migrated database of its own.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) url: String,
    schema: Option<String>,
    folder: Option<TempDir>,
}

pub(crate) async fn sqlite() -> Database {
    let database = empty_sqlite().await;
    database.store.migrate().await.unwrap();
    database
}

pub(crate) async fn postgres() -> Database {
    let database = empty_postgres().await;
    database.store.migrate().await.unwrap();
    database
}

pub(crate) async fn empty_sqlite() -> Database {
    // In memory where there is a place for it: every commit is flushed, and a disk that others keep busy stalls
    // for longer than a method may take.
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let url = format!("sqlite:{}", folder.path().join("new/kefu.db").display());
    Database {
        store: open(&url).await,
        url,
        schema: None,
        folder: Some(folder),
    }
}

pub(crate) async fn empty_postgres() -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("store_test_{}_{number}", std::process::id());
    let base = postgres_url();
    let mut admin = PgConnection::connect(&base).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    let mark = if base.contains('?') { '&' } else { '?' };
    let url = format!("{base}{mark}options[search_path]={schema}");
    Database {
        store: open(&url).await,
        url,
        schema: Some(schema),
        folder: None,
    }
}

pub(crate) fn postgres_url() -> String {
    std::env::var("DATABASE_URL")
        .ok()
        .filter(|url| url.starts_with("postgres"))
        .expect("the PostgreSQL tests need DATABASE_URL; run: eval \"$(scripts/services start)\"")
}

pub(crate) fn settings(url: &str) -> DatabaseSettings {
    DatabaseSettings {
        url: url.to_owned().into(),
        pool: 6,
    }
}

pub(crate) async fn open(url: &str) -> Store {
    statements::collect();
    Store::open(&settings(url)).await.unwrap()
}

pub(crate) enum Raw {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Database {
    /// A connection beside the store's.
    pub(crate) async fn raw(&self) -> Raw {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                Raw::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            None => {
                let options = PgConnectOptions::from_str(&self.url).unwrap();
                Raw::Postgres(PgConnection::connect_with(&options).await.unwrap())
            }
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.schema.is_some()
    }

    /// Changes rows behind the store's back: what time or a crash would do.
    pub(crate) async fn sql(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.raw().await {
            Raw::Postgres(mut raw) => drop(sqlx::raw_sql(sql).execute(&mut raw).await.unwrap()),
            Raw::Sqlite(mut raw) => drop(sqlx::raw_sql(sql).execute(&mut raw).await.unwrap()),
        }
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.raw().await.number(sql).await
    }

    /// One text, empty for null.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(format!("SELECT COALESCE(({sql}), '')"));
        match self.raw().await {
            Raw::Postgres(mut raw) => sqlx::query_scalar(sql).fetch_one(&mut raw).await.unwrap(),
            Raw::Sqlite(mut raw) => sqlx::query_scalar(sql).fetch_one(&mut raw).await.unwrap(),
        }
    }

    pub(crate) async fn now(&self) -> Millis {
        Millis(self.number("SELECT now_ms FROM clock").await)
    }

    pub(crate) async fn handled(&self, msgid: &str) -> String {
        self.text(&format!("SELECT handled FROM message WHERE msgid = '{msgid}'"))
            .await
    }

    pub(crate) async fn status(&self, msgid: &str) -> String {
        self.text(&format!("SELECT status FROM outbox WHERE msgid = '{msgid}'"))
            .await
    }

    pub(crate) async fn remove(self) {
        statements::check(&self).await;
        self.store.close().await;
        if let Some(schema) = &self.schema {
            self.sql(&format!("DROP SCHEMA {schema} CASCADE")).await;
        }
        drop(self.folder);
    }
}

impl Raw {
    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Raw::Postgres(raw) => sqlx::query_scalar(sql).fetch_one(raw).await.unwrap(),
            Raw::Sqlite(raw) => sqlx::query_scalar(sql).fetch_one(raw).await.unwrap(),
        }
    }
}

pub(crate) fn corp() -> CorpId {
    CorpId::parse("ww1").unwrap()
}

pub(crate) fn account() -> AccountId {
    AccountId::parse("wk1").unwrap()
}

pub(crate) fn customer(name: &str) -> CustomerId {
    CustomerId::parse(name).unwrap()
}

pub(crate) fn id(name: &str) -> MessageId {
    MessageId::parse(name).unwrap()
}

pub(crate) fn key(name: &str) -> ConversationKey {
    ConversationKey {
        corp: corp(),
        account: account(),
        customer: customer(name),
    }
}

/// A message of a customer, owed.
pub(crate) fn says(msgid: &str, who: &str, text: &str, sent_at: Millis) -> PageMessage {
    PageMessage {
        raw: format!("{{\"msgid\":\"{msgid}\"}}").into_bytes(),
        content: PageContent::Customer {
            customer: customer(who),
            msgtype: "text".to_owned(),
            text: Some(text.to_owned()),
            menu_id: None,
            media_id: None,
            handled: None,
        },
        sent_at,
        id: Some(id(msgid)),
    }
}

pub(crate) fn servicer_says(msgid: &str, to: &str, sent_at: Millis) -> PageMessage {
    let content = PageContent::Servicer {
        customer: customer(to),
        servicer: "anna".to_owned(),
        msgtype: "text".to_owned(),
        text: Some("servicer".to_owned()),
    };
    PageMessage {
        content,
        ..says(msgid, to, "", sent_at)
    }
}

pub(crate) fn event(msgid: &str, effect: EventEffect, sent_at: Millis) -> PageMessage {
    let content = PageContent::Event {
        event_type: "event".to_owned(),
        effect,
    };
    PageMessage {
        content,
        ..says(msgid, "x", "", sent_at)
    }
}

pub(crate) fn page(before: Option<&str>, after: &str, messages: Vec<PageMessage>) -> Page {
    Page {
        cursor_before: before.map(str::to_owned),
        cursor_after: Some(after.to_owned()),
        has_more: false,
        lease: LEASE,
        messages,
        history_before: None,
        welcome_after: Millis(0),
    }
}

pub(crate) async fn ask(store: &Store, job_id: &str, redelivered: bool) -> AcquiredAccount {
    store
        .acquire_account(AcquireAccount {
            corp: &corp(),
            account: &account(),
            app: "default",
            job_id,
            redelivered,
            token: None,
            received_at: Millis(1_000),
            lease: LEASE,
        })
        .await
        .unwrap()
}

pub(crate) async fn win(store: &Store, job_id: &str) -> AccountLease {
    match ask(store, job_id, false).await {
        AcquiredAccount::Won(lease) => lease,
        AcquiredAccount::Held => panic!("the account is held"),
    }
}

/// One whole run of an account: pull one page, release.
pub(crate) async fn pull(store: &Store, messages: Vec<PageMessage>) -> PageOutcome {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let lease = win(store, "pull").await;
    let after = format!("c{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let page = page(lease.cursor.as_deref(), &after, messages);
    let outcome = store.commit_page(&lease, &page).await.unwrap();
    assert_eq!(
        store.release_account(&lease, lease.wanted).await.unwrap(),
        Released::Free
    );
    outcome
}

pub(crate) async fn acquire(store: &Store, who: &str, job_id: &str) -> AcquiredConversation {
    store
        .acquire_conversation(&key(who), job_id, false, LEASE, LIMITS)
        .await
        .unwrap()
}

pub(crate) async fn turn(store: &Store, who: &str, job_id: &str) -> Box<Turn> {
    match acquire(store, who, job_id).await {
        AcquiredConversation::Won(turn) => turn,
        other => panic!("not won: {other:?}"),
    }
}

pub(crate) fn owed(turn: &Turn) -> Vec<&str> {
    turn.owed.iter().map(|message| message.id.as_str()).collect()
}

/// A decision about everything the turn read, in as many parts as there are texts.
pub(crate) fn answer(turn: &Turn, texts: &[&str]) -> Decision {
    Decision {
        answered: turn.owed.iter().map(|message| message.id.clone()).collect(),
        handled: Handled::Answered,
        parts: texts
            .iter()
            .map(|text| NewPart {
                purpose: Purpose::Reply,
                generation: 0,
                text: (*text).to_owned(),
            })
            .collect(),
        answers: turn.owed.last().unwrap().id.clone(),
        source: Source::Model,
    }
}

/// Decides and returns the parts.
pub(crate) async fn decide(store: &Store, turn: &Turn, texts: &[&str]) -> Vec<Part> {
    store
        .decide(&turn.lease, &answer(turn, texts))
        .await
        .unwrap()
        .unwrap()
}

/// The rest of a lost lease: what another worker's time or a crash makes of it.
pub(crate) async fn end_leases(database: &Database) {
    database
        .sql("UPDATE account SET lease_until = 1, wake_at = 1 WHERE lease_until IS NOT NULL")
        .await;
    database
        .sql("UPDATE conversation SET lease_until = 1, wake_at = 1 WHERE lease_until IS NOT NULL")
        .await;
}

pub(crate) async fn reload(store: &Store, lease: &ConversationLease) -> Turn {
    store.reload_turn(lease, LEASE, LIMITS).await.unwrap().unwrap()
}
