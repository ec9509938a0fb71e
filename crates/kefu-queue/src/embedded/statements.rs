//! The SQL of the writer; every function but the last three runs inside its transaction.

use std::sync::Arc;
use std::time::Duration;

use kefu_domain::Millis;
use sqlx::sqlite::SqliteRow;
use sqlx::{Result, Row, SqliteConnection};

use super::slot::{Lease, Taken};
use super::stock::Stock;
use super::{DELIVERY_LIMIT, Shared, Waiting};
use crate::copy::Copy;
use crate::delivery::{Settlement, Source};
use crate::{Death, Depths, Ladder, Lane, RetryDepth};

/// Messages that leave their retry step in one transaction.
const DUE_MAX: i64 = 256;

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    stock: &mut Stock,
    lane: Lane,
    copy: &Copy,
) -> Result<()> {
    const SQL: &str = "INSERT INTO message (queue, body, attempt) VALUES ($1, $2, $3)";
    sqlx::query(SQL)
        .bind(lane.as_str())
        .bind(&copy.body)
        .bind(copy.attempt)
        .execute(connection)
        .await?;
    stock.add(Source::Lane(lane), 1, length(&copy.body));
    Ok(())
}

/// The oldest ready messages, which stay where they are.
pub(super) async fn peek(
    connection: &mut SqliteConnection,
    source: Source,
    count_max: u32,
) -> Result<Vec<Waiting>> {
    const SQL: &str = "
        SELECT seq, body FROM message WHERE queue = $1 AND step IS NULL AND leased = 0
        ORDER BY seq LIMIT $2";
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(SQL)
        .bind(source.as_str())
        .bind(count_max)
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(seq, body)| Waiting { seq, body })
        .collect())
}

pub(super) async fn remove(connection: &mut SqliteConnection, stock: &mut Stock, seq: i64) -> Result<()> {
    const SQL: &str = "DELETE FROM message WHERE seq = $1 RETURNING queue, length(body)";
    let removed: Option<(String, i64)> = sqlx::query_as(SQL).bind(seq).fetch_optional(connection).await?;
    if let Some((queue, bytes)) = removed {
        stock.add_named(&queue, -1, -bytes);
    }
    Ok(())
}

/// Leases the oldest ready message.
pub(super) async fn take(
    connection: &mut SqliteConnection,
    source: Source,
    shared: &Arc<Shared>,
) -> Result<Option<Taken>> {
    const SQL: &str = "
        UPDATE message SET leased = 1, deliveries = deliveries + 1
        WHERE seq = (SELECT seq FROM message WHERE queue = $1 AND step IS NULL AND leased = 0
                     ORDER BY seq LIMIT 1)
        RETURNING seq, body, deliveries, attempt, reason, error, lane, dead_at";
    let row = sqlx::query(SQL)
        .bind(source.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let lease = Lease {
        seq: row.try_get("seq")?,
        shared: Arc::clone(shared),
        held: true,
    };
    Ok(Some(Taken {
        lease,
        body: row.try_get("body")?,
        deliveries: row.try_get("deliveries")?,
        attempt: row.try_get("attempt")?,
        death: death(&row)?,
    }))
}

/// Carries out a verdict.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    stock: &mut Stock,
    seq: i64,
    settlement: &Settlement,
    ladder: &Ladder,
) -> Result<()> {
    match settlement {
        Settlement::Requeue => return requeue(connection, stock, seq).await,
        Settlement::Ack => (),
        Settlement::Later { lane, step, copy } => {
            const SQL: &str = "
                INSERT INTO message (queue, step, ready_at, body, attempt)
                VALUES ($1, $2, CAST(unixepoch('subsec') * 1000 AS INTEGER) + $3, $4, $5)";
            let step = (*step).min(ladder.steps().len() - 1);
            sqlx::query(SQL)
                .bind(lane.as_str())
                .bind(i64::try_from(step).unwrap_or(0))
                .bind(i64::try_from(ladder.steps()[step].delay.as_millis()).unwrap_or(i64::MAX))
                .bind(&copy.body)
                .bind(copy.attempt)
                .execute(&mut *connection)
                .await?;
            stock.add(Source::Lane(*lane), 1, length(&copy.body));
        }
        Settlement::Bury {
            lane,
            copy,
            reason,
            error,
        } => {
            const SQL: &str = "
                INSERT INTO message (queue, body, attempt, reason, error, lane, dead_at)
                VALUES ('dead', $1, $2, $3, $4, $5, CAST(unixepoch('subsec') * 1000 AS INTEGER))";
            sqlx::query(SQL)
                .bind(&copy.body)
                .bind(copy.attempt)
                .bind(reason)
                .bind(error)
                .bind(lane.as_str())
                .execute(&mut *connection)
                .await?;
            stock.add(Source::Dead, 1, length(&copy.body));
        }
    }
    remove(connection, stock, seq).await
}

