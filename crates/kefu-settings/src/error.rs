//! What is wrong with the settings.

use std::fmt;

use crate::Origin;

/// What is wrong with the settings; displays as `<key>: <what is wrong>`, with the place where the value stands if
/// that is known, and never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    key: String,
    problem: String,
    origin: Option<Origin>,
}

impl SettingsError {
    /// `key` is the full name, such as `queue.prefix`; `problem` a lowercase fragment without a secret in it.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> SettingsError {
        SettingsError {
            key: key.into(),
            problem: problem.into(),
            origin: None,
        }
    }

    /// The same with the place of the value, unless it has one.
    #[must_use]
    pub fn at(mut self, origin: Option<Origin>) -> SettingsError {
        self.origin = self.origin.or(origin);
        self
    }

    /// The same for a key that was told without its table: `secret` within `apps.default`.
    #[must_use]
    pub fn within(mut self, table: &str) -> SettingsError {
        self.key = format!("{table}.{}", self.key);
        self
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn problem(&self) -> &str {
        &self.problem
    }

    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)?;
        match &self.origin {
            // Nobody has to look for a value that nobody has set.
            None | Some(Origin::Reference | Origin::Given) => Ok(()),
            Some(origin) => write!(f, " ({origin})"),
        }
    }
}

impl std::error::Error for SettingsError {}

/// All of them, one a line; at least one.
#[derive(Clone, Debug)]
pub struct SettingsErrors(Vec<SettingsError>);

impl SettingsErrors {
    /// An error if there is something wrong.
    pub fn check(found: Vec<SettingsError>) -> Result<(), SettingsErrors> {
        match found.is_empty() {
            true => Ok(()),
            false => Err(SettingsErrors(found)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &SettingsError> {
        self.0.iter()
    }
}

impl From<SettingsError> for SettingsErrors {
    fn from(error: SettingsError) -> SettingsErrors {
        SettingsErrors(vec![error])
    }
}

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for SettingsErrors {}
