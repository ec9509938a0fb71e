use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::limit::{Call, Limit, Pause, Told};
use crate::scripts::LIMIT_KEPT;
use crate::state::Claim;

// Together 10,000 entries. Each family has its own share, so that a flood of claims pushes no token out.
const CLAIMS_MAX: usize = 9_000;
const TOKENS_MAX: usize = 500;
const LIMITS_MAX: usize = 500;

/// The memory engine, and what stands in for Redis while it is away.
///
/// The cursor mirror is left out: it is written for people, who cannot look in here.
pub(crate) struct Memory(Mutex<Tables>);

struct Tables {
    claims: Bounded<Claimed>,
    tokens: Bounded<SecretString>,
    limits: Bounded<Limit>,
}

enum Claimed {
    By(String),
    Done,
}

impl Memory {
    pub(crate) fn new() -> Memory {
        Memory(Mutex::new(Tables {
            claims: Bounded::new(CLAIMS_MAX),
            tokens: Bounded::new(TOKENS_MAX),
            limits: Bounded::new(LIMITS_MAX),
        }))
    }

    pub(crate) fn claim(&self, key: &str, owner: &str, lease: Duration, now: Instant) -> Claim {
        let claims = &mut self.lock().claims;
        let found = claims.look(key, owner, now);
        if found == Claim::Won {
            claims.put(key, Claimed::By(owner.to_owned()), now + lease, now);
        }
        found
    }

    /// What a claim of `owner` would find, without claiming.
    pub(crate) fn look(&self, key: &str, owner: &str, now: Instant) -> Claim {
        self.lock().claims.look(key, owner, now)
    }

    pub(crate) fn complete(&self, key: &str, owner: &str, kept: Duration, now: Instant) {
        let claims = &mut self.lock().claims;
        if claims.look(key, owner, now) == Claim::Won {
            claims.put(key, Claimed::Done, now + kept, now);
        }
    }

    pub(crate) fn release(&self, key: &str, owner: &str, now: Instant) {
        let claims = &mut self.lock().claims;
        if matches!(claims.get(key, now), Some((Claimed::By(held), _)) if held == owner) {
            claims.remove(key);
        }
    }

    pub(crate) fn token(&self, key: &str, now: Instant) -> Option<(SecretString, Duration)> {
        self.lock()
            .tokens
            .get(key, now)
            .map(|(token, until)| (token.clone(), until - now))
    }

    pub(crate) fn put_token(&self, key: &str, token: &SecretString, life: Duration, now: Instant) {
        self.lock().tokens.put(key, token.clone(), now + life, now);
    }

    pub(crate) fn forget_token(&self, key: &str) {
        self.lock().tokens.remove(key);
    }

    pub(crate) fn drop_token_if(&self, key: &str, refused: &str, now: Instant) {
        let tokens = &mut self.lock().tokens;
        if tokens
            .get(key, now)
            .is_some_and(|(token, _)| token.expose_secret() == refused)
        {
            tokens.remove(key);
        }
    }

    pub(crate) fn call(&self, key: &str, interval: Duration, now: Instant) -> Call {
        self.with_limit(key, now, |limit| limit.call(interval, now))
    }

    pub(crate) fn refused(&self, key: &str, asked: Option<u64>, first: Duration, now: Instant) -> Pause {
        self.with_limit(key, now, |limit| limit.refused(asked, first, now))
    }

    pub(crate) fn told(&self, key: &str, asked: u64, told: Told, now: Instant) {
        self.with_limit(key, now, |limit| limit.told(asked, told, now));
    }

    pub(crate) fn paused(&self, key: &str, now: Instant) -> Option<Pause> {
        let tables = self.lock();
        let (limit, _) = tables.limits.get(key, now)?;
        limit.paused(now)
    }

