//! The names of our keys in Redis, in one place; operators look at them, so they are part of the contract.

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

/// End of the pause of one API of `app`, in Unix milliseconds.
pub(crate) fn pause(app: &str, api: &str) -> String {
    format!("pause:{app}:{api}")
}

/// Never exists: what a ping writes nothing to. Inside a family we need rights for anyway.
pub(crate) const PROBE: &str = "event:processed:probe";
