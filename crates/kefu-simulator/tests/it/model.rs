//! The simulated language model.

use serde_json::{Value, json};

use crate::running::Running;

async fn ask(simulator: &Running, body: Value) -> reqwest::Response {
    let url = format!("{}/v1/chat/completions", simulator.url);
    simulator.client.post(url).json(&body).send().await.unwrap()
}

#[tokio::test]
async fn it_echoes_the_tags_it_was_asked_about() {
    let simulator = Running::start().await;
    let messages = json!([
        { "role": "assistant", "content": "old" },
        { "role": "user", "content": "a #kf-1" },
        { "role": "user", "content": "b #kf-2" },
    ]);
    let answer: Value = ask(&simulator, json!({ "model": "m", "messages": messages }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "收到 #kf-1 #kf-2");
    let streamed = ask(&simulator, json!({ "messages": messages, "stream": true })).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    let text = streamed.text().await.unwrap();
    assert!(
        text.contains("#kf-1 #kf-2") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(simulator.handle.report().model_calls, 2);
}

#[tokio::test]
async fn it_fails_on_demand_and_on_nonsense() {
    let simulator = Running::start().await;
    simulator
        .fault(json!({ "api": "model", "kind": "status", "status": 429, "times": 1 }))
        .await;
    let messages = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(ask(&simulator, messages.clone()).await.status(), 429);
    assert_eq!(ask(&simulator, messages).await.status(), 200);
    let refused = ask(&simulator, json!({ "messages": "hi" })).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.json::<Value>().await.unwrap()["error"]["message"].is_string());
}
