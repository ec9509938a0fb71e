//! `/simulator/…`: playing customers and agents, setting faults, moving the clock, reading the totals.
//!
//! Wrong use answers 400 with `{"error": …, "code": …}`, unlike the simulated API, which answers as WeCom does.

mod acts;
mod incoming;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use thiserror::Error;

use crate::faults::Fault;
use crate::handle::Handle;
use crate::world::WorldError;

/// Tags shown as unanswered.
const UNANSWERED_MAX: usize = 100;
/// Longest single step of the clock.
const ADVANCE_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/simulator", web::get().to(about))
        .route("/simulator/report", web::get().to(report))
        .route("/simulator/unanswered", web::get().to(unanswered))
        .route("/simulator/faults", web::get().to(faults))
        .route("/simulator/faults", web::post().to(set_faults))
        .route("/simulator/faults", web::delete().to(clear_faults))
        .route("/simulator/clock", web::get().to(clock))
        .route("/simulator/clock", web::post().to(advance))
        .route("/simulator/token/revoke", web::post().to(revoke))
        .route("/simulator/callback-url", web::post().to(callback_url))
        .route("/simulator/app-event", web::post().to(app_event))
        .configure(acts::routes);
}

/// A request to the simulator itself that cannot be fulfilled.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    #[error("the body is wrong: {0}")]
    Body(#[from] serde_json::Error),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("{0}")]
    Refused(String),
    #[error("advance is longer than a year")]
    AdvanceTooLong,
    #[error("{0}")]
    CallbackUrl(String),
}

impl ControlError {
    /// A word for programs; the page has its sentence in each language.
    fn code(&self) -> &'static str {
        match self {
            ControlError::Body(_) => "body",
            ControlError::World(error) => error.code(),
            ControlError::Refused(_) => "refused",
            ControlError::AdvanceTooLong => "advance_too_long",
            ControlError::CallbackUrl(_) => "callback_url",
        }
    }
}

impl ResponseError for ControlError {
    fn status_code(&self) -> StatusCode {
        match self {
            ControlError::World(WorldError::UnknownCustomer(_)) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .json(json!({ "error": self.to_string(), "code": self.code() }))
    }
}

type Answer = Result<HttpResponse, ControlError>;

/// An empty body is an empty object.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    if body.is_empty() {
        serde_json::from_str("{}")
    } else {
        serde_json::from_slice(body)
    }
}

async fn about(simulator: web::Data<Handle>) -> HttpResponse {
    let world = simulator.world();
    let settings = world.settings();
    HttpResponse::Ok().json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "run": world.run(),
        "corp_id": settings.credentials.corp_id,
        "agent_id": settings.credentials.agent_id,
        "accounts": settings.accounts,
        "servicers": settings.servicers,
        "callback_url": simulator.callback_shown(),
        "callback_trouble": simulator.callback_trouble(),
        "now_ms": simulator.now(),
    }))
}

async fn report(simulator: web::Data<Handle>) -> HttpResponse {
    HttpResponse::Ok().json(simulator.report())
}

async fn unanswered(simulator: web::Data<Handle>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "unanswered": simulator.unanswered(UNANSWERED_MAX) }))
}

async fn faults(simulator: web::Data<Handle>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "faults": simulator.faults() }))
}

/// One fault, or a list of them.
async fn set_faults(simulator: web::Data<Handle>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wanted {
        Many(Vec<serde_json::Value>),
        One(serde_json::Value),
    }
    let wanted = match read::<Wanted>(&body)? {
        Wanted::Many(many) => many,
        Wanted::One(one) => vec![one],
    };
    for fault in wanted {
        let fault = Fault::parse(fault).map_err(ControlError::Refused)?;
        simulator.set_fault(fault).map_err(ControlError::Refused)?;
    }
    Ok(faults(simulator).await)
}

async fn clear_faults(simulator: web::Data<Handle>) -> HttpResponse {
    simulator.clear_faults();
    faults(simulator).await
}

async fn clock(simulator: web::Data<Handle>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "now_ms": simulator.now(), "ahead_ms": simulator.clock_ahead_ms() }))
}

async fn advance(simulator: web::Data<Handle>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        #[serde(with = "humantime_serde")]
        advance: Duration,
    }
    let Step { advance } = read(&body)?;
    if ADVANCE_MAX < advance {
        return Err(ControlError::AdvanceTooLong);
    }
    simulator.advance_clock(advance);
    Ok(clock(simulator).await)
}

async fn revoke(simulator: web::Data<Handle>) -> HttpResponse {
    simulator.revoke_access();
    HttpResponse::NoContent().finish()
}

/// Sets the address; with `"prove": true` only if the echo comes back, as in WeCom's console.
async fn callback_url(simulator: web::Data<Handle>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Address {
        url: String,
        #[serde(default)]
        prove: bool,
    }
    let refused = |error: anyhow::Error| ControlError::CallbackUrl(format!("{error:#}"));
    let Address { url, prove } = read(&body)?;
    if prove {
        simulator.prove_callback_url(&url).await.map_err(refused)?;
    }
    simulator
        .set_callback_url(&url)
        .map_err(|error| refused(error.into()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// The body is the plaintext of the callback, whatever it is.
async fn app_event(simulator: web::Data<Handle>, body: String) -> HttpResponse {
    simulator.app_event(body).await;
    HttpResponse::Accepted().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_on_the_page_in_both_languages() {
        let words = include_str!("page/words.js");
        let name = || "x".to_owned();
        let world = [
            WorldError::UnknownAccount(name()),
            WorldError::InvalidCustomerId,
            WorldError::UnknownCustomer(name()),
            WorldError::TooManyCustomers,
            WorldError::UnknownServicer(name()),
            WorldError::UnknownMessage(name()),
            WorldError::NoAccount,
            WorldError::NotWithServicer,
        ];
        let own = [
            ControlError::Refused(name()),
            ControlError::AdvanceTooLong,
            ControlError::CallbackUrl(name()),
            ControlError::Body(serde_json::from_str::<u8>("x").unwrap_err()),
        ];
        for error in world.map(ControlError::World).into_iter().chain(own) {
            let key = format!("\"{}\": ", error.code());
            assert_eq!(words.matches(&key).count(), 2, "{key}");
        }
    }
}
