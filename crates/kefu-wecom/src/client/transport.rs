use std::error::Error;
use std::io::Read as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use kefu_settings::SettingsError;
use metrics::{counter, histogram};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Proxy, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracing::error;

use super::tokens::Token;
use crate::codes;
use crate::error::{ApiError, Failure, is_malformed_request};
use crate::query::encode;
use crate::settings::WecomSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const USER_AGENT: &str = concat!("kefu/", env!("CARGO_PKG_VERSION"));
/// Longer than a keep-alive of a load balancer usually is, so it is mostly they who close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// One HTTP client and the address it calls.
pub(super) struct Transport {
    http: reqwest::Client,
    base: String,
    timeout: Duration,
}

/// One call, repeatable.
pub(super) struct Request<'a> {
    /// Path behind `/cgi-bin/`.
    pub(super) api: &'static str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Body,
    pub(super) expect: Expect,
    pub(super) timeout: Duration,
}

pub(super) enum Body {
    None,
    Json(Bytes),
    File {
        bytes: Bytes,
        filename: String,
        content_type: String,
    },
}

#[derive(Clone, Copy)]
pub(super) enum Expect {
    Json {
        bytes_max: usize,
    },
    /// Bytes of any size, unless JSON says why not.
    Media {
        error_bytes_max: usize,
    },
}

pub(super) enum Answer {
    /// With `errcode` 0.
    Json(Bytes),
    Media(Response),
}

impl Transport {
    pub(super) fn new(
        settings: &WecomSettings,
        tls: rustls::ClientConfig,
    ) -> Result<Transport, SettingsError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .default_headers(HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static("identity, gzip"),
            )]))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .no_proxy();
        let builder = match settings.proxy() {
            Some(address) => builder.proxy(proxy(address)?),
            None => builder,
        };
        let http = builder.build().map_err(|error| {
            SettingsError::new("wecom.api_base", format!("cannot be used: {}", chain(error)))
        })?;
        Ok(Transport {
            http,
            base: base(&settings.api_base)?,
            timeout: settings.timeout,
        })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls and reads the answer up to its end, or for media up to its first byte.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
    ) -> Result<Answer, ApiError> {
        let began = Instant::now();
        let answer = self.answer(request, token).await;
        let outcome = answer
            .as_ref()
            .map_or_else(|error| error.class().as_str(), |_| "ok");
        counter!("kefu_wecom_calls_total", "api" => request.api, "outcome" => outcome).increment(1);
        histogram!("kefu_wecom_call_duration_seconds", "api" => request.api).record(began.elapsed());
        answer
    }

    async fn answer(&self, request: &Request<'_>, token: Option<&Token>) -> Result<Answer, ApiError> {
        let api = request.api;
        let response = self
            .prepare(request, token)
            .send()
            .await
            .map_err(|error| failed(api, error))?;
        let status = response.status();
        if status != reqwest::StatusCode::OK {
            return Err(ApiError {
                api,
                failure: Failure::Status(status.as_u16()),
            });
        }
        let bytes_max = match request.expect {
            Expect::Media { .. } if !is_text(&response) => return Ok(Answer::Media(response)),
            Expect::Media { error_bytes_max } => error_bytes_max,
            Expect::Json { bytes_max } => bytes_max,
        };
        let bytes = read(api, response, bytes_max).await?;
        check(api, &bytes, token)?;
        match request.expect {
            Expect::Json { .. } => Ok(Answer::Json(bytes)),
            Expect::Media { .. } => Err(ApiError {
                api,
                failure: Failure::Unreadable("json instead of media"),
            }),
        }
    }

    fn prepare(&self, request: &Request<'_>, token: Option<&Token>) -> RequestBuilder {
        let mut url = format!("{}/cgi-bin/{}", self.base, request.api);
        let token = token.map(|token| ("access_token", token.expose()));
        let mut separator = '?';
        for (name, value) in token.into_iter().chain(request.query.iter().copied()) {
            url.push_str(&format!("{separator}{name}={}", encode(value)));
            separator = '&';
        }
        let builder = match &request.body {
            Body::None => self.http.get(url),
            Body::Json(json) => self
                .http
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(json.clone()),
            Body::File {
                bytes,
                filename,
                content_type,
            } => self.http.post(url).multipart(form(bytes, filename, content_type)),
        };
        let builder = match request.expect {
            Expect::Json { .. } => builder,
            // Handed on as it comes.
            Expect::Media { .. } => builder.header(ACCEPT_ENCODING, "identity"),
        };
        builder.timeout(request.timeout)
    }
}

/// Reads an answer that `check` has passed.
pub(super) fn decode<T: DeserializeOwned>(api: &'static str, bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|_| ApiError {
        api,
        failure: Failure::Unreadable("fields are missing or of another type"),
    })
}

