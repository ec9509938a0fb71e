//! The metrics that are recorded here, for whoever describes them to the exporter.

use metrics::Unit;

/// Name, unit and meaning.
pub const METRICS: &[(&str, Unit, &str)] = &[
    (
        "kefu_state_degraded",
        Unit::Count,
        "1 while Redis is away and memory stands in",
    ),
    (
        "kefu_state_operations_total",
        Unit::Count,
        "Operations of the state, by engine, operation and outcome",
    ),
];
