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
mod tests;
