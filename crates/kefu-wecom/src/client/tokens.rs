use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use super::transport::{self, Answer, Body, Expect, Request, Transport};
use super::{ANSWER_BYTES_MAX, AppCredentials};
use crate::codes;
use crate::error::{ApiError, ErrorClass, Failure, GETTOKEN};

/// How long before its end a token is replaced; less for tokens that live less than 25 min.
const EARLY_MAX: Duration = Duration::from_secs(300);
/// Part of its life after which at the latest a short-lived token counts as early.
const EARLY_DIVISOR: u32 = 5;
/// A refused secret is not tried again sooner: a loop of wrong secrets gets an address blocked for an hour.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// After a fresh token was refused as well.
const FRESH_REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// After a failure that may pass at once, before a token that still works is replaced early.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// The shared cache only saves calls; without it in time we fetch for ourselves.
const SHARED_TIMEOUT: Duration = Duration::from_secs(1);

/// Access tokens that several processes share, so that they fetch one together. Failures stay inside:
/// an implementation that cannot answer says `None` and forgets what it is told.
pub trait SharedTokens: Send + Sync {
    fn get<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Option<SharedToken>>;

    /// `lifetime` is what remains of it now.
    fn put<'a>(&'a self, app: &'a str, token: &'a SecretString, lifetime: Duration) -> BoxFuture<'a, ()>;

    /// Drops the token only if it is still this one: another process may have put a fresh one.
    fn drop_if<'a>(&'a self, app: &'a str, refused: &'a SecretString) -> BoxFuture<'a, ()>;
}

/// A token and what remains of its life.
#[derive(Clone, Debug)]
pub struct SharedToken {
    pub value: SecretString,
    pub lifetime: Duration,
}

#[derive(Clone)]
pub(super) struct Token(Arc<SecretString>);

/// Where tokens come from.
pub(super) struct Source<'a> {
    pub(super) transport: &'a Transport,
    pub(super) shared: Option<&'a dyn SharedTokens>,
}

/// The token of one app: read by everybody, replaced by one at a time.
pub(super) struct AppTokens {
    credentials: AppCredentials,
    current: RwLock<Option<Cached>>,
    /// Held by whoever replaces the token.
    flight: Mutex<Flight>,
}

#[derive(Clone)]
struct Cached {
    token: Token,
    early_at: Instant,
    ends_at: Instant,
}

#[derive(Default)]
struct Flight {
    /// The last token WeCom refused: never taken from the shared cache again.
    refused: Option<Token>,
    failure: Option<Failed>,
}

/// The last failure to get a token.
struct Failed {
    at: Instant,
    /// Nobody is to try before.
    until: Instant,
    error: ApiError,
}

impl Failed {
    /// Whether the failure is also that of a caller who asked at `asked`: of those who waited together, and of
    /// everybody while a refusal is not to be repeated. What may have passed by now says nothing about a later
    /// call: a question of health must not make a customer's call fail.
    fn is_shared(&self, asked: Instant, now: Instant) -> bool {
        asked <= self.at || (now < self.until && !may_pass(&self.error))
    }
}

/// Whether another token may help. 40001 is "wrong secret", but was also seen for a stale token.
pub(super) fn is_refused_token(error: &ApiError) -> bool {
    let refused = [codes::TOKEN_INVALID, codes::TOKEN_EXPIRED, codes::BAD_SECRET];
    error.api != GETTOKEN && error.code().is_some_and(|code| refused.contains(&code))
}

impl AppTokens {
    pub(super) fn new(credentials: AppCredentials) -> AppTokens {
        AppTokens {
            credentials,
            current: RwLock::new(None),
            flight: Mutex::default(),
        }
    }

    /// A token that is believed to be good.
    pub(super) async fn get(&self, source: &Source<'_>) -> Result<Token, ApiError> {
        let now = Instant::now();
        match self.current() {
            Some(cached) if now < cached.early_at => Ok(cached.token),
            Some(cached) if now < cached.ends_at => {
                // One caller replaces it early; the others, and everybody if that fails, use what still works.
                let Ok(flight) = self.flight.try_lock() else {
                    return Ok(cached.token);
                };
                if flight.failure.as_ref().is_some_and(|failed| now < failed.until) {
                    return Ok(cached.token);
                }
                Ok(self.renew(flight, now, source).await.unwrap_or(cached.token))
            }
            _ => self.renew(self.flight.lock().await, now, source).await,
        }
    }

    /// A token other than the refused one, fetched at most once for all who were refused together.
    pub(super) async fn replace(&self, refused: &Token, source: &Source<'_>) -> Result<Token, ApiError> {
        let asked = Instant::now();
        let mut flight = self.flight.lock().await;
        self.discard(&mut flight, refused, source).await;
        self.renew(flight, asked, source).await
    }

    /// Notes that even a fresh token was refused, so that callers do not fetch one each.
    pub(super) async fn give_up(&self, fresh: &Token, error: &ApiError, source: &Source<'_>) {
        let mut flight = self.flight.lock().await;
        if self.discard(&mut flight, fresh, source).await {
            let error = ApiError {
                api: GETTOKEN,
                failure: error.failure.clone(),
            };
            flight.failure = Some(failed(error, FRESH_REFUSED_PAUSE));
        }
    }

