//! Signature and cipher of callbacks (doc 91144).
//!
//! The order of checks is fixed: signature over the raw `Encrypt` text first, in constant time,
//! so that nothing behind it can serve as an oracle to somebody without the token.

#[cfg(test)]
mod damaged;
mod frame;
mod keyring;
mod sealed;

use std::fmt::Write;

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use thiserror::Error;

pub use keyring::Keyring;
pub use sealed::Sealed;

/// Characters of an `EncodingAESKey`.
pub const ENCODING_AES_KEY_LENGTH: usize = 43;
/// Longest token WeCom's console accepts.
pub const TOKEN_LENGTH_MAX: usize = 32;

const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const SHA1_BYTES: usize = 20;

/// Decodes an `EncodingAESKey`: 43 characters carry 258 bits for a 256-bit key, and WeCom does not
/// clear the two spare ones, so three of four real keys are not canonical base64.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Token and AES key of one callback address.
pub struct CallbackKey {
    token: SecretString,
    aes_key: SecretBox<[u8; KEY_BYTES]>,
}

/// Why a token or key cannot be used. Never holds any part of either.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidCallbackKey {
    #[error("token must be 1 to {TOKEN_LENGTH_MAX} letters or digits, got {length} characters")]
    TokenLength { length: usize },
    #[error("token must consist of letters and digits")]
    TokenCharacter,
    #[error("encoding_aes_key must be {ENCODING_AES_KEY_LENGTH} characters, got {length}")]
    KeyLength { length: usize },
    #[error("encoding_aes_key must consist of letters and digits (base64), without padding")]
    KeyCharacter,
}

/// The three signed values beside the ciphertext, as they stand in the query after one decoding.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub msg_signature: &'a str,
    pub timestamp: &'a str,
    pub nonce: &'a str,
}

/// Which receive ids a frame may end with.
#[derive(Clone, Copy, Debug)]
pub enum ReceiveIds<'a> {
    /// Not checked: for checking one callback by hand.
    Any,
    /// Exactly one of these; the empty id counts only when it is listed.
    OneOf(&'a [String]),
}

/// The content of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// XML, JSON, or the digits of an echo; not necessarily UTF-8.
    pub plaintext: Vec<u8>,
    /// Corp id, suite id, or empty.
    pub receive_id: String,
}

/// Why a callback does not open.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    #[error("signature does not match")]
    Signature,
    #[error("ciphertext is not base64")]
    Base64,
    #[error("ciphertext of {bytes} bytes is not a positive multiple of {BLOCK_BYTES}")]
    CiphertextLength { bytes: usize },
    #[error("padding is wrong: another AES key, or a damaged ciphertext")]
    Padding,
    #[error("frame is shorter than it says: another AES key, or a damaged ciphertext")]
    Frame,
    #[error("receive id is not one of the accepted ones")]
    ReceiveId,
}

impl CallbackKey {
    /// Checks both values as the console of WeCom would (doc 91116).
    pub fn new(
        token: &SecretString,
        encoding_aes_key: &SecretString,
    ) -> Result<CallbackKey, InvalidCallbackKey> {
        CallbackKey::check_token(token)?;
        Ok(CallbackKey {
            token: token.clone(),
            aes_key: SecretBox::new(decoded(encoding_aes_key)?),
        })
    }

