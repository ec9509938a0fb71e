//! What a model server's answer says, in any of the shapes servers are known to use. Never fails on a shape: what it
//! cannot make sense of is a refusal with a reason.

use serde_json::Value;

use super::refusal::Refusal;

/// Where OpenAI, the native forms of DashScope and Ollama, and clients of both keep what is said.
const TEXT_PATHS: [&str; 6] = [
    "/output/text",
    "/message/content",
    "/response",
    "/data/answer",
    "/output_text",
    "/answer",
];
/// What an answer that was cut off at its length ends with, where no sentence of it is whole.
const CUT_OFF: &str = "…";

/// What a choice adds to what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: String,
    /// Said in place of an answer.
    pub(super) refusal: String,
    pub(super) finish: Option<Finish>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// Said to its end.
    Stop,
    /// Cut off at the longest answer the server gives.
    Length,
    /// Held back for what it says, or for what it was asked.
    Filtered,
}

/// The text of a whole answer.
pub(super) fn read(answer: &Value) -> Result<String, Refusal> {
    if let Some(refusal) = Refusal::in_success(answer) {
        return Err(refusal);
    }
    match said(answer) {
        Some(said) => said.into_text(),
        None => Err(Refusal::unreadable("no choice in it")),
    }
}

/// What one object says: a whole answer, or a piece of a stream.
pub(super) fn said(object: &Value) -> Option<Said> {
    let choices = object
        .get("choices")
        .or_else(|| object.pointer("/output/choices"))
        .and_then(Value::as_array);
    if let Some(choice) = choices.and_then(|choices| choices.first()) {
        return Some(of_choice(choice));
    }
    let text = TEXT_PATHS
        .iter()
        .find_map(|path| object.pointer(path))
        .map(text_of)
        .or_else(|| responses_output(object))?;
    Some(Said {
        text,
        finish: finish_of(object),
        ..Said::default()
    })
}

impl Said {
    pub(super) fn into_text(self) -> Result<String, Refusal> {
        let is_empty = self.text.trim().is_empty();
        match self.finish {
            Some(Finish::Filtered) => Err(Refusal::content("the answer was held back by a content filter")),
            Some(Finish::Length) if is_empty => Err(Refusal::unreadable(
                "the longest answer was spent before a word was said",
            )),
            Some(Finish::Length) => Ok(whole_sentences(&self.text)),
            _ if is_empty => Ok(self.refusal),
            _ => Ok(self.text),
        }
    }
}

fn of_choice(choice: &Value) -> Said {
    // A piece of a stream has a delta; some servers send the whole message with each, and the oldest ones only text.
    let message = ["delta", "message", "messages"]
        .iter()
        .find_map(|name| choice.get(name).filter(|value| value.is_object()));
    let text = match message {
        Some(message) => message.get("content").map(text_of).unwrap_or_default(),
        None => choice.get("text").map(text_of).unwrap_or_default(),
    };
    let refusal = message
        .and_then(|message| message.get("refusal"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Said {
        text,
        refusal,
        finish: finish_of(choice),
    }
}

/// Text, or a list of parts of which those that are text are said: not thoughts, calls of tools, or pictures.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of_part).collect(),
        Value::Object(_) => text_of_part(content),
        _ => String::new(),
    }
}

