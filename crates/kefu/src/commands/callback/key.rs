//! Whose token and key: those of an app in the settings, or those a person has at hand.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use kefu_process::ExitError;
use kefu_settings::{Settings, SettingsError};
use kefu_wecom::{AppSettings, CallbackKey, Keyring, PreviousKeySettings};
use secrecy::SecretString;
use serde::Deserialize;

use crate::cli::KeyArgs;
use crate::output;

/// The app that `/callback` without a name stands for.
pub(super) const DEFAULT_APP: &str = "default";

/// A token is a line; more is a mistake in the path.
const FILE_BYTES_MAX: u64 = 64 * 1024;

const VISIBLE: &str = "kefu: token and key on the command line can be read by others on this machine, and stay in the \
    shell's history; take --app, or --token-file and --encoding-aes-key-file";

/// What opens and seals.
pub(super) struct Key {
    /// The key in use.
    pub(super) current: Keyring,
    /// With the one it replaces, where there is one.
    pub(super) with_previous: Option<Keyring>,
    /// None are known for a key at hand.
    pub(super) receive_ids: Vec<String>,
    /// `None` for a key at hand.
    pub(super) app: Option<App>,
    /// A secret stood on the command line.
    visible: bool,
}

/// An app of the settings.
pub(super) struct App {
    pub(super) name: String,
    pub(super) settings: Settings,
}

impl Key {
    pub(super) fn choose(config: Option<&Path>, args: &KeyArgs) -> anyhow::Result<Key> {
        let visible = args.token.is_some() || args.encoding_aes_key.is_some();
        match visible || args.token_file.is_some() || args.encoding_aes_key_file.is_some() {
            true => at_hand(args, visible),
            false => of_app(config, args.app.as_deref().unwrap_or(DEFAULT_APP)),
        }
    }

    /// Behind everything else on stderr: what stands first there may be read by a script.
    pub(super) fn warn(&self) -> std::io::Result<()> {
        match self.visible {
            true => output::note(VISIBLE),
            false => Ok(()),
        }
    }
}

fn at_hand(args: &KeyArgs, visible: bool) -> anyhow::Result<Key> {
    let token = value("--token", args.token.as_deref(), args.token_file.as_deref())?;
    let (given, file) = (
        args.encoding_aes_key.as_deref(),
        args.encoding_aes_key_file.as_deref(),
    );
    let encoding_aes_key = value("--encoding-aes-key", given, file)?;
    // The error begins with the name of what is wrong, which is an option here.
    let key = CallbackKey::new(&token, &encoding_aes_key).map_err(|error| {
        let text = error.to_string();
        let (name, what) = text.split_once(' ').unwrap_or(("callback", &text));
        let is_token = name == "token";
        let from_file = if is_token {
            args.token_file.is_some()
        } else {
            file.is_some()
        };
        let suffix = if from_file { "-file" } else { "" };
        ExitError::refused(&format!("--{}{suffix}", name.replace('_', "-")), what)
    })?;
    Ok(Key {
        current: Keyring::new(key),
        with_previous: None,
        receive_ids: Vec::new(),
        app: None,
        visible,
    })
}

/// Given itself, or in a file.
fn value(option: &str, given: Option<&str>, file: Option<&Path>) -> Result<SecretString, ExitError> {
    match (given, file) {
        (Some(given), _) => Ok(given.into()),
        (None, Some(file)) => read(file).map_err(|what| {
            let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            let what = format!("cannot read {}: {what}", path.display());
            ExitError::refused(&format!("{option}-file"), what)
        }),
        (None, None) => Err(ExitError::refused(
            &format!("{option}-file"),
            "is missing: token and key go together; without both they are taken from the settings",
        )),
    }
}

fn read(file: &Path) -> Result<SecretString, String> {
    let file = File::open(file).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    match text.len() as u64 <= FILE_BYTES_MAX {
        true => Ok(text.trim().into()),
        false => Err(format!("more than {FILE_BYTES_MAX} bytes")),
    }
}

/// What is read of an app. Its secret is not: who checks a callback need not be allowed to read that file.
#[derive(Deserialize)]
struct CallbackApp {
    corp_id: String,
    token: Option<SecretString>,
    encoding_aes_key: Option<SecretString>,
    receive_ids: Option<String>,
    previous: Option<PreviousKeySettings>,
}

fn of_app(config: Option<&Path>, name: &str) -> anyhow::Result<Key> {
    let settings = Settings::load(config)?;
    let mut apps = settings.entries::<CallbackApp>("apps")?;
    let Some(app) = apps.remove(name) else {
        let known: Vec<&str> = apps.keys().map(String::as_str).collect();
        let what = match known.is_empty() {
            true => "no app is set; set apps.default in the settings, or take --token-file and \
                --encoding-aes-key-file"
                .to_owned(),
            false => format!(
                "there is none called {name:?} in the settings; known are {}",
                known.join(", ")
            ),
        };
        return Err(ExitError::refused("--app", what).into());
    };
    let wrong = |error: SettingsError| settings.placed(error.within(&format!("apps.{name}")));
    let mut app = AppSettings {
        corp_id: app.corp_id,
        token: app.token,
        encoding_aes_key: app.encoding_aes_key,
        secret: None,
        agent_id: None,
        receive_ids: app.receive_ids,
        accounts: None,
        previous: app.previous,
    };
    let with_previous = app
        .previous
        .is_some()
        .then(|| app.keyring())
        .transpose()
        .map_err(wrong)?;
    app.previous = None;
    let current = app.keyring().map_err(wrong)?;
    let receive_ids = app.receive_ids().map_err(wrong)?;
    Ok(Key {
        current,
        with_previous,
        receive_ids,
        app: Some(App {
            name: name.to_owned(),
            settings,
        }),
        visible: false,
    })
}
