//! The callback address: setting it, asking whether somebody is there, and what it did with the newest call.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use reqwest::Url;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{Handle, lock};
use crate::callback::{NotTaken, Trouble, shown};

/// Between two questions whether somebody is there.
const ASK_SPACING: Duration = Duration::from_millis(500);

impl Handle {
    /// Where callbacks go from now on.
    pub fn set_callback_url(&self, url: &str) -> Result<(), InvalidCallbackUrl> {
        *lock(&self.shared.callback_url) = Some(parse_callback_url(url)?);
        lock(&self.shared.troubles).forget();
        Ok(())
    }

    pub fn callback_url(&self) -> Option<Url> {
        lock(&self.shared.callback_url).clone()
    }

    /// The same for people: without what may be secret in it.
    pub fn callback_shown(&self) -> Option<String> {
        self.callback_url().as_ref().map(shown)
    }

    /// What WeCom's console does before it saves an address: a GET whose decrypted echo has to come back.
    /// The error says what the address did instead.
    pub async fn prove_callback_url(&self, url: &str) -> anyhow::Result<()> {
        let url = parse_callback_url(url)?;
        let proved = self.shared.caller.prove(url, self.now() / 1_000).await;
        proved.map_err(|why| anyhow!("the address {why}"))
    }

    /// Asks the callback address by the same GET until somebody is there, at most `within`; false when nobody
    /// came. Any status is somebody, since WeCom would call too.
    pub async fn callback_is_answered(&self, within: Duration) -> bool {
        let asking = async {
            while !self.somebody_answers().await {
                sleep(ASK_SPACING).await;
            }
        };
        timeout(within, asking).await.is_ok()
    }

    async fn somebody_answers(&self) -> bool {
        let Some(url) = self.callback_url() else {
            return false;
        };
        let proved = self.shared.caller.prove(url.clone(), self.now() / 1_000).await;
        match &proved {
            Ok(()) => self.callback_taken(&url),
            Err(why) => self.callback_failed(&url, why),
        }
        matches!(proved, Ok(()) | Err(NotTaken::Status(_) | NotTaken::Echo))
    }

    /// What the callback address did with the newest call, if it did not take it.
    pub fn callback_trouble(&self) -> Option<Trouble> {
        lock(&self.shared.troubles).current().cloned()
    }

    pub(crate) fn callback_failed(&self, url: &Url, why: &NotTaken) {
        if self.is_called(url) {
            let line = lock(&self.shared.troubles).failed(url, why, self.now(), Instant::now());
            if let Some(line) = line {
                warn!("{line}");
            }
        }
    }

    pub(crate) fn callback_taken(&self, url: &Url) {
        if self.is_called(url) {
            let line = lock(&self.shared.troubles).taken();
            if let Some(line) = line {
                info!("{line}");
            }
        }
    }

    /// What an address does that was replaced while it was called is nobody's trouble any more.
    fn is_called(&self, url: &Url) -> bool {
        lock(&self.shared.callback_url).as_ref() == Some(url)
    }
}

/// No address for callbacks.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no http or https URL")]
pub struct InvalidCallbackUrl(String);

/// A callback address: http or https, with a host.
pub fn parse_callback_url(url: &str) -> Result<Url, InvalidCallbackUrl> {
    let is_address = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let parsed = Url::parse(url).ok().filter(is_address);
    parsed.ok_or_else(|| InvalidCallbackUrl(url.to_owned()))
}
