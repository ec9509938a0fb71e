//! What a reader has against a value, on its way up: its words are chosen here.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::node::join;
use crate::{SettingsError, reference};

/// The innermost reader puts its key in.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) key: Option<String>,
    /// A required key that is not there, in the table whose key is not known yet.
    pub(crate) missing: Option<&'static str>,
    /// The keys that are known where one stands that is not.
    pub(crate) known: Option<&'static [&'static str]>,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn at(self, key: &str) -> Problem {
        if self.key.is_some() {
            return self;
        }
        let Some(field) = self.missing else {
            return Problem {
                key: Some(key.to_owned()),
                ..self
            };
        };
        let key = join(key, field);
        let variable = reference::variable(&key);
        Problem {
            what: format!("is missing; set it in the settings file or as {variable}"),
            key: Some(key),
            ..self
        }
    }

    pub(crate) fn finish(self, key: &str) -> SettingsError {
        let problem = self.at(key);
        let key = problem.key.unwrap_or_default();
        let what = match problem.known {
            Some(known) => {
                let hint = reference::meant(&key)
                    .map(|key| format!("did you mean {key}? "))
                    .unwrap_or_default();
                format!("unknown key; {hint}known here are {}", known.join(", "))
            }
            None => problem.what.replace('\n', ", "),
        };
        SettingsError::new(key, what)
    }

    pub(crate) fn new(what: String) -> Problem {
        Problem {
            key: None,
            missing: None,
            known: None,
            what,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(what: T) -> Problem {
        Problem::new(what.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Problem {
        Problem::new(format!("expected {}, found {found}", spoken(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Problem {
        let range = match expected.to_string().as_str() {
            "u8" => " from 0 to 255",
            "u16" => " from 0 to 65535",
            "u32" => " from 0 to 4294967295",
            "u64" | "usize" => ", 0 or more",
            _ => "",
        };
        Problem::new(format!("expected {}{range}, found {found}", spoken(expected)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Problem {
        Problem::new(format!(
            "expected one of {}, found {found:?}",
            expected.join(", ")
        ))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Problem {
        Problem {
            known: Some(expected),
            ..Problem::new("unknown key".to_owned())
        }
    }

    fn missing_field(field: &'static str) -> Problem {
        Problem {
            missing: Some(field),
            ..Problem::new("is missing".to_owned())
        }
    }
}

fn spoken(expected: &dyn de::Expected) -> String {
    match expected.to_string().as_str() {
        "a duration" => "a duration with a unit, such as 10s or 800ms".to_owned(),
        "a string" => "text".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        _ => expected.to_string(),
    }
}
