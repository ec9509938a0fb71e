//! One slot: takes a job of its lane, runs it, tells the queue how it ended, takes the next.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures::FutureExt;
use kefu_domain::{Millis, counted};
use kefu_process::crash::crash_point;
use kefu_process::{clock, leave, trace};
use kefu_queue::{Consumer, Delivery, InvalidEnvelope, Job, Lane, Settled, Verdict};
use metrics::{counter, histogram};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, field, info_span, warn};

use crate::context::Context;
use crate::gate::Pass;
use crate::jobs;
use crate::letter::{UNKNOWN, UNREADABLE};
use crate::outcome::{JobError, verdict};

/// How long a job is held while the database is away, before another process may try it: well below the broker's
/// time limit for an unacked delivery, 30 min.
const HELD_MAX: Duration = Duration::from_secs(600);
/// The same for a job that the database fails while it does its part for others of the lane. Long: others of the lane
/// may have touched nothing that is broken.
const HELD_ALONE_MAX: Duration = Duration::from_secs(120);
/// The same for a job whose rows others hold.
const HELD_BUSY_MAX: Duration = Duration::from_secs(30);
/// How long a slot that may try the database waits for a job to try it with.
const TRIAL_IDLE_MAX: Duration = Duration::from_secs(2);
/// Before rows are asked for again that others hold.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// For what a job does before and after its work: its lease is taken, and it is given back.
const LEASE_MAX: Duration = Duration::from_secs(40);

pub(crate) async fn run(context: Arc<Context>, lane: Lane, stop: CancellationToken) -> anyhow::Result<()> {
    let mut consumer = context.queue.consumer(lane);
    loop {
        let pass = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            pass = pass(&context, lane, &mut consumer) => pass,
        };
        let delivery = tokio::select! {
            biased;
            () = context.gate.closed(), if !pass.is_trial() => continue,
            delivery = consumer.next(&stop) => delivery,
            // Nobody has anything to try it with: then the probe has to do.
            () = sleep(TRIAL_IDLE_MAX), if pass.is_trial() => {
                pass.untried();
                continue;
            }
        };
        // None only after the stop.
        let Some(delivery) = delivery else { return Ok(()) };
        execute(&context, lane, delivery, pass).await;
    }
}

