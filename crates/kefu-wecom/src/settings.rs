//! The sections `wecom` and `apps.<name>` of the settings.

use std::time::Duration;

use kefu_settings::SettingsError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;

use crate::client::AppCredentials;
use crate::crypto::{CallbackKey, InvalidCallbackKey, Keyring};

/// Every corp id that was seen has so many.
const CORP_ID_BYTES: usize = 18;

/// How to reach WeCom's API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WecomSettings {
    /// Scheme, host and port, without a path: `/cgi-bin/…` is appended.
    pub api_base: String,
    /// Longest duration of one call, media excepted.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// `http://[user:password@]host:port`. The proxy variables of the environment are not read.
    pub proxy: Option<SecretString>,
    /// Error codes that mean "this msgid was used before", separated by commas.
    pub msgid_repeated_codes: String,
}

/// One app of WeCom. Which keys are needed depends on the role, so only the corp id is not optional here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    pub corp_id: String,
    pub token: Option<SecretString>,
    pub encoding_aes_key: Option<SecretString>,
    pub secret: Option<SecretString>,
    pub agent_id: Option<u64>,
    /// Receive ids to accept, separated by commas; the corp id if absent. `""` stands for the empty id.
    pub receive_ids: Option<String>,
    /// Accounts (`open_kfid`) to serve, separated by commas; all if absent.
    pub accounts: Option<String>,
    /// The key that is being replaced, still accepted.
    pub previous: Option<PreviousKeySettings>,
}

/// Token and key of before a rotation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousKeySettings {
    pub token: SecretString,
    pub encoding_aes_key: SecretString,
}

/// A setting that cannot be used. `key` is relative to `apps.<name>`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{key}: {reason}")]
pub struct InvalidAppSettings {
    pub key: &'static str,
    pub reason: String,
}

impl AppSettings {
    /// The accepted keys, checked. Needed by whoever opens callbacks.
    pub fn keyring(&self) -> Result<Keyring, InvalidAppSettings> {
        let token = required("token", self.token.as_ref())?;
        let key = required("encoding_aes_key", self.encoding_aes_key.as_ref())?;
        let current =
            CallbackKey::new(token, key).map_err(|error| invalid(&error, "token", "encoding_aes_key"))?;
        let Some(previous) = &self.previous else {
            return Ok(Keyring::new(current));
        };
        let previous = CallbackKey::new(&previous.token, &previous.encoding_aes_key)
            .map_err(|error| invalid(&error, "previous.token", "previous.encoding_aes_key"))?;
        Ok(Keyring::new(current).with_previous(previous))
    }

    /// What API calls need, for the app of this name.
    pub fn credentials(&self, name: &str) -> Result<AppCredentials, InvalidAppSettings> {
        Ok(AppCredentials {
            name: name.to_owned(),
            corp_id: self.corp_id()?.to_owned(),
            secret: required("secret", self.secret.as_ref())?.clone(),
        })
    }

    /// The accepted receive ids, at least one.
    pub fn receive_ids(&self) -> Result<Vec<String>, InvalidAppSettings> {
        let Some(listed) = &self.receive_ids else {
            return Ok(vec![self.corp_id()?.to_owned()]);
        };
        let accept = |item: &str| match item.trim() {
            // Accepting the empty id switches a check off, so an accidental blank must not do it.
            "" => Err(InvalidAppSettings {
                key: "receive_ids",
                reason: "has a blank item; write \"\" in the list to accept the empty receive id".to_owned(),
            }),
            "\"\"" => Ok(String::new()),
            id => Ok(id.to_owned()),
        };
        listed.split(',').map(accept).collect()
    }

    /// The accounts to serve, or `None` for all.
    pub fn accounts(&self) -> Option<Vec<String>> {
        let listed = self.accounts.as_ref()?;
        let ids = listed
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::to_owned);
        Some(ids.collect::<Vec<_>>()).filter(|ids| !ids.is_empty())
    }

    /// A corp id that does not look like one: WeCom's begin with `ww` (doc 90665), a few old ones with `wx`.
    pub fn odd_corp_id(&self, name: &str) -> Option<SettingsError> {
        let id = self.corp_id.trim();
        let is_usual = id.len() == CORP_ID_BYTES
            && (id.starts_with("ww") || id.starts_with("wx"))
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let problem =
            "does not look like a corp id (ww and 16 letters or digits, 企业ID at the bottom of 我的企业)";
        (!is_usual).then(|| SettingsError::new(format!("apps.{name}.corp_id"), problem))
    }

    /// Without the white space around it. Blank is refused: it would make the empty receive id an accepted one.
    pub fn corp_id(&self) -> Result<&str, InvalidAppSettings> {
        match self.corp_id.trim() {
            "" => Err(InvalidAppSettings {
                key: "corp_id",
                reason: "is empty".to_owned(),
            }),
            corp_id => Ok(corp_id),
        }
    }
}

fn required<'a>(
    key: &'static str,
    value: Option<&'a SecretString>,
) -> Result<&'a SecretString, InvalidAppSettings> {
    let refuse = |reason: &str| InvalidAppSettings {
        key,
        reason: reason.to_owned(),
    };
    match value {
        None => Err(refuse("is missing")),
        Some(value) if value.expose_secret().trim().is_empty() => Err(refuse("is empty")),
        Some(value) => Ok(value),
    }
}

/// The key that is wrong, and its reason without naming it twice.
fn invalid(error: &InvalidCallbackKey, token: &'static str, aes_key: &'static str) -> InvalidAppSettings {
    let text = error.to_string();
    let (key, named) = match error {
        InvalidCallbackKey::TokenLength { .. } | InvalidCallbackKey::TokenCharacter => (token, "token "),
        InvalidCallbackKey::KeyLength { .. } | InvalidCallbackKey::KeyCharacter => {
            (aes_key, "encoding_aes_key ")
        }
    };
    InvalidAppSettings {
        key,
        reason: text.strip_prefix(named).unwrap_or(&text).to_owned(),
    }
}
