//! Metrics of the process: the recorder behind the `metrics` facade, rendered for Prometheus.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

mod names;
mod requests;

pub use names::{Described, METRICS};
pub(crate) use requests::observe;

/// Upper bounds in seconds, for everything that is measured in seconds: 0.5 ms to 2 minutes.
const SECONDS_BUCKETS: [f64; 18] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0,
];

/// Installs the recorder on first use; later calls give the same handle.
///
/// Counts made before the first call are lost, hence `telemetry::start` makes it.
pub fn prometheus() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let by_seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(by_seconds, &SECONDS_BUCKETS)
            .expect("the list of buckets is not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Fails when a test has put in a recorder of its own; this one then renders nothing.
        if ::metrics::set_global_recorder(recorder).is_ok() {
            names::describe(METRICS);
            ::metrics::gauge!("process_start_time_seconds").set(crate::clock::now_ms() as f64 / 1000.0);
        }
        handle
    })
}

/// Says what the metrics of a role mean.
pub fn describe(metrics: &[&[Described]]) {
    // What is said before there is a recorder is lost.
    prometheus();
    for metrics in metrics {
        names::describe(metrics);
    }
}

/// The text of `GET /metrics`.
pub fn render() -> String {
    let handle = prometheus();
    if let Some(bytes) = resident_bytes() {
        ::metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    handle.render()
}

/// Folds what was measured since the last call into the buckets; without it memory grows while nobody scrapes.
pub fn upkeep() {
    prometheus().run_upkeep();
}

/// Memory of this process in RAM, where the system tells (Linux).
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_buckets_for_durations_and_the_memory_of_the_process() {
        prometheus();
        describe(&[&[(
            "test_duration_seconds",
            ::metrics::Unit::Seconds,
            "Time of a test",
        )]]);
        ::metrics::histogram!("test_duration_seconds", "kind" => "unit").record(0.02);
        let text = render();
        assert!(
            text.contains(r#"test_duration_seconds_bucket{kind="unit",le="0.025"} 1"#),
            "{text}"
        );
        assert!(
            text.contains("# HELP test_duration_seconds Time of a test"),
            "{text}"
        );
        assert!(text.contains("process_start_time_seconds "), "{text}");
        assert!(resident_bytes().is_none_or(|bytes| bytes > 100_000), "{text}");
        upkeep();
    }
}
