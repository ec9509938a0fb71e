use serde_json::{Map, Value};

/// Below it each whole number has a float of its own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

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

    /// The objects of an array; one that stands alone counts as an array of one.
    pub(super) fn objects(self, name: &str) -> impl Iterator<Item = Loose<'a>> {
        let items = match self.0.get(name) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(alone) => std::slice::from_ref(alone),
            None => &[],
        };
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

    /// The text of the first name that has one.
    pub(super) fn first_text(self, names: &[&str]) -> String {
        names
            .iter()
            .find_map(|name| self.text_if_any(name))
            .unwrap_or_default()
    }

    /// A text; of a number that is whole only its digits: `5900.0` and `5.9e3` are 5900.
    pub(super) fn whole_or_text(self, name: &str) -> String {
        let whole = self
            .0
            .get(name)
            .and_then(Value::as_f64)
            .filter(|number| number.fract() == 0.0 && number.abs() < WHOLE_MAX);
        match whole {
            Some(number) => format!("{number:.0}"),
            None => self.text(name),
        }
    }

    /// A text, or what stands in its place as JSON.
    pub(super) fn text_or_json(self, name: &str) -> String {
        match self.0.get(name) {
            Some(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
            _ => self.text(name),
        }
    }

    /// A whole number, also one written as text; 0 otherwise.
    pub(super) fn number(self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(Value::Number(number)) => number.as_i64().unwrap_or_default(),
            Some(Value::String(text)) => text.trim().parse().unwrap_or_default(),
            _ => 0,
        }
    }

    /// A number, also one written as text.
    pub(super) fn float(self, name: &str) -> Option<f64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
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
