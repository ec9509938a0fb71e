//! `GET` and `POST` of `ingress.path`, alone or with `/{app}`.

mod body;
mod error;

use std::time::Instant;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kefu_domain::Millis;
use kefu_jobs::{JobKind, SyncAccount};
use kefu_process::crash::crash_point;
use kefu_process::{clock, trace};
use kefu_queue::{Kept, Order};
use kefu_wecom::query::open_echo;
use kefu_wecom::{Envelope, ReceiveIds, SignedQuery};
use metrics::{SharedString, counter, histogram};
use tracing::{Instrument, Span, debug, error, field, info_span, record_all, warn};

use crate::Ingress;
use crate::apps::App;
use crate::job::Event;
use error::CallbackError;

/// WeCom checks the address and waits 1 s (doc 91116). The echo goes back as bare bytes.
pub(crate) async fn verify(
    ingress: Data<Ingress>,
    request: HttpRequest,
) -> Result<HttpResponse, CallbackError> {
    let app = find(&ingress, &request)?;
    let echo = open_query(app, &request).inspect_err(|error| refused(app, error))?;
    count(app.name.clone(), "echo".into(), "verified");
    Ok(HttpResponse::Ok().content_type("text/plain").body(echo))
}

/// Check, decrypt, queue. Nothing slower than the broker and the disk happens here.
pub(crate) async fn receive(
    ingress: Data<Ingress>,
    request: HttpRequest,
    body: Payload,
) -> Result<&'static str, CallbackError> {
    let started = Instant::now();
    let app = find(&ingress, &request)?;
    let span = info_span!(
        "callback",
        app = &*app.name,
        job.id = field::Empty,
        job.kind = field::Empty
    );
    let accepted = async {
        let accepted = accept(&ingress, app, &request, body).await;
        accepted.inspect_err(|error| refused(app, error))
    };
    let kind = accepted.instrument(span).await?;
    count(app.name.clone(), kind.into(), "queued");
    histogram!("kefu_callback_duration_seconds", "app" => app.name.clone()).record(started.elapsed());
    Ok("success")
}

/// Returns what kind of callback it was, as label of a metric.
async fn accept(
    ingress: &Ingress,
    app: &App,
    request: &HttpRequest,
    body: Payload,
) -> Result<String, CallbackError> {
    let query = SignedQuery::parse(request.query_string())?;
    let body = body::read(request, body, &ingress.limits).await?;
    let envelope = Envelope::parse(&body)?;
    let accepted_ids = ReceiveIds::OneOf(&app.receive_ids);
    let opened = app
        .keyring
        .open(&query.signed(), &envelope.encrypt, accepted_ids)?;

    let Event { kind, mut job } = Event::new(app, &ingress.lanes, opened.plaintext, Millis(clock::now_ms()));
    job.trace = trace::current_traceparent();
    record_all!(
        Span::current(),
        job.id = job.id.as_str(),
        job.kind = job.kind.as_str()
    );
    crash_point("callback_opened");
    // A wake-up is only ever merged; events of an app must not overtake each other.
    let order = if job.kind == SyncAccount::KIND {
        Order::Any
    } else {
        Order::Fifo
    };
    let kept = ingress.outlet.keep(&job, order).await?;
    match kept {
        Kept::Broker => crash_point("callback_published"),
        Kept::Spool => crash_point("callback_spooled"),
    }
    debug!(
        job.lane = job.lane.as_str(),
        ?kept,
        "queued callback {kind} as job {}",
        job.id
    );
    Ok(ingress.lanes.label(kind))
}

fn open_query(app: &App, request: &HttpRequest) -> Result<Vec<u8>, CallbackError> {
    let query = SignedQuery::parse(request.query_string())?;
    let opened = open_echo(&app.keyring, &query, ReceiveIds::OneOf(&app.receive_ids))?;
    Ok(opened.plaintext)
}

fn find<'a>(ingress: &'a Ingress, request: &HttpRequest) -> Result<&'a App, CallbackError> {
    let name = request.match_info().get("app");
    ingress.apps.get(name).ok_or_else(|| {
        count("".into(), "".into(), CallbackError::UnknownApp.outcome());
        ingress.elsewhere.unknown_app(request);
        CallbackError::UnknownApp
    })
}

/// Counts and tells it, once. Anybody on the internet can cause most of these: a line each would fill the disk.
fn refused(app: &App, error: &CallbackError) {
    count(app.name.clone(), "".into(), error.outcome());
    let now_ms = clock::now_ms();
    let error_field = error as &dyn std::error::Error;
    match error {
        CallbackError::NotQueued(cause) if app.failures.allows(now_ms) => error!(
            error = error_field,
            "callback not queued, WeCom will call again: {cause}"
        ),
        // A wrong token or key in the settings looks just like a stranger's knocking.
        CallbackError::Open(cause) if app.refusals.allows(now_ms) => warn!(
            error = error_field,
            "callback for app {} does not open: {cause}", app.name
        ),
        _ => debug!(error = error_field, "callback refused: {error}"),
    }
}

fn count(app: SharedString, kind: SharedString, outcome: &'static str) {
    counter!("kefu_callbacks_total", "app" => app, "kind" => kind, "outcome" => outcome).increment(1);
}
