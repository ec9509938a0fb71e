//! The metrics that are recorded here, for whoever describes them to the exporter.

use metrics::Unit;

/// Name, unit and meaning.
pub const METRICS: &[(&str, Unit, &str)] = &[
    (
        "kefu_model_call_duration_seconds",
        Unit::Seconds,
        "Time of one question to the model, the wait for a place included",
    ),
    (
        "kefu_model_calls_total",
        Unit::Count,
        "Questions to the model, by outcome",
    ),
];
