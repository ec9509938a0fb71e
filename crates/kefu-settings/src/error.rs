use std::fmt;

/// What is wrong with the settings; displays as `<key>: <what is wrong>` and never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    key: String,
    problem: String,
}

impl SettingsError {
    /// `key` is the full name, such as `queue.prefix`; `problem` a lowercase fragment without a secret in it.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> SettingsError {
        SettingsError {
            key: key.into(),
            problem: problem.into(),
        }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl std::error::Error for SettingsError {}
