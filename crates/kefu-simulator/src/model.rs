//! A language model with predictable answers, in OpenAI's form: `POST /v1/chat/completions`.
//!
//! It answers all that was written after the last assistant message: with every tag it finds there, or else
//! with an echo of each line (`echo.rs`).

mod echo;

use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::connection;
use crate::handle::Handle;
use crate::tags;

/// Largest request.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
const NAME: &str = "kefu-simulator";

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/v1/chat/completions")
                .app_data(web::PayloadConfig::new(REQUEST_BYTES_MAX))
                .route(web::post().to(complete)),
        )
        .route("/v1/models", web::get().to(models));
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Option<String>,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

async fn complete(simulator: web::Data<Handle>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let plan = simulator.draw("model");
    let thinking = simulator.world().settings().model_delay;
    if !(plan.delay + thinking).is_zero() {
        sleep(plan.delay + thinking).await;
    }
    simulator.world().model_called();
    if plan.cut.is_some() {
        connection::cut(&request);
        return HttpResponse::Ok().finish();
    }
    if let Some((status, _)) = plan.status {
        let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
        return HttpResponse::build(status).json(error("simulated failure", "server_error"));
    }
    if let Some((code, message)) = plan.error {
        let message = message.unwrap_or_else(|| format!("simulated error {code}"));
        return HttpResponse::InternalServerError().json(error(&message, "server_error"));
    }
    if plan.invalid_json {
        return HttpResponse::Ok()
            .content_type("application/json")
            .body("{\"choices\":[");
    }
    let asked: Request = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(why) => {
            return HttpResponse::BadRequest().json(error(&why.to_string(), "invalid_request_error"));
        }
    };
    let text = answer(&asked.messages);
    let model = asked.model.unwrap_or_else(|| NAME.to_owned());
    let created = simulator.now() / 1_000;
    if asked.stream {
        streamed(&model, created, &text)
    } else {
        whole(&model, created, &text)
    }
}

async fn models() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "object": "list",
        "data": [{ "id": NAME, "object": "model", "created": 0, "owned_by": "kefu" }],
    }))
}

/// Tags are never left out, however many: somebody counts them. An echo is bounded.
fn answer(messages: &[Message]) -> String {
    let after = messages
        .iter()
        .rposition(|message| message.role == "assistant")
        .map_or(0, |last| last + 1);
    let open: Vec<String> = messages[after..]
        .iter()
        .filter(|message| message.role == "user")
        .map(Message::text)
        .collect();
    let mut found: Vec<&str> = Vec::new();
    for tag in open.iter().flat_map(|text| tags::tags(text)) {
        if !found.contains(&tag) {
            found.push(tag);
        }
    }
    if found.is_empty() {
        echo::echo(&open)
    } else {
        format!("收到 {}", found.join(" "))
    }
}

impl Message {
    /// The text of a message in either of the two forms clients use.
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts = parts
                    .iter()
                    .filter_map(|part| part.get("text").and_then(Value::as_str));
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }
}

fn whole(model: &str, created: i64, text: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
    }))
}

fn streamed(model: &str, created: i64, text: &str) -> HttpResponse {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        format!("data: {chunk}\n\n")
    };
    let body = [
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
        chunk(json!({ "content": text }), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    HttpResponse::Ok().content_type("text/event-stream").body(body)
}

fn error(message: &str, kind: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: Value, expected: &str) {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        assert_eq!(answer(&messages), expected);
    }

    #[test]
    fn only_messages_after_the_last_answer_are_answered_each_tag_once() {
        check(
            json!([
                { "role": "system", "content": "#system" },
                { "role": "user", "content": "old #kf-1" },
                { "role": "assistant", "content": "收到 #kf-1" },
                { "role": "user", "content": "new #kf-2" },
                { "role": "user", "content": [{ "type": "text", "text": "#kf-3 #kf-2" }] },
            ]),
            "收到 #kf-2 #kf-3",
        );
    }

    #[test]
    fn everything_after_the_last_answer_is_echoed_however_it_is_split() {
        let expected = "（演示模型）您说：\n在吗\n我要退货\n订单是昨天的";
        check(
            json!([
                { "role": "user", "content": "以前的" },
                { "role": "assistant", "content": "好" },
                { "role": "user", "content": "在吗" },
                { "role": "user", "content": "我要退货" },
                { "role": "user", "content": "订单是昨天的" },
            ]),
            expected,
        );
        check(
            json!([
                { "role": "user", "content": "以前的" },
                { "role": "assistant", "content": "好" },
                { "role": "user", "content": "在吗\n我要退货\n订单是昨天的" },
            ]),
            expected,
        );
        check(
            json!([
                { "role": "user", "content": [{ "type": "text", "text": "在吗\n我要退货" }] },
                { "role": "system", "content": "现在是星期五" },
                { "role": "user", "content": "订单是昨天的" },
            ]),
            expected,
        );
    }

    #[test]
    fn tags_on_lines_of_one_message_are_all_repeated() {
        check(
            json!([{ "role": "user", "content": "a #kf-1\nb #kf-2\n\nc #kf-1" }]),
            "收到 #kf-1 #kf-2",
        );
    }
}
