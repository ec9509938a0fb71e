use serde::Deserialize;

use super::Client;
use crate::error::ApiError;

/// A person, or a whole department, who answers for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servicer {
    pub id: ServicerId,
    /// `None` for departments, and for an app without the right to manage the account. Not the numbers of the event
    /// `servicer_status_change`.
    pub receiving: Option<bool>,
    /// Why not receiving: 0 stopped, 1 suspended.
    pub stop_type: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServicerId {
    User(String),
    Department(i64),
}

impl Client {
    /// `kf/servicer/list`: who may answer for the account. Entries without an id are left out.
    pub async fn servicers(&self, app: &str, open_kfid: &str) -> Result<Vec<Servicer>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            servicer_list: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            #[serde(default)]
            userid: Option<String>,
            #[serde(default)]
            department_id: Option<i64>,
            #[serde(default)]
            status: Option<i64>,
            #[serde(default)]
            stop_type: Option<i64>,
        }
        let answer: Answer = self
            .get(app, "kf/servicer/list", &[("open_kfid", open_kfid)])
            .await?;
        let servicer = |item: Item| {
            let id = match (item.userid, item.department_id) {
                (Some(userid), _) if !userid.is_empty() => ServicerId::User(userid),
                (_, Some(department)) => ServicerId::Department(department),
                _ => return None,
            };
            Some(Servicer {
                id,
                receiving: item.status.map(|status| status == 0),
                stop_type: item.stop_type,
            })
        };
        Ok(answer.servicer_list.into_iter().filter_map(servicer).collect())
    }
}
