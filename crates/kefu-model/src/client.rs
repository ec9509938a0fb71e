//! One HTTP call of a model server.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kefu_settings::SettingsError;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::body::{BYTES_MAX, opened, too_large};
use super::question::{Line, Question};
use super::refusal::Refusal;
use super::{ModelError, answer, stream};
use crate::AiSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const USER_AGENT: &str = concat!("kefu/", env!("CARGO_PKG_VERSION"));
const PROXY_SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    /// For people: without user, password and query.
    address: Arc<str>,
    api_key: Option<SecretString>,
    model: Option<String>,
}

impl Client {
    /// `None` when no server is set.
    pub(super) fn new(
        settings: &AiSettings,
        tls: rustls::ClientConfig,
    ) -> Result<Option<Client>, SettingsError> {
        let Some(base) = settings.base_url.as_deref().filter(|base| !base.is_empty()) else {
            return Ok(None);
        };
        let url = completions(base)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .no_proxy();
        let builder = match &settings.proxy {
            Some(address) if !address.expose_secret().is_empty() => {
                builder.proxy(proxy(address.expose_secret())?)
            }
            _ => builder,
        };
        let http = builder.build().map_err(|error| {
            SettingsError::new("ai.base_url", format!("cannot be used: {}", error.without_url()))
        })?;
        Ok(Some(Client {
            http,
            address: shown(&url).into(),
            url,
            api_key: settings.api_key.clone(),
            model: settings.model.clone(),
        }))
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn call(&self, messages: Vec<Line>) -> Result<String, ModelError> {
        let question = Question {
            model: self.model.as_deref(),
            messages,
            stream: false,
        };
        let mut request = self
            .http
            .post(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity, gzip")
            .json(&question);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await.map_err(transport)?;
        let outcome = self.read(response).await?;
        outcome.map_err(|refusal| {
            let asked: Vec<&str> = question
                .messages
                .iter()
                .map(|line| line.content.as_str())
                .collect();
            let key = self.api_key.as_ref().map(|key| key.expose_secret());
            ModelError::Refused(refusal.without(&asked, key))
        })
    }

    async fn read(&self, response: Response) -> Result<Result<String, Refusal>, ModelError> {
        let status = response.status();
        if status.is_redirection() {
            return Ok(Err(self.redirected(&response)));
        }
        let encodings = header(response.headers(), &CONTENT_ENCODING).to_owned();
        let is_events = header(response.headers(), &CONTENT_TYPE)
            .to_ascii_lowercase()
            .contains("text/event-stream");
        let packed = match bytes(response).await? {
            Ok(packed) => packed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let body = match opened(packed, &encodings) {
            Ok(body) => body,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(match status.is_success() {
            true => read_success(&body, is_events),
            false => Err(Refusal::of_status(status, &body)),
        })
    }

    /// A redirect is not followed: the key would go where nobody sent it.
    fn redirected(&self, response: &Response) -> Refusal {
        let target = header(response.headers(), &LOCATION);
        let target = self
            .url
            .join(target)
            .map_or_else(|_| "nowhere".to_owned(), |url| shown(&url));
        let words =
            format!("redirects to {target}, which is not followed; put that address into ai.base_url");
        let mut refusal = Refusal::of_status(response.status(), words.as_bytes());
        refusal.words = words;
        refusal
    }
}

fn read_success(body: &[u8], is_events: bool) -> Result<String, Refusal> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if is_events || stream::is_stream(text) {
        return stream::read(text);
    }
    if let Ok(object) = serde_json::from_str::<Value>(text) {
        return answer::read(&object);
    }
    if let Some(pieces) = stream::read_lines(text) {
        return pieces;
    }
    match text.starts_with('<') {
        // A gateway that shows a page while the server behind it is away.
        true => Err(Refusal::broken("a web page")),
        false => Err(Refusal::unreadable("not a chat completion")),
    }
}

async fn bytes(response: Response) -> Result<Result<Vec<u8>, Refusal>, ModelError> {
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(transport)?;
        if BYTES_MAX < bytes.len() + chunk.len() {
            return Ok(Err(too_large()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Ok(bytes))
}

/// Behind the base address.
fn completions(base: &str) -> Result<Url, SettingsError> {
    let refuse = || SettingsError::new("ai.base_url", "is not an http or https URL");
    let mut url = Url::parse(base.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(refuse)?;
    if url.path().trim_end_matches('/').ends_with("/chat/completions") {
        let problem = "is the whole address of the question; write it without /chat/completions";
        return Err(SettingsError::new("ai.base_url", problem));
    }
    // Azure has its version in the query, which stays.
    let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn proxy(address: &str) -> Result<Proxy, SettingsError> {
    let refuse = || {
        let schemes = PROXY_SCHEMES.join("://, ");
        SettingsError::new(
            "ai.proxy",
            format!("is not the address of a proxy: {schemes}://host:port"),
        )
    };
    let url = Url::parse(address)
        .ok()
        .filter(|url| PROXY_SCHEMES.contains(&url.scheme()) && url.has_host())
        .ok_or_else(refuse)?;
    Proxy::all(url).map_err(|_| refuse())
}

/// Host and path: a query or a user may hold a key.
fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!(
        "{}://{}{port}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

fn header<'h>(headers: &'h HeaderMap, name: &reqwest::header::HeaderName) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn transport(error: reqwest::Error) -> ModelError {
    ModelError::Transport(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_asked_follows_the_base() {
        let check = |base: &str, expected: &str| assert_eq!(completions(base).unwrap().as_str(), expected);
        check("https://m.example/v1", "https://m.example/v1/chat/completions");
        check("https://m.example/v1/", "https://m.example/v1/chat/completions");
        check(
            "https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        );
        for wrong in ["ftp://m.example", "m.example/v1", "http://"] {
            assert!(completions(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_are_shown_no_key_of_an_address() {
        let url = Url::parse("https://user:secret@m.example:8443/v1/chat?key=secret").unwrap();
        assert_eq!(shown(&url), "https://m.example:8443/v1/chat");
    }

    #[test]
    fn a_proxy_is_http_or_socks() {
        for good in [
            "http://p:3128",
            "https://p:3128",
            "socks5://u:p@p:1080",
            "socks5h://p:1080",
        ] {
            assert!(proxy(good).is_ok(), "{good}");
        }
        for wrong in ["p:3128", "ftp://p", "socks4://p:1"] {
            assert_eq!(proxy(wrong).unwrap_err().key(), "ai.proxy", "{wrong}");
        }
    }
}
