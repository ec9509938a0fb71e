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
        "http_requests_total",
        "Requests answered, by method, path pattern and status",
    ),
    (
        "kefu_callbacks_total",
        "Callbacks received, by app, kind and outcome",
    ),
    ("kefu_jobs_total", "Jobs ended, by kind and outcome"),
    (
        "kefu_retries_total",
        "Jobs sent to a retry step, by lane and step",
    ),
    (
        "kefu_dead_letters_total",
        "Jobs that ended for good without success, by kind and reason",
    ),
    ("kefu_replies_total", "Parts of replies, by outcome"),
    ("kefu_welcomes_total", "Welcomes, by outcome"),
    ("kefu_wecom_calls_total", "Calls to WeCom, by API and outcome"),
    ("kefu_model_calls_total", "Questions to the model, by outcome"),
    (
        "kefu_state_fallback_total",
        "Operations answered from memory while Redis was away",
    ),
    ("kefu_reconnects_total", "Connections made again, by service"),
    ("message_processed_total", "Customer messages handled, by outcome"),
];

const GAUGES: &[(&str, Unit, &str)] = &[
    (
        "kefu_queue_depth",
        Unit::Count,
        "Jobs ready in the queue, by lane",
    ),
    ("kefu_slots_busy", Unit::Count, "Slots that run a job, by lane"),
    ("kefu_spool_depth", Unit::Count, "Callbacks in the disk spool"),
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
        "Time from a callback or publish to the start of the job, by kind",
    ),
    ("kefu_publish_duration_seconds", "Time until the broker confirmed"),
    (
        "kefu_reply_duration_seconds",
        "Time from a customer's message to its reply being accepted",
    ),
    (
        "kefu_wecom_call_duration_seconds",
        "Time of one call to WeCom, by API",
    ),
    (
        "kefu_model_call_duration_seconds",
        "Time of one question to the model",
    ),
];
