//! The routes that every process answers for those who run it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource};
use metrics::gauge;
use serde_json::json;

use crate::health::{Health, Status};
use crate::metrics::render;
use crate::{VERSION, clock};

/// What the routes need.
pub struct Ops {
    role: String,
    health: Arc<Health>,
}

impl Ops {
    /// `role` is what `GET /` says, such as `worker`.
    pub fn new(role: impl Into<String>, health: Arc<Health>) -> Ops {
        let role = role.into();
        // Always 1: the labels are what is told, so that a query can count processes by version.
        gauge!("kefu_build_info", "version" => VERSION, "role" => role.clone()).set(1.0);
        Ops { role, health }
    }
}

/// All of them: `/`, `/health`, `/health/live`, `/health/ready`, `/metrics`.
pub fn configure(config: &mut ServiceConfig, ops: web::Data<Ops>) {
    liveness_only(config, ops);
    config
        .service(get("/health", health))
        .service(get("/metrics", render_metrics));
}

/// Without `/health` and `/metrics`, for a public port next to a private one.
pub fn liveness_only(config: &mut ServiceConfig, ops: web::Data<Ops>) {
    config
        .app_data(ops)
        .service(get("/", index))
        .service(get("/health/live", live))
        .service(get("/health/ready", ready));
}

/// GET and HEAD; any other method is 405.
fn get<F, A>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<A, Output = HttpResponse> + Copy,
    A: actix_web::FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler))
        .route(web::head().to(handler))
}

async fn index(ops: web::Data<Ops>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "name": "kefu", "version": VERSION, "role": ops.role }))
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

async fn ready(ops: web::Data<Ops>) -> HttpResponse {
    let reasons = ops.health.not_ready();
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    HttpResponse::build(status).json(json!({ "status": word, "reasons": reasons }))
}

async fn health(ops: web::Data<Ops>) -> HttpResponse {
    let snapshot = ops.health.snapshot();
    let status = match snapshot.status() {
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        Status::Healthy | Status::Degraded => StatusCode::OK,
    };
    HttpResponse::build(status).json(json!({
        "status": snapshot.status(),
        "version": VERSION,
        "role": ops.role,
        "timestamp": clock::rfc3339(clock::now_ms()),
        "components": snapshot.components(),
    }))
}

async fn render_metrics() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(render())
}
