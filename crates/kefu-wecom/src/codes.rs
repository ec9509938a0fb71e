//! WeCom's error codes: what each one asks of the caller.
//!
//! Codes not in the table count as permanent: only system failures are meant to be retried,
//! every other code is to be fixed (doc 90313).

use crate::error::ErrorClass;
use crate::error::ErrorClass::{Busy, Configuration, Permanent, Quota, Rate, State, Token};

/// One code with its class and, in our words, its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub code: i64,
    pub class: ErrorClass,
    pub meaning: &'static str,
}

pub const OK: i64 = 0;
pub const SYSTEM_BUSY: i64 = -1;
pub const BAD_SECRET: i64 = 40001;
pub const TOKEN_INVALID: i64 = 40014;
pub const TOKEN_EXPIRED: i64 = 42001;
pub const RATE_LIMITED: i64 = 45009;
pub const MESSAGES_SPENT: i64 = 95001;
pub const WINDOW_CLOSED: i64 = 95002;
/// The token of the callback is bad or older than 10 min: pull again without one.
pub const SYNC_TOKEN_INVALID: i64 = 95007;
pub const TRANSITION_REFUSED: i64 = 95016;
pub const STATE_FORBIDS_SENDING: i64 = 95018;

/// Every code that is known, ascending.
pub const CODES: &[Code] = &[
    code(SYSTEM_BUSY, Busy, "system busy"),
    code(6000, Busy, "data conflict, written at the same time"),
    code(BAD_SECRET, Configuration, "wrong secret"),
    code(40003, Permanent, "bad user id"),
    code(40004, Permanent, "bad media type"),
    code(40007, Permanent, "media id bad or expired"),
    code(40008, Permanent, "bad message type"),
    code(40013, Configuration, "wrong corp id"),
    code(TOKEN_INVALID, Token, "access token invalid"),
    code(40058, Permanent, "bad parameter"),
    code(40096, Permanent, "bad external user id"),
    code(41001, Permanent, "access token missing"),
    code(TOKEN_EXPIRED, Token, "access token expired"),
    code(RATE_LIMITED, Rate, "called too often"),
    code(45033, Rate, "too many calls at once"),
    code(48002, Configuration, "app may not use this api"),
    code(48007, Configuration, "account not granted to the app"),
    code(
        60020,
        Configuration,
        "caller's address not among the app's trusted ones",
    ),
    code(95000, Permanent, "bad open_kfid"),
    code(
        MESSAGES_SPENT,
        Quota,
        "more than 5 messages since the customer wrote",
    ),
    code(WINDOW_CLOSED, Quota, "more than 48 h since the customer wrote"),
    code(95003, Configuration, "consultation capacity used up"),
    code(95004, Permanent, "account does not exist"),
    code(95005, Permanent, "too many accounts"),
    code(95006, Permanent, "bad account name"),
    code(SYNC_TOKEN_INVALID, Permanent, "callback token bad or expired"),
    code(95008, Permanent, "more than 10 menu items"),
    code(95009, Permanent, "bad menu item type"),
    code(95011, Configuration, "customer service already runs inside wecom"),
    code(95012, Configuration, "customer service does not run inside wecom"),
    code(95013, State, "session has ended"),
    code(95014, State, "user is no servicer, or not activated"),
    code(95015, Configuration, "dedicated service is set in the console"),
    code(TRANSITION_REFUSED, State, "state change not allowed"),
    code(
        95017,
        Configuration,
        "api management is switched off for the account",
    ),
    code(
        STATE_FORBIDS_SENDING,
        State,
        "session state forbids sending by api",
    ),
    code(95019, State, "servicer has stopped receiving"),
    code(95022, Permanent, "bad location type"),
    code(95023, Configuration, "switch belongs to another developer"),
    code(95024, Quota, "no customer message within 48 h"),
    code(95025, Quota, "one business card per 48 h"),
    code(95026, Permanent, "account is used too little to create more"),
    code(95027, Configuration, "unverified corp, at most 10 accounts"),
    code(95028, Permanent, "message to recall is unknown"),
    code(95029, Permanent, "too late to recall"),
    code(95030, Permanent, "message type forbidden here"),
    code(95031, Quota, "no consultation within 48 h"),
    code(95032, Configuration, "history permission is gone"),
    // Not in WeCom's own list; met by a public client. It follows the last number of that list.
    code(95033, Permanent, "msgid was sent before"),
    code(830002, Permanent, "media over 20 MB needs range requests"),
];

/// Looks a code up; `None` for one WeCom has not told us about.
pub fn find(code: i64) -> Option<&'static Code> {
    CODES
        .binary_search_by_key(&code, |known| known.code)
        .ok()
        .map(|index| &CODES[index])
}

const fn code(code: i64, class: ErrorClass, meaning: &'static str) -> Code {
    Code { code, class, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_without_repetitions() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
        assert_eq!(find(95018).map(|known| known.class), Some(State));
        assert_eq!(find(12345), None);
    }
}