/// An error of the HTTP client without its address, which holds the access token.
pub(super) fn failed(api: &'static str, error: reqwest::Error) -> ApiError {
    // A connect that times out is both; that nothing was sent is what counts.
    let failure = match (error.is_connect(), error.is_timeout()) {
        (true, _) => Failure::NotConnected(chain(error)),
        (_, true) => Failure::TimedOut,
        _ if error.is_builder() => Failure::Invalid(chain(error)),
        _ => Failure::Cut(chain(error)),
    };
    ApiError { api, failure }
}

/// WeCom answers 200 even when it refuses: `errcode` decides.
pub(super) fn check(api: &'static str, bytes: &[u8], token: Option<&Token>) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Verdict {
        errcode: i64,
        #[serde(default)]
        errmsg: Option<String>,
    }
    let read = serde_json::from_slice(bytes)
        // Odd bytes in a customer's message must not hide the verdict; the page reader repairs them too.
        .or_else(|_| serde_json::from_str(&super::sync::repaired(bytes)));
    let Ok(Verdict { errcode, errmsg }) = read else {
        return Err(ApiError {
            api,
            failure: Failure::Unreadable("no json object with an errcode"),
        });
    };
    // First, lest a token that they cut in two grows together behind the search for it.
    let errmsg = errmsg.unwrap_or_default().replace(char::is_control, "");
    let errmsg = token.map_or(errmsg.clone(), |token| errmsg.replace(token.expose(), "[token]"));
    if is_malformed_request(&errmsg) {
        error!(
            wecom.api = api,
            wecom.code = errcode,
            "wecom could not fully read our request to {api}"
        );
    }
    match errcode {
        codes::OK => Ok(()),
        code => Err(ApiError::refused(api, code, &errmsg)),
    }
}

/// The limit is that of what was sent and of what it is once opened: a few bytes can hold gigabytes.
async fn read(api: &'static str, mut response: Response, bytes_max: usize) -> Result<Bytes, ApiError> {
    let encoding = response.headers().get(CONTENT_ENCODING);
    let encoding = encoding
        .and_then(|value| value.to_str().ok())
        .unwrap_or("identity");
    let is_packed = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        _ => {
            return Err(ApiError {
                api,
                failure: Failure::Unreadable("packed in a way nobody asked for"),
            });
        }
    };
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(api, error))? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(ApiError {
                api,
                failure: Failure::TooLarge(bytes_max),
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    match is_packed {
        true => opened(api, &bytes, bytes_max),
        false => Ok(bytes.freeze()),
    }
}

fn opened(api: &'static str, packed: &[u8], bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ApiError {
            api,
            failure: Failure::Cut(error.to_string()),
        })?;
    if bytes_max < bytes.len() {
        return Err(ApiError {
            api,
            failure: Failure::TooLarge(bytes_max),
        });
    }
    Ok(bytes.into())
}

/// Media come with a type of their own; text or JSON is an error message.
fn is_text(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let kind = kind.to_ascii_lowercase();
    // Without a file name it is no file, whatever its type: a customer may have sent a .txt or .json.
    let is_file = response
        .headers()
        .contains_key(reqwest::header::CONTENT_DISPOSITION);
    !is_file && (kind.starts_with("application/json") || kind.starts_with("text/"))
}

fn form(bytes: &Bytes, filename: &str, content_type: &str) -> Form {
    let length = bytes.len() as u64;
    // WeCom does not read `filename*=`, so the name goes out as it is, without what could end it.
    let filename = filename.replace(['"', '\\', '\r', '\n'], "_");
    let part = |filename: String| Part::stream_with_length(bytes.clone(), length).file_name(filename);
    let part = part(filename.clone())
        .mime_str(content_type)
        .unwrap_or_else(|_| part(filename));
    Form::new().percent_encode_noop().part("media", part)
}

pub(crate) fn base(address: &str) -> Result<String, SettingsError> {
    let refuse = || {
        let problem = "must be http(s)://host[:port] without path, user or query";
        SettingsError::new("wecom.api_base", problem)
    };
    let url = Url::parse(address).map_err(|_| refuse())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match plain {
        true => Ok(url.as_str().trim_end_matches('/').to_owned()),
        false => Err(refuse()),
    }
}

pub(crate) fn proxy(address: &str) -> Result<Proxy, SettingsError> {
    let refuse = || {
        let problem = "must be http(s):// or socks5(h)://[user:password@]host:port";
        SettingsError::new("wecom.proxy", problem)
    };
    let url = Url::parse(address).map_err(|_| refuse())?;
    match matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host() {
        true => Proxy::all(url).map_err(|_| refuse()),
        false => Err(refuse()),
    }
}

/// An error with its causes in one line, without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
