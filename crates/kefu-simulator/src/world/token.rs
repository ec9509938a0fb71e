//! Access tokens (doc 91039) and the per-minute limits.

use std::collections::{HashMap, VecDeque};

use super::{Refusal, World};

/// Ended tokens that are still told apart from invented ones.
const ENDED_MAX: usize = 64;
/// WeCom blocks for the unit of the limit that was passed (doc 90312).
const WINDOW_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct AccessTokens {
    current: Option<Issued>,
    ended: VecDeque<Issued>,
}

#[derive(Clone, Debug)]
struct Issued {
    token: String,
    expires_ms: i64,
    revoked: bool,
}

/// Calls of the current minute, per name.
#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: HashMap<&'static str, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start_ms: i64,
    calls: u32,
}

impl World {
    /// `gettoken`: the same token while it is valid; returns it with its remaining seconds.
    pub fn get_token(&mut self, corp_id: &str, secret: &str, now: i64) -> Result<(String, i64), Refusal> {
        self.tally.gettoken_calls += 1;
        self.limits
            .take("gettoken", self.settings.gettoken_per_minute, now)?;
        if corp_id != self.settings.credentials.corp_id {
            return Err(Refusal::new(40_013, "invalid corpid"));
        }
        if secret != self.secret() {
            return Err(Refusal::new(40_001, "invalid credential"));
        }
        self.access.end_if_expired(now);
        if self.access.current.is_none() {
            let life_ms = i64::try_from(self.settings.token_life.as_millis()).unwrap_or(i64::MAX);
            let token = self.chance.text(128);
            self.access.current = Some(Issued {
                token,
                expires_ms: now.saturating_add(life_ms),
                revoked: false,
            });
        }
        let issued = self
            .access
            .current
            .as_ref()
            .expect("issued above when there was none");
        Ok((issued.token.clone(), ((issued.expires_ms - now) / 1_000).max(1)))
    }

    /// Every call but `gettoken` passes here first.
    pub fn check_access(&mut self, token: Option<&str>, now: i64) -> Result<(), Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(Refusal::new(41_001, "access_token missing"));
        };
        self.access.end_if_expired(now);
        if self
            .access
            .current
            .as_ref()
            .is_some_and(|issued| issued.token == token)
        {
            return Ok(());
        }
        match self.access.ended.iter().find(|issued| issued.token == token) {
            Some(issued) if !issued.revoked => Err(Refusal::new(42_001, "access_token expired")),
            _ => Err(Refusal::new(40_014, "invalid access_token")),
        }
    }

    /// WeCom may revoke a token before its time: the next call with it gets 40014.
    pub fn revoke_access(&mut self) {
        if let Some(mut issued) = self.access.current.take() {
            issued.revoked = true;
            self.access.end(issued);
        }
    }

    /// The general limit of one API (doc 90312), when the settings have one.
    pub(crate) fn check_frequency(&mut self, api: &'static str, now: i64) -> Result<(), Refusal> {
        match self.settings.calls_per_minute {
            Some(most) if api != "gettoken" => self.limits.take(api, most, now),
            _ => Ok(()),
        }
    }
}

impl AccessTokens {
    fn end_if_expired(&mut self, now: i64) {
        if let Some(issued) = self.current.take_if(|issued| issued.expires_ms <= now) {
            self.end(issued);
        }
    }

    fn end(&mut self, issued: Issued) {
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(issued);
    }
}

impl Limits {
    pub(super) fn take(&mut self, name: &'static str, most: u32, now: i64) -> Result<(), Refusal> {
        let window = self.windows.entry(name).or_insert(Window {
            start_ms: now,
            calls: 0,
        });
        if window.start_ms + WINDOW_MS <= now {
            *window = Window {
                start_ms: now,
                calls: 0,
            };
        }
        if most <= window.calls {
            return Err(Refusal::frequency());
        }
        window.calls += 1;
        Ok(())
    }
}
