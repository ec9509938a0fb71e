//! The metrics that are recorded here, for whoever describes them to the exporter.

use metrics::Unit;

/// Name, unit and meaning.
pub const METRICS: &[(&str, Unit, &str)] = &[
    (
        "kefu_redeliveries_expected_total",
        Unit::Count,
        "Verdicts that did not reach the queue, so that the job comes again",
    ),
    (
        "kefu_retries_total",
        Unit::Count,
        "Jobs sent to a retry step, by lane and step",
    ),
    (
        "kefu_spool_bytes",
        Unit::Bytes,
        "Size of the jobs in the disk spool",
    ),
    ("kefu_spool_depth", Unit::Count, "Jobs in the disk spool"),
    (
        "kefu_spool_drained_total",
        Unit::Count,
        "Callbacks moved from the disk spool to the broker",
    ),
    (
        "kefu_spooled_total",
        Unit::Count,
        "Callbacks kept in the disk spool because the broker did not take them",
    ),
];
