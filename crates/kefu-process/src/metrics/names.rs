//! Every metric with its unit and meaning. A metric that nothing records is not rendered.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(*name, Unit::Count, *help);
    }
    for (name, unit, help) in GAUGES {
        describe_gauge!(*name, *unit, *help);
    }
    for (name, help) in SECONDS {
        describe_histogram!(*name, Unit::Seconds, *help);
    }
}

const COUNTERS: &[(&str, &str)] = &[
    (
        "kefu_log_lines_dropped_total",
        "Log lines that found no room, since nobody read stderr",
    ),
    ("kefu_spooled_total", "Jobs written to the disk spool"),
    (
        "kefu_spool_drained_total",
        "Jobs handed over from the disk spool to the broker",
    ),
    (
        "http_requests_total",
        "Requests answered, by method, path pattern and status",
    ),
    (
        "kefu_callbacks_total",
        "Callbacks received, by app, kind and outcome",
    ),
    (
        "kefu_dead_letters_total",
        "Jobs that ended for good without success, by kind and reason",
    ),
    ("kefu_jobs_total", "Jobs ended, by kind and outcome"),
    (
        "kefu_messages_late_total",
        "Customer messages stored more than two minutes after they were sent, history left out",
    ),
    (
        "kefu_messages_pulled_total",
        "Messages of pulled pages, by outcome (stored, repeated, unreadable)",
    ),
    ("kefu_handovers_total", "Hand-overs to a person, by outcome"),
    ("kefu_model_calls_total", "Questions to the model, by outcome"),
    (
        "kefu_notices_total",
        "Texts to customers who wait in the pool, by purpose and outcome",
    ),
    ("kefu_parts_total", "Parts of replies, by outcome"),
    (
        "kefu_replies_total",
        "Replies decided, by source (rule, model, fallback)",
    ),
    (
        "kefu_put_back_total",
        "Jobs without a verdict that got a second life, by kind",
    ),
    (
        "kefu_polls_total",
        "Accounts pulled because no callback had woken them for long",
    ),
    (
        "kefu_redeliveries_expected_total",
        "Verdicts that did not reach the queue, so that the job comes again",
    ),
    ("kefu_replays_total", "Dead letters published again, by kind"),
    (
        "kefu_retries_total",
        "Jobs sent to a retry step, by lane and step",
    ),
    (
        "kefu_said_before_total",
        "Customer messages owed by a database that has forgotten their answer",
    ),
    (
        "kefu_spool_drained_total",
        "Callbacks moved from the disk spool to the broker",
    ),
    (
        "kefu_spooled_total",
        "Callbacks kept in the disk spool because the broker did not take them",
    ),
    (
        "kefu_state_operations_total",
        "Operations of the state, by engine, operation and outcome",
    ),
    (
        "kefu_swept_total",
        "Rows woken because their time had come, by row",
    ),
    ("kefu_wecom_calls_total", "Calls to WeCom, by API and outcome"),
    ("kefu_welcomes_total", "Welcomes, by outcome"),
    ("message_processed_total", "Customer messages handled, by outcome"),
];

const GAUGES: &[(&str, Unit, &str)] = &[
    (
        "kefu_breaker_open",
        Unit::Count,
        "1 while an outside party is away and left alone, by party",
    ),
    (
        "kefu_build_info",
        Unit::Count,
        "Always 1; the labels tell version and role of the process",
    ),
    (
        "kefu_queue_depth",
        Unit::Count,
        "Jobs waiting in the queue, by lane; also `retry` and `dead`",
    ),
    (
        "kefu_replies_unknown",
        Unit::Count,
        "Parts of replies of which nobody knows whether they were seen",
    ),
    (
        "kefu_spool_bytes",
        Unit::Bytes,
        "Size of what the disk spool holds",
    ),
    ("kefu_spool_depth", Unit::Count, "Jobs in the disk spool"),
    (
        "kefu_spool_bytes",
        Unit::Bytes,
        "Size of the jobs in the disk spool",
    ),
    (
        "kefu_state_degraded",
        Unit::Count,
        "1 while Redis is away and memory stands in",
    ),
    (
        "process_resident_memory_bytes",
        Unit::Bytes,
        "Memory of the process in RAM",
    ),
    (
        "process_start_time_seconds",
        Unit::Seconds,
        "Start of the process, Unix time",
    ),
];

const SECONDS: &[(&str, &str)] = &[
    (
        "http_request_duration_seconds",
        "Time to answer a request, by method and path pattern",
    ),
    (
        "kefu_callback_duration_seconds",
        "Time to make a callback durable, by app",
    ),
    (
        "kefu_job_duration_seconds",
        "Time of one execution of a job, by kind",
    ),
    (
        "kefu_job_wait_seconds",
        "Time from a job's publish to its first execution, by kind",
    ),
    (
        "kefu_model_call_duration_seconds",
        "Time of one question to the model, the wait for a place included",
    ),
    (
        "kefu_reply_duration_seconds",
        "Time from a customer's last message to its reply being accepted",
    ),
    (
        "kefu_wecom_call_duration_seconds",
        "Time of one call to WeCom, by API",
    ),
];
