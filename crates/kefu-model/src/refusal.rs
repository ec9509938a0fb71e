//! Why a model server gave no answer, from its status and its own words.

mod telling;
mod tidy;

use reqwest::StatusCode;
use serde_json::Value;

use telling::by_words;
use tidy::{cut, flat, searched, without_echo};

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The same question a little later.
    Transient,
    /// A shorter question.
    Length,
    /// A question without what the server does not want to be asked.
    Content,
    /// It does not say; a smaller question may do.
    Unclear,
    /// Nothing but a person: a key, a name of a model, an address.
    Permanent,
}

/// A server that answered, and not the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) class: Class,
    pub(crate) status: Option<u16>,
    /// The server's own words, or ours about what it sent; bounded, without control characters. They may be shown only
    /// once [`Refusal::without`] has taken out what is not the server's.
    pub(crate) words: String,
}

impl Refusal {
    /// Of an answer with a status that is no success.
    pub(super) fn of_status(status: StatusCode, body: &[u8]) -> Refusal {
        let text = String::from_utf8_lossy(body);
        let object: Option<Value> = serde_json::from_str(text.trim_start_matches('\u{feff}').trim()).ok();
        let words = object
            .as_ref()
            .and_then(words_of)
            .unwrap_or_else(|| text.into_owned());
        let told = object.as_ref().map(telling_text).unwrap_or_default() + &words;
        Refusal {
            class: by_status(status.as_u16(), &told),
            status: Some(status.as_u16()),
            words: searched(&words),
        }
    }

    /// An error that came with a success, as many gateways send it.
    pub(super) fn in_success(object: &Value) -> Option<Refusal> {
        if let Some(error) = object.get("error").filter(|error| !is_nothing(error)) {
            return Some(Refusal::of_object(error, object));
        }
        let has_answer = ["choices", "output", "data", "message", "response"]
            .iter()
            .any(|name| {
                object
                    .get(name)
                    .is_some_and(|value| value.is_object() || value.is_array())
            });
        let says_no = object.get("success") == Some(&Value::Bool(false))
            || object.get("object").and_then(Value::as_str) == Some("error")
            || object.get("errors").is_some_and(|errors| !is_nothing(errors))
            || object.get("detail").is_some_and(|detail| !is_nothing(detail))
            || code_of(object).is_some_and(|code| !matches!(code.as_str(), "0" | "200" | "ok" | "success"));
        (says_no && !has_answer).then(|| Refusal::of_object(object, object))
    }

    fn of_object(error: &Value, whole: &Value) -> Refusal {
        let words = words_of(error)
            .or_else(|| words_of(whole))
            .unwrap_or_else(|| error.to_string());
        let told = telling_text(error) + &telling_text(whole) + &words;
        let status = code_of(error)
            .or_else(|| code_of(whole))
            .and_then(|code| code.parse::<u16>().ok())
            .filter(|code| (400..600).contains(code));
        let class = match status {
            Some(status) => by_status(status, &told),
            // Nobody says 200 to a question that can never be answered, unless the words say so.
            None => by_words(&told).unwrap_or(Class::Transient),
        };
        Refusal {
            class,
            status: None,
            words: searched(&words),
        }
    }

    /// An answer that makes no sense and will make none the next time.
    pub(super) fn unreadable(what: &str) -> Refusal {
        Refusal {
            class: Class::Permanent,
            status: None,
            words: format!("unreadable: {what}"),
        }
    }

    /// An answer that was not sent to its end.
    pub(super) fn broken(what: &str) -> Refusal {
        Refusal {
            class: Class::Transient,
            status: None,
            words: format!("broken: {what}"),
        }
    }

    pub(super) fn content(what: &str) -> Refusal {
        Refusal {
            class: Class::Content,
            status: None,
            words: what.to_owned(),
        }
    }

    /// Without what the server repeats of the question, which is the customer's, and without a key.
    pub(super) fn without(mut self, question: &[&str], key: Option<&str>) -> Refusal {
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            self.words = self.words.replace(key, "[key]");
        }
        let question: Vec<String> = question.iter().map(|line| flat(line)).collect();
        self.words = cut(without_echo(&self.words, &question));
        self
    }
}

fn by_status(status: u16, told: &str) -> Class {
    match status {
        // A quota that is used up says 429 as well.
        429 if by_words(told) == Some(Class::Permanent) => Class::Permanent,
        408 | 409 | 425 | 429 => Class::Transient,
        500.. => Class::Transient,
        413 => Class::Length,
        400 | 422 => match by_words(told) {
            Some(Class::Transient) | None => Class::Unclear,
            Some(class) => class,
        },
        403 if by_words(told) == Some(Class::Content) => Class::Content,
        _ => Class::Permanent,
    }
}

/// The sentence meant for people.
fn words_of(error: &Value) -> Option<String> {
    match error {
        Value::String(text) => Some(text.clone()),
        Value::Array(errors) => errors.first().and_then(words_of),
        Value::Object(_) => ["message", "msg", "error_msg", "detail", "errors", "error"]
            .iter()
            .find_map(|name| error.get(name).and_then(words_of)),
        _ => None,
    }
}

/// Codes and kinds, which are words for machines.
fn telling_text(error: &Value) -> String {
    let object = error
        .get("error")
        .filter(|inner| inner.is_object())
        .unwrap_or(error);
    ["code", "type", "status", "param"]
        .iter()
        .filter_map(|name| object.get(name)?.as_str())
        .map(|word| format!("{word} "))
        .collect()
}

