use sha1::{Digest, Sha1};

use crate::{ConversationKey, Purpose};

/// Characters of a msgid we choose: WeCom takes at most 32 of `[0-9a-zA-Z_-]` (doc 96427).
pub const MSGID_LENGTH: usize = 32;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What makes one outgoing part different from every other of its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartName<'a> {
    pub purpose: Purpose,
    /// The last customer message the reply answers.
    pub answers: &'a str,
    /// Raised after a definite refusal: it is not documented whether a refused call uses its msgid up.
    pub generation: u32,
    /// From 1.
    pub part: u32,
}

/// The msgid under which a part is sent: the same for the same part on every try, in every process.
///
/// WeCom refuses a msgid it has seen on the account, which is what makes repeating a send harmless.
pub fn msgid(conversation: &ConversationKey, name: PartName<'_>) -> String {
    let mut hash = Sha1::new();
    let fields = [
        conversation.corp.as_str(),
        conversation.account.as_str(),
        conversation.customer.as_str(),
        name.purpose.as_str(),
        name.answers,
    ];
    for field in fields {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.update(name.generation.to_be_bytes());
    hash.update(name.part.to_be_bytes());
    base32(&hash.finalize())
}

/// 20 bytes are exactly 32 digits of 5 bits.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(MSGID_LENGTH);
    for group in bytes.chunks(5) {
        let bits = group
            .iter()
            .fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for digit in (0..8).rev() {
            text.push(char::from(ALPHABET[((bits >> (digit * 5)) & 31) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, CorpId, CustomerId};

    fn key(customer: &str) -> ConversationKey {
        ConversationKey {
            corp: CorpId::parse("ww1").unwrap(),
            account: AccountId::parse("wk1").unwrap(),
            customer: CustomerId::parse(customer).unwrap(),
        }
    }

    const NAME: PartName<'_> = PartName {
        purpose: Purpose::Reply,
        answers: "m1",
        generation: 0,
        part: 1,
    };

    #[test]
    fn is_32_characters_of_the_allowed_alphabet_and_stable() {
        let id = msgid(&key("wm1"), NAME);
        assert_eq!(id.len(), MSGID_LENGTH);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(id, msgid(&key("wm1"), NAME));
    }

    #[test]
    fn every_field_changes_it() {
        let base = msgid(&key("wm1"), NAME);
        let others = [
            msgid(&key("wm2"), NAME),
            msgid(
                &key("wm1"),
                PartName {
                    purpose: Purpose::Welcome,
                    ..NAME
                },
            ),
            msgid(
                &key("wm1"),
                PartName {
                    answers: "m2",
                    ..NAME
                },
            ),
            msgid(
                &key("wm1"),
                PartName {
                    generation: 1,
                    ..NAME
                },
            ),
            msgid(&key("wm1"), PartName { part: 2, ..NAME }),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn base32_agrees_with_the_standard_alphabet() {
        // RFC 4648, section 10, "fooba" in lower case.
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
    }
}
