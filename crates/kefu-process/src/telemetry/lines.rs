//! How one log line looks.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::chain;
use crate::trace::current_trace_id;

/// One JSON object a line; the fields of the event and of the spans around it stand at the top level.
pub(super) struct JsonLines;

/// Keys that a field cannot take.
const RESERVED: [&str; 5] = ["timestamp", "level", "message", "target", "trace_id"];

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(written) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(&written.fields)
            {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let message = fields.0.remove("message").unwrap_or(json!(""));
        let metadata = event.metadata();
        write!(
            writer,
            r#"{{"timestamp":"{timestamp}","level":"{}","message":{message}"#,
            metadata.level()
        )?;
        write!(writer, r#","target":{}"#, json!(metadata.target()))?;
        if let Some(trace_id) = current_trace_id() {
            write!(writer, r#","trace_id":"{trace_id}""#)?;
        }
        for (name, value) in fields
            .0
            .iter()
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
        {
            write!(writer, ",{}:{value}", json!(name))?;
        }
        writeln!(writer, "}}")
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // `r#type` is written `type`, as the usual formatters do.
        self.0
            .insert(field.name().trim_start_matches("r#").to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, json!(chain(error)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }
}

/// The usual line for people, with the trace id at its end.
pub(super) struct TextLines(Format);

impl TextLines {
    pub(super) fn new(ansi: bool) -> TextLines {
        TextLines(Format::default().with_ansi(ansi))
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end_matches('\n'))?;
        if let Some(trace_id) = current_trace_id() {
            write!(writer, " trace_id={trace_id}")?;
        }
        writeln!(writer)
    }
}