fn code_of(object: &Value) -> Option<String> {
    let code = ["code", "status_code", "error_code", "errcode"]
        .iter()
        .find_map(|name| object.get(name))?;
    match code {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.to_lowercase()),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::tidy::WORDS_MAX;
    use super::*;

    #[track_caller]
    fn check_status(status: u16, body: Value, expected: Class) {
        let refusal = Refusal::of_status(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes());
        assert_eq!(refusal.class, expected, "{status} {body}");
    }

    #[track_caller]
    fn check_success(body: Value, expected: Option<Class>) {
        let class = Refusal::in_success(&body).map(|refusal| refusal.class);
        assert_eq!(class, expected, "{body}");
    }

    fn error(message: &str, code: &str) -> Value {
        json!({ "error": { "message": message, "type": "invalid_request_error", "code": code } })
    }

    #[test]
    fn a_status_and_its_words_tell_what_helps() {
        check_status(503, json!({}), Class::Transient);
        check_status(
            429,
            error("Rate limit reached", "rate_limit_exceeded"),
            Class::Transient,
        );
        check_status(
            429,
            error("You exceeded your current quota", "insufficient_quota"),
            Class::Permanent,
        );
        check_status(
            401,
            error("Incorrect API key provided", "invalid_api_key"),
            Class::Permanent,
        );
        check_status(
            404,
            error("The model `x` does not exist", "model_not_found"),
            Class::Permanent,
        );
        check_status(
            402,
            error("Insufficient Balance", "invalid_request_error"),
            Class::Permanent,
        );
        check_status(
            400,
            error(
                "This model's maximum context length is 8192 tokens",
                "context_length_exceeded",
            ),
            Class::Length,
        );
        check_status(
            400,
            json!({ "message": "Range of input length should be [1, 6000]" }),
            Class::Length,
        );
        check_status(413, json!({}), Class::Length);
        check_status(
            400,
            error(
                "The response was filtered due to the prompt triggering Azure's content management policy",
                "content_filter",
            ),
            Class::Content,
        );
        check_status(
            400,
            json!({ "code": "DataInspectionFailed", "message": "Input data may contain inappropriate content." }),
            Class::Content,
        );
        check_status(
            400,
            error("Conversation roles must alternate", "bad_request"),
            Class::Unclear,
        );
        check_status(
            422,
            json!({ "detail": [{ "msg": "extra fields" }] }),
            Class::Unclear,
        );
        check_status(400, error("Invalid API key", ""), Class::Permanent);
    }

    #[test]
    fn an_error_with_a_success_is_an_error() {
        check_success(
            json!({ "error": { "message": "worker limit reached", "code": 502 } }),
            Some(Class::Transient),
        );
        check_success(json!({ "error": "model is overloaded" }), Some(Class::Transient));
        check_success(
            json!({ "error": { "code": "invalid_api_key", "message": "bad key" } }),
            Some(Class::Permanent),
        );
        check_success(
            json!({ "code": 500, "message": "服务繁忙，请稍后再试" }),
            Some(Class::Transient),
        );
        check_success(
            json!({ "code": "DataInspectionFailed", "message": "inappropriate" }),
            Some(Class::Content),
        );
        check_success(
            json!({ "object": "error", "message": "prompt is too long", "code": 400 }),
            Some(Class::Length),
        );
        check_success(
            json!({ "detail": "Not authenticated: unauthorized" }),
            Some(Class::Permanent),
        );
        check_success(json!({ "success": false, "msg": "限流" }), Some(Class::Transient));
        check_success(
            json!({ "errors": [{ "message": "odd" }] }),
            Some(Class::Transient),
        );
        check_success(json!({ "error": {}, "errors": [], "choices": [] }), None);
        check_success(
            json!({ "error": null, "code": 0, "data": { "answer": "x" } }),
            None,
        );
        check_success(json!({ "code": 200, "choices": [] }), None);
    }

    #[test]
    fn a_servers_words_are_kept_short_and_without_the_customers() {
        let refused = |body: &str| Refusal::of_status(StatusCode::BAD_REQUEST, body.as_bytes());
        assert_eq!(refused("<html>\r\n\tBad\u{0}Gateway").words, "<html> Bad Gateway");
        let long = refused(&"长".repeat(500)).without(&[], None);
        assert_eq!(long.words.chars().count(), WORDS_MAX + 1);
        let refusal =
            refused(r#"{"error":{"message":"bad input: 我的手机号是13800138000，请退款 (key sk-1)"}}"#);
        let refusal = refusal.without(&["我的手机号是13800138000，请退款"], Some("sk-1"));
        assert_eq!(refusal.words, "bad input: … (key [key])");
        // Neither is known any more once a part of it is cut off.
        for before in WORDS_MAX - 12..WORDS_MAX + 2 {
            let body = "x".repeat(before) + "sk-secret-of-the-shop 我家住在人民路一号";
            let refusal = refused(&body).without(
                &["我家住在\n人民路一号", "我家住在人民路一号"],
                Some("sk-secret-of-the-shop"),
            );
            let words = refusal.words;
            assert!(!words.contains("sk-") && !words.contains('我'), "{words}");
        }
        // Its lines are joined in the server's words as in the question.
        let refusal =
            refused("你们说的\n  是：退款\n到哪\n一张卡 不行").without(&["退款\n到哪\n一张卡"], None);
        assert_eq!(refusal.words, "你们说的 是：… 不行");
    }
}
