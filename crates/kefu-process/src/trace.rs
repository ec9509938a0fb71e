//! W3C trace context across the queue and HTTP, as the text of a `traceparent` header.

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The context to send along with what leaves the current span; `None` outside of any span.
pub fn current_traceparent() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    let flags = span.trace_flags().to_u8();
    span.is_valid()
        .then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
}

/// The trace id of the current span, 32 hexadecimal digits; `None` outside of any span.
pub fn current_trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Makes a span part of the trace that came in. A text that is no trace context changes nothing.
///
/// Must be called before the span is entered for the first time.
pub fn continue_from(span: &tracing::Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = [("traceparent".to_owned(), traceparent.to_owned())]
        .into_iter()
        .collect();
    let carrier: std::collections::HashMap<String, String> = carrier;
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Fails without telemetry or for a span already entered: the trace is then a new one, the work is the same.
        let _ = span.set_parent(parent);
    }
}
