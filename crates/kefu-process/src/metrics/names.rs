//! Every metric with its unit and meaning. One that nothing records is not rendered.

use metrics::{Unit, describe_gauge};

/// Name, unit and meaning. The exporter keeps one text a name, of whatever kind it is.
pub type Described = (&'static str, Unit, &'static str);

/// Those of every process.
pub const METRICS: &[Described] = &[
    (
        "http_request_duration_seconds",
        Unit::Seconds,
        "Time to answer a request, by method and path pattern",
    ),
    (
        "http_requests_total",
        Unit::Count,
        "Requests answered, by method, path pattern and status",
    ),
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
        "kefu_log_lines_dropped_total",
        Unit::Count,
        "Log lines that found no room, since nobody read stderr",
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

pub(super) fn describe(metrics: &[Described]) {
    for (name, unit, meaning) in metrics {
        describe_gauge!(*name, *unit, *meaning);
    }
}
