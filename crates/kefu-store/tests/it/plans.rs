use sqlx::AssertSqlSafe;

use crate::harness::{self, Raw};

/// Index, and a question that must go through it.
const CASES: &[(&str, &str)] = &[
    (
        "account_due",
        "SELECT corp, account FROM account WHERE wake_at <= (SELECT now_ms FROM clock)
        ORDER BY wake_at LIMIT 200 FOR UPDATE SKIP LOCKED",
    ),
    (
        "conversation_due",
        "SELECT corp, account, customer FROM conversation WHERE wake_at <= (SELECT now_ms FROM clock)
        ORDER BY wake_at LIMIT 200 FOR UPDATE SKIP LOCKED",
    ),
    (
        "message_owed",
        "SELECT msgid FROM message
        WHERE corp = 'ww1' AND account = 'wk1' AND customer = 'wm1' AND handled IS NULL
        ORDER BY sent_at, seq LIMIT 201",
    ),
    (
        "message_history",
        "SELECT text FROM message
        WHERE corp = 'ww1' AND account = 'wk1' AND customer = 'wm1' AND handled IS NOT NULL
        ORDER BY received_at DESC, seq DESC LIMIT 20",
    ),
    (
        "outbox_open",
        "SELECT msgid FROM outbox
        WHERE corp = 'ww1' AND account = 'wk1' AND customer = 'wm1' AND status IN ('planned', 'sending')
        ORDER BY planned_at, reply_id, part",
    ),
    (
        "outbox_history",
        "SELECT text FROM outbox WHERE corp = 'ww1' AND account = 'wk1' AND customer = 'wm1'
        ORDER BY planned_at DESC, part DESC LIMIT 20",
    ),
    (
        "outbox_reply",
        "SELECT msgid FROM outbox WHERE corp = 'ww1' AND account = 'wk1' AND reply_id = 'r1'",
    ),
    (
        "message_reply",
        "SELECT msgid FROM message WHERE corp = 'ww1' AND account = 'wk1' AND reply_id = 'r1'",
    ),
    (
        "message_key",
        "SELECT msgid FROM message WHERE corp = 'ww1' AND account = 'wk1' AND msgid IN ('m1', 'm2')",
    ),
    (
        "outbox_key",
        "SELECT text FROM outbox WHERE corp = 'ww1' AND account = 'wk1' AND msgid = 'm1'",
    ),
    (
        "dead_letter_replaying",
        "SELECT seq FROM dead_letter WHERE state = 'replaying' AND publish_at <= (SELECT now_ms FROM clock)
        ORDER BY publish_at, seq LIMIT 50 FOR UPDATE SKIP LOCKED",
    ),
    (
        "outbox_unknown",
        "SELECT count(*) FROM outbox WHERE status = 'unknown'",
    ),
    (
        "welcome_open",
        "SELECT id FROM welcome WHERE status = 'pending' AND event_at <= 5",
    ),
];

/// The questions asked all the time must not read whole tables, however large these grow. Asked of empty
/// tables without statistics: that is how a new installation starts.
#[tokio::test]
async fn hot_queries_use_their_indexes() {
    let database = harness::postgres().await;
    let Raw::Postgres(mut raw) = database.raw().await else {
        panic!("not PostgreSQL");
    };
    sqlx::raw_sql("SET enable_seqscan = off")
        .execute(&mut raw)
        .await
        .unwrap();
    for (index, sql) in CASES {
        let explain = AssertSqlSafe(format!("EXPLAIN {sql}"));
        let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut raw).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{index} is not used:\n{plan}");
    }
    drop(raw);
    database.remove().await;
}
