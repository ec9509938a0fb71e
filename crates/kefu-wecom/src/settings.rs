//! The sections `wecom` and `apps.<name>` of the settings.

use std::time::Duration;

use kefu_settings::{SettingsError, is_this_machine};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::client::{AppCredentials, transport};
use crate::crypto::{CallbackKey, InvalidCallbackKey, Keyring};
use crate::error::RepeatedCodes;

/// Every corp id that was seen has so many.
const CORP_ID_BYTES: usize = 18;

/// Longest `wecom.timeout`: the job around a call has a time limit of its own, and so has the customer's patience.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// Fewer calls a minute are no limit that WeCom has; at that pace each would be late.
const CALLS_PER_MINUTE_MIN: u32 = 60;
const CALLS_PER_MINUTE_MAX: u32 = 1_000_000;

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
    /// What WeCom allows one app with one API; calls are paced below it once that was found to be true.
    pub calls_per_minute: u32,
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

type CheckKey = fn(&SecretString) -> Result<(), InvalidCallbackKey>;

impl WecomSettings {
    /// Everything that is wrong with the values; prints no password.
    pub fn problems(&self) -> Vec<SettingsError> {
        let timeout = match self.timeout.is_zero() || CALL_TIMEOUT_MAX < self.timeout {
            true => {
                let problem = format!(
                    "must be longer than 0s and at most {}s",
                    CALL_TIMEOUT_MAX.as_secs()
                );
                Err(SettingsError::new("wecom.timeout", problem))
            }
            false => Ok(()),
        };
        let proxy = self
            .proxy()
            .map_or(Ok(()), |address| transport::proxy(address).map(drop));
        [
            transport::base(&self.api_base).map(drop),
            timeout,
            proxy,
            self.repeated_codes().map(drop),
            self.pace(),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect()
    }

    /// What may be right and is probably not.
    pub fn warnings(&self) -> Option<SettingsError> {
        let url = reqwest::Url::parse(&self.api_base).ok()?;
        let is_open = url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine);
        let problem = "is http:// to another machine: secret, tokens and messages go there in the clear; set https:// \
            unless a simulator plays there";
        is_open.then(|| SettingsError::new("wecom.api_base", problem))
    }

    fn pace(&self) -> Result<(), SettingsError> {
        match (CALLS_PER_MINUTE_MIN..=CALLS_PER_MINUTE_MAX).contains(&self.calls_per_minute) {
            true => Ok(()),
            false => {
                let problem = format!("must be {CALLS_PER_MINUTE_MIN} to {CALLS_PER_MINUTE_MAX}");
                Err(SettingsError::new("wecom.calls_per_minute", problem))
            }
        }
    }

    /// Empty is none.
    pub(crate) fn proxy(&self) -> Option<&str> {
        let address = self.proxy.as_ref().map(|proxy| proxy.expose_secret());
        address.filter(|address| !address.is_empty())
    }

    pub(crate) fn repeated_codes(&self) -> Result<RepeatedCodes, SettingsError> {
        RepeatedCodes::parse(&self.msgid_repeated_codes)
            .map_err(|error| SettingsError::new("wecom.msgid_repeated_codes", error.to_string()))
    }
}

/// The keys of errors are relative to `apps.<name>`: an app does not know its name.
impl AppSettings {
    /// The accepted keys, checked. Needed by whoever opens callbacks.
    pub fn keyring(&self) -> Result<Keyring, SettingsError> {
        let token = required("token", self.token.as_ref())?;
        let key = required("encoding_aes_key", self.encoding_aes_key.as_ref())?;
        let current = CallbackKey::new(token, key)
            .map_err(|error| invalid(&error, key_of(&error, "token", "encoding_aes_key")))?;
        let Some(previous) = &self.previous else {
            return Ok(Keyring::new(current));
        };
        let previous = CallbackKey::new(&previous.token, &previous.encoding_aes_key).map_err(|error| {
            let key = key_of(&error, "previous.token", "previous.encoding_aes_key");
            invalid(&error, key)
        })?;
        Ok(Keyring::new(current).with_previous(previous))
    }

    /// Everything that is wrong with what callbacks are opened with.
    pub fn callback_problems(&self) -> Vec<SettingsError> {
        let key = |name, value, check: CheckKey| {
            let checked = |value| check(value).map_err(|error| invalid(&error, name));
            required(name, value).and_then(checked)
        };
        let mut checks = vec![
            self.corp_id().map(drop),
            key("token", self.token.as_ref(), CallbackKey::check_token),
            key(
                "encoding_aes_key",
                self.encoding_aes_key.as_ref(),
                CallbackKey::check_key,
            ),
        ];
        if let Some(previous) = &self.previous {
            let aes_key = Some(&previous.encoding_aes_key);
            checks.push(key(
                "previous.token",
                Some(&previous.token),
                CallbackKey::check_token,
            ));
            checks.push(key("previous.encoding_aes_key", aes_key, CallbackKey::check_key));
        }
        if self.receive_ids.is_some() {
            checks.push(self.receive_ids().map(drop));
        }
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// What API calls need, for the app of this name.
    pub fn credentials(&self, name: &str) -> Result<AppCredentials, SettingsError> {
        Ok(AppCredentials {
            name: name.to_owned(),
            corp_id: self.corp_id()?.to_owned(),
            secret: required("secret", self.secret.as_ref())?.clone(),
        })
    }

    /// The accepted receive ids, at least one.
    pub fn receive_ids(&self) -> Result<Vec<String>, SettingsError> {
        let Some(listed) = &self.receive_ids else {
            return Ok(vec![self.corp_id()?.to_owned()]);
        };
        let accept = |item: &str| match item.trim() {
            // Accepting the empty id switches a check off, so an accidental blank must not do it.
            "" => Err(SettingsError::new(
                "receive_ids",
                "has a blank item; write \"\" in the list to accept the empty receive id",
            )),
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
    pub fn corp_id(&self) -> Result<&str, SettingsError> {
        match self.corp_id.trim() {
            "" => Err(SettingsError::new("corp_id", "is empty")),
            corp_id => Ok(corp_id),
        }
    }
}

fn required<'a>(
    key: &'static str,
    value: Option<&'a SecretString>,
) -> Result<&'a SecretString, SettingsError> {
    let refuse = |problem: &str| SettingsError::new(key, problem);
    match value {
        None => Err(refuse("is missing")),
        Some(value) if value.expose_secret().trim().is_empty() => Err(refuse("is empty")),
        Some(value) => Ok(value),
    }
}

/// Which of the two an error is about.
fn key_of(error: &InvalidCallbackKey, token: &'static str, aes_key: &'static str) -> &'static str {
    match error {
        InvalidCallbackKey::TokenLength { .. } | InvalidCallbackKey::TokenCharacter => token,
        InvalidCallbackKey::KeyLength { .. } | InvalidCallbackKey::KeyCharacter => aes_key,
    }
}

/// The reason without naming the key twice.
fn invalid(error: &InvalidCallbackKey, key: &str) -> SettingsError {
    let text = error.to_string();
    let named = key_of(error, "token ", "encoding_aes_key ");
    SettingsError::new(key, text.strip_prefix(named).unwrap_or(&text))
}
