use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Section `database` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:PATH` or `postgres://user:password@host:5432/name`.
    pub url: SecretString,
    /// Connections at most. SQLite always uses one.
    pub pool: u32,
}

impl DatabaseSettings {
    /// The file of an embedded database.
    pub fn file(&self) -> Option<&Path> {
        let path = self.url.expose_secret().strip_prefix("sqlite:")?;
        Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
    }
}
