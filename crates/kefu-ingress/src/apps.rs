//! The apps whose callbacks are accepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kefu_domain::CorpId;
use kefu_process::Seldom;
use kefu_settings::SettingsError;
use kefu_wecom::{AppSettings, Keyring};
use metrics::SharedString;

/// The app that `/callback` without a name stands for.
const DEFAULT_APP: &str = "default";
/// Between two lines about callbacks that are not taken: anybody on the internet can cause them.
pub(crate) const REFUSED_EVERY: Duration = Duration::from_secs(10);

/// One app: which keys open its callbacks, and for whom they must be meant.
#[derive(Debug)]
pub(crate) struct App {
    /// Of the kind a metric takes as label: a clone copies no text.
    pub(crate) name: SharedString,
    pub(crate) corp: CorpId,
    pub(crate) keyring: Keyring,
    pub(crate) receive_ids: Vec<String>,
    /// Lines about callbacks that do not open.
    pub(crate) refusals: Seldom,
    /// Lines about callbacks that could not be queued.
    pub(crate) failures: Seldom,
}

#[derive(Debug)]
pub(crate) struct Apps {
    by_name: BTreeMap<String, App>,
}

impl Apps {
    /// Errors name the key, `apps.<name>.<key>`.
    pub(crate) fn new(settings: &BTreeMap<String, AppSettings>) -> Result<Apps, SettingsError> {
        if settings.is_empty() {
            let problem =
                "no app is set; the first one needs apps.default.corp_id, .token and .encoding_aes_key";
            return Err(SettingsError::new("apps", problem));
        }
        let app = |(name, settings): (&String, &AppSettings)| {
            let app = App::new(name, settings).map_err(|error| error.within(&format!("apps.{name}")))?;
            Ok((name.clone(), app))
        };
        let by_name = settings.iter().map(app).collect::<Result<_, SettingsError>>()?;
        Ok(Apps { by_name })
    }

    /// `None` stands for the path without a name.
    pub(crate) fn get(&self, name: Option<&str>) -> Option<&App> {
        self.by_name.get(name.unwrap_or(DEFAULT_APP))
    }
}

impl App {
    fn new(name: &str, settings: &AppSettings) -> Result<App, SettingsError> {
        Ok(App {
            name: SharedString::from_shared(Arc::from(name)),
            corp: CorpId::parse(settings.corp_id()?)
                .map_err(|error| SettingsError::new("corp_id", error.to_string()))?,
            keyring: settings.keyring()?,
            receive_ids: settings.receive_ids()?,
            refusals: Seldom::every(REFUSED_EVERY),
            failures: Seldom::every(REFUSED_EVERY),
        })
    }
}