fn text_of_part(part: &Value) -> String {
    let kind = part.get("type").and_then(Value::as_str);
    match (part, kind) {
        (Value::String(text), _) => text.clone(),
        (_, None | Some("text" | "output_text" | "message")) => {
            let text = ["text", "content", "value"]
                .iter()
                .find_map(|name| part.get(name));
            text.map(text_of).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// OpenAI's newer form: a list of messages, each a list of parts.
fn responses_output(object: &Value) -> Option<String> {
    let items = object.get("output")?.as_array()?;
    Some(items.iter().map(text_of_part).collect())
}

fn finish_of(object: &Value) -> Option<Finish> {
    let word = ["finish_reason", "done_reason", "finishReason"]
        .iter()
        .find_map(|name| object.get(name)?.as_str());
    match word?.to_ascii_lowercase().as_str() {
        // DashScope's "not yet".
        "" | "null" => None,
        "length" | "max_tokens" | "max_output_tokens" => Some(Finish::Length),
        "content_filter" | "safety" | "sensitive" | "prohibited_content" | "blocklist" => {
            Some(Finish::Filtered)
        }
        _ => Some(Finish::Stop),
    }
}

/// Without the sentence that was cut off; with a mark where none is whole.
fn whole_sentences(text: &str) -> String {
    let text = text.trim_end();
    let end = text
        .char_indices()
        .rev()
        .find(|(_, sign)| matches!(sign, '。' | '！' | '？' | '!' | '?' | '\n' | '；'))
        .map(|(at, sign)| at + sign.len_utf8());
    match end {
        Some(end) if text.len() / 2 <= end => text[..end].trim_end().to_owned(),
        _ => format!("{text}{CUT_OFF}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::refusal::Class;
    use super::*;

    #[track_caller]
    fn check(answer: Value, expected: &str) {
        assert_eq!(read(&answer).as_deref(), Ok(expected), "{answer}");
    }

    fn content(content: Value) -> Value {
        json!({ "choices": [{ "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }] })
    }

    #[test]
    fn text_is_found_in_every_shape_of_content() {
        check(content(json!("您好")), "您好");
        check(
            content(json!([{ "type": "text", "text": "您" }, { "type": "output_text", "text": "好" }])),
            "您好",
        );
        check(content(json!(["您", "好"])), "您好");
        check(
            content(json!([{ "type": "text", "text": { "content": "您好" } }])),
            "您好",
        );
        check(
            content(json!([{ "type": "text", "text": { "value": "您好" } }])),
            "您好",
        );
        check(content(json!({ "text": "您好" })), "您好");
        check(content(json!({ "type": "text", "text": "您好" })), "您好");
    }

    #[test]
    fn thoughts_calls_and_pictures_are_not_said() {
        for part in [
            json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "内部" }] }),
            json!({ "type": "reasoning", "text": "内部" }),
            json!({ "type": "reasoning_content", "content": "内部" }),
            json!({ "type": "tool_use", "input": { "text": "内部" } }),
            json!({ "type": "image_url", "image_url": { "url": "内部" } }),
            json!({ "type": "refusal", "refusal": "内部" }),
        ] {
            check(
                content(json!([part, { "type": "text", "text": "三天到账。" }])),
                "三天到账。",
            );
        }
        check(
            json!({ "choices": [{ "message": { "content": "好的", "reasoning_content": "内部" } }] }),
            "好的",
        );
    }

    #[test]
    fn shapes_of_other_servers_are_read() {
        check(
            json!({ "choices": [{ "text": "您好", "finish_reason": "stop" }] }),
            "您好",
        );
        check(
            json!({ "message": { "role": "assistant", "content": "您好" }, "done": true }),
            "您好",
        );
        check(json!({ "response": "您好", "done": true }), "您好");
        check(
            json!({ "output": { "text": "您好", "finish_reason": "stop" } }),
            "您好",
        );
        check(
            json!({ "output": { "choices": [{ "message": { "content": "您好" } }] } }),
            "您好",
        );
        check(json!({ "code": 0, "data": { "answer": "您好" } }), "您好");
        let output = json!([{ "type": "reasoning", "summary": [] },
            { "type": "message", "content": [{ "type": "output_text", "text": "您好" }] }]);
        check(json!({ "output": output }), "您好");
    }

    #[test]
    fn nothing_said_is_an_empty_answer() {
        check(content(Value::Null), "");
        check(content(json!([])), "");
        check(
            json!({ "choices": [{ "message": { "tool_calls": [{ "id": "1" }] }, "finish_reason": "tool_calls" }] }),
            "",
        );
        check(json!({ "choices": [{ "message": null }] }), "");
    }

    #[test]
    fn a_refusal_of_the_model_is_its_answer() {
        check(
            json!({ "choices": [{ "message": { "content": null, "refusal": "抱歉，我不能回答。" } }] }),
            "抱歉，我不能回答。",
        );
        check(
            json!({ "choices": [{ "message": { "content": "可以。", "refusal": null } }] }),
            "可以。",
        );
    }

    #[test]
    fn how_an_answer_ended_counts() {
        let ended = |reason: &str, text: &str| json!({ "choices": [{ "message": { "content": text }, "finish_reason": reason }] });
        check(ended("length", "第一句。第二句。第三"), "第一句。第二句。");
        check(ended("length", "没有句号的很长的"), "没有句号的很长的…");
        check(ended("max_tokens", "Is it? It is"), "Is it?");
        check(
            ended("max_tokens", "Oh! And then it goes on"),
            "Oh! And then it goes on…",
        );
        check(ended("eos", "完"), "完");
        for reason in ["content_filter", "SAFETY", "sensitive"] {
            let refused = read(&ended(reason, "一半")).unwrap_err();
            assert_eq!(refused.class, Class::Content, "{reason}");
        }
        assert_eq!(read(&ended("length", " ")).unwrap_err().class, Class::Permanent);
    }

    #[test]
    fn an_answer_without_a_choice_is_none() {
        for answer in [
            json!({}),
            json!({ "choices": [] }),
            json!({ "choices": null }),
            json!([]),
            json!("您好"),
        ] {
            assert_eq!(read(&answer).unwrap_err().class, Class::Permanent, "{answer}");
        }
    }
}
