use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kefu_domain::{CorpId, Millis};
use kefu_queue::Lane;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::{JobKind, id};

/// Store a callback that is no wake-up of an account.
///
/// It may come twice, so it is claimed by the hash of its bytes; wake-ups are only ever merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreEvent {
    /// WeCom's name for it, such as `event.click`.
    pub kind: String,
    /// As the ingress knew the app; absent in jobs of versions before.
    #[serde(default, with = "id::corp::optional")]
    pub corp: Option<CorpId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at_ms: Option<i64>,
    #[serde(flatten)]
    plaintext: Plaintext,
}

/// Text where the bytes are some, for people who read the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Plaintext {
    #[serde(rename = "plaintext")]
    Text(String),
    #[serde(rename = "plaintext_base64", with = "base64_bytes")]
    Bytes(Vec<u8>),
}

impl JobKind for StoreEvent {
    const KIND: &'static str = "app.event";
    const LANE: Lane = Lane::Medium;

    fn dedup(&self) -> Option<String> {
        let hash = Sha1::digest(self.raw());
        Some(hash.iter().fold(String::with_capacity(40), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

impl StoreEvent {
    pub fn new(
        kind: String,
        corp: CorpId,
        from_user: Option<String>,
        created_at: Option<Millis>,
        plaintext: Vec<u8>,
    ) -> StoreEvent {
        StoreEvent {
            kind,
            corp: Some(corp),
            from_user,
            created_at_ms: created_at.map(|at| at.0),
            plaintext: match String::from_utf8(plaintext) {
                Ok(text) => Plaintext::Text(text),
                Err(error) => Plaintext::Bytes(error.into_bytes()),
            },
        }
    }

    pub fn created_at(&self) -> Option<Millis> {
        self.created_at_ms.map(Millis)
    }

    /// The decrypted bytes of the callback.
    pub fn raw(&self) -> &[u8] {
        match &self.plaintext {
            Plaintext::Text(text) => text.as_bytes(),
            Plaintext::Bytes(bytes) => bytes,
        }
    }
}

mod base64_bytes {
    use serde::{Deserializer, Serializer, de};

    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}
