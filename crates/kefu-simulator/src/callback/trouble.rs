//! Whether the one who is called takes the calls: what stands on the page, and what is said in the log, seldom.

use std::time::{Duration, Instant};

use reqwest::Url;
use serde::Serialize;

use super::NotTaken;

/// A lasting trouble is said again after this, and a new one not before: many callbacks fail alike.
const SAID_AGAIN: Duration = Duration::from_secs(30);

/// Calls fail since the last one that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Where, without what may be secret.
    pub url: String,
    /// `nobody`, `late`, `broken`, `status` or `echo`.
    pub code: &'static str,
    /// Of the newest answer, if there was one.
    pub status: Option<u16>,
    /// The newest reason, in English.
    pub reason: String,
    /// Unix milliseconds of the simulator's clock.
    pub since_ms: i64,
    /// Calls that failed since then, tries counted one by one.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Troubles {
    current: Option<Trouble>,
    /// The current trouble stands in the log.
    was_said: bool,
    said_at: Option<Instant>,
}

impl Troubles {
    pub(crate) fn current(&self) -> Option<&Trouble> {
        self.current.as_ref()
    }

    /// The line that is due in the log, if one is.
    pub(crate) fn failed(&mut self, url: &Url, why: &NotTaken, now_ms: i64, at: Instant) -> Option<String> {
        let address = shown(url);
        let earlier = self.current.take().filter(|trouble| trouble.url == address);
        let (since_ms, failures) =
            earlier.map_or((now_ms, 0), |trouble| (trouble.since_ms, trouble.failures));
        let line = why.line(&address);
        self.current = Some(Trouble {
            url: address,
            code: why.code(),
            status: match why {
                NotTaken::Status(status) => Some(*status),
                _ => None,
            },
            reason: why.to_string(),
            since_ms,
            failures: failures + 1,
        });
        if self
            .said_at
            .is_some_and(|said_at| at.duration_since(said_at) < SAID_AGAIN)
        {
            return None;
        }
        self.was_said = true;
        self.said_at = Some(at);
        Some(line)
    }

    /// The line that is due in the log, if one is: only what was said is taken back.
    pub(crate) fn taken(&mut self) -> Option<String> {
        let trouble = self.current.take()?;
        let calls = if trouble.failures == 1 { "call" } else { "calls" };
        let line = format!(
            "{} takes callbacks now, after {} failed {calls}",
            trouble.url, trouble.failures
        );
        std::mem::take(&mut self.was_said).then_some(line)
    }

    /// Somebody else is called from now on.
    pub(crate) fn forget(&mut self) {
        *self = Troubles::default();
    }
}

/// An address for people: no name and password, no query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only on addresses without a host, which are not accepted.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_first_failure_is_said_and_the_next_ones_only_once_in_a_while() {
        let (mut troubles, start) = (Troubles::default(), Instant::now());
        let url = address("http://127.0.0.1:3001/callback");
        let nobody = NotTaken::Nobody("connection refused".to_owned());
        let mut fail = |after: u64| {
            let at = start + Duration::from_secs(after);
            troubles.failed(&url, &nobody, 7, at).is_some()
        };
        assert_eq!(
            [0, 1, 29, 30, 31, 60].map(&mut fail),
            [true, false, false, true, false, true]
        );
        let trouble = troubles.current().unwrap();
        assert_eq!(
            (trouble.failures, trouble.since_ms, trouble.code),
            (6, 7, "nobody")
        );
    }

    #[test]
    fn only_a_trouble_that_was_said_is_taken_back_and_flapping_fills_no_log() {
        let (mut troubles, start) = (Troubles::default(), Instant::now());
        let url = address("http://a/callback");
        assert!(troubles.failed(&url, &NotTaken::Status(503), 0, start).is_some());
        let taken = troubles.taken().unwrap();
        assert_eq!(
            taken,
            "http://a/callback takes callbacks now, after 1 failed call"
        );
        for _ in 0..100 {
            assert_eq!(troubles.failed(&url, &NotTaken::Status(503), 0, start), None);
            assert_eq!(troubles.taken(), None);
        }
        assert_eq!(troubles.current(), None);
    }

    #[test]
    fn what_may_be_secret_in_an_address_is_not_shown() {
        let url = address("http://user:password@host:81/callback?key=secret#part");
        assert_eq!(shown(&url), "http://host:81/callback");
    }
}
