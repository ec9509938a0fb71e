//! The apps whose customers are served.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kefu_domain::{AccountId, CorpId};
use kefu_process::Breaker;
use kefu_settings::SettingsError;
use kefu_wecom::{AppCredentials, AppSettings};

#[derive(Clone, Debug)]
pub struct App {
    pub name: String,
    pub corp: CorpId,
    /// The accounts to serve; `None` = all.
    accounts: Option<BTreeSet<String>>,
    /// Around WeCom as this app sees it.
    pub breaker: Breaker,
}

impl App {
    pub fn serves(&self, account: &AccountId) -> bool {
        self.accounts
            .as_ref()
            .is_none_or(|accounts| accounts.contains(account.as_str()))
    }
}

#[derive(Clone, Debug)]
pub struct Apps(BTreeMap<String, App>);

impl Apps {
    /// Errors name the key, `apps.<name>.<key>`.
    pub fn new(
        settings: &BTreeMap<String, AppSettings>,
        breaker_wait: Duration,
    ) -> Result<(Apps, Vec<AppCredentials>), SettingsError> {
        if settings.is_empty() {
            let problem = "no app is set; the first one needs apps.default.corp_id and .secret";
            return Err(SettingsError::new("apps", problem));
        }
        let mut apps = BTreeMap::new();
        let mut credentials = Vec::new();
        for (name, app) in settings {
            let corp = CorpId::parse(&app.corp_id)
                .map_err(|error| SettingsError::new(format!("apps.{name}.corp_id"), error.to_string()))?;
            let problem = |error: SettingsError| error.within(&format!("apps.{name}"));
            credentials.push(app.credentials(name).map_err(problem)?);
            let accounts = app.accounts().map(BTreeSet::from_iter);
            apps.insert(
                name.clone(),
                App {
                    name: name.clone(),
                    corp,
                    accounts,
                    breaker: Breaker::new(format!("wecom/{name}"), breaker_wait),
                },
            );
        }
        Ok((Apps(apps), credentials))
    }

    pub fn get(&self, name: &str) -> Option<&App> {
        self.0.get(name)
    }

    /// The app of a row: the one it names, else another of the same corp. Apps can be renamed, rows stay.
    pub fn of_row(&self, name: &str, corp: &CorpId, account: &AccountId) -> Option<&App> {
        let fits = |app: &&App| app.corp == *corp && app.serves(account);
        self.0
            .get(name)
            .filter(fits)
            .or_else(|| self.0.values().find(fits))
    }

    pub fn iter(&self) -> impl Iterator<Item = &App> {
        self.0.values()
    }
}
