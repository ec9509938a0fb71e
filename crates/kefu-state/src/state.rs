use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kefu_domain::{ConversationKey, MessageId, Millis};
use redis::{Cmd, FromRedisValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::error::StateError;
use crate::limit::{self, Call, Pause, Told};
use crate::memory::Memory;
use crate::redis_engine::RedisEngine;
use crate::settings::{StateSettings, Target};
use crate::{keys, scripts};

/// How long a finished callback is remembered.
const DONE_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long the copy of a cursor is kept for people.
const CURSOR_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long it is remembered what was answered, from the last answer of a conversation on: as long as WeCom keeps
/// messages (doc 94670), and so as long as one can be pulled again.
const SAID_KEPT: Duration = Duration::from_secs(3 * 24 * 3600);
/// Answered messages remembered of one conversation, the newest.
const SAID_MAX: usize = 500;
/// No lease or token lasts longer, whatever the caller or the outside says.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What the processes share that is not the truth.
///
/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    /// None: the memory is the engine, not the stand-in.
    redis: Option<RedisEngine>,
    memory: Memory,
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours until the lease ends; also when the same owner claims again.
    Won,
    /// Another owner's lease runs.
    Held,
    /// The work was completed, less than 24 hours ago.
    Done,
}

/// What the state says of itself, for `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHealth {
    /// Redis is away and memory stands in for it.
    pub degraded: bool,
    /// One line for a person, without secrets.
    pub detail: String,
    /// `redis` or `memory`.
    pub kind: &'static str,
}

impl State {
    /// Opens the engine the URL names.
    ///
    /// Fails when Redis answers and refuses, or a setting is impossible; all these are refusals.
    /// A Redis that does not answer gives a degraded state, which returns by itself.
    pub async fn open(settings: &StateSettings) -> Result<State, StateError> {
        State::open_with_prefix(settings, "").await
    }

    /// For tests that share one Redis: every key begins with `prefix`. The real keys have none.
    pub async fn open_with_prefix(settings: &StateSettings, prefix: &str) -> Result<State, StateError> {
        let redis = match settings.target()? {
            Target::Memory => None,
            Target::Redis(info) => Some(RedisEngine::open(*info, settings, prefix).await?),
        };
        Ok(State(Arc::new(Inner {
            redis,
            memory: Memory::new(),
        })))
    }

    /// Claims the callback of `app` with this SHA-1 for `owner`, which is job id and attempt: a redelivery of
    /// the same job and attempt takes its own claim over. The lease is at most a day.
    pub async fn claim(&self, app: &str, hash: &str, owner: &str, lease: Duration) -> Claim {
        let key = keys::claim(app, hash);
        let lease = lease.min(LIFE_MAX);
        if self.0.redis.is_some() {
            // What this process claimed or completed while Redis was away is known to its memory only.
            let known = self.0.memory.look(&key, owner, Instant::now());
            if known != Claim::Won {
                return known;
            }
        }
        let answer: Option<String> = self
            .ask("claim", &key, |key| scripts::claim(key, owner, lease))
            .await;
        match answer.as_deref() {
            Some("won") => Claim::Won,
            Some("done") => Claim::Done,
            Some(_) => Claim::Held,
            None => self.0.memory.claim(&key, owner, lease, Instant::now()),
        }
    }

    /// Marks the work done for 24 hours, unless another owner's lease runs by now.
    ///
    /// To be called after the effects are durable and before the ack.
    pub async fn complete(&self, app: &str, hash: &str, owner: &str) {
        let key = keys::claim(app, hash);
        let done: Option<()> = self
            .ask("complete", &key, |key| scripts::complete(key, owner, DONE_KEPT))
            .await;
        match done {
            Some(()) => self.0.memory.release(&key, owner, Instant::now()),
            None => self.0.memory.complete(&key, owner, DONE_KEPT, Instant::now()),
        }
    }

