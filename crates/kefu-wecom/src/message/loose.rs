use serde_json::{Map, Value};

/// A JSON object read without complaints.
#[derive(Clone, Copy)]
pub(super) struct Loose<'a>(&'a Map<String, Value>);

impl<'a> Loose<'a> {
    pub(super) fn new(value: &'a Value) -> Option<Loose<'a>> {
        value.as_object().map(Loose)
    }

    pub(super) fn object(self, name: &str) -> Option<Loose<'a>> {
        Loose::new(self.0.get(name)?)
    }

    /// The objects of an array.
    pub(super) fn objects(self, name: &str) -> impl Iterator<Item = Loose<'a>> {
        let items = self
            .0
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Loose::new)
    }

    /// A text; numbers and truth values count as theirs.
    pub(super) fn text(self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            _ => String::new(),
        }
    }

    /// The same, `None` when empty.
    pub(super) fn text_if_any(self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// A whole number, also one written as text; 0 otherwise.
    pub(super) fn number(self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(Value::Number(number)) => number.as_i64().unwrap_or_default(),
            Some(Value::String(text)) => text.trim().parse().unwrap_or_default(),
            _ => 0,
        }
    }

    pub(super) fn float(self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Number(number)) => number.as_f64().unwrap_or_default(),
            Some(Value::String(text)) => text.trim().parse().unwrap_or_default(),
            _ => 0.0,
        }
    }
}

/// Reads JSON, if need be after putting U+FFFD for halves of surrogate pairs: an emoji that somebody
/// cut in two must not make a customer's message unreadable.
pub(super) fn read(json: &str) -> Option<Value> {
    serde_json::from_str(json)
        .or_else(|_| serde_json::from_str(&without_lone_surrogates(json)))
        .ok()
}

fn without_lone_surrogates(json: &str) -> String {
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&escape[..12], 12),
            (Some(0xd800..=0xdfff), _) => ("\\ufffd", 6),
            // A backslash escapes the character behind it, whatever that is.
            _ => {
                let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                (&escape[..length], length)
            }
        };
        repaired.push_str(kept);
        rest = &escape[length..];
    }
    repaired.push_str(rest);
    repaired
}

/// The UTF-16 unit of a `\uXXXX` at the start of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(read(json), Some(Value::String(expected.to_owned())));
    }

    #[test]
    fn reads_texts_with_halves_of_surrogate_pairs() {
        check(r#""\ud83d\ude00""#, "😀");
        check(r#""a\ud83d""#, "a\u{fffd}");
        check(r#""\ude00\ud83d\ude00""#, "\u{fffd}😀");
        check(r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}");
        assert_eq!(read(r#""\"#), None);
    }
}
