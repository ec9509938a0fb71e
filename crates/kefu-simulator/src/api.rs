//! WeCom's API over HTTP: one file a group of calls, each translating to the rules in `world`.
//!
//! The status is always 200 and the outcome stands in `errcode`, except where a fault says otherwise.

mod access;
mod directory;
mod media;
mod messages;
mod sessions;
mod upload;

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::connection;
use crate::faults::Plan;
use crate::handle::Handle;
use crate::ids::mix;
use crate::world::{Notice, Refusal, World};

/// Largest upload, with room for the multipart frame.
const UPLOAD_BYTES_MAX: usize = 21 * 1024 * 1024;

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/cgi-bin/gettoken", web::get().to(access::gettoken))
        .route("/cgi-bin/kf/sync_msg", web::post().to(messages::sync_msg))
        .route("/cgi-bin/kf/send_msg", web::post().to(messages::send_msg))
        .route(
            "/cgi-bin/kf/send_msg_on_event",
            web::post().to(messages::send_msg_on_event),
        )
        .route("/cgi-bin/kf/service_state/get", web::post().to(sessions::get))
        .route("/cgi-bin/kf/service_state/trans", web::post().to(sessions::trans))
        .route("/cgi-bin/kf/account/list", web::post().to(directory::accounts))
        .route("/cgi-bin/kf/account/list", web::get().to(directory::accounts))
        .route("/cgi-bin/kf/servicer/list", web::get().to(directory::servicers))
        .route(
            "/cgi-bin/kf/customer/batchget",
            web::post().to(directory::customers),
        )
        .service(
            web::resource("/cgi-bin/media/upload")
                .app_data(web::PayloadConfig::new(UPLOAD_BYTES_MAX))
                .route(web::post().to(media::upload)),
        )
        .route("/cgi-bin/media/get", web::get().to(media::get))
        .service(web::scope("/cgi-bin").default_service(web::to(unknown)));
}

/// What a call answers, and whom it makes WeCom call back.
pub(crate) struct Answer {
    body: HttpBody,
    notices: Vec<Notice>,
}

enum HttpBody {
    Json(String),
    File {
        content_type: String,
        file_name: String,
        bytes: Vec<u8>,
    },
}

impl Answer {
    /// `errcode` 0 and the given fields beside it.
    fn ok(fields: &impl Serialize) -> Answer {
        #[derive(Serialize)]
        struct Body<'a, T> {
            errcode: i32,
            errmsg: &'a str,
            #[serde(flatten)]
            fields: &'a T,
        }
        let body = Body {
            errcode: 0,
            errmsg: "ok",
            fields,
        };
        let json = serde_json::to_string(&body).expect("answers are maps with text keys");
        Answer {
            body: HttpBody::Json(json),
            notices: Vec::new(),
        }
    }

    fn file(content_type: String, file_name: String, bytes: Vec<u8>) -> Answer {
        Answer {
            body: HttpBody::File {
                content_type,
                file_name,
                bytes,
            },
            notices: Vec::new(),
        }
    }

    fn with_notice(mut self, notice: Option<Notice>) -> Answer {
        self.notices.extend(notice);
        self
    }
}

/// One call: faults, then the access token, then the limit, then `work`, then the faults of the answer.
async fn serve(
    simulator: &Handle,
    request: &HttpRequest,
    api: &'static str,
    work: impl FnOnce(&mut World, &Plan, i64) -> Result<Answer, Refusal>,
) -> HttpResponse {
    let plan = simulator.draw(api);
    if !plan.delay.is_zero() {
        sleep(plan.delay).await;
    }
    if plan.cut == Some(false) {
        connection::cut(request);
        return HttpResponse::Ok().finish();
    }
    if let Some((status, false)) = plan.status {
        return failure(status);
    }
    let outcome = decide(simulator, request, api, &plan, work);
    let response = match outcome {
        Ok(Answer { body, notices }) => {
            simulator.changed();
            for notice in notices {
                simulator.announce(notice).await;
            }
            match body {
                HttpBody::Json(json) => json_response(json),
                HttpBody::File {
                    content_type,
                    file_name,
                    bytes,
                } => HttpResponse::Ok()
                    .content_type(content_type)
                    .insert_header((
                        "content-disposition",
                        format!("attachment; filename=\"{file_name}\""),
                    ))
                    .body(bytes),
            }
        }
        Err(refusal) => json_response(refusal_body(&refusal, request, simulator.now())),
    };
    if plan.cut == Some(true) {
        connection::cut(request);
        return HttpResponse::Ok().finish();
    }
    if let Some((status, true)) = plan.status {
        return failure(status);
    }
    if plan.invalid_json {
        return json_response("{\"errcode\":0,\"errmsg\":\"o".to_owned());
    }
    response
}

/// The part that holds the world: one short lock.
fn decide(
    simulator: &Handle,
    request: &HttpRequest,
    api: &'static str,
    plan: &Plan,
    work: impl FnOnce(&mut World, &Plan, i64) -> Result<Answer, Refusal>,
) -> Result<Answer, Refusal> {
    let now = simulator.now();
    let token = parameter(request, "access_token");
    let mut world = simulator.world();
    world.called(api);
    if plan.revoke_token {
        world.revoke_access();
    }
    if let Some((code, message)) = &plan.error {
        let message = message.clone().unwrap_or_else(|| "system error".to_owned());
        return Err(Refusal::new(*code, message));
    }
    if api != "gettoken" {
        world.check_access(token.as_deref(), now)?;
    }
    world.check_frequency(api, now)?;
    work(&mut world, plan, now)
}

/// Reads a JSON body; WeCom's text for what is no JSON at all is "wrong json format" (doc 90313).
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Refusal::new(40_058, format!("invalid Request Parameter, {error}")),
        _ => Refusal::new(40_058, "invalid Request Parameter. Warning: wrong json format."),
    })
}

/// A JSON object whose fields the rules look at themselves.
fn read_object(body: &[u8]) -> Result<Value, Refusal> {
    read::<serde_json::Map<String, Value>>(body).map(Value::Object)
}

/// One value of the query, decoded.
fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    pairs
        .into_inner()
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

/// An error body as real ones look (doc 98988): the text carries a hint, the caller's address, and a link.
fn refusal_body(refusal: &Refusal, request: &HttpRequest, now: i64) -> String {
    static HINTS: AtomicU64 = AtomicU64::new(0);
    let number = HINTS.fetch_add(1, Ordering::Relaxed);
    let hint = format!("{:016x}{:016x}", mix(number), mix(number ^ now.unsigned_abs()));
    let from = request
        .peer_addr()
        .map_or_else(|| "127.0.0.1".to_owned(), |address| address.ip().to_string());
    let Refusal { code, message } = refusal;
    json!({
        "errcode": code,
        "errmsg": format!(
            "{message}, hint: [{}_{}_{hint}], from ip: {from}, \
             more info at https://open.work.weixin.qq.com/devtool/query?e={code}",
            now / 1_000,
            number % 100,
        ),
    })
    .to_string()
}

fn json_response(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json; charset=UTF-8")
        .body(body)
}

fn failure(status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    HttpResponse::build(status)
        .content_type("text/html")
        .body("<html><body>simulated failure</body></html>")
}

async fn unknown(request: HttpRequest, simulator: web::Data<Handle>) -> HttpResponse {
    let refusal = Refusal::new(40_066, "invalid url");
    json_response(refusal_body(&refusal, &request, simulator.now()))
}