    /// Whether the console of WeCom would take this token.
    pub(crate) fn check_token(token: &SecretString) -> Result<(), InvalidCallbackKey> {
        let plain = token.expose_secret();
        let length = plain.chars().count();
        if length == 0 || length > TOKEN_LENGTH_MAX {
            return Err(InvalidCallbackKey::TokenLength { length });
        }
        if !plain.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidCallbackKey::TokenCharacter);
        }
        Ok(())
    }

    /// Whether the console of WeCom would take this EncodingAESKey.
    pub(crate) fn check_key(encoding_aes_key: &SecretString) -> Result<(), InvalidCallbackKey> {
        decoded(encoding_aes_key).map(drop)
    }

    /// Lower-case hex SHA-1 over the sorted token, timestamp, nonce and ciphertext (doc 91144).
    ///
    /// Timestamp and nonce are opaque texts: real nonces hold letters.
    pub fn signature(&self, timestamp: &str, nonce: &str, encrypt: &str) -> String {
        let mut parts = [self.token.expose_secret(), timestamp, nonce, encrypt];
        parts.sort_unstable();
        let mut hash = Sha1::new();
        for part in parts {
            hash.update(part);
        }
        let mut hex = String::with_capacity(2 * SHA1_BYTES);
        for byte in hash.finalize() {
            write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        }
        hex
    }

    /// Opens a signed callback. `encrypt` is the raw text, for an echo the `echostr`.
    pub fn open(
        &self,
        signed: &Signed<'_>,
        encrypt: &str,
        receive_ids: ReceiveIds<'_>,
    ) -> Result<Opened, OpenError> {
        let expected = self.signature(signed.timestamp, signed.nonce, encrypt);
        if !bool::from(expected.as_bytes().ct_eq(signed.msg_signature.as_bytes())) {
            return Err(OpenError::Signature);
        }
        self.open_unsigned(encrypt, receive_ids)
    }

    /// Opens a ciphertext without looking at a signature: for checking one by hand, never for a callback.
    pub fn open_unsigned(&self, encrypt: &str, receive_ids: ReceiveIds<'_>) -> Result<Opened, OpenError> {
        let mut buffer = STANDARD.decode(encrypt).map_err(|_| OpenError::Base64)?;
        // WeCom pads to 32, but other writers of the same scheme pad to 16.
        if buffer.is_empty() || !buffer.len().is_multiple_of(BLOCK_BYTES) {
            return Err(OpenError::CiphertextLength { bytes: buffer.len() });
        }
        cbc::Decryptor::<Aes256>::new(self.key().into(), self.iv().into())
            .decrypt_padded::<NoPadding>(&mut buffer)
            .map_err(|_| OpenError::Padding)?;
        let opened = frame::read(&buffer)?;
        match receive_ids {
            ReceiveIds::Any => Ok(opened),
            ReceiveIds::OneOf(accepted) if accepted.contains(&opened.receive_id) => Ok(opened),
            ReceiveIds::OneOf(_) => Err(OpenError::ReceiveId),
        }
    }

    /// Encrypts as WeCom does and returns base64. `random` must be unpredictable outside tests.
    pub fn seal(&self, plaintext: &[u8], receive_id: &str, random: [u8; 16]) -> String {
        let mut buffer = frame::write(plaintext, receive_id, random);
        let length = buffer.len();
        cbc::Encryptor::<Aes256>::new(self.key().into(), self.iv().into())
            .encrypt_padded::<NoPadding>(&mut buffer, length)
            .expect("a frame is padded to a multiple of the block");
        STANDARD.encode(buffer)
    }

    /// Seals and signs: the parts of a callback (for a stand-in of WeCom) or of a passive reply.
    pub fn seal_signed(
        &self,
        plaintext: &[u8],
        receive_id: &str,
        random: [u8; 16],
        timestamp: &str,
        nonce: &str,
    ) -> Sealed {
        let encrypt = self.seal(plaintext, receive_id, random);
        let msg_signature = self.signature(timestamp, nonce, &encrypt);
        Sealed {
            encrypt,
            msg_signature,
            timestamp: timestamp.to_owned(),
            nonce: nonce.to_owned(),
        }
    }

    fn key(&self) -> &[u8; KEY_BYTES] {
        self.aes_key.expose_secret()
    }

    /// The first half of the key (doc 91144): fixed by WeCom, the random prefix of the frame makes up for it.
    fn iv(&self) -> &[u8; IV_BYTES] {
        self.key()
            .first_chunk()
            .expect("a key is longer than an initialisation vector")
    }
}

fn decoded(encoding_aes_key: &SecretString) -> Result<Box<[u8; KEY_BYTES]>, InvalidCallbackKey> {
    let encoded = encoding_aes_key.expose_secret();
    let length = encoded.chars().count();
    if length != ENCODING_AES_KEY_LENGTH {
        return Err(InvalidCallbackKey::KeyLength { length });
    }
    let mut key = Box::new([0; KEY_BYTES]);
    match KEY_BASE64.decode_slice(encoded, key.as_mut_slice()) {
        Ok(KEY_BYTES) => Ok(key),
        _ => Err(InvalidCallbackKey::KeyCharacter),
    }
}

impl std::fmt::Debug for CallbackKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallbackKey([REDACTED])")
    }
}
