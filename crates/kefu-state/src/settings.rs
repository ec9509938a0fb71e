use std::time::Duration;

use kefu_settings::SettingsError;
use redis::{ConnectionInfo, IntoConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// More connections than this from one process help nobody: one carries thousands of commands a second.
const POOL_MAX: usize = 1000;

/// Section `state` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSettings {
    /// `memory:`, `redis://…` or `rediss://…` (TLS); the path is the database index.
    pub url: SecretString,
    /// Connections to Redis, 1 to 1000.
    pub pool: usize,
    /// For one new connection, handshake included.
    /// An operation has one second in all, so more than that only counts at the start.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// For the answer to one command.
    #[serde(with = "humantime_serde")]
    pub command_timeout: Duration,
}

/// What the URL asks for.
pub(crate) enum Target {
    Memory,
    Redis(Box<ConnectionInfo>),
}

impl StateSettings {
    /// Everything that is wrong with the values; nothing is opened. Never repeats the URL, which may hold a password.
    pub fn problems(&self) -> Vec<SettingsError> {
        let mut found = Vec::new();
        let mut refuse =
            |key: &str, problem: String| found.push(SettingsError::new(format!("state.{key}"), problem));
        if !(1..=POOL_MAX).contains(&self.pool) {
            refuse("pool", format!("must be 1 to {POOL_MAX}, got {}", self.pool));
        }
        for (key, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("command_timeout", self.command_timeout),
        ] {
            if timeout.is_zero() {
                refuse(key, "must be longer than 0s".to_owned());
            }
        }
        found.extend(self.engine().err());
        found
    }

    /// The engine, if nothing is wrong.
    pub(crate) fn target(&self) -> Result<Target, SettingsError> {
        match self.problems().into_iter().next() {
            Some(problem) => Err(problem),
            None => self.engine(),
        }
    }

    fn engine(&self) -> Result<Target, SettingsError> {
        let refuse = |problem: String| Err(SettingsError::new("state.url", problem));
        let url = self.url.expose_secret();
        if url == "memory:" {
            return Ok(Target::Memory);
        }
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return refuse("must be `memory:`, or begin with `redis://` or `rediss://`".to_owned());
        }
        match url.into_connection_info() {
            Ok(info) => Ok(Target::Redis(Box::new(info))),
            Err(error) => refuse(format!("is not a Redis URL: {}", error.category_and_detail())),
        }
    }
}

/// The library's own words for a URL it cannot read; they never quote it.
trait CategoryAndDetail {
    fn category_and_detail(&self) -> String;
}

impl CategoryAndDetail for redis::RedisError {
    fn category_and_detail(&self) -> String {
        // Display is "<fixed text> - <kind>"; the fixed text is the part for a person.
        let text = self.to_string();
        text.split(" - ").next().unwrap_or_default().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> StateSettings {
        StateSettings {
            url: url.into(),
            pool: 16,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(500),
        }
    }

    #[track_caller]
    fn refused(settings: &StateSettings, expected: &str) {
        let Err(error) = settings.target() else {
            panic!("accepted {settings:?}")
        };
        let text = error.to_string();
        assert_eq!(text, expected);
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn takes_memory_and_redis_urls() {
        assert!(matches!(settings("memory:").target(), Ok(Target::Memory)));
        for url in [
            "redis://localhost",
            "redis://:pw@10.0.0.1:6380/3",
            "rediss://u:p@redis.example/0",
        ] {
            assert!(matches!(settings(url).target(), Ok(Target::Redis(_))), "{url}");
        }
    }

    #[test]
    fn refuses_impossible_values_with_the_key_and_without_the_url() {
        const SCHEME: &str = "state.url: must be `memory:`, or begin with `redis://` or `rediss://`";
        refused(&settings(""), SCHEME);
        refused(&settings("memory"), SCHEME);
        refused(&settings("http://:hunter2@localhost"), SCHEME);
        refused(
            &settings("redis://:hunter2@localhost:port"),
            "state.url: is not a Redis URL: redis url did not parse",
        );
        refused(
            &settings("redis://:hunter2@localhost/first"),
            "state.url: is not a Redis URL: invalid database number",
        );
        let pool = StateSettings {
            pool: 0,
            ..settings("memory:")
        };
        refused(&pool, "state.pool: must be 1 to 1000, got 0");
        let timeout = StateSettings {
            command_timeout: Duration::ZERO,
            ..settings("memory:")
        };
        refused(&timeout, "state.command_timeout: must be longer than 0s");
    }
}
