use serde::{Deserialize, Serialize};

use super::Client;
use crate::error::ApiError;

/// Who may speak in a session (doc 94698).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// 0: the customer has just written; the API may answer.
    Unhandled,
    /// 1: the API answers.
    Assistant,
    /// 2: waiting for a person.
    Pool,
    /// 3: a person answers.
    Human,
    /// 4: ended, or not begun.
    Ended,
    Other(i64),
}

/// The session as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNow {
    pub state: ServiceState,
    /// Set for [`ServiceState::Human`] only.
    pub servicer_userid: Option<String>,
}

/// Where a session can be moved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Assistant,
    Pool,
    /// Must be receiving (95019) and an activated member (95014).
    Servicer {
        userid: String,
    },
    End,
}

#[derive(Serialize)]
struct Session<'a> {
    open_kfid: &'a str,
    external_userid: &'a str,
}

#[derive(Serialize)]
struct Move<'a> {
    #[serde(flatten)]
    session: Session<'a>,
    service_state: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    servicer_userid: Option<&'a str>,
}

impl Client {
    /// `kf/service_state/get`.
    pub async fn service_state(
        &self,
        app: &str,
        open_kfid: &str,
        customer: &str,
    ) -> Result<StateNow, ApiError> {
        let session = Session {
            open_kfid,
            external_userid: customer,
        };
        let answer: StateAnswer = self.post(app, "kf/service_state/get", &session).await?;
        Ok(answer.into())
    }

    /// `kf/service_state/trans`. Returns the code for one message about the change, if WeCom gives one.
    pub async fn transfer(
        &self,
        app: &str,
        open_kfid: &str,
        customer: &str,
        target: &Target,
    ) -> Result<Option<String>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            msg_code: Option<String>,
        }
        let (service_state, servicer_userid) = match target {
            Target::Assistant => (1, None),
            Target::Pool => (2, None),
            Target::Servicer { userid } => (3, Some(userid.as_str())),
            Target::End => (4, None),
        };
        let session = Session {
            open_kfid,
            external_userid: customer,
        };
        let moved = Move {
            session,
            service_state,
            servicer_userid,
        };
        let answer: Answer = self.post(app, "kf/service_state/trans", &moved).await?;
        Ok(answer.msg_code.filter(|code| !code.is_empty()))
    }
}

/// The answer as it stands on the wire.
#[derive(Deserialize)]
pub(super) struct StateAnswer {
    service_state: i64,
    #[serde(default)]
    servicer_userid: Option<String>,
}

impl From<StateAnswer> for StateNow {
    fn from(answer: StateAnswer) -> StateNow {
        StateNow {
            state: ServiceState::from(answer.service_state),
            servicer_userid: answer.servicer_userid.filter(|userid| !userid.is_empty()),
        }
    }
}

impl From<i64> for ServiceState {
    fn from(number: i64) -> ServiceState {
        match number {
            0 => ServiceState::Unhandled,
            1 => ServiceState::Assistant,
            2 => ServiceState::Pool,
            3 => ServiceState::Human,
            4 => ServiceState::Ended,
            other => ServiceState::Other(other),
        }
    }
}
