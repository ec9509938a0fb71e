//! The metrics of the worker.

use kefu_process::metrics::Described;
use metrics::Unit;

/// All that a process with this role records.
pub const METRICS: &[&[Described]] = &[
    OWN,
    kefu_model::METRICS,
    kefu_queue::METRICS,
    kefu_state::METRICS,
    kefu_wecom::METRICS,
];

const OWN: &[Described] = &[
    (
        "kefu_dead_letters_total",
        Unit::Count,
        "Jobs that ended for good without success, by kind and reason",
    ),
    (
        "kefu_handovers_total",
        Unit::Count,
        "Hand-overs to a person, by outcome",
    ),
    (
        "kefu_job_duration_seconds",
        Unit::Seconds,
        "Time of one execution of a job, by kind",
    ),
    (
        "kefu_job_wait_seconds",
        Unit::Seconds,
        "Time from a job's publish to its first execution, by kind",
    ),
    ("kefu_jobs_total", Unit::Count, "Jobs ended, by kind and outcome"),
    (
        "kefu_messages_late_total",
        Unit::Count,
        "Customer messages stored more than two minutes after they were sent, history left out",
    ),
    (
        "kefu_messages_pulled_total",
        Unit::Count,
        "Messages of pulled pages, by outcome (stored, repeated, unreadable)",
    ),
    (
        "kefu_notices_total",
        Unit::Count,
        "Texts to customers who wait in the pool, by purpose and outcome",
    ),
    ("kefu_parts_total", Unit::Count, "Parts of replies, by outcome"),
    (
        "kefu_polls_total",
        Unit::Count,
        "Accounts pulled because no callback had woken them for long",
    ),
    (
        "kefu_put_back_total",
        Unit::Count,
        "Jobs without a verdict that got a second life, by kind",
    ),
    (
        "kefu_queue_depth",
        Unit::Count,
        "Jobs waiting in the queue, by lane; also `retry` and `dead`",
    ),
    (
        "kefu_replays_total",
        Unit::Count,
        "Dead letters published again, by kind",
    ),
    (
        "kefu_replies_total",
        Unit::Count,
        "Replies decided, by source (rule, model, fallback)",
    ),
    (
        "kefu_replies_unknown",
        Unit::Count,
        "Parts of replies of which nobody knows whether they were seen",
    ),
    (
        "kefu_reply_duration_seconds",
        Unit::Seconds,
        "Time from a customer's last message to its reply being accepted",
    ),
    (
        "kefu_said_before_total",
        Unit::Count,
        "Customer messages owed by a database that has forgotten their answer",
    ),
    (
        "kefu_swept_total",
        Unit::Count,
        "Rows woken because their time had come, by row",
    ),
    ("kefu_welcomes_total", Unit::Count, "Welcomes, by outcome"),
    (
        "message_processed_total",
        Unit::Count,
        "Customer messages handled, by outcome",
    ),
];
