//! What a dead letter's job stands on.

use kefu_queue::Job;
use kefu_store::JobRow;
use serde_json::Value;

use crate::jobs::{KF_SYNC, KF_TURN};

/// The row of a job whose truth is a row; `None` for other kinds, and for a pull of all accounts of an app.
pub(crate) fn row_of(job: &Job) -> Option<JobRow<'_>> {
    let field = |name: &str| job.payload.get(name).and_then(Value::as_str);
    match job.kind.as_str() {
        KF_SYNC => Some(JobRow::Account {
            app: &job.app,
            account: field("account").filter(|account| !account.is_empty())?,
        }),
        KF_TURN => Some(JobRow::Conversation {
            corp: field("corp")?,
            account: field("account")?,
            customer: field("customer")?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kefu_domain::Millis;
    use kefu_queue::Lane;
    use serde_json::json;

    use super::*;

    fn job(kind: &str, payload: Value) -> Job {
        Job::new(kind, "default", Lane::Low, payload, Millis(0))
    }

    #[test]
    fn pulls_and_turns_stand_on_a_row_and_nothing_else_does() {
        let account = JobRow::Account {
            app: "default",
            account: "wk1",
        };
        let turn = json!({"corp": "ww1", "account": "wk1", "customer": "wm1"});
        let conversation = JobRow::Conversation {
            corp: "ww1",
            account: "wk1",
            customer: "wm1",
        };
        for (kind, payload, expected) in [
            ("kf.sync", json!({"account": "wk1", "token": "t"}), Some(account)),
            ("kf.sync", json!({"account": ""}), None),
            ("kf.sync", json!({"token": "t"}), None),
            ("kf.sync", json!({"account": 7}), None),
            ("kf.turn", turn.clone(), Some(conversation)),
            ("kf.turn", json!({"corp": "ww1"}), None),
            ("app.event", turn, None),
        ] {
            assert_eq!(row_of(&job(kind, payload)), expected, "{kind}");
        }
    }
}
