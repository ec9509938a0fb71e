//! What WeCom's errors mean for whoever called, beyond their class.

use kefu_wecom::codes::MESSAGES_SPENT;
use kefu_wecom::error::Failure;
use kefu_wecom::{ApiError, ErrorClass};

/// "No such customer" and "no such account": neither can be answered, ever.
const GONE: [i64; 4] = [40003, 40096, 95000, 95004];

/// Whether WeCom knows no such conversation.
pub fn is_gone(error: &ApiError) -> bool {
    error.code().is_some_and(|code| GONE.contains(&code))
}

/// Whether the messages that WeCom takes after one of the customer's are used up, while the window is open.
pub fn is_spent(error: &ApiError) -> bool {
    error.code() == Some(MESSAGES_SPENT)
}

/// Whether the same call may work within a second. One that got no answer in all its time has held its slot long
/// enough: the next try is the job's.
pub fn is_brief(error: &ApiError) -> bool {
    // One that was too large would be as large again.
    is_unanswered(error) && !matches!(error.failure, Failure::TimedOut | Failure::TooLarge(_))
}

/// Whether WeCom may be away.
pub(crate) fn is_away(error: &ApiError) -> bool {
    // One page that is too large for us must not stop the other accounts.
    is_unanswered(error) && !matches!(error.failure, Failure::TooLarge(_))
}

/// No answer, or one that says nothing but that it is none.
pub(crate) fn is_unanswered(error: &ApiError) -> bool {
    matches!(
        error.class(),
        ErrorClass::Network | ErrorClass::Ambiguous | ErrorClass::Busy
    )
}
