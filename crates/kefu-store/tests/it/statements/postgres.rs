//! PostgreSQL plans by what it knows of the rows, so it is asked on tables that are large and analyzed, with the plan
//! that a connection of the store keeps. What it does on tables of which it knows nothing is in `plans.rs`.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{BROAD, GROWING, Statement, large};

pub(super) async fn bad_plans(statements: &[Statement]) -> Vec<String> {
    let mut raw = large::postgres().await;
    let indexes: Vec<Index> = sqlx::query_as(
        "SELECT relname AS name, attname AS first, indpred IS NOT NULL AS partial FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE relnamespace = current_schema()::regnamespace",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap();
    let mut bad = Vec::new();
    for statement in statements {
        let plan = explain(&mut raw, statement).await;
        if reads_all(&plan, &indexes) {
            bad.push(format!("{}\n{}", statement.sql, plan.join("\n")));
        }
    }
    bad
}

#[derive(sqlx::FromRow)]
struct Index {
    name: String,
    first: String,
    partial: bool,
}

/// The settings are those of the store's own connections.
async fn explain(raw: &mut PgConnection, statement: &Statement) -> Vec<String> {
    let Statement { sql, types, .. } = statement;
    let (given, nulls) = match types.split(',').filter(|kind| !kind.is_empty()).count() {
        0 => (String::new(), String::new()),
        count => (
            format!("({types})"),
            format!("({})", vec!["NULL"; count].join(", ")),
        ),
    };
    let prepare = AssertSqlSafe(format!("PREPARE explained {given} AS {sql}"));
    sqlx::raw_sql(prepare)
        .execute(&mut *raw)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE explained {nulls}"));
    let plan = sqlx::query_scalar(explain)
        .persistent(false)
        .fetch_all(&mut *raw)
        .await;
    sqlx::raw_sql("DEALLOCATE explained")
        .execute(&mut *raw)
        .await
        .unwrap();
    plan.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

/// Whether a plan reads more than a part of a growing table that is small.
fn reads_all(plan: &[String], indexes: &[Index]) -> bool {
    let is_bad = |(at, line): (usize, &String)| {
        if let Some(table) = word_after(line, "Seq Scan on ") {
            return GROWING.contains(&table);
        }
        let name = word_after(line, "Index Scan using ")
            .or_else(|| word_after(line, "Index Scan Backward using "))
            .or_else(|| word_after(line, "Index Only Scan using "))
            .or_else(|| word_after(line, "Index Only Scan Backward using "))
            .or_else(|| word_after(line, "Bitmap Index Scan on "));
        let Some(index) = name.and_then(|name| indexes.iter().find(|index| index.name == name)) else {
            return false;
        };
        let is_few = index.partial && !BROAD.contains(&index.name.as_str());
        let mut below = plan[at + 1..].iter().take_while(|line| !line.contains("->"));
        // By its first column, or every entry of it is read.
        let entered = below
            .any(|line| line.trim_start().starts_with("Index Cond:") && line.contains(index.first.as_str()));
        !is_few && !entered && !index.name.starts_with("account")
    };
    plan.iter().enumerate().any(is_bad)
}

fn word_after<'a>(line: &'a str, place: &str) -> Option<&'a str> {
    let rest = &line[line.find(place)? + place.len()..];
    rest.split(' ').next()
}

#[test]
fn what_reads_a_whole_table_is_told_apart() {
    let index = |name: &str, first: &str, partial| Index {
        name: name.to_owned(),
        first: first.to_owned(),
        partial,
    };
    let indexes = [
        index("message_key", "msgid", false),
        index("message_reply", "reply_id", true),
        index("outbox_unknown", "settled_at", true),
        index("account_pkey", "corp", false),
    ];
    for (plan, expected) in [
        ("Seq Scan on message later  (cost=0)", true),
        ("Seq Scan on account  (cost=0)", false),
        (
            "Index Scan using message_key on message\n  Index Cond: (msgid = $1)",
            false,
        ),
        (
            "Index Scan using message_key on message\n  Filter: (msgid = $1)",
            true,
        ),
        (
            "Index Scan using message_key on message\n  Index Cond: (account = $1)",
            true,
        ),
        ("Index Only Scan using outbox_unknown on outbox  (cost=0)", false),
        (
            "Index Scan Backward using message_reply on message  (cost=0)",
            true,
        ),
        (
            "Bitmap Heap Scan on message\n  ->  Bitmap Index Scan on message_key\n  Index Cond: (msgid = $1)",
            false,
        ),
        ("Index Only Scan using account_pkey on account  (cost=0)", false),
    ] {
        let lines: Vec<String> = plan.lines().map(str::to_owned).collect();
        assert_eq!(reads_all(&lines, &indexes), expected, "{plan}");
    }
}
