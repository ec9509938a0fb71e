//! Model servers as they are met in the field, played by their published shapes: each answers, and is understood.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::{Asked, FALLBACK, Kefu, Log, ModelStub, Reply, Setup};

pub(crate) const TEXT: &str = "退款三天内到账。";

pub(crate) fn completion(content: Value) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
    })
}

/// A Kefu whose model is this server.
pub(crate) async fn with_model(stub: &ModelStub, change: impl FnOnce(&mut Setup)) -> Kefu {
    let base_url = stub.base_url.clone();
    Kefu::with(|setup| {
        setup.set("ai.base_url", base_url);
        setup.set("ai.timeout", "5s");
        change(setup);
    })
    .await
}

/// What a customer reads who asks once.
async fn said(stub: &ModelStub, change: impl FnOnce(&mut Setup)) -> Vec<String> {
    let kefu = with_model(stub, change).await;
    kefu.writes("wm1", "多久到账").await;
    kefu.handled_all(1).await;
    kefu.replies("wm1")
}

async fn check(path: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
    let stub = ModelStub::start(path, move |_, asked| answer(asked)).await;
    assert_eq!(said(&stub, |_| ()).await, [TEXT]);
}

pub(crate) fn refused(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "message": message, "type": "invalid_request_error" } }),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai() {
    check("/v1", |asked| {
        assert!(
            asked.head.starts_with("post /v1/chat/completions "),
            "{}",
            asked.head
        );
        assert!(asked.head.contains("\r\nuser-agent: kefu/"));
        assert!(asked.head.contains("\r\naccept-encoding: identity, gzip\r\n"));
        assert_eq!(asked.body["stream"], false);
        Reply::json(200, &completion(json!(TEXT)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure() {
    let filtered = json!({ "hate": { "filtered": false, "severity": "safe" } });
    check("/openai/deployments/d?api-version=2024-10-21", move |asked| {
        let address = "post /openai/deployments/d/chat/completions?api-version=2024-10-21 ";
        assert!(asked.head.starts_with(address), "{}", asked.head);
        let mut answer = completion(json!(TEXT));
        answer["prompt_filter_results"] = json!([{ "prompt_index": 0, "content_filter_results": filtered }]);
        Reply::json(200, &answer)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deepseek_with_reasoning() {
    check("", |_| {
        let mut answer = completion(json!(TEXT));
        answer["choices"][0]["message"]["reasoning_content"] = json!("客户问退款。");
        // Kept alive with blank lines while it thinks.
        Reply::new(200, "application/json", format!("\n\n\n{answer}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashscope_that_streams_all_the_same() {
    check("/compatible-mode/v1", |_| {
        let piece = |text: &str, end: Value| {
            let piece = json!({ "object": "chat.completion.chunk",
                "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": end }] });
            format!("data: {piece}\n\n")
        };
        let body = [
            piece("退款三天", Value::Null),
            piece("内到账。", json!("stop")),
            "data: [DONE]\n\n".to_owned(),
        ];
        Reply::new(200, "text/event-stream;charset=UTF-8", body.concat())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vllm_with_an_error_of_its_own_shape() {
    let stub = ModelStub::start("/v1", |number, _| match number {
        0 => Reply::json(
            500,
            &json!({ "object": "error", "message": "engine is dead", "code": 500 }),
        ),
        _ => {
            let mut answer = completion(json!(TEXT));
            answer["choices"][0]["message"]["tool_calls"] = json!([]);
            answer["choices"][0]["stop_reason"] = Value::Null;
            Reply::json(200, &answer)
        }
    })
    .await;
    assert_eq!(said(&stub, |_| ()).await, [TEXT]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ollama_with_one_object_a_line() {
    check("/v1", |_| {
        let line = |text: &str, done: bool| json!({ "message": { "role": "assistant", "content": text }, "done": done });
        let body = format!("{}\n{}\n{}\n", line("退款三天", false), line("内到账。", false), line("", true));
        Reply::new(200, "application/x-ndjson", body)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lm_studio_without_the_model_loaded() {
    let stub = ModelStub::start("/v1", |_, _| {
        Reply::json(404, &json!({ "error": "Model not found" }))
    })
    .await;
    assert_eq!(said(&stub, |_| ()).await, [FALLBACK]);
    assert_eq!(stub.asked().len(), 1, "asking again helps nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ragflow_that_answers_errors_with_200() {
    let stub = ModelStub::start("/api/v1/chats_openai/x", |number, _| match number {
        0 => Reply::json(
            200,
            &json!({ "code": 100, "data": null, "message": "rate limit, try again" }),
        ),
        _ => Reply::json(200, &completion(json!(TEXT))),
    })
    .await;
    assert_eq!(said(&stub, |_| ()).await, [TEXT]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastgpt_with_a_list_of_parts() {
    check("/api/v1", |_| {
        let parts = json!([{ "type": "reasoning", "reasoning": { "content": "想一想" } },
            { "type": "text", "text": { "content": TEXT } }]);
        Reply::json(200, &completion(parts))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_api_with_a_byte_order_mark_and_another_type() {
    check("/v1", |_| {
        Reply::new(200, "text/plain", format!("\u{feff}{}", completion(json!(TEXT))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistral_with_its_thoughts_as_a_part() {
    check("/v1", |_| {
        let parts = json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "内部" }] },
            { "type": "text", "text": TEXT }]);
        Reply::json(200, &completion(parts))
    })
    .await;
}

#[tokio::test]
async fn what_a_server_refuses_is_logged_once_with_its_words_and_not_the_customers() {
    let (log, _guard) = Log::capture();
    let stub = ModelStub::start("/v1", |_, asked| {
        let (_, text) = asked.lines().pop().unwrap();
        refused(
            401,
            &format!("Incorrect API key provided: sk-secret. Input: {text}"),
        )
    })
    .await;
    let kefu = with_model(&stub, |setup| setup.set("ai.api_key", "sk-secret")).await;
    for number in 1..=3 {
        kefu.writes(&format!("wm{number}"), "我的手机号是13800138000")
            .await;
        kefu.handled_all(number).await;
    }
    let lines = log.lines("Incorrect API key provided: [key]. Input: …");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains(&format!("at {}/chat/completions", stub.base_url)),
        "{lines:?}"
    );
    assert!(log.lines("13800138000").is_empty() && log.lines("sk-secret").is_empty());
    kefu.until("health has its words", async || {
        kefu.health("model")
            .await
            .1
            .contains("401 Unauthorized: Incorrect API key")
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let (log, _guard) = Log::capture();
    let stub = ModelStub::start("/v1", |_, _| {
        Reply::new(301, "text/html", "").header("Location: https://m.example/v1/chat/completions?key=1")
    })
    .await;
    assert_eq!(said(&stub, |_| ()).await, [FALLBACK]);
    let lines = log.lines("redirects to https://m.example/v1/chat/completions, which is not followed");
    assert_eq!((lines.len(), stub.asked().len()), (1, 1), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_packed_broken_or_too_late_has_a_meaning() {
    let gateway = || Reply::new(200, "text/html", "<html><body>502 Bad Gateway</body></html>");
    let cut = || {
        Reply::new(
            200,
            "text/event-stream",
            "data: {\"choices\":[{\"delta\":{\"content\":\"退\"}}]}\n\n",
        )
    };
    let error = || {
        Reply::json(
            200,
            &json!({ "error": { "message": "worker limit reached", "code": 502 } }),
        )
    };
    for first in [gateway(), cut(), error()] {
        let stub = ModelStub::start("/v1", move |number, _| match number {
            0 => first.clone(),
            _ => Reply::json(200, &completion(json!(TEXT))),
        })
        .await;
        assert_eq!(said(&stub, |_| ()).await, [TEXT]);
        assert_eq!(stub.asked().len(), 2);
    }
    let packed = gzip(completion(json!(TEXT)).to_string().as_bytes());
    check("/v1", move |_| {
        Reply::new(200, "application/json", packed.clone()).header("Content-Encoding: gzip")
    })
    .await;
    let bomb = gzip(&vec![b' '; 32 * 1024 * 1024]);
    let stub = ModelStub::start("/v1", move |_, _| {
        Reply::new(200, "application/json", bomb.clone()).header("Content-Encoding: gzip")
    })
    .await;
    assert_eq!(said(&stub, |_| ()).await, [FALLBACK]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
