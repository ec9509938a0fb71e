//! The names of our keys in Redis, in one place; operators look at them, so they are part of the contract.

use kefu_domain::ConversationKey;

/// Claim on a callback of `app`: the owner while leased, then `done`.
pub(crate) fn claim(app: &str, hash: &str) -> String {
    format!("event:processed:{app}:{hash}")
}

/// Access token of `app`.
pub(crate) fn token(app: &str) -> String {
    format!("wecom:token:{app}")
}

/// Copy of the cursor of one account, for people and dashboards.
pub(crate) fn cursor(app: &str, account: &str) -> String {
    format!("kf:cursor:{app}:{account}")
}

/// What is known of the limit of one API of `app`: its pause, who asks whether it is over, and the pace after it.
pub(crate) fn pause(app: &str, api: &str) -> String {
    format!("pause:{app}:{api}")
}

/// Customer messages of one conversation whose answer has gone out, scored by when that was noted, in Unix
/// milliseconds.
pub(crate) fn said(conversation: &ConversationKey) -> String {
    let ConversationKey {
        corp,
        account,
        customer,
    } = conversation;
    format!("kf:said:{corp}:{account}:{customer}")
}

/// Never exists: what a ping writes nothing to. Inside a family we need rights for anyway.
pub(crate) const PROBE: &str = "event:processed:probe";

/// Never exists either.
pub(crate) const SAID_PROBE: &str = "kf:said:probe";
