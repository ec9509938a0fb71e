//! The metrics of the ingress.

use kefu_process::metrics::Described;
use metrics::Unit;

/// All that a process with this role records.
pub const METRICS: &[&[Described]] = &[OWN, kefu_queue::METRICS];

const OWN: &[Described] = &[
    (
        "kefu_callback_duration_seconds",
        Unit::Seconds,
        "Time to make a callback durable, by app",
    ),
    (
        "kefu_callbacks_total",
        Unit::Count,
        "Callbacks received, by app, kind and outcome",
    ),
];
