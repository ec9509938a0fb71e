//! SQLite plans without looking at the rows, for nobody runs ANALYZE: a table need not be large to tell.

use sqlx::AssertSqlSafe;

use super::{BROAD, Statement};
use crate::harness::{Database, Raw};

/// What may be read from end to end: accounts, also under the names that a statement gives them, and the clock.
const SMALL: [&str; 7] = ["account", "clock", "CONSTANT", "now", "probe", "recent", "stale"];

pub(super) async fn bad_plans(database: &Database, statements: &[Statement]) -> Vec<String> {
    let Raw::Sqlite(mut raw) = database.raw().await else {
        panic!("not SQLite");
    };
    let few: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
            .fetch_all(&mut raw)
            .await
            .unwrap();
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name LIKE 'sqlite_stat%'")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(known, 0, "it would look at the rows");
    // A new account would have its conversations looked for, which happens only while a key is broken, hence never.
    sqlx::raw_sql("PRAGMA foreign_keys = OFF")
        .execute(&mut raw)
        .await
        .unwrap();
    let mut bad = Vec::new();
    for statement in statements {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sql));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&mut raw).await.unwrap();
        let lines: Vec<&str> = plan.iter().map(|(_, _, _, line)| line.as_str()).collect();
        if reads_all(&lines, &few) {
            bad.push(format!("{}\n{}", statement.sql, lines.join("\n")));
        }
    }
    bad
}

/// Whether a plan reads more than a part of a table that is small.
fn reads_all(plan: &[&str], few: &[String]) -> bool {
    // What the statement itself has put together.
    let own: Vec<&str> = plan
        .iter()
        .filter_map(|line| {
            line.strip_prefix("CO-ROUTINE ")
                .or_else(|| line.strip_prefix("MATERIALIZE "))
        })
        .collect();
    let is_bad = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let index = words.windows(2).find(|pair| pair[0] == "INDEX");
        let is_few =
            index.is_some_and(|pair| few.iter().any(|name| name == pair[1]) && !BROAD.contains(&pair[1]));
        match words.as_slice() {
            ["SCAN", rows, "CONSTANT" | "VALUES", ..] if rows.starts_with(|c: char| c.is_ascii_digit()) => {
                false
            }
            ["SCAN", table, ..] => !SMALL.contains(table) && !own.contains(table) && !is_few,
            ["SEARCH", table, ..] => {
                line.contains("AUTOMATIC") && !SMALL.contains(table) && !own.contains(table)
            }
            _ => false,
        }
    };
    plan.iter().any(is_bad)
}

#[test]
fn what_reads_a_whole_table_is_told_apart() {
    let few = ["outbox_unknown", "message_reply"].map(str::to_owned);
    for (plan, expected) in [
        ("SCAN message", true),
        ("SCAN later", true),
        ("SCAN message USING INDEX message_history", true),
        ("SCAN message USING INDEX message_reply", true),
        ("SCAN outbox USING COVERING INDEX outbox_unknown", false),
        ("SCAN clock", false),
        ("CO-ROUTINE (subquery-2)\nSCAN (subquery-2)", false),
        ("SCAN CONSTANT ROW", false),
        ("SCAN 64 CONSTANT ROWS", false),
        ("SCAN 2-ROW VALUES CLAUSE", false),
        ("SEARCH message USING INDEX message_key (msgid=?)", false),
        ("SEARCH message USING AUTOMATIC COVERING INDEX (handled=?)", true),
        ("USE TEMP B-TREE FOR ORDER BY", false),
    ] {
        let lines: Vec<&str> = plan.lines().collect();
        assert_eq!(reads_all(&lines, &few), expected, "{plan}");
    }
}
