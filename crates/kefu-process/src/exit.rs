//! How a process ends: 0 done, 1 the answer is no, 2 usage or settings, 69 a service is away, 70 anything unexpected.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

use crate::{chain, stderr, stop};
use kefu_settings::{SettingsError, SettingsErrors, keep_private};

/// The answer is no.
pub const NO: u8 = 1;
/// Usage or settings, or a service that refuses.
pub const REFUSED: u8 = 2;
/// A service does not answer, and this process does not wait for it: the same again may work later. EX_UNAVAILABLE
/// of sysexits.h.
pub const AWAY: u8 = 69;
/// Anything else. EX_SOFTWARE of sysexits.h.
pub const UNEXPECTED: u8 = 70;

/// How long blocking calls may hold up the end of the process.
const RUNTIME_STOP_MAX: Duration = Duration::from_secs(2);

/// An error that knows its exit code; put it anywhere into an `anyhow` chain.
#[derive(Debug, Error)]
pub enum ExitError {
    /// The answer is no (1): said on stderr if there is something to say.
    #[error("{0}")]
    No(String),
    /// Usage, settings, or a service that answers and refuses (2): `<key>: <what is wrong>`.
    #[error("{0}")]
    Refused(SettingsError),
    /// A service that a one-off command needs does not answer (69): `<key>: <what is wrong>`.
    #[error("{0}")]
    Away(SettingsError),
}

impl ExitError {
    /// A refusal that the setting `key` is the answer to; `what` must not hold a secret.
    pub fn refused(key: &str, what: impl fmt::Display) -> ExitError {
        ExitError::Refused(SettingsError::new(key, what.to_string()))
    }

    /// A service that the setting `key` names does not answer; said with all causes, without a secret.
    pub fn away(key: &str, error: &(dyn std::error::Error + 'static)) -> ExitError {
        ExitError::Away(SettingsError::new(key, chain(error)))
    }
}

/// The exit code that belongs to an error.
pub fn code(error: &anyhow::Error) -> u8 {
    let code_of = |cause: &(dyn std::error::Error + 'static)| {
        if cause.is::<SettingsError>() || cause.is::<SettingsErrors>() {
            return Some(REFUSED);
        }
        cause.downcast_ref().map(|exit| match exit {
            ExitError::No(_) => NO,
            ExitError::Refused(_) => REFUSED,
            ExitError::Away(_) => AWAY,
        })
    };
    error.chain().find_map(code_of).unwrap_or(UNEXPECTED)
}

/// What stands on stderr for an error: one line, one for each mistake in the settings, or nothing.
pub fn line(error: &anyhow::Error) -> Option<String> {
    if let Some(all) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<SettingsErrors>())
    {
        let lines: Vec<String> = all
            .iter()
            .map(|settings| format!("kefu: {}", in_one_line(settings)))
            .collect();
        return Some(lines.join("\n"));
    }
    let settings = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(ExitError::Refused(settings) | ExitError::Away(settings)) => Some(settings),
        _ => cause.downcast_ref::<SettingsError>(),
    });
    let text = match settings {
        // What was being done at the time is noise here: the key says it.
        Some(settings) => settings.to_string(),
        None => format!("{error:#}"),
    };
    let text = in_one_line(&text);
    (!text.is_empty()).then(|| format!("kefu: {text}"))
}

fn in_one_line(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Runs a process to its end on a runtime of its own, says on stderr why it failed, and gives the exit code. What it
/// makes on a disk only its own user may read.
pub fn run_process<F>(role: &str, body: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    keep_private();
    let _process = stderr::Process::begin();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(role)
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(async { body().await });
            runtime.shutdown_timeout(RUNTIME_STOP_MAX);
            outcome
        }
        Err(error) => Err(anyhow::Error::new(error).context("the runtime cannot start")),
    };
    let Err(error) = outcome else {
        stop::last_line();
        return ExitCode::SUCCESS;
    };
    if let Some(line) = line(&error) {
        stderr::say(&line);
    }
    ExitCode::from(code(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: anyhow::Error, expected_code: u8, expected_line: Option<&str>) {
        assert_eq!(
            (code(&error), line(&error).as_deref()),
            (expected_code, expected_line)
        );
    }

    #[test]
    fn settings_and_refusals_are_two_with_the_key_first() {
        let settings = SettingsError::new("queue.prefix", "is empty");
        let wrapped = anyhow::Error::new(settings).context("could not start");
        check(wrapped, 2, Some("kefu: queue.prefix: is empty"));
        let refused = ExitError::refused("database.url", "password\nrefused");
        check(refused.into(), 2, Some("kefu: database.url: password; refused"));
    }

    #[test]
    fn a_service_that_is_away_has_a_code_of_its_own_and_all_its_causes() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = anyhow::Error::new(refused);
        let away = ExitError::away("database.url", error.as_ref());
        let error = anyhow::Error::new(away).context("could not list");
        check(error, 69, Some("kefu: database.url: connection refused"));
    }

    #[test]
    fn no_is_one_and_the_rest_is_seventy() {
        check(ExitError::No(String::new()).into(), 1, None);
        check(ExitError::No("2 lost".to_owned()).into(), 1, Some("kefu: 2 lost"));
        check(
            anyhow::anyhow!("disk full").context("no file"),
            70,
            Some("kefu: no file: disk full"),
        );
    }
}