/// Back to its place; dead when it was delivered too often.
pub(super) async fn requeue(connection: &mut SqliteConnection, stock: &mut Stock, seq: i64) -> Result<()> {
    const PUT_BACK: &str = "
        UPDATE message SET leased = 0
        WHERE seq = $1 AND leased = 1 AND (deliveries <= $2 OR queue = 'dead')";
    const BURY: &str = "
        INSERT INTO message (queue, body, attempt, reason, lane, dead_at)
        SELECT 'dead', body, attempt, $2, queue, CAST(unixepoch('subsec') * 1000 AS INTEGER)
        FROM message WHERE seq = $1 AND leased = 1 RETURNING length(body)";
    let put_back = sqlx::query(PUT_BACK)
        .bind(seq)
        .bind(DELIVERY_LIMIT)
        .execute(&mut *connection)
        .await?;
    if put_back.rows_affected() == 0 {
        let buried: Option<i64> = sqlx::query_scalar(BURY)
            .bind(seq)
            .bind(Death::DELIVERY_LIMIT)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(bytes) = buried {
            stock.add(Source::Dead, 1, bytes);
            remove(connection, stock, seq).await?;
        }
    }
    Ok(())
}

/// Moves what waited long enough to the end of its lane.
pub(super) async fn release_due(connection: &mut SqliteConnection) -> Result<()> {
    const DUE: &str = "
        SELECT seq FROM message
        WHERE step IS NOT NULL AND ready_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
        ORDER BY ready_at, seq LIMIT $1";
    const MOVE: &str = "
        INSERT INTO message (queue, body, attempt) SELECT queue, body, attempt FROM message WHERE seq = $1";
    const DELETE: &str = "DELETE FROM message WHERE seq = $1";
    let due: Vec<i64> = sqlx::query_scalar(DUE)
        .bind(DUE_MAX)
        .fetch_all(&mut *connection)
        .await?;
    for seq in due {
        sqlx::query(MOVE).bind(seq).execute(&mut *connection).await?;
        sqlx::query(DELETE).bind(seq).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Leases of the last process mean nothing: what it held goes back, counted as delivered.
pub(super) async fn void_leases(connection: &mut SqliteConnection) -> Result<()> {
    let held: Vec<i64> = sqlx::query_scalar("SELECT seq FROM message WHERE leased = 1")
        .fetch_all(&mut *connection)
        .await?;
    for seq in held {
        // Counted afterwards.
        requeue(connection, &mut Stock::default(), seq).await?;
    }
    Ok(())
}

/// How long until the next message leaves its step.
pub(super) async fn next_due(connection: &mut SqliteConnection) -> Result<Option<Duration>> {
    const SQL: &str = "
        SELECT min(ready_at) - CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM message
        WHERE step IS NOT NULL";
    let wait: Option<i64> = sqlx::query_scalar(SQL).fetch_one(connection).await?;
    Ok(wait.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or(0))))
}

pub(super) async fn stock(connection: &mut SqliteConnection) -> Result<Stock> {
    const SQL: &str = "SELECT queue, count(*), sum(length(body)) FROM message GROUP BY queue";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(SQL).fetch_all(connection).await?;
    let mut stock = Stock::default();
    for (queue, jobs, bytes) in rows {
        stock.add_named(&queue, jobs, bytes);
    }
    Ok(stock)
}

pub(super) async fn depths(connection: &mut SqliteConnection, ladder: &Ladder) -> Result<Depths> {
    const SQL: &str = "SELECT queue, step, count(*) FROM message WHERE leased = 0 GROUP BY queue, step";
    let rows: Vec<(String, Option<i64>, i64)> = sqlx::query_as(SQL).fetch_all(connection).await?;
    let counted = |name: &str, step: Option<usize>| {
        let step = step.and_then(|step| i64::try_from(step).ok());
        let row = rows.iter().find(|row| row.0 == name && row.1 == step);
        row.map_or(0, |row| u64::try_from(row.2).unwrap_or(0))
    };
    let mut depths = Depths::default();
    for lane in Lane::ALL {
        depths.set(Source::Lane(lane), counted(lane.as_str(), None));
        for (index, step) in ladder.steps().iter().enumerate() {
            let waiting = counted(lane.as_str(), Some(index));
            depths.retry.push(RetryDepth {
                lane,
                step: step.name.clone(),
                waiting,
            });
        }
    }
    depths.set(Source::Dead, counted(Source::Dead.as_str(), None));
    Ok(depths)
}

fn length(body: &[u8]) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}

fn death(row: &SqliteRow) -> Result<Option<Death>> {
    let reason: Option<String> = row.try_get("reason")?;
    let Some(reason) = reason else { return Ok(None) };
    let lane: Option<String> = row.try_get("lane")?;
    let at: Option<i64> = row.try_get("dead_at")?;
    Ok(Some(Death {
        reason,
        error: row.try_get("error")?,
        lane: lane.as_deref().and_then(Lane::parse),
        at: at.map(Millis),
    }))
}
