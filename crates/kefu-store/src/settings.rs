use secrecy::SecretString;
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
