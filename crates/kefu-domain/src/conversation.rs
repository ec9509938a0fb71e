use crate::{AccountId, CancelReason, CorpId, CustomerId, Handled};

/// Who a conversation is between. The app's name is not part of it: apps can be renamed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    pub corp: CorpId,
    pub account: AccountId,
    pub customer: CustomerId,
}

/// The row of the database that a job concerns: its truth, of which the job is only a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowRef {
    Account { corp: CorpId, account: AccountId },
    Conversation(ConversationKey),
}

/// WeCom's session state of a conversation (doc 94698).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// 0: the customer has just written.
    Unhandled,
    /// 1: the API answers.
    Assistant,
    /// 2: waiting in the pool for a person.
    Pool,
    /// 3: a person answers.
    Human,
    /// 4: ended, or not started.
    Ended,
}

impl SessionState {
    pub fn from_code(code: i64) -> Option<SessionState> {
        match code {
            0 => Some(SessionState::Unhandled),
            1 => Some(SessionState::Assistant),
            2 => Some(SessionState::Pool),
            3 => Some(SessionState::Human),
            4 => Some(SessionState::Ended),
            _ => None,
        }
    }

    pub fn code(self) -> i64 {
        match self {
            SessionState::Unhandled => 0,
            SessionState::Assistant => 1,
            SessionState::Pool => 2,
            SessionState::Human => 3,
            SessionState::Ended => 4,
        }
    }

    /// `send_msg` is accepted only in these two (doc 94698; else 95018).
    pub fn may_send(self) -> bool {
        self.silence().is_none()
    }

    /// What becomes of what is owed; `None` where we may speak.
    pub fn silence(self) -> Option<Silence> {
        let (handled, reason) = match self {
            SessionState::Unhandled | SessionState::Assistant => return None,
            SessionState::Pool => (Handled::Pool, CancelReason::Pool),
            SessionState::Human => (Handled::Human, CancelReason::Human),
            SessionState::Ended => (Handled::Expired, CancelReason::Expired),
        };
        Some(Silence { handled, reason })
    }
}

/// How messages and planned parts end where we may not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub handled: Handled,
    pub reason: CancelReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_only_the_first_two_may_send() {
        for code in 0..=4 {
            let state = SessionState::from_code(code).unwrap();
            assert_eq!(state.code(), code);
            assert_eq!(state.may_send(), code < 2);
        }
        assert_eq!(SessionState::from_code(5), None);
    }
}
