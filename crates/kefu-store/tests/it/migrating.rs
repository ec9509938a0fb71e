//! A migration beside whoever holds the tables for long, as a backup does.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::{self, Database, Raw, open};

/// Longer than a migration may keep others waiting, with room for a busy machine.
const HELD_UP_MAX: Duration = Duration::from_millis(1_500);
/// How long the tables are held in these tests: several tries of a migration.
const BACKUP: Duration = Duration::from_secs(3);

/// A schema in which one migration is still missing that changes `conversation` and `account`.
async fn older() -> Database {
    let database = harness::postgres().await;
    database
        .sql(
            "ALTER TABLE conversation DROP COLUMN own_failures;
            ALTER TABLE account DROP COLUMN polled_at;
            DELETE FROM _sqlx_migrations WHERE version = 3",
        )
        .await;
    database
}

/// Holds the tables as `pg_dump` does, until it is dropped.
async fn backup(database: &Database) -> PgConnection {
    let Raw::Postgres(mut holder) = database.raw().await else {
        panic!("not PostgreSQL");
    };
    sqlx::raw_sql("BEGIN; LOCK TABLE account, conversation, message, outbox IN ACCESS SHARE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    holder
}

/// What a worker of the version before does all the time; how long it took.
async fn work(database: &Database) -> Duration {
    let asked = Instant::now();
    database.sql("UPDATE conversation SET wanted = wanted").await;
    asked.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_beside_a_backup_holds_up_no_worker_and_ends_after_it() {
    let database = older().await;
    // This one needs none of the held tables to itself: the first try applies it.
    database
        .sql(
            "ALTER TABLE dead_letter DROP COLUMN first_error_at, DROP COLUMN state, DROP COLUMN state_at,
                DROP COLUMN publish_at;
            DROP INDEX outbox_failed;
            DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .await;
    let holder = backup(&database).await;
    let store = open(&database.url).await;
    let mut migrating = JoinSet::new();
    migrating.spawn(async move { store.migrate().await });
    let began = Instant::now();
    while began.elapsed() < BACKUP {
        let took = work(&database).await;
        assert!(took < HELD_UP_MAX, "a worker waited for {took:?}");
    }
    assert!(migrating.try_join_next().is_none());
    holder.close().await.unwrap();
    let migrated = migrating.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(migrated.applied, [2, 3], "whatever try applied them");
    database.store.check_schema().await.unwrap();
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_migration_leaves_no_one_waiting_in_front_of_the_workers() {
    let database = older().await;
    let holder = backup(&database).await;
    let store = open(&database.url).await;
    let mut migrating = JoinSet::new();
    migrating.spawn(async move { store.migrate().await });
    const WAITING: &str = "SELECT count(*) FROM pg_locks
        WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'conversation'::regclass";
    let until = async |waiting: bool| {
        let began = Instant::now();
        while (database.number(WAITING).await > 0) != waiting {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "waiting is not {waiting}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    };
    until(true).await;
    // What SIGKILL does: the connection is gone, and the server may not have noticed.
    migrating.shutdown().await;
    until(false).await;
    let took = work(&database).await;
    assert!(took < HELD_UP_MAX, "a worker waited for {took:?}");
    holder.close().await.unwrap();
    database.remove().await;
}
