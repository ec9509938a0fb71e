//! What a model is shown of a conversation, and what follows when its server does not take that.

use kefu_simulator::world::Incoming;
use serde_json::json;

use crate::harness::{ACCOUNT, Asked, FALLBACK, ModelStub, Reply};
use crate::servers::{TEXT, completion, refused, with_model};

/// As its chat template has it: no system line, and roles that take turns, a user first.
fn gemma(asked: &Asked) -> Reply {
    let lines = asked.lines();
    let takes_turns = (0_usize..)
        .zip(&lines)
        .all(|(place, (role, _))| role == if place % 2 == 0 { "user" } else { "assistant" });
    match takes_turns {
        true => Reply::json(200, &completion(json!(TEXT))),
        false => refused(
            400,
            "Conversation roles must alternate user/assistant/user/assistant/...",
        ),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gemma_templates() {
    for (key, value) in [("ai.system_prompt", ""), ("ai.system_role", "user")] {
        let stub = ModelStub::start("/v1", |_, asked| gemma(asked)).await;
        let kefu = with_model(&stub, |setup| {
            setup.set(key, value);
            setup.set("conversation.merge_window", "300ms");
        })
        .await;
        kefu.writes("wm1", "你好").await;
        kefu.writes("wm1", "我要退款").await;
        kefu.handled_all(2).await;
        kefu.writes("wm1", "多久到账").await;
        kefu.handled_all(3).await;
        assert_eq!(kefu.replies("wm1"), [TEXT, TEXT], "{key}");
        assert_eq!(stub.asked().len(), 2, "{key}: no question is asked twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_fallback_is_not_shown_as_the_models_words() {
    let stub = ModelStub::start("/v1", |number, _| match number {
        0 => refused(401, "Incorrect API key provided"),
        _ => Reply::json(200, &completion(json!(TEXT))),
    })
    .await;
    let kefu = with_model(&stub, |_| ()).await;
    kefu.writes("wm1", "第一个问题").await;
    kefu.handled_all(1).await;
    kefu.writes("wm1", "第二个问题").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), [FALLBACK, TEXT]);
    let lines = stub.asked()[1].lines();
    assert_eq!(
        lines[1..],
        [("user".to_owned(), "第一个问题\n第二个问题".to_owned())]
    );
    let sources = "SELECT COALESCE(source, '') FROM outbox ORDER BY planned_at";
    assert_eq!(kefu.column(sources).await, ["fallback", "model"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_too_long_for_the_server_is_answered_without_its_history() {
    let stub = ModelStub::start("/v1", |_, asked| {
        let length: usize = asked.lines().iter().map(|(_, text)| text.chars().count()).sum();
        match length <= 1000 {
            true => Reply::json(200, &completion(json!(TEXT))),
            false => refused(400, "This model's maximum context length is exceeded"),
        }
    })
    .await;
    let kefu = with_model(&stub, |setup| setup.set("ai.system_prompt", "任务")).await;
    for number in 1..=4 {
        kefu.writes("wm1", &"长".repeat(400)).await;
        kefu.handled_all(number).await;
    }
    // Alone it is too long as well, and shortened.
    kefu.writes("wm1", &"长".repeat(1500)).await;
    kefu.handled_all(5).await;
    assert_eq!(kefu.replies("wm1"), [TEXT; 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_does_not_want_to_be_asked_is_kept_out_of_later_questions() {
    let stub = ModelStub::start("/v1", |_, asked| {
        match asked.lines().iter().any(|(_, text)| text.contains("毒")) {
            true => Reply::json(
                400,
                &json!({ "error": { "code": "content_filter", "message": "filtered" } }),
            ),
            false => Reply::json(200, &completion(json!(TEXT))),
        }
    })
    .await;
    let kefu = with_model(&stub, |_| ()).await;
    kefu.writes("wm1", "有毒的话").await;
    kefu.handled_all(1).await;
    for number in 2..=3 {
        kefu.writes("wm1", "多久到账").await;
        kefu.handled_all(number).await;
    }
    assert_eq!(kefu.replies("wm1"), [FALLBACK, TEXT, TEXT]);
    assert_eq!(stub.asked().len(), 3, "the later questions were good at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_lines_enter_a_prompt_of_so_many_tokens() {
    let stub = ModelStub::start("/v1", |_, _| Reply::json(200, &completion(json!("好")))).await;
    let kefu = with_model(&stub, |setup| setup.set("ai.prompt_tokens_max", 50)).await;
    for number in 1..=4 {
        kefu.writes("wm1", &format!("{number}{}", "长".repeat(19))).await;
        kefu.handled_all(number).await;
    }
    let last = stub.asked()[3].lines();
    let starts: String = last[1..]
        .iter()
        .filter_map(|(_, text)| text.chars().next())
        .collect();
    assert_eq!(starts, "3好4", "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_shown_as_a_word() {
    let stub = ModelStub::start("/v1", |_, _| Reply::json(200, &completion(json!(TEXT)))).await;
    let kefu = with_model(&stub, |_| ()).await;
    kefu.says(ACCOUNT, "wm1", picture()).await;
    kefu.handled_all(1).await;
    assert_eq!(stub.asked()[0].lines()[1].1, "[图片]");
}

fn picture() -> Incoming {
    Incoming {
        msgtype: "image".to_owned(),
        body: json!({ "media_id": "x" }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_too_many_for_one_prompt_are_shown_in_the_next() {
    let stub = ModelStub::start("/v1", |_, _| Reply::json(200, &completion(json!(TEXT)))).await;
    let kefu = with_model(&stub, |setup| {
        setup.set("ai.prompt_tokens_max", 10);
        setup.set("conversation.merge_window", "1s");
    })
    .await;
    for _ in 0..5 {
        kefu.says(ACCOUNT, "wm1", picture()).await;
    }
    kefu.handled_all(5).await;
    let first = stub.asked()[0].lines();
    assert_eq!(first[1].1, "[图片]\n[图片]\n[图片]");
    assert_eq!(kefu.replies("wm1"), [TEXT, TEXT]);
}
