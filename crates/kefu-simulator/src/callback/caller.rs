//! One HTTP call to the callback address.

use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use kefu_wecom::CallbackKey;
use kefu_wecom::crypto::Sealed;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::timeout;

use super::{NotTaken, Post};
use crate::settings::SimulatorSettings;

/// An answer's body is read to its end, up to here, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The echo that proves an address must come back this fast (doc 91116).
const ECHO_TIMEOUT: Duration = Duration::from_secs(1);

/// Keys and connections.
#[derive(Debug)]
pub(crate) struct Caller {
    client: Client,
    key: CallbackKey,
    corp_id: String,
    agent_id: String,
}

impl Caller {
    /// Fails on a token or key that WeCom's console would refuse.
    pub(crate) fn new(settings: &SimulatorSettings) -> anyhow::Result<Caller> {
        let credentials = &settings.credentials;
        let key = CallbackKey::new(&credentials.token, &credentials.encoding_aes_key)?;
        // The address may change to https later, and without CA certificates plain http still has to work.
        let tls = kefu_process::tls::client_config_if(false)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .user_agent("Mozilla/4.0")
            .pool_max_idle_per_host(settings.callbacks_in_flight_max)
            .build()
            .context("cannot build the HTTP client for callbacks")?;
        let agent_id = credentials.agent_id.to_string();
        Ok(Caller {
            client,
            key,
            corp_id: credentials.corp_id.clone(),
            agent_id,
        })
    }

    /// Sealed once: all tries carry the same bytes.
    pub(super) fn seal(&self, post: &Post) -> Sealed {
        self.sealed(post.plaintext.as_bytes(), post.created_s)
    }

    /// The status of the answer. Cancelling drops the connection, as WeCom does after 5 s.
    pub(super) async fn call(&self, url: Url, sealed: &Sealed) -> reqwest::Result<StatusCode> {
        let url = with_query(url, &sealed.query());
        let body = sealed.request_xml(&self.corp_id, Some(&self.agent_id));
        let response = self
            .client
            .post(url)
            .header("content-type", "text/xml")
            .body(body)
            .send()
            .await?;
        let status = response.status();
        read(response).await?;
        Ok(status)
    }

    /// The GET by which WeCom's console proves an address before it saves it (doc 91116): the decrypted text
    /// has to come back alone, within a second.
    pub(crate) async fn prove(&self, url: Url, now_s: i64) -> Result<(), NotTaken> {
        let echo = rand::random_range(1_000_000_000_000_000_000..u64::MAX).to_string();
        let url = with_query(url, &self.sealed(echo.as_bytes(), now_s).echo_query());
        let answered = timeout(ECHO_TIMEOUT, async {
            let response = self.client.get(url).send().await?;
            Ok::<_, reqwest::Error>((response.status(), read(response).await?))
        });
        let late = NotTaken::Late {
            seconds: ECHO_TIMEOUT.as_secs(),
        };
        match answered.await.map_err(|_| late)?? {
            (StatusCode::OK, body) if body == echo.as_bytes() => Ok(()),
            (StatusCode::OK, _) => Err(NotTaken::Echo),
            (status, _) => Err(NotTaken::status(status)),
        }
    }

    fn sealed(&self, plaintext: &[u8], created_s: i64) -> Sealed {
        let nonce = rand::random_range(100_000_000..2_000_000_000u32).to_string();
        self.key.seal_signed(
            plaintext,
            &self.corp_id,
            rand::random(),
            &created_s.to_string(),
            &nonce,
        )
    }
}

/// Adds to the query the address already has.
fn with_query(mut url: Url, query: &str) -> Url {
    let query = match url.query() {
        Some(own) if !own.is_empty() => format!("{own}&{query}"),
        _ => query.to_owned(),
    };
    url.set_query(Some(&query));
    url
}

async fn read(response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if ANSWER_BYTES_MAX < body.len() + chunk.len() {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
