//! The metrics that are recorded here, for whoever describes them to the exporter.

use metrics::Unit;

/// Name, unit and meaning.
pub const METRICS: &[(&str, Unit, &str)] = &[
    (
        "kefu_wecom_call_duration_seconds",
        Unit::Seconds,
        "Time of one call to WeCom, by API",
    ),
    (
        "kefu_wecom_calls_total",
        Unit::Count,
        "Calls to WeCom, by API and outcome",
    ),
];
