//! `kf/account/list`, `kf/servicer/list` and `kf/customer/batchget`.

use serde_json::{Value, json};

use super::conversation::WINDOW_MS;
use super::{Refusal, Servicer, World};

/// Most accounts or customers of one call.
const BATCH_MAX: usize = 100;

/// The two lists of `kf/customer/batchget`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub customers: Vec<Value>,
    pub invalid: Vec<String>,
}

impl World {
    pub fn account_list(&self, offset: i64, limit: i64) -> Result<Vec<Value>, Refusal> {
        let offset = usize::try_from(offset).map_err(|_| Refusal::parameter("offset is below 0"))?;
        let limit = usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=BATCH_MAX).contains(limit));
        let limit = limit.ok_or_else(|| Refusal::parameter("limit is not in 1 to 100"))?;
        let accounts = self.accounts.iter().skip(offset).take(limit);
        Ok(accounts
            .map(|account| {
                json!({
                    "open_kfid": account.open_kfid,
                    "name": account.name,
                    "avatar": "",
                    "manage_privilege": true,
                })
            })
            .collect())
    }

    pub fn servicer_list(&self, open_kfid: &str) -> Result<Vec<Value>, Refusal> {
        self.account_at(open_kfid)?;
        let servicers = self.servicers.iter();
        Ok(servicers
            .map(|(userid, status)| {
                json!({ "userid": userid, "status": u8::from(*status == Servicer::Stopped), "stop_type": 0 })
            })
            .collect())
    }

    /// Only customers who wrote within 48 hours are known (doc of the call); the others are invalid.
    pub fn customer_batch(&self, ids: &[String], now: i64) -> Result<Batch, Refusal> {
        if ids.is_empty() || BATCH_MAX < ids.len() {
            return Err(Refusal::parameter("external_userid_list has not 1 to 100 items"));
        }
        let mut batch = Batch {
            customers: Vec::new(),
            invalid: Vec::new(),
        };
        for id in ids {
            let known = self.customers.get(id);
            let recent =
                known.filter(|customer| customer.last_message_ms.is_some_and(|at| now < at + WINDOW_MS));
            match recent {
                Some(customer) => batch.customers.push(json!({
                    "external_userid": id,
                    "nickname": customer.nickname,
                    "avatar": "",
                    "gender": 0,
                })),
                None => batch.invalid.push(id.clone()),
            }
        }
        Ok(batch)
    }
}