    async fn discard(&self, flight: &mut Flight, refused: &Token, source: &Source<'_>) -> bool {
        if self.current().is_none_or(|cached| cached.token != *refused) {
            return false;
        }
        self.set(None);
        flight.refused = Some(refused.clone());
        if let Some(shared) = source.shared {
            // Late is as good as lost: the refused value is not taken again anyway.
            let _ = timeout(SHARED_TIMEOUT, shared.drop_if(&self.credentials.name, &refused.0)).await;
        }
        true
    }

    async fn renew(
        &self,
        mut flight: MutexGuard<'_, Flight>,
        asked: Instant,
        source: &Source<'_>,
    ) -> Result<Token, ApiError> {
        let now = Instant::now();
        let current = self.current();
        if let Some(cached) = current.as_ref().filter(|cached| now < cached.early_at) {
            return Ok(cached.token.clone());
        }
        if let Some(failed) = flight
            .failure
            .as_ref()
            .filter(|failed| failed.is_shared(asked, now))
        {
            return Err(failed.error.clone());
        }
        let stale = [current.map(|cached| cached.token), flight.refused.clone()];
        if let Some(shared) = self.shared(source, stale.iter().flatten()).await {
            return Ok(self.install(&mut flight, shared));
        }
        match self.fetch(source.transport).await {
            Ok(fetched) => {
                if let Some(shared) = source.shared {
                    let put = shared.put(&self.credentials.name, &fetched.value, fetched.lifetime);
                    // The others then fetch for themselves.
                    let _ = timeout(SHARED_TIMEOUT, put).await;
                }
                Ok(self.install(&mut flight, fetched))
            }
            Err(error) => {
                flight.failure = Some(failed(error.clone(), pause(&error)));
                Err(error)
            }
        }
    }

    /// The shared token, if it is another one than those we know to be old.
    async fn shared(&self, source: &Source<'_>, stale: impl Iterator<Item = &Token>) -> Option<SharedToken> {
        let shared = timeout(SHARED_TIMEOUT, source.shared?.get(&self.credentials.name))
            .await
            .ok()??;
        let value = shared.value.expose_secret();
        let known = stale.into_iter().any(|token| token.expose() == value);
        Some(shared).filter(|shared| !known && !shared.lifetime.is_zero())
    }

    async fn fetch(&self, transport: &Transport) -> Result<SharedToken, ApiError> {
        let request = Request {
            api: GETTOKEN,
            query: &[
                ("corpid", &self.credentials.corp_id),
                ("corpsecret", self.credentials.secret.expose_secret()),
            ],
            body: Body::None,
            expect: Expect::Json {
                bytes_max: ANSWER_BYTES_MAX,
            },
            timeout: transport.timeout(),
        };
        match transport.exchange(&request, None).await? {
            Answer::Json(bytes) => granted(&bytes),
            Answer::Media(_) => Err(unreadable("media instead of json")),
        }
    }

    fn install(&self, flight: &mut Flight, new: SharedToken) -> Token {
        let token = Token(Arc::new(new.value));
        let now = Instant::now();
        let lifetime = new.lifetime.min(LIFETIME_MAX);
        flight.failure = None;
        self.set(Some(Cached {
            token: token.clone(),
            early_at: now + lifetime.saturating_sub(early(lifetime, rand::random::<f64>())),
            ends_at: now + lifetime,
        }));
        token
    }

    fn current(&self) -> Option<Cached> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, cached: Option<Cached>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = cached;
    }
}

/// Reads what `gettoken` grants, from an answer that is no refusal.
pub(super) fn granted(bytes: &[u8]) -> Result<SharedToken, ApiError> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: SecretString,
        expires_in: u64,
    }
    let granted: Granted = transport::decode(GETTOKEN, bytes)?;
    if granted.access_token.expose_secret().is_empty() || granted.expires_in == 0 {
        return Err(unreadable("an empty token, or one without life"));
    }
    Ok(SharedToken {
        value: granted.access_token,
        lifetime: Duration::from_secs(granted.expires_in),
    })
}

fn unreadable(what: &'static str) -> ApiError {
    ApiError {
        api: GETTOKEN,
        failure: Failure::Unreadable(what),
    }
}

/// Longest life that is believed, far above WeCom's 2 h and far below what time arithmetic can hold.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long before its end a token is replaced. `jitter` is from `0.0..1.0`: processes that share a
/// token should not all come at once.
fn early(lifetime: Duration, jitter: f64) -> Duration {
    EARLY_MAX
        .min(lifetime / EARLY_DIVISOR)
        .mul_f64(0.8 + 0.4 * jitter)
}

fn failed(error: ApiError, pause: Duration) -> Failed {
    let at = Instant::now();
    Failed {
        at,
        until: at + pause,
        error,
    }
}

fn pause(error: &ApiError) -> Duration {
    match may_pass(error) {
        true => FAILED_PAUSE,
        false => REFUSED_PAUSE,
    }
}

/// Whether the same call may work a moment later: nobody has said no.
fn may_pass(error: &ApiError) -> bool {
    match error.class() {
        ErrorClass::Busy | ErrorClass::Network | ErrorClass::Ambiguous => true,
        ErrorClass::Token
        | ErrorClass::Rate
        | ErrorClass::Quota
        | ErrorClass::State
        | ErrorClass::Configuration
        | ErrorClass::Permanent => false,
    }
}

impl Token {
    #[cfg(test)]
    pub(super) fn new(token: &str) -> Token {
        Token(Arc::new(token.into()))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.expose() == other.expose()
    }
}
