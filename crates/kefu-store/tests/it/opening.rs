use std::str::FromStr;

use kefu_store::{Store, StoreError};
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;

use crate::harness::{self, Database, open, postgres_url, settings};

async fn refusal(url: &str) -> String {
    let error = Store::open(&settings(url)).await.unwrap_err();
    assert!(error.is_refusal() && !error.is_unavailable(), "{error:?}");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

/// The same server with another part of the URL.
fn url_with(password: Option<&str>, port: Option<u16>, name: Option<&str>) -> String {
    let url = postgres_url();
    let options = PgConnectOptions::from_str(&url).unwrap();
    let own = url
        .split(':')
        .nth(2)
        .and_then(|rest| rest.split('@').next())
        .unwrap();
    format!(
        "postgres://{}:{}@{}:{}/{}",
        options.get_username(),
        password.unwrap_or(own),
        options.get_host(),
        port.unwrap_or(options.get_port()),
        name.or(options.get_database()).unwrap(),
    )
}

#[tokio::test]
async fn a_wrong_password_is_refused_without_saying_it() {
    let line = refusal(&url_with(Some("not-the-secret"), None, None)).await;
    assert!(
        line.contains("password") && !line.contains("not-the-secret"),
        "{line}"
    );
    assert!(line.starts_with("database.url: postgres://"), "{line}");
}

#[tokio::test]
async fn an_unknown_database_is_refused() {
    let line = refusal(&url_with(None, None, Some("nobody_made_this"))).await;
    assert!(line.contains("nobody_made_this"), "{line}");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("postgres://kefu:secret@127.0.0.1:{port}/kefu");
    let error = Store::open(&settings(&url)).await.unwrap_err();
    assert!(error.is_unavailable() && !error.is_refusal(), "{error:?}");
}

#[tokio::test]
async fn impossible_settings_are_refused() {
    assert!(
        refusal("mysql://kefu:secret@host/kefu")
            .await
            .contains("database.url")
    );
    let line = refusal("postgres://kefu:secret@host:notaport/kefu").await;
    assert!(
        line.contains("database.url") && !line.contains("secret"),
        "{line}"
    );
    assert!(refusal("sqlite::memory:").await.contains("database.url"));
    assert!(refusal("sqlite:").await.contains("database.url"));
    let folder = tempfile::tempdir().unwrap();
    let is_folder = format!("sqlite:{}", folder.path().display());
    let line = refusal(&is_folder).await;
    let expected = format!("database.url: {} is a folder; ", folder.path().display());
    assert!(line.starts_with(&expected), "{line}");
    let file = folder.path().join("file");
    std::fs::write(&file, "x".repeat(4096)).unwrap();
    let line = refusal(&format!("sqlite:{}/kefu.db", file.display())).await;
    let expected = format!("cannot be made: {} is a file", file.display());
    assert!(line.ends_with(&expected), "{line}");
    let line = refusal("sqlite:/proc/kefu.db").await;
    assert!(
        line.contains("cannot write to /proc: ") && line.contains(", as user "),
        "{line}"
    );
    let line = refusal(&format!("sqlite:{}", file.display())).await;
    assert!(line.contains("not a database"), "{line}");
    let mut none = settings(&is_folder);
    none.pool = 0;
    let error = Store::open(&none).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("database.pool"));
}

async fn many_processes_migrate_at_once(database: Database) {
    assert!(database.store.check_schema().await.unwrap_err().is_refusal());
    let mut processes = JoinSet::new();
    for _ in 0..4 {
        let url = database.url.clone();
        processes.spawn(async move {
            let store = open(&url).await;
            let migrated = store.migrate().await.unwrap();
            store.check_schema().await.unwrap();
            store.close().await;
            migrated
        });
    }
    let all = processes.join_all().await;
    assert_eq!(
        all.iter().filter(|migrated| migrated.from == 0).count(),
        1,
        "{all:?}"
    );
    assert!(
        all.iter()
            .all(|migrated| migrated.applied.is_empty() == (migrated.from == migrated.to))
    );
    database.store.check_schema().await.unwrap();
    assert!(database.store.migrate().await.unwrap().applied.is_empty());
    database.remove().await;
}

