use serde::Deserialize;
use serde_json::json;

use super::Client;
use crate::error::ApiError;

/// Accounts of one call, WeCom's maximum.
const PAGE: usize = 100;
/// Most accounts a corp can have; also ends a listing that never gets short.
const ACCOUNTS_MAX: usize = 5000;

/// A customer service account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    pub open_kfid: String,
    #[serde(default)]
    pub name: String,
    /// Address of a picture.
    #[serde(default)]
    pub avatar: String,
    /// Whether the app may manage it; absent in older answers.
    #[serde(default)]
    pub manage_privilege: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    account_list: Vec<Account>,
}

impl Client {
    /// `kf/account/list`, all pages: every account the app may see, at most 5000.
    pub async fn accounts(&self, app: &str) -> Result<Vec<Account>, ApiError> {
        let mut accounts: Vec<Account> = Vec::new();
        while accounts.len() < ACCOUNTS_MAX {
            let range = json!({ "offset": accounts.len(), "limit": PAGE });
            let page: Page = self.post(app, "kf/account/list", &range).await?;
            let count = page.account_list.len();
            accounts.extend(page.account_list);
            if count < PAGE {
                break;
            }
        }
        Ok(accounts)
    }
}
