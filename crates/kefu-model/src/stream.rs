//! An answer in pieces: server-sent events, as some servers send them although nobody asked, or one object a line.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::answer::{self, Said};
use super::refusal::Refusal;

const END: &str = "[DONE]";

/// Whether a body is a stream, whatever its type says.
pub(super) fn is_stream(body: &str) -> bool {
    ["data:", "event:", "id:", "retry:", ":"]
        .iter()
        .any(|start| body.starts_with(start))
}

/// The text of all pieces together.
pub(super) fn read(body: &str) -> Result<String, Refusal> {
    gather(events(body))
}

/// The same for one object a line; `None` when a line is none.
pub(super) fn read_lines(body: &str) -> Option<Result<String, Refusal>> {
    let lines: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let are_objects = 1 < lines.len()
        && lines
            .iter()
            .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object()));
    are_objects.then(|| gather(lines.into_iter().map(str::to_owned)))
}

fn gather(pieces: impl Iterator<Item = String>) -> Result<String, Refusal> {
    let mut whole = Said::default();
    let mut ended = false;
    let mut heard = false;
    for piece in pieces {
        if piece.trim() == END {
            ended = true;
            break;
        }
        let Ok(object) = serde_json::from_str::<Value>(&piece) else {
            return Err(Refusal::broken("a piece of the stream is no JSON"));
        };
        if let Some(refusal) = Refusal::in_success(&object) {
            return Err(refusal);
        }
        ended |= object.get("done") == Some(&Value::Bool(true));
        // The last piece of some servers only counts tokens.
        let Some(said) = answer::said(&object) else {
            continue;
        };
        heard = true;
        whole.text.push_str(&said.text);
        whole.refusal.push_str(&said.refusal);
        whole.finish = said.finish.or(whole.finish);
    }
    match (heard, ended || whole.finish.is_some()) {
        (false, true) => Err(Refusal::unreadable("a stream without a choice")),
        (_, false) => Err(Refusal::broken("the stream ended before the answer did")),
        (true, true) => whole.into_text(),
    }
}

/// The data of each event; several `data` lines of one event are lines of one text.
fn events(body: &str) -> impl Iterator<Item = String> {
    let mut events = Vec::new();
    let mut data: Vec<&str> = Vec::new();
    for line in body.lines().map(|line| line.trim_end_matches('\r')).chain([""]) {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(data.join("\n"));
                data.clear();
            }
            continue;
        }
        if let Some(rest) = line.strip_prefix("data:") {
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            // Some servers put no blank line between two events, each of one line. Several lines are not looked at:
            // that again at each further one takes minutes for a large body.
            if let [line] = data[..]
                && is_whole(line)
            {
                events.push(line.to_owned());
                data.clear();
            }
            data.push(rest);
        }
    }
    events.into_iter().filter(|event| !event.trim().is_empty())
}

fn is_whole(line: &str) -> bool {
    line.trim() == END || serde_json::from_str::<IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::refusal::Class;
    use super::*;

    fn piece(text: &str) -> String {
        format!(
            r#"{{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#
        )
    }

    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"total_tokens":9}}"#;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        assert!(is_stream(body), "{body}");
        assert_eq!(read(body).as_deref(), Ok(expected), "{body}");
    }

    #[test]
    fn pieces_are_put_together() {
        let (one, two) = (piece("您好，"), piece("三天到账。"));
        check(
            &format!("data: {one}\n\ndata: {two}\n\ndata: [DONE]\n\n"),
            "您好，三天到账。",
        );
        check(
            &format!("data:{one}\r\n\r\ndata:{two}\r\n\r\ndata:[DONE]"),
            "您好，三天到账。",
        );
        check(
            &format!(
                ": ping\n\nid: 1\nevent: message\ndata: {one}\n\ndata: {two}\n\ndata: {STOP}\n\ndata: {USAGE}\n\n"
            ),
            "您好，三天到账。",
        );
        check(
            &format!("data: {one}\ndata: {two}\ndata: [DONE]\n"),
            "您好，三天到账。",
        );
        check(
            "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"好\"},\"finish_reason\":\"stop\"}]}\n\n",
            "好",
        );
    }

    #[test]
    fn a_stream_that_breaks_off_is_asked_for_again() {
        for body in [
            format!("data: {}\n\n", piece("您好")),
            format!("data: {}\n\ndata: {{\"choi", piece("您好")),
            ": ping\n\n".to_owned(),
        ] {
            assert_eq!(read(&body).unwrap_err().class, Class::Transient, "{body}");
        }
    }

    #[test]
    fn a_large_event_of_many_lines_is_read_in_time() {
        let body = "data: [\n".repeat(128 * 1024);
        let began_at = Instant::now();
        assert_eq!(read(&body).unwrap_err().class, Class::Transient);
        let took = began_at.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?} for {} bytes", body.len());
    }

    #[test]
    fn an_error_in_the_stream_is_an_error() {
        let body = format!(
            "data: {}\n\ndata: {{\"error\":{{\"message\":\"prompt is too long\"}}}}\n\n",
            piece("您")
        );
        assert_eq!(read(&body).unwrap_err().class, Class::Length);
    }

    #[test]
    fn one_object_a_line_is_a_stream_too() {
        let body = "{\"message\":{\"content\":\"您\"},\"done\":false}\n{\"message\":{\"content\":\"好\"},\"done\":true}\n";
        assert_eq!(read_lines(body).unwrap().as_deref(), Ok("您好"));
        let cut = "{\"message\":{\"content\":\"您\"},\"done\":false}\n{\"message\":{\"content\":\"好\"},\"done\":false}\n";
        assert_eq!(read_lines(cut).unwrap().unwrap_err().class, Class::Transient);
        assert!(read_lines("{\"a\":\n1}").is_none());
        assert!(read_lines("{}").is_none());
    }
}
