use std::fmt;

use thiserror::Error;

/// Longest id taken from the outside, in bytes; WeCom's own are 64 and less.
const ID_BYTES_MAX: usize = 128;

/// Why a text is no id. Names the noun and the length, never the text.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidId {
    #[error("{noun} must be 1 to {ID_BYTES_MAX} bytes, got {length}")]
    Length { noun: &'static str, length: usize },
    #[error("{noun} must not contain control characters")]
    Control { noun: &'static str },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The only way in: 1 to 128 bytes without control characters.
            pub fn parse(raw: &str) -> Result<$name, InvalidId> {
                check($noun, raw)?;
                Ok($name(raw.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A company in WeCom (`corpid`).
    CorpId, "corp id"
);
id!(
    /// A customer service account of a corp (`open_kfid`).
    AccountId, "account id"
);
id!(
    /// A customer as seen by one account (`external_userid`).
    CustomerId, "customer id"
);
id!(
    /// A message as WeCom names it in `sync_msg`; unique within its account.
    MessageId, "message id"
);

fn check(noun: &'static str, raw: &str) -> Result<(), InvalidId> {
    if raw.is_empty() || ID_BYTES_MAX < raw.len() {
        return Err(InvalidId::Length {
            noun,
            length: raw.len(),
        });
    }
    if raw.chars().any(char::is_control) {
        return Err(InvalidId::Control { noun });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, ok: bool) {
        assert_eq!(CustomerId::parse(raw).is_ok(), ok, "{raw:?}");
    }

    #[test]
    fn bounds_the_length_and_refuses_control_characters() {
        check("wmA", true);
        check("", false);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check("a\0b", false);
        check("客户", true);
    }

    #[test]
    fn the_error_names_the_noun_only() {
        let error = AccountId::parse("").unwrap_err();
        assert_eq!(error.to_string(), "account id must be 1 to 128 bytes, got 0");
    }
}
