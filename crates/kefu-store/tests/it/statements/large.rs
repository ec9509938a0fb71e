//! Tables as they are after long use and in the middle of an outage: half of the customers are owed something. Made once
//! for a schema and kept, for the next run of the tests finds them again.

use sha1::{Digest, Sha1};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::harness::{open, postgres_url};

/// Customers, unless KEFU_PLAN_ROWS says otherwise: enough for a planner to dread reading them all.
const ROWS: u32 = 60_000;

/// `$n` is the number of customers.
const FILL: &str = "
    INSERT INTO account (corp, account, app, created_at)
    SELECT 'ww1', 'wk' || n, 'default', 1 FROM generate_series(1, 20) AS n;

    INSERT INTO conversation (corp, account, customer, customer_wrote_at, created_at, wake_at, lease_until, handover)
    SELECT 'ww1', 'wk' || n % 20 + 1, 'wm' || n, n, 1, CASE WHEN n % 2 = 0 THEN n END,
        CASE WHEN n % 5000 = 0 THEN n END, CASE WHEN n % 5000 = 1 THEN 'r' || n END
    FROM generate_series(1, $n) AS n;

    INSERT INTO message (corp, account, msgid, customer, origin, msgtype, text, raw, sent_at, received_at, handled,
        reply_id)
    SELECT 'ww1', 'wk' || n % 20 + 1, 'm' || part || '-' || n, 'wm' || n, CASE part WHEN 3 THEN 'servicer' ELSE 'customer' END,
        'text', repeat('x', 40), repeat('y', 200)::bytea, n, n,
        CASE WHEN part > 1 OR n % 2 > 0 THEN CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'answered' END END,
        CASE WHEN part > 1 OR n % 2 > 0 THEN 'r' || n END
    FROM generate_series(1, 3) AS part, generate_series(1, $n) AS n;

    INSERT INTO outbox (corp, account, customer, msgid, reply_id, purpose, answers, generation, part, parts, text,
        status, planned_at, sending_at, settled_at)
    SELECT 'ww1', 'wk' || n % 20 + 1, 'wm' || n, 'o' || part || '-' || n, 'r' || n, 'reply', 'm1-' || n, 0, part, 2,
        repeat('z', 200),
        CASE WHEN n % 10 = 0 THEN 'planned' WHEN n % 100 = 1 THEN 'sending' WHEN n % 100 = 2 THEN 'unknown'
            WHEN n % 100 = 3 THEN 'failed' ELSE 'sent' END, n, n, n
    FROM generate_series(1, 2) AS part, generate_series(1, $n) AS n;

    INSERT INTO welcome (id, corp, account, customer, code, event_at, status, wake_at, created_at, taken_at)
    SELECT 'w' || n, 'ww1', 'wk' || n % 20 + 1, 'wm' || n, repeat('c', 40), n,
        CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 1000 = 1 THEN 'sending' ELSE 'sent' END, n, n, n
    FROM generate_series(1, $n) AS n;

    INSERT INTO notice (id, corp, account, customer, purpose, code, code_at, text, status, wake_at, taken_at)
    SELECT 'n' || n, 'ww1', 'wk' || n % 20 + 1, 'wm' || n, 'waiting', repeat('c', 40), n, repeat('t', 40),
        CASE WHEN n % 100 = 0 THEN 'pending' WHEN n % 1000 = 1 THEN 'sending' ELSE 'sent' END, n, n
    FROM generate_series(1, $n) AS n;

    INSERT INTO app_event (app, corp, hash, kind, received_at, stored_at, raw)
    SELECT 'default', 'ww1', 'h' || n, 'event', n, n, repeat('e', 200)::bytea FROM generate_series(1, $n) AS n;

    INSERT INTO unreadable (corp, account, hash, sent_at, received_at, error, raw)
    SELECT 'ww1', 'wk1', 'h' || n, n, n, 'broken', repeat('u', 200)::bytea FROM generate_series(1, $n) AS n;

    INSERT INTO dead_letter (job_id, replay, kind, app, lane, reason, attempts, archived_at, raw, state, publish_at)
    SELECT 'j' || n, 0, 'kf.turn', 'default', 'medium', 'exhausted', 6, n, repeat('d', 200)::bytea,
        CASE WHEN n % 10 = 0 THEN 'open' WHEN n % 10 = 1 THEN 'replaying' ELSE 'replayed' END,
        CASE WHEN n % 10 = 1 THEN n END
    FROM generate_series(1, $n) AS n;
";

/// A connection to them, with the settings of the store's own.
pub(super) async fn postgres() -> PgConnection {
    static URL: OnceCell<String> = OnceCell::const_new();
    let url = URL.get_or_init(made).await;
    let options: PgConnectOptions = url.parse().unwrap();
    // Made with them by the store; see `made`.
    PgConnection::connect_with(&options).await.unwrap()
}

async fn made() -> String {
    let rows: u32 = std::env::var("KEFU_PLAN_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let fill = FILL.replace("$n", &rows.to_string());
    let base = postgres_url();
    let mut admin = PgConnection::connect(&base).await.unwrap();
    let schema = format!("store_large_{}", fingerprint(&fill));
    // One process makes it, the others wait.
    sqlx::raw_sql("SELECT pg_advisory_lock(hashtext('kefu large tables'))")
        .execute(&mut admin)
        .await
        .unwrap();
    let mark = if base.contains('?') { '&' } else { '?' };
    let url = format!(
        "{base}{mark}options[search_path]={schema}&options[plan_cache_mode]=force_generic_plan&options[jit]=off"
    );
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}.made"))
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !there {
        let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
        let store = open(&url).await;
        store.migrate().await.unwrap();
        store.close().await;
        let sql = format!(
            "SET search_path = {schema}; SET synchronous_commit = off; {fill}
            ANALYZE account, conversation, message, outbox, welcome, notice, app_event, unreadable, dead_letter;
            CREATE TABLE made (at BIGINT)"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    admin.close().await.unwrap();
    url
}

/// Of all that makes the tables what they are.
fn fingerprint(fill: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut hash = Sha1::new_with_prefix(fill);
    for file in files {
        hash.update(std::fs::read(file).unwrap());
    }
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
