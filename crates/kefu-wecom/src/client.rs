//! Calls to WeCom's API, one file per noun.
//!
//! Every call ends: 3 s to connect, a total time, a largest answer, no redirects, and no proxy but the
//! one in the settings. A refused access token is replaced once and the call repeated once; nothing
//! else is repeated here, because only the caller knows what a repetition means.

mod accounts;
mod customers;
#[cfg(test)]
mod damaged;
mod media;
mod send;
mod service_state;
mod servicers;
mod sync;
mod tokens;
pub(crate) mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kefu_settings::SettingsError;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use accounts::Account;
pub use customers::{BATCH_MAX, Customer, Customers, EnterContext};
pub use media::{MediaDownload, MediaKind, UploadedMedia};
pub use send::SendMessage;
pub use service_state::{ServiceState, StateNow, Target};
pub use servicers::{Servicer, ServicerId};
pub use sync::{PAGE_BYTES_MAX, PAGE_MESSAGES_MAX, SyncPage, SyncRequest, VoiceFormat};
pub use tokens::{SharedToken, SharedTokens};

use crate::error::{ApiError, Failure, RepeatedCodes};
use crate::settings::WecomSettings;
use tokens::{AppTokens, Source, Token};
use transport::{Answer, Body, Expect, Request, Transport};

/// Largest answer of any call but `kf/sync_msg` and `media/get`.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What it takes to get an access token.
#[derive(Clone, Debug)]
pub struct AppCredentials {
    /// Our name for the app, as in the settings.
    pub name: String,
    pub corp_id: String,
    pub secret: SecretString,
}

/// Calls WeCom for any number of apps. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    apps: BTreeMap<String, AppTokens>,
    shared: Option<Arc<dyn SharedTokens>>,
    repeated_codes: RepeatedCodes,
}

impl Client {
    /// `tls` is used for an `https` base; `shared` lets several processes use one access token.
    pub fn new(
        settings: &WecomSettings,
        apps: impl IntoIterator<Item = AppCredentials>,
        tls: rustls::ClientConfig,
        shared: Option<Arc<dyn SharedTokens>>,
    ) -> Result<Client, SettingsError> {
        if let Some(problem) = settings.problems().into_iter().next() {
            return Err(problem);
        }
        let mut tokens = BTreeMap::new();
        for credentials in apps {
            let name = credentials.name.clone();
            if tokens.insert(name.clone(), AppTokens::new(credentials)).is_some() {
                return Err(SettingsError::new(
                    format!("apps.{name}"),
                    "stands more than once",
                ));
            }
        }
        let inner = Inner {
            transport: Transport::new(settings, tls)?,
            apps: tokens,
            shared,
            repeated_codes: settings.repeated_codes()?,
        };
        Ok(Client {
            inner: Arc::new(inner),
        })
    }

    /// The codes of `wecom.msgid_repeated_codes`, for [`ApiError::is_msgid_repeated`].
    pub fn repeated_codes(&self) -> &RepeatedCodes {
        &self.inner.repeated_codes
    }

    /// Fetches an access token unless there is one: whether secret, corp id and address are right.
    pub async fn probe(&self, app: &str) -> Result<(), ApiError> {
        let tokens = self.tokens(app, "gettoken")?;
        tokens.get(&self.source()).await.map(drop)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        app: &str,
        api: &'static str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        transport::decode(api, &self.post_bytes(app, api, body, ANSWER_BYTES_MAX).await?)
    }

    async fn post_bytes(
        &self,
        app: &str,
        api: &'static str,
        body: &impl Serialize,
        bytes_max: usize,
    ) -> Result<Bytes, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| ApiError {
            api,
            failure: Failure::Invalid(error.to_string()),
        })?;
        let request = Request {
            api,
            query: &[],
            body: Body::Json(body.into()),
            expect: Expect::Json { bytes_max },
            timeout: self.inner.transport.timeout(),
        };
        self.call_json(app, &request).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        app: &str,
        api: &'static str,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let request = Request {
            api,
            query,
            body: Body::None,
            expect: Expect::Json {
                bytes_max: ANSWER_BYTES_MAX,
            },
            timeout: self.inner.transport.timeout(),
        };
        transport::decode(api, &self.call_json(app, &request).await?)
    }

    async fn call_json(&self, app: &str, request: &Request<'_>) -> Result<Bytes, ApiError> {
        match self.call(app, request).await? {
            Answer::Json(bytes) => Ok(bytes),
            Answer::Media(_) => Err(ApiError {
                api: request.api,
                failure: Failure::Unreadable("media instead of json"),
            }),
        }
    }

    /// One call, and one more with a fresh access token if the first one was refused for its token.
    async fn call(&self, app: &str, request: &Request<'_>) -> Result<Answer, ApiError> {
        let tokens = self.tokens(app, request.api)?;
        let source = self.source();
        let token = tokens.get(&source).await?;
        let refused = match self.exchange(request, &token).await {
            Err(error) if tokens::is_refused_token(&error) => error,
            answered => return answered,
        };
        tracing::info!(
            wecom.app = app,
            wecom.api = request.api,
            "replacing the access token of app {app}: {refused}"
        );
        let fresh = tokens.replace(&token, &source).await?;
        let answered = self.exchange(request, &fresh).await;
        if let Err(error) = &answered
            && tokens::is_refused_token(error)
        {
            tokens.give_up(&fresh, error, &source).await;
        }
        answered
    }

    async fn exchange(&self, request: &Request<'_>, token: &Token) -> Result<Answer, ApiError> {
        self.inner.transport.exchange(request, Some(token)).await
    }

    fn tokens(&self, app: &str, api: &'static str) -> Result<&AppTokens, ApiError> {
        self.inner.apps.get(app).ok_or(ApiError {
            api,
            failure: Failure::UnknownApp,
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            transport: &self.inner.transport,
            shared: self.inner.shared.as_deref(),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("apps", &self.inner.apps.keys())
            .finish_non_exhaustive()
    }
}

/// Uploads and downloads may take longer than other calls.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(60);