/// Waits for jobs in flight; what is dropped goes back to its lane, with its attempt unspent.
pub(crate) async fn drain(mut slots: JoinSet<anyhow::Result<()>>, limit: Duration) {
    let ended = timeout(limit, async { while slots.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        let dropped = counted(slots.len(), "job");
        warn!(
            slots = slots.len(),
            "dropping {dropped} that did not end in time, to go back to the lanes"
        );
        leave(format!(
            "{dropped} without an end, back in the lanes with no attempt spent"
        ));
        slots.shutdown().await;
    }
}

/// Waits for the gate. What lies here unread stays here for a while, since giving it back costs it a delivery; in a
/// long outage it is for a worker that reaches the database.
async fn pass(context: &Context, lane: Lane, consumer: &mut Consumer) -> Pass {
    match timeout(HELD_MAX, context.gate.pass(lane)).await {
        Ok(pass) => pass,
        Err(_) => {
            consumer.pause().await;
            context.gate.pass(lane).await
        }
    }
}

async fn execute(context: &Context, lane: Lane, delivery: Delivery, pass: Pass) {
    let started_at = Instant::now();
    let (kind, span) = match &delivery.job {
        Ok(job) => (jobs::kind_label(&job.kind), span(job)),
        Err(_) => ("unreadable", info_span!("job", job.kind = "unreadable")),
    };
    if let Ok(job) = &delivery.job
        && job.attempt == 1
        && !delivery.redelivered
    {
        let waited = Millis(clock::now_ms()).since(job.received_at);
        histogram!("kefu_job_wait_seconds", "kind" => kind).record(waited.as_secs_f64());
    }
    let verdict = match &delivery.job {
        Ok(job) => {
            job_verdict(context, lane, job, &delivery, pass)
                .instrument(span.clone())
                .await
        }
        Err(error) => unreadable(context, error),
    };
    let outcome = outcome(&verdict);
    counter!("kefu_jobs_total", "kind" => kind, "outcome" => outcome).increment(1);
    histogram!("kefu_job_duration_seconds", "kind" => kind).record(started_at.elapsed().as_secs_f64());
    if matches!(verdict, Verdict::Retry { .. } | Verdict::Dead { .. }) {
        crash_point("job_failed");
    }
    if delivery.settle(verdict).instrument(span).await == Settled::RedeliveryExpected {
        warn!(
            job.lane = lane.as_str(),
            "a job's end did not reach the queue; it will come again and find its effects"
        );
    }
}

fn span(job: &Job) -> tracing::Span {
    let span = info_span!(
        "job",
        job.id = job.id,
        job.kind = job.kind,
        job.attempt = job.attempt,
        account.id = field::Empty,
    );
    trace::continue_from(&span, job.trace.as_deref());
    span
}

async fn job_verdict(context: &Context, lane: Lane, job: &Job, delivery: &Delivery, pass: Pass) -> Verdict {
    let held_at = Instant::now();
    let mut redelivered = delivery.redelivered;
    let mut pass = pass;
    loop {
        let error = match contained(context, job, redelivered).await {
            None => {
                return unknown(
                    context,
                    job.attempt,
                    &format!("kind {} is not known here", job.kind),
                );
            }
            Some(Ok(verdict)) => {
                pass.worked();
                return verdict;
            }
            Some(Err(error)) => error,
        };
        let held_max = match &error {
            JobError::StoreAway(cause) => {
                let others_work = context.gate.has_worked(lane);
                pass.failed(cause);
                if others_work { HELD_ALONE_MAX } else { HELD_MAX }
            }
            JobError::BusyUnderLease => {
                pass.worked();
                sleep(BUSY_PAUSE).await;
                HELD_BUSY_MAX
            }
            _ => {
                if !matches!(error, JobError::Parked(_) | JobError::Busy) {
                    error!(
                        error = &error as &dyn std::error::Error,
                        "job {} failed: {error}", job.id
                    );
                }
                return verdict(context.queue.ladder(), job.attempt, &error);
            }
        };
        let left = held_max.saturating_sub(held_at.elapsed());
        let Ok(again) = timeout(left, context.gate.pass_again(lane)).await else {
            return Verdict::Interrupted;
        };
        // Given out again meanwhile, somebody else has the lease and would lose it to this run.
        if left.is_zero() || !delivery.is_ours() {
            return Verdict::Interrupted;
        }
        pass = again;
        // Its own lease may still stand on the row: it is taken over as by a redelivery.
        redelivered = true;
    }
}

/// Jobs contain themselves; this is for what they do before and after their row is held.
async fn contained(context: &Context, job: &Job, redelivered: bool) -> Option<Result<Verdict, JobError>> {
    let run = AssertUnwindSafe(jobs::run(context, job, redelivered)).catch_unwind();
    match timeout(context.job_limit + LEASE_MAX, run).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Some(Err(JobError::Retry(anyhow!("the job panicked")))),
        Err(_) => Some(Err(JobError::Retry(anyhow!(
            "the job took longer than its time limit"
        )))),
    }
}

/// Bytes that are no envelope are dead at once; a newer worker may know a newer version.
fn unreadable(context: &Context, error: &InvalidEnvelope) -> Verdict {
    match error {
        InvalidEnvelope::NotAnEnvelope { .. } => Verdict::Dead {
            reason: UNREADABLE.to_owned(),
            error: error.to_string(),
        },
        InvalidEnvelope::UnknownVersion { attempt, .. } => unknown(context, *attempt, &error.to_string()),
    }
}

fn unknown(context: &Context, attempt: u32, error: &str) -> Verdict {
    warn!("job not understood, leaving it to a newer worker: {error}");
    match context.queue.ladder().after(attempt) {
        Some(step) => Verdict::Retry {
            step,
            error: error.to_owned(),
        },
        None => Verdict::Dead {
            reason: UNKNOWN.to_owned(),
            error: error.to_owned(),
        },
    }
}

fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Retry { .. } => "retry",
        Verdict::Parked { .. } => "parked",
        Verdict::Dead { .. } => "dead",
        Verdict::Interrupted => "interrupted",
    }
}
