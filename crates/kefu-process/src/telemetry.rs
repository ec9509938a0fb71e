//! Logs on stderr and traces: installed once for each process.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber, info};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::{VERSION, color, metrics, stderr, tls};
use kefu_settings::{Problems, Settings, SettingsError};

mod lines;

use lines::{JsonLines, TextLines};

/// Longest time for one export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the last spans to be exported at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The levels of libraries when `log.level` is a level and nothing more. lapin calls every lost connection an error
/// several times over; `kefu-queue` says once what it means.
const LIBRARY_LEVEL: &str = "warn,lapin=off";

/// The section `log`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A level, or directives such as `info,kefu_worker=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
    /// Text on a terminal, else JSON.
    Auto,
}

/// Keeps telemetry going; what is left is exported when it is dropped.
#[must_use = "telemetry ends when this is dropped"]
#[derive(Debug)]
pub struct Telemetry {
    /// `None` for all but the first of a process.
    provider: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            // At the end of the process there is nowhere left to report it.
            let _ = provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Installs logs, traces and metrics for the process `role` (`kefu-worker`). Later calls change nothing.
///
/// Spans are exported over OTLP (HTTP, protobuf) when `OTEL_EXPORTER_OTLP_ENDPOINT` or
/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set; the other standard variables hold as well. Trace ids exist in any case.
pub fn start(role: &str, settings: &LogSettings) -> Result<Telemetry, SettingsError> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let filter = filter(&settings.level)?;
    let mut started = STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if *started {
        return Ok(Telemetry { provider: None });
    }
    metrics::prometheus();
    tls::install();
    let provider = provider(role)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Text => false,
        LogFormat::Json => true,
        LogFormat::Auto => !terminal,
    };
    let outlet = stderr::outlet()
        .map_err(|error| SettingsError::new("log", format!("its thread cannot start: {error}")))?;
    let subscriber = subscriber(json, color::on_stderr(), filter, outlet, &provider);
    // Fails when a test has installed a subscriber of its own, which then stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    *started = true;
    Ok(Telemetry {
        provider: Some(provider),
    })
}

/// Everything that would keep telemetry from starting with these settings; nothing is installed or connected.
pub fn problems(settings: &Settings) -> Vec<SettingsError> {
    let mut problems = Problems::of(settings);
    if let Some(log) = problems.section::<LogSettings>("log") {
        problems.add(filter(&log.level));
    }
    problems.add(exporter());
    problems.finish()
}

/// The first line of a role: which program this is. Said once its settings are good and nothing has refused it.
pub fn first_line(role: &str) {
    info!(version = VERSION, role, "{role} {VERSION} starts");
}

fn subscriber<W>(
    json: bool,
    ansi: bool,
    filter: EnvFilter,
    writer: W,
    provider: &SdkTracerProvider,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Spans of ours are seen whatever the level of the lines is: a line shows the trace id of the span it stands in.
    let visible = filter.or(filter_fn(is_our_span));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match json {
        true => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .boxed(),
        false => lines.with_ansi(ansi).event_format(TextLines::new(ansi)).boxed(),
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("kefu"))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter_fn(|metadata| {
            is_our_span(metadata) || *metadata.level() == Level::ERROR
        }));
    tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(visible))
}

fn is_our_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("kefu")
}

/// A bare level is meant for Kefu: libraries stay at warn, or below it if that is what was asked for.
fn filter(level: &str) -> Result<EnvFilter, SettingsError> {
    let refuse = |what: String| SettingsError::new("log.level", what);
    let parts: Vec<&str> = level.split(',').map(str::trim).collect();
    // A word that is no level would be taken as the name of a module, and silence everything else.
    for part in parts.iter().filter(|part| !part.contains(['=', '['])) {
        if part.parse::<LevelFilter>().is_err() || part.parse::<usize>().is_ok() || part.is_empty() {
            let expected =
                "expected error, warn, info, debug, trace, off, or directives such as info,lapin=debug";
            return Err(refuse(format!("{expected}; found {part:?}")));
        }
    }
    let has_level = parts.iter().any(|part| !part.contains(['=', '[']));
    let directives = match (parts.as_slice(), has_level) {
        (["off"], true) => "off".to_owned(),
        (["error"], true) => "error,lapin=off".to_owned(),
        ([bare], true) => format!("{LIBRARY_LEVEL},kefu={bare}"),
        (_, true) => level.to_owned(),
        (_, false) => format!("{LIBRARY_LEVEL},kefu=info,{level}"),
    };
    EnvFilter::builder()
        .parse(directives)
        .map_err(|error| refuse(error.to_string()))
}

/// The client of the batch thread, which has no runtime, hence a blocking one. It is ours, for the TLS set-up is.
fn export_client(is_tls: bool) -> Result<reqwest::blocking::Client, String> {
    let config = tls::client_config_if(is_tls).map_err(|error| error.to_string())?;
    let build = move || {
        reqwest::blocking::Client::builder()
            .tls_backend_preconfigured(config)
            .timeout(EXPORT_TIMEOUT)
            .build()
    };
    // A thread of its own: a blocking client brings a runtime, which may not be made inside another one.
    let built = std::thread::spawn(build)
        .join()
        .map_err(|_| "its client panicked".to_owned())?;
    built.map_err(|error| error.to_string())
}

fn is_set(name: &&str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Sends nothing before the first span has ended. `None` where no endpoint is set.
fn exporter() -> Result<Option<SpanExporter>, SettingsError> {
    let endpoints = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ];
    let Some(endpoint) = endpoints.into_iter().find(is_set) else {
        return Ok(None);
    };
    let refuse = |error: String| SettingsError::new(endpoint, format!("traces cannot be exported: {error}"));
    let is_tls = std::env::var(endpoint).is_ok_and(|url| url.starts_with("https:"));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(export_client(is_tls).map_err(refuse)?)
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    Ok(Some(exporter))
}

/// Without an exporter spans get their ids and are dropped at once, which costs next to nothing.
fn provider(role: &str) -> Result<SdkTracerProvider, SettingsError> {
    let Some(exporter) = exporter()? else {
        return Ok(SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOff)
            .build());
    };
    let resource = Resource::builder();
    let resource = match is_set(&"OTEL_SERVICE_NAME") {
        true => resource,
        false => resource.with_service_name(role.to_owned()),
    };
    // The queue of the batch is bounded (OTEL_BSP_MAX_QUEUE_SIZE, 2048): what does not fit is dropped, work never waits.
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}

#[cfg(test)]
mod tests {
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
}
