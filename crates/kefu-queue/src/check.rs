//! What can be wrong with the section `queue`, known without opening anything.

use std::path::Path;
use std::time::Duration;

use kefu_settings::{SettingsError, no_file, no_folder, open_to_all};
use secrecy::ExposeSecret;

use crate::job::BODY_BYTES_MAX;
use crate::{Ladder, QueueSettings, Roles, embedded, rabbit};

/// Longest `queue.prefix`, in bytes.
const PREFIX_BYTES_MAX: usize = 64;
/// Longest `queue.spool_after`: WeCom hangs up after 5 s (doc 91116), and the spool needs time, too.
const SPOOL_AFTER_MAX: Duration = Duration::from_secs(3);

pub(crate) fn problems(settings: &QueueSettings, roles: Roles) -> Vec<SettingsError> {
    [
        ladder(settings).map(drop),
        prefix(&settings.prefix),
        spool_after(settings.spool_after),
        spool_max(settings.spool_max),
        spool(settings),
        url(settings.url.expose_secret(), roles),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

pub(crate) fn ladder(settings: &QueueSettings) -> Result<Ladder, SettingsError> {
    Ladder::parse(&settings.retry_steps)
        .map_err(|error| SettingsError::new("queue.retry_steps", error.to_string()))
}

fn prefix(prefix: &str) -> Result<(), SettingsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=PREFIX_BYTES_MAX).contains(&prefix.len()) && prefix.bytes().all(plain) {
        return Ok(());
    }
    let problem = format!("must be 1 to {PREFIX_BYTES_MAX} letters, digits, dots, dashes or underscores");
    Err(SettingsError::new("queue.prefix", problem))
}

fn spool_after(after: Duration) -> Result<(), SettingsError> {
    if !after.is_zero() && after <= SPOOL_AFTER_MAX {
        return Ok(());
    }
    let problem = format!("must be more than 0 and at most {} s", SPOOL_AFTER_MAX.as_secs());
    Err(SettingsError::new("queue.spool_after", problem))
}

fn spool_max(bytes: u64) -> Result<(), SettingsError> {
    if BODY_BYTES_MAX as u64 <= bytes {
        return Ok(());
    }
    let problem = format!("must be at least {BODY_BYTES_MAX} bytes, the largest job");
    Err(SettingsError::new("queue.spool_max", problem))
}

/// Only where there is one: beside an embedded queue the key means nothing.
fn spool(settings: &QueueSettings) -> Result<(), SettingsError> {
    let problem = settings
        .has_spool()
        .then(|| Path::new(&settings.spool))
        .and_then(|folder| no_folder(folder).or_else(|| open_to_all(folder)));
    problem.map_or(Ok(()), |problem| Err(SettingsError::new("queue.spool", problem)))
}

fn url(url: &str, roles: Roles) -> Result<(), SettingsError> {
    let refuse = |problem: String| Err(SettingsError::new("queue.url", problem));
    let checked = match url.strip_prefix("sqlite:") {
        Some(path) => embedded::path(path).map(|path| no_file(&path)),
        None if url.starts_with("amqp://") || url.starts_with("amqps://") => {
            rabbit::check(url).map(|()| None)
        }
        None => return refuse("must begin with sqlite:, amqp:// or amqps://".to_owned()),
    };
    match checked {
        Ok(None) => (),
        Ok(Some(problem)) => return refuse(problem),
        Err(error) => return error.refusal().map_or(Ok(()), Err),
    }
    if !url.starts_with("sqlite:") || roles == Roles::Both {
        return Ok(());
    }
    refuse(format!(
        "an embedded queue (sqlite:) works only where ingress and worker run in one process; \
         the {} alone needs amqp://",
        roles.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> QueueSettings {
        QueueSettings {
            url: url.into(),
            prefix: "kefu".to_owned(),
            spool: "kefu-data/spool".to_owned(),
            spool_after: Duration::from_millis(250),
            spool_max: 1 << 30,
            retry_steps: "5s,30s".to_owned(),
        }
    }

    fn keys(settings: &QueueSettings, roles: Roles) -> Vec<String> {
        let found = problems(settings, roles);
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
        found.iter().map(|error| error.key().to_owned()).collect()
    }

    #[test]
    fn an_address_of_a_broker_needs_no_certificates_to_be_right() {
        for url in [
            "amqp://u:hush@mq/",
            "amqps://u:hush@mq:5671/v",
            "sqlite:q.db",
            "sqlite:///srv/q.db",
        ] {
            assert!(keys(&settings(url), Roles::Both).is_empty(), "{url}");
        }
        for url in [
            "amqps://u:hush@mq:port/",
            "amqp:/mq",
            "rabbitmq://u:hush@mq/",
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:q.db?mode=ro",
        ] {
            assert_eq!(keys(&settings(url), Roles::Both), ["queue.url"], "{url}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = QueueSettings {
            prefix: "a b".to_owned(),
            spool_after: Duration::ZERO,
            spool_max: 1,
            retry_steps: "soon".to_owned(),
            ..settings("sqlite:q.db")
        };
        let expected = [
            "queue.retry_steps",
            "queue.prefix",
            "queue.spool_after",
            "queue.spool_max",
            "queue.url",
        ];
        assert_eq!(keys(&wrong, Roles::WorkerOnly), expected);
    }

    #[test]
    fn a_file_is_no_folder_and_a_folder_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let with_spool = |spool: &str| QueueSettings {
            spool: spool.to_owned(),
            ..settings("amqp://mq")
        };
        let (file, below) = (
            file.display().to_string(),
            file.join("below").display().to_string(),
        );
        for bad in [file.as_str(), &below, "file:///srv/spool", "sqlite:spool"] {
            assert_eq!(keys(&with_spool(bad), Roles::Both), ["queue.spool"], "{bad}");
        }
        let folder = folder.path().display().to_string();
        for good in [folder.as_str(), "not/yet/there", ""] {
            assert!(keys(&with_spool(good), Roles::Both).is_empty(), "{good}");
        }
        for bad in [folder.as_str(), "new/", &below] {
            assert_eq!(
                keys(&settings(&format!("sqlite:{bad}")), Roles::Both),
                ["queue.url"],
                "{bad}"
            );
        }
    }
}
