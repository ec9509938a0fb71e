//! What travels with a job about its failures: the first and the last error, with their times.

use kefu_domain::Millis;
use serde_json::{Map, Value, json};

use crate::copy::shorten;

/// The envelope's field.
const ERRORS: &str = "errors";

/// Longest error text kept with a job, in bytes.
pub(crate) const ERROR_BYTES_MAX: usize = 2048;

/// The errors of a job's failed executions, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    pub first: Option<NotedError>,
    pub last: Option<NotedError>,
}

/// Why one execution failed. Never holds what a customer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedError {
    pub at: Millis,
    /// At most 2 KiB.
    pub text: String,
}

impl Errors {
    /// Of an envelope of any version. What does not read as we write it counts as not there: a newer version may
    /// tell more.
    pub(crate) fn of(envelope: &Map<String, Value>) -> Errors {
        let read = |which: &str| {
            let error = envelope.get(ERRORS)?.get(which)?;
            Some(NotedError {
                at: Millis(error.get("at_ms")?.as_i64()?),
                text: error.get("text")?.as_str()?.to_owned(),
            })
        };
        Errors {
            first: read("first"),
            last: read("last"),
        }
    }

    /// Notes one more error: the first stays, the last is replaced, and so is whatever else stood there.
    pub(crate) fn note(envelope: &mut Map<String, Value>, error: NotedError) {
        let last = json!({ "at_ms": error.at.0, "text": shorten(&error.text, ERROR_BYTES_MAX) });
        let first = match Errors::of(envelope).first {
            Some(first) => json!({ "at_ms": first.at.0, "text": first.text }),
            None => last.clone(),
        };
        envelope.insert(ERRORS.to_owned(), json!({ "first": first, "last": last }));
    }

    /// Nothing has failed yet.
    pub(crate) fn forget(envelope: &mut Map<String, Value>) {
        envelope.remove(ERRORS);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "written for people beside an error; nothing is decided by it"
)]
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Millis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(at: i64, text: &str) -> NotedError {
        NotedError {
            at: Millis(at),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_first_error_stays_and_the_last_is_the_newest() {
        let mut envelope = Map::new();
        assert_eq!(Errors::of(&envelope), Errors::default());
        for (at, text) in [(1, "one"), (2, "two"), (3, "three")] {
            Errors::note(&mut envelope, error(at, text));
        }
        let expected = Errors {
            first: Some(error(1, "one")),
            last: Some(error(3, "three")),
        };
        assert_eq!(Errors::of(&envelope), expected);
        Errors::forget(&mut envelope);
        assert!(envelope.is_empty());
    }

    #[test]
    fn errors_of_another_shape_are_no_errors_and_long_ones_are_cut() {
        for odd in [
            json!(7),
            json!([]),
            json!({"first": "x"}),
            json!({"first": {"at_ms": "1", "text": "x"}}),
        ] {
            let mut envelope = Map::from_iter([("errors".to_owned(), odd)]);
            assert_eq!(Errors::of(&envelope), Errors::default());
            Errors::note(&mut envelope, error(5, &"错".repeat(1000)));
            let first = Errors::of(&envelope).first.unwrap();
            assert_eq!((first.at, first.text.len()), (Millis(5), 2046));
        }
    }
}