async fn a_newer_schema_is_refused(database: Database) {
    database.store.migrate().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT 9999, 'from the future', TRUE, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    database.sql(newer).await;
    for error in [
        database.store.migrate().await.unwrap_err(),
        database.store.check_schema().await.unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::SchemaNewer { found: 9999, .. }),
            "{error:?}"
        );
        assert!(error.is_refusal());
    }
    database.remove().await;
}

async fn a_changed_migration_is_refused(database: Database) {
    database.store.migrate().await.unwrap();
    database.sql("UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = database.store.migrate().await.unwrap_err();
    assert!(error.is_refusal(), "{error:?}");
    assert!(error.to_string().contains("modified"), "{error}");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_migrate_a_sqlite_file_at_once() {
    many_processes_migrate_at_once(harness::empty_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_migrate_a_postgres_schema_at_once() {
    many_processes_migrate_at_once(harness::empty_postgres().await).await;
}

#[tokio::test]
async fn a_newer_sqlite_schema_is_refused() {
    a_newer_schema_is_refused(harness::empty_sqlite().await).await;
}

#[tokio::test]
async fn a_newer_postgres_schema_is_refused() {
    a_newer_schema_is_refused(harness::empty_postgres().await).await;
}

#[tokio::test]
async fn a_changed_sqlite_migration_is_refused() {
    a_changed_migration_is_refused(harness::empty_sqlite().await).await;
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let database = harness::sqlite().await;
    database.store.close().await;
    assert!(database.store.ping().await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://kefu:secret@127.0.0.1:{port}/kefu");
    let error = Store::open(&settings(&url)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
}

/// Somebody else's transaction holds the row: the method ends within the session's own limits and the store
/// goes on.
#[tokio::test]
async fn a_locked_row_does_not_hold_a_method_for_ever() {
    let database = harness::postgres().await;
    let lease = harness::win(&database.store, "j1").await;
    let harness::Raw::Postgres(mut other) = database.raw().await else {
        panic!("not PostgreSQL");
    };
    let lock = "BEGIN; UPDATE account SET name = 'locked'";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let asked = std::time::Instant::now();
    let error = database
        .store
        .extend_account(&lease, harness::LEASE)
        .await
        .unwrap_err();
    assert!(error.is_busy() && !error.is_unavailable(), "{error:?}");
    assert!(asked.elapsed() < std::time::Duration::from_secs(5));
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(
        database
            .store
            .extend_account(&lease, harness::LEASE)
            .await
            .unwrap()
    );
    drop(other);
    database.remove().await;
}

/// As after a fail-over: the old connections lead to a server that takes no writes any more, new ones to one that does.
#[tokio::test]
async fn a_connection_to_a_server_that_became_read_only_is_not_used_again() {
    let database = harness::postgres().await;
    database
        .sql(
            "CREATE TABLE old_server (pid INTEGER);
            CREATE FUNCTION read_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM old_server WHERE pid = pg_backend_pid()) THEN
                    RAISE EXCEPTION 'cannot execute in a read-only transaction' USING ERRCODE = '25006';
                ELSIF NOT EXISTS (SELECT FROM old_server) THEN
                    INSERT INTO old_server VALUES (pg_backend_pid());
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER read_only AFTER INSERT ON probe
            FOR EACH STATEMENT EXECUTE FUNCTION read_only();",
        )
        .await;
    // The one connection there is, so that the second question meets the first one's.
    let mut one = settings(&database.url);
    one.pool = 1;
    let store = Store::open(&one).await.unwrap();
    store.probe().await.unwrap();
    let error = store.probe().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    store.probe().await.unwrap();
    store.close().await;
    database.remove().await;
}
