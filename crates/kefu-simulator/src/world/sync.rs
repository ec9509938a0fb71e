//! `kf/sync_msg` (docs 94670, 94699).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::Deserialize;

use super::stream::{Place, Read};
use super::{Entry, Refusal, World};

/// Default and maximum of `limit`.
const LIMIT_MAX: usize = 1_000;
const CURSOR_BYTES_MAX: usize = 64;
const TOKEN_BYTES_MAX: usize = 128;
/// A callback token is valid for ten minutes.
pub const CALLBACK_TOKEN_MS: i64 = 10 * 60_000;
/// Callback tokens remembered; the oldest go first.
const CALLBACK_TOKENS_MAX: usize = 100_000;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SyncRequest {
    pub cursor: Option<String>,
    pub token: Option<String>,
    pub limit: Option<i64>,
    pub voice_format: Option<i64>,
    pub open_kfid: Option<String>,
}

#[derive(Debug)]
pub struct SyncPage {
    pub next_cursor: String,
    pub has_more: bool,
    pub messages: Vec<Arc<Entry>>,
}

/// How a fault bends one page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twist {
    /// The page before this one comes again.
    pub repeat_page: bool,
    /// The messages come newest first.
    pub swap_order: bool,
    /// The cursor does not move although `has_more` is 1.
    pub repeat_cursor: bool,
}

/// Tokens of callbacks, until they expire.
#[derive(Debug, Default)]
pub(super) struct CallbackTokens {
    expires_ms: HashMap<String, i64>,
    order: VecDeque<String>,
}

impl World {
    /// One page; checks parameters, then the account, then the token or the limit without one.
    pub fn sync(&mut self, request: &SyncRequest, twist: Twist, now: i64) -> Result<SyncPage, Refusal> {
        self.tally.sync_calls += 1;
        let limit = check_parameters(request)?.min(self.settings.page_size.max(1));
        let account = match present(request.open_kfid.as_deref()) {
            Some(open_kfid) => Some(self.account_at(open_kfid)?),
            None => None,
        };
        match present(request.token.as_deref()) {
            Some(token) if self.callback_tokens.valid(token, now) => (),
            Some(_) => return Err(Refusal::new(95_007, "invalid msg token")),
            None => {
                let most = self.settings.sync_without_token_per_minute;
                self.limits.take("sync without token", most, now)?;
            }
        }
        let cursor = present(request.cursor.as_deref());
        self.page(account, cursor, limit, twist, now)
    }

    fn page(
        &mut self,
        account: Option<usize>,
        cursor: Option<&str>,
        limit: usize,
        twist: Twist,
        now: i64,
    ) -> Result<SyncPage, Refusal> {
        let empty_every = self.settings.empty_page_every.filter(|every| 2 <= *every);
        let stream = match account {
            Some(account) => &mut self.accounts[account].stream,
            None => &mut self.corp_stream,
        };
        let earliest = stream.earliest(now);
        let place = match cursor.map(|cursor| stream.read(cursor)) {
            None | Some(Read::OtherRun) => Place {
                position: earliest,
                variant: 0,
            },
            Some(Read::At(place)) => Place {
                position: place.position.max(earliest),
                ..place
            },
            Some(Read::Unknown) => return Err(Refusal::parameter("invalid cursor")),
        };
        let waiting = place.position < stream.end();
        stream.pages += u64::from(waiting);
        let again = Place {
            variant: place.variant + 1,
            ..place
        };
        if twist.repeat_page {
            let from = place.position.saturating_sub(limit as u64).max(earliest);
            let count = (place.position - from) as usize;
            let messages = stream.slice(from, count);
            return Ok(SyncPage {
                next_cursor: stream.cursor(again),
                has_more: waiting,
                messages,
            });
        }
        if waiting && empty_every.is_some_and(|every| stream.pages.is_multiple_of(every)) {
            let messages = Vec::new();
            return Ok(SyncPage {
                next_cursor: stream.cursor(again),
                has_more: true,
                messages,
            });
        }
        let mut messages = stream.slice(place.position, limit);
        if twist.swap_order {
            messages.reverse();
        }
        if twist.repeat_cursor {
            let next_cursor = cursor.map_or_else(|| stream.cursor(place), str::to_owned);
            return Ok(SyncPage {
                next_cursor,
                has_more: true,
                messages,
            });
        }
        let next = Place {
            position: place.position + messages.len() as u64,
            variant: 0,
        };
        let has_more = next.position < stream.end();
        Ok(SyncPage {
            next_cursor: stream.cursor(next),
            has_more,
            messages,
        })
    }

    /// A new token for a callback.
    pub(super) fn callback_token(&mut self, now: i64) -> String {
        // Real ones have 47 characters and begin like this; clients must not rely on it.
        let token = format!("ENC{}", self.chance.text(44));
        self.callback_tokens.insert(token.clone(), now);
        token
    }
}

/// WeCom does not tell an empty text from an absent one here.
fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn check_parameters(request: &SyncRequest) -> Result<usize, Refusal> {
    if request
        .cursor
        .as_ref()
        .is_some_and(|cursor| CURSOR_BYTES_MAX < cursor.len())
    {
        return Err(Refusal::parameter("cursor is longer than 64 bytes"));
    }
    if request
        .token
        .as_ref()
        .is_some_and(|token| TOKEN_BYTES_MAX < token.len())
    {
        return Err(Refusal::parameter("token is longer than 128 bytes"));
    }
    if !matches!(request.voice_format, None | Some(0 | 1)) {
        return Err(Refusal::parameter("voice_format is neither 0 nor 1"));
    }
    match request.limit {
        None => Ok(LIMIT_MAX),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| Refusal::parameter("limit is not in 1 to 1000")),
    }
}

impl CallbackTokens {
    fn insert(&mut self, token: String, now: i64) {
        // Issued in order of time, so the expired ones stand at the front.
        while let Some(oldest) = self.order.front() {
            let gone = self.expires_ms.get(oldest).is_none_or(|expires| *expires <= now);
            if !gone && self.order.len() < CALLBACK_TOKENS_MAX {
                break;
            }
            self.expires_ms.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back(token.clone());
        self.expires_ms.insert(token, now + CALLBACK_TOKEN_MS);
    }

    fn valid(&self, token: &str, now: i64) -> bool {
        self.expires_ms.get(token).is_some_and(|expires| now < *expires)
    }
}
