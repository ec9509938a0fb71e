use thiserror::Error;

/// A stored word that no version of Kefu wrote.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown {noun}: {word}")]
pub struct UnknownWord {
    noun: &'static str,
    word: String,
}

/// An enum that is stored and logged as one lower-case word per variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $noun:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn parse(word: &str) -> Result<$name, UnknownWord> {
                match word {
                    $($word => Ok($name::$variant),)+
                    other => Err(UnknownWord { noun: $noun, word: other.chars().take(32).collect() }),
                }
            }
        }
    };
}

words!(
    /// Who a message came from (`origin` 3, 4 and 5 on the wire, doc 94699).
    Origin, "origin", {
        Customer = "customer",
        System = "system",
        Servicer = "servicer",
    }
);

words!(
    /// How a customer's message ended. Every message leaves a turn with one of these.
    Handled, "handled reason", {
        /// A reply was decided for it.
        Answered = "answered",
        /// A person of ours has the conversation.
        Human = "human",
        /// The customer waits in the pool for a person.
        Pool = "pool",
        /// Nothing to say: an event, or an empty message.
        NoReply = "no_reply",
        Recalled = "recalled",
        /// The 48 h window or the session was over before an answer could go out.
        Expired = "expired",
        /// The answer was refused for good, or the attempts ran out.
        Failed = "failed",
        /// Older than the first run of its account looks back.
        History = "history",
        /// Its app is no longer in the settings.
        AppGone = "app_gone",
    }
);

words!(
    /// Where an outgoing part stands. States only move forward, in this order.
    PartStatus, "part status", {
        Planned = "planned",
        /// Marked before the HTTP call: whoever finds it sends it again under the same msgid.
        Sending = "sending",
        Sent = "sent",
        /// Still open when the window closed; the outcome is not known.
        Unknown = "unknown",
        /// Refused for good, or reported by `msg_send_fail`.
        Failed = "failed",
        /// Never left: overtaken before it was sent.
        Cancelled = "cancelled",
    }
);

impl PartStatus {
    /// Whether a part may go from here to `next`. A call that is repeated leaves it where it is.
    pub fn may_become(self, next: PartStatus) -> bool {
        use PartStatus::{Cancelled, Failed, Planned, Sending, Sent, Unknown};
        matches!(
            (self, next),
            (Planned, Sending | Cancelled)
                // Cancelled: refused for certain, and planned again under another msgid.
                | (Sending, Sent | Unknown | Failed | Cancelled)
                // `msg_send_fail` tells late, and so does a person.
                | (Sent, Failed)
                | (Unknown, Sent | Failed)
        )
    }
}

words!(
    /// Why a planned part was dropped.
    CancelReason, "cancel reason", {
        /// A newer customer message came before the reply's first part went out.
        Overtaken = "overtaken",
        Human = "human",
        Pool = "pool",
        Expired = "expired",
        /// One of the messages it answers was taken back before any part went out.
        Recalled = "recalled",
        /// An earlier part of the same reply failed or stayed unknown.
        Broken = "broken",
        /// The reply was said in an earlier life of the database.
        SaidBefore = "said_before",
        /// Refused, and planned again under a new generation.
        Replanned = "replanned",
    }
);

words!(
    /// What an outgoing part is for; a word of its msgid.
    Purpose, "purpose", {
        Reply = "reply",
        Welcome = "welcome",
        Handover = "handover",
        /// Said in the pool, once nobody has come for long.
        Waiting = "waiting",
    }
);

words!(
    /// Where the words of a part come from. Written for people and for the next prompt, read back by nobody.
    Source, "source", {
        Rule = "rule",
        Model = "model",
        /// The text that is said when neither a rule nor the model has an answer.
        Fallback = "fallback",
        /// What is said while a person is called.
        Handover = "handover",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for handled in Handled::ALL {
            assert_eq!(Handled::parse(handled.as_str()), Ok(*handled));
        }
        for status in PartStatus::ALL {
            assert_eq!(PartStatus::parse(status.as_str()), Ok(*status));
        }
        assert_eq!(
            Origin::parse("nobody").unwrap_err().to_string(),
            "unknown origin: nobody"
        );
    }
}
