use serde::Deserialize;
use serde_json::json;

use super::Client;
use crate::error::{ApiError, Failure};

/// Most customers of one call.
pub const BATCH_MAX: usize = 100;

const API: &str = "kf/customer/batchget";

/// What WeCom tells about a customer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Customer {
    pub external_userid: String,
    #[serde(default)]
    pub nickname: String,
    /// Address of a picture.
    #[serde(default)]
    pub avatar: String,
    /// 0 unknown, 1 male, 2 female.
    #[serde(default)]
    pub gender: i64,
    #[serde(default)]
    pub unionid: Option<String>,
    #[serde(default)]
    pub enter_session_context: Option<EnterContext>,
}

/// How the customer last entered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EnterContext {
    #[serde(default)]
    pub scene: String,
    #[serde(default)]
    pub scene_param: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customers {
    pub found: Vec<Customer>,
    /// Unknown, or silent for more than 48 h.
    pub invalid: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Batch {
    #[serde(default)]
    customer_list: Vec<Customer>,
    #[serde(default)]
    invalid_external_userid: Vec<String>,
}

impl Client {
    /// `kf/customer/batchget` for 1 to 100 customers, with how they entered.
    pub async fn customers(&self, app: &str, external_userids: &[String]) -> Result<Customers, ApiError> {
        if external_userids.is_empty() || external_userids.len() > BATCH_MAX {
            let count = external_userids.len();
            let reason = format!("1 to {BATCH_MAX} customers are asked for at once, not {count}");
            return Err(ApiError {
                api: API,
                failure: Failure::Invalid(reason),
            });
        }
        let asked = json!({ "external_userid_list": external_userids, "need_enter_session_context": 1 });
        let batch: Batch = self.post(app, API, &asked).await?;
        Ok(Customers {
            found: batch.customer_list,
            invalid: batch.invalid_external_userid,
        })
    }
}
