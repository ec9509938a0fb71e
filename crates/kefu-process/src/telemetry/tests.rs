use std::io::Write;
use std::sync::Arc;

use serde_json::Value;
use tracing::{info_span, warn};

use super::*;
use crate::trace::{continue_from, current_trace_id, current_traceparent};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines(json: bool, level: &str, body: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOff)
        .build();
    let make_writer = move || writer.clone();
    let subscriber = subscriber(json, false, filter(level).unwrap(), make_writer, &provider);
    tracing::subscriber::with_default(subscriber, body);
    let written = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    written.lines().map(str::to_owned).collect()
}

#[test]
fn a_json_line_has_the_fields_of_event_and_spans_at_the_top_level() {
    let written = lines(true, "info", || {
        let _entered = info_span!("job", job.id = "j1", job.attempt = 2).entered();
        let error = std::io::Error::other("gone");
        let error = &error as &dyn std::error::Error;
        warn!(
            delay_ms = 5,
            level = "mine",
            error,
            quoted = "a\"b\n",
            "retrying job {}",
            "j1"
        );
    });
    let line: Value = serde_json::from_str(&written[0]).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "retrying job j1");
    assert_eq!(line["target"], "kefu_process::telemetry::tests");
    assert_eq!(line["delay_ms"], 5);
    assert_eq!(line["error"], "gone");
    assert_eq!(line["quoted"], "a\"b\n");
    assert_eq!(line["job.id"], "j1");
    assert_eq!(line["job.attempt"], 2);
    let timestamp = line["timestamp"].as_str().unwrap();
    assert!(
        timestamp.len() >= 20 && timestamp.contains('T') && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    let trace_id = line["trace_id"].as_str().unwrap();
    assert!(
        trace_id.len() == 32 && trace_id.chars().all(|c| c.is_ascii_hexdigit()),
        "{trace_id}"
    );
}

#[test]
fn a_text_line_ends_with_the_trace_id() {
    let written = lines(false, "info", || {
        let _entered = info_span!("job").entered();
        info!("inside {}", current_trace_id().unwrap());
    });
    let (line, trace_id) = written[0].rsplit_once(" trace_id=").unwrap();
    assert!(line.ends_with(&format!("inside {trace_id}")), "{line}");
}

#[test]
fn lines_keep_their_trace_id_when_only_errors_are_logged() {
    let written = lines(true, "error", || {
        let _entered = info_span!("job").entered();
        info!("unseen");
        tracing::error!("seen");
    });
    assert_eq!(written.len(), 1);
    assert!(written[0].contains(r#""trace_id":""#), "{}", written[0]);
}

#[test]
fn a_traceparent_carries_the_trace_to_another_span() {
    lines(true, "info", || {
        assert_eq!(current_traceparent(), None);
        let (sent, trace_id) = info_span!("callback").in_scope(|| {
            assert_eq!(current_trace_id(), current_trace_id());
            (current_traceparent().unwrap(), current_trace_id().unwrap())
        });
        let job = info_span!("job");
        continue_from(&job, Some(&sent));
        job.in_scope(|| assert_eq!(current_trace_id().unwrap(), trace_id));

        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let job = info_span!("job");
        continue_from(&job, Some(sampled));
        job.in_scope(|| {
            assert!(
                current_traceparent()
                    .unwrap()
                    .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
            );
        });
    });
}

#[test]
fn what_is_no_traceparent_is_ignored() {
    lines(true, "info", || {
        for bad in [
            "",
            "00",
            "00-zz-1-01",
            "00-00000000000000000000000000000000-0000000000000000-01",
            "客",
        ] {
            let job = info_span!("job");
            continue_from(&job, Some(bad));
            job.in_scope(|| assert!(current_trace_id().is_some()));
        }
        continue_from(&info_span!("job"), None);
    });
}

#[test]
fn libraries_stay_at_warn_unless_named() {
    let noise = || {
        tracing::info!(target: "lapin::connection", "noise");
        tracing::debug!(target: "kefu_worker", "ours");
    };
    assert_eq!(lines(true, "info", noise).len(), 0);
    assert_eq!(lines(true, "debug", noise).len(), 1);
    assert_eq!(lines(true, "lapin=info", noise).len(), 1);
    assert_eq!(lines(true, "debug,hyper=off", noise).len(), 2);
}

#[test]
fn a_library_that_calls_every_lost_connection_an_error_is_heard_only_when_named() {
    let noise = || tracing::error!(target: "lapin::channel", "noise");
    for (level, expected) in [
        ("info", 0),
        ("error", 0),
        ("kefu_queue=debug", 0),
        ("lapin=warn", 1),
    ] {
        assert_eq!(lines(true, level, noise).len(), expected, "{level}");
    }
}

#[test]
fn a_level_that_is_none_is_refused_with_its_key() {
    for bad in ["inof", "", "info,,", "info,kefu_worker=loud", "3"] {
        let error = filter(bad).unwrap_err();
        assert_eq!(error.key(), "log.level", "{bad}");
    }
}