    fn with_limit<T>(&self, key: &str, now: Instant, step: impl FnOnce(&mut Limit) -> T) -> T {
        let limits = &mut self.lock().limits;
        let mut limit = limits
            .get(key, now)
            .map_or_else(Limit::default, |(known, _)| known.clone());
        let outcome = step(&mut limit);
        match limit.is_free() {
            true => limits.remove(key),
            false => limits.put(key, limit, now + LIMIT_KEPT, now),
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounded<Claimed> {
    fn look(&self, key: &str, owner: &str, now: Instant) -> Claim {
        match self.get(key, now) {
            Some((Claimed::Done, _)) => Claim::Done,
            Some((Claimed::By(held), _)) if held != owner => Claim::Held,
            Some(_) | None => Claim::Won,
        }
    }
}

/// A map whose entries end, and which drops the one written longest ago when it is full.
struct Bounded<V> {
    entries: HashMap<String, Entry<V>>,
    /// Keys in the order of their writing.
    order: BTreeMap<u64, String>,
    writes: u64,
    capacity: usize,
}

struct Entry<V> {
    value: V,
    until: Instant,
    write: u64,
}

impl<V> Bounded<V> {
    fn new(capacity: usize) -> Bounded<V> {
        Bounded {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            writes: 0,
            capacity,
        }
    }

    fn get(&self, key: &str, now: Instant) -> Option<(&V, Instant)> {
        let entry = self.entries.get(key).filter(|entry| now < entry.until)?;
        Some((&entry.value, entry.until))
    }

    fn put(&mut self, key: &str, value: V, until: Instant, now: Instant) {
        self.remove(key);
        self.drop_ended(now);
        while self.capacity <= self.entries.len() {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.entries.remove(&oldest);
        }
        self.writes += 1;
        self.order.insert(self.writes, key.to_owned());
        self.entries.insert(
            key.to_owned(),
            Entry {
                value,
                until,
                write: self.writes,
            },
        );
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.write);
        }
    }

    /// From the oldest write on, at most two a write: entries leave faster than they come, at a fixed price.
    fn drop_ended(&mut self, now: Instant) {
        for _ in 0..2 {
            let Some((_, oldest)) = self.order.first_key_value() else {
                return;
            };
            if self.entries.get(oldest).is_some_and(|entry| now < entry.until) {
                return;
            }
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn stays_within_its_bound_and_drops_the_oldest_write() {
        let now = Instant::now();
        let mut map = Bounded::new(3);
        for key in ["a", "b", "c"] {
            map.put(key, key, now + HOUR, now);
        }
        map.put("a", "again", now + HOUR, now);
        map.put("d", "d", now + HOUR, now);
        assert!(map.get("b", now).is_none(), "the oldest write is still there");
        assert_eq!(map.get("a", now).map(|(value, _)| *value), Some("again"));
        assert_eq!((map.entries.len(), map.order.len()), (3, 3));
    }

    #[test]
    fn ended_entries_are_invisible_and_make_room() {
        let now = Instant::now();
        let mut map = Bounded::new(10);
        for index in 0..5 {
            map.put(&index.to_string(), (), now + Duration::from_secs(1), now);
        }
        let later = now + Duration::from_secs(1);
        assert!(map.get("0", later).is_none());
        for index in 10..13 {
            map.put(&index.to_string(), (), later + HOUR, later);
        }
        assert_eq!((map.entries.len(), map.order.len()), (3, 3));
    }

    #[test]
    fn a_flood_of_claims_pushes_no_token_out() {
        let now = Instant::now();
        let memory = Memory::new();
        memory.put_token("wecom:token:default", &"token".into(), HOUR, now);
        for index in 0..CLAIMS_MAX + 100 {
            memory.claim(&index.to_string(), "job", HOUR, now);
        }
        assert!(memory.token("wecom:token:default", now).is_some());
        assert_eq!(memory.lock().claims.entries.len(), CLAIMS_MAX);
        assert_eq!(CLAIMS_MAX + TOKENS_MAX + LIMITS_MAX, 10_000);
    }
}