    /// Gives the claim up, if it is still `owner`'s.
    pub async fn release(&self, app: &str, hash: &str, owner: &str) {
        let key = keys::claim(app, hash);
        let _answer: Option<()> = self
            .ask("release", &key, |key| scripts::delete_if(key, owner))
            .await;
        self.0.memory.release(&key, owner, Instant::now());
    }

    /// The cached access token of `app` and how long it still lives.
    pub async fn token(&self, app: &str) -> Option<(SecretString, Duration)> {
        let key = keys::token(app);
        let answer: Option<(Option<String>, i64)> = self.ask("token", &key, scripts::get_with_life).await;
        // A token without an end was not put there by us.
        if let Some((Some(token), life @ 1..)) = answer {
            return Some((token.into(), Duration::from_millis(life.unsigned_abs())));
        }
        self.0.memory.token(&key, Instant::now())
    }

    /// Caches an access token for `lifetime`, at most a day. One without lifetime is not kept.
    pub async fn put_token(&self, app: &str, token: &SecretString, lifetime: Duration) {
        let lifetime = lifetime.min(LIFE_MAX);
        if lifetime.is_zero() {
            return;
        }
        let key = keys::token(app);
        let put: Option<()> = self
            .ask("put_token", &key, |key| {
                scripts::set(key, token.expose_secret(), lifetime)
            })
            .await;
        match put {
            Some(()) => self.0.memory.forget_token(&key),
            None => self.0.memory.put_token(&key, token, lifetime, Instant::now()),
        }
    }

    /// Drops the cached token if it is still the refused one: of many senders that are refused at once, the
    /// slower ones must not delete what the first has just fetched.
    pub async fn drop_token_if(&self, app: &str, refused: &str) {
        let key = keys::token(app);
        let _answer: Option<()> = self
            .ask("drop_token", &key, |key| scripts::delete_if(key, refused))
            .await;
        self.0.memory.drop_token_if(&key, refused, Instant::now());
    }

    /// Copies the cursor of an account for people and dashboards, for 7 days. Kefu never reads it.
    pub async fn mirror_cursor(&self, app: &str, account: &str, cursor: &str) {
        let key = keys::cursor(app, account);
        let _answer: Option<()> = self
            .ask("mirror_cursor", &key, |key| {
                scripts::set(key, cursor, CURSOR_KEPT)
            })
            .await;
    }

    /// Whether this API of `app` may be called; `interval` lies between two calls after a limit was real.
    ///
    /// Only the engine's clock judges. `api` tells calls with and without token apart.
    pub async fn call(&self, app: &str, api: &str, interval: Duration) -> Call {
        let key = keys::pause(app, api);
        if self.0.redis.is_some()
            && let Some(pause) = self.0.memory.paused(&key, Instant::now())
        {
            // What this process learnt while Redis was away is known to its memory only.
            return Call::Paused(pause.left);
        }
        let answer: Option<(u8, u64)> = self.ask("call", &key, |key| scripts::call(key, interval)).await;
        let Some((which, number)) = answer else {
            return self.0.memory.call(&key, interval, Instant::now());
        };
        let time = Duration::from_micros(number);
        match which {
            0 => Call::Go(time),
            1 => Call::Ask(number),
            2 => Call::Asked(time),
            3 => Call::Paused(time),
            _ => Call::Full(time),
        }
    }

    /// WeCom said "too often" to a call, which may be one that asked. `first`, at most [`PAUSE_MAX`](crate::PAUSE_MAX),
    /// is how long its limits last.
    pub async fn refused(&self, app: &str, api: &str, asked: Option<u64>, first: Duration) -> Pause {
        let (key, first) = (keys::pause(app, api), limit::clamped(first));
        let answer: Option<(u8, u64, u64)> = self
            .ask("refused", &key, |key| scripts::refused(key, asked, first))
            .await;
        match answer {
            Some((begun, length, left)) => Pause {
                left: Duration::from_micros(left),
                length: Duration::from_micros(length),
                begun: begun == 1,
            },
            None => self.0.memory.refused(&key, asked, first, Instant::now()),
        }
    }

    /// How a call that asked has ended, if not by a refusal. Untold, the next one asks after ten seconds.
    pub async fn told(&self, app: &str, api: &str, asked: u64, told: Told) {
        let key = keys::pause(app, api);
        let _told: Option<()> = self
            .ask("told", &key, |key| scripts::told(key, asked, told))
            .await;
        self.0.memory.told(&key, asked, told, Instant::now());
    }

    /// The pause of this API that runs now.
    pub async fn paused(&self, app: &str, api: &str) -> Option<Pause> {
        let key = keys::pause(app, api);
        let answer: Option<(u64, u64)> = self.ask("paused", &key, scripts::paused).await;
        let shared = answer.filter(|(_, left)| 0 < *left).map(|(length, left)| Pause {
            left: Duration::from_micros(left),
            length: Duration::from_micros(length),
            begun: false,
        });
        let own = self.0.memory.paused(&key, Instant::now());
        [shared, own].into_iter().flatten().max_by_key(|pause| pause.left)
    }

    /// Notes that the answer to these messages has gone out, for 3 days after the last note of the conversation; the
    /// newest 500 are kept.
    ///
    /// Nothing is noted while memory stands in: it ends with its process, and what that knows the database knows.
    pub async fn note_said(&self, conversation: &ConversationKey, messages: &[MessageId], now: Millis) {
        if messages.is_empty() {
            return;
        }
        let key = keys::said(conversation);
        let _noted: Option<()> = self
            .ask("note_said", &key, |key| {
                scripts::note(key, messages, now.0, SAID_MAX, SAID_KEPT)
            })
            .await;
    }

    /// Those of `messages` whose answer was noted as gone out; none while memory stands in.
    pub async fn said_before(
        &self,
        conversation: &ConversationKey,
        messages: &[MessageId],
    ) -> Vec<MessageId> {
        if messages.is_empty() {
            return Vec::new();
        }
        let key = keys::said(conversation);
        let noted: Option<Vec<bool>> = self
            .ask("said_before", &key, |key| scripts::noted(key, messages))
            .await;
        let noted = messages.iter().zip(noted.unwrap_or_default());
        noted
            .filter(|(_, noted)| *noted)
            .map(|(message, _)| message.clone())
            .collect()
    }

    /// Answers at once, from what the last operations met.
    pub fn health(&self) -> StateHealth {
        let Some(redis) = &self.0.redis else {
            return StateHealth {
                degraded: false,
                detail: "in memory".to_owned(),
                kind: "memory",
            };
        };
        let (degraded, detail) = match redis.away() {
            Some((reason, since)) => {
                let text = format!(
                    "redis at {} away for {} s: {reason}",
                    redis.address(),
                    since.as_secs()
                );
                (true, text)
            }
            None => (false, format!("redis at {}", redis.address())),
        };
        StateHealth {
            degraded,
            detail,
            kind: "redis",
        }
    }

    /// Asks Redis, unless it is away and not yet to be tried again; how long it took.
    ///
    /// What a health probe calls: it also finds out that Redis is back while nothing else happens.
    pub async fn ping(&self) -> Result<Duration, StateError> {
        match &self.0.redis {
            Some(redis) => redis.ping().await,
            None => Ok(Duration::ZERO),
        }
    }

    /// Redis's answer; None without Redis, or while it is away: the memory answers then.
    async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        key: &str,
        command: impl FnOnce(&str) -> Cmd,
    ) -> Option<T> {
        let Some(redis) = &self.0.redis else {
            count("memory", operation, "ok");
            return None;
        };
        let answer = redis.run(operation, command(&redis.key(key))).await;
        if answer.is_none() {
            count("fallback", operation, "ok");
        }
        answer
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.health()).finish()
    }
}

pub(crate) fn count(engine: &'static str, operation: &'static str, outcome: &'static str) {
    metrics::counter!(
        "kefu_state_operations_total", "engine" => engine, "operation" => operation, "outcome" => outcome
    )
    .increment(1);
}
