//! Vectors from outside this code: facts published by WeCom and by other implementations.

use kefu_wecom::crypto::InvalidCallbackKey;
use kefu_wecom::{CallbackKey, Keyring, OpenError, ReceiveIds, Signed};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    opens: Vec<Vector>,
    odd: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    token: Option<String>,
    encoding_aes_key: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    msg_signature: Option<String>,
    #[serde(default)]
    receive_id: String,
    #[serde(default)]
    random: String,
    #[serde(default)]
    encrypt: String,
    #[serde(default)]
    plaintext: Option<String>,
}

impl Vector {
    fn key(&self) -> Result<CallbackKey, InvalidCallbackKey> {
        key(self.token.as_deref().unwrap_or("unused"), &self.encoding_aes_key)
    }

    fn signed(&self) -> Signed<'_> {
        let msg_signature = self.msg_signature.as_deref().unwrap();
        Signed {
            msg_signature,
            timestamp: &self.timestamp,
            nonce: &self.nonce,
        }
    }

    fn random(&self) -> [u8; 16] {
        let bytes = (0..16).map(|at| u8::from_str_radix(&self.random[2 * at..2 * at + 2], 16).unwrap());
        bytes.collect::<Vec<_>>().try_into().unwrap()
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

fn key(token: &str, encoding_aes_key: &str) -> Result<CallbackKey, InvalidCallbackKey> {
    CallbackKey::new(&token.into(), &encoding_aes_key.into())
}

#[test]
fn every_published_vector_opens_and_seals_to_the_same_text() {
    let vectors = vectors().opens;
    assert_eq!(vectors.len(), 22);
    let mut signed = 0;
    for vector in &vectors {
        let key = vector.key().unwrap();
        let accepted = [vector.receive_id.clone()];
        let plaintext = vector.plaintext.as_deref().unwrap();
        let opened = key
            .open_unsigned(&vector.encrypt, ReceiveIds::OneOf(&accepted))
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&opened.plaintext),
            plaintext,
            "{}",
            vector.id
        );
        let sealed = key.seal(plaintext.as_bytes(), &vector.receive_id, vector.random());
        assert_eq!(sealed, vector.encrypt, "{}", vector.id);
        if vector.msg_signature.is_some() {
            signed += 1;
            key.open(&vector.signed(), &vector.encrypt, ReceiveIds::OneOf(&accepted))
                .unwrap();
        }
    }
    assert_eq!(signed, 17);
}

#[test]
fn odd_vectors_get_the_verdict_that_fits() {
    let vectors = vectors().odd;
    assert_eq!(vectors.len(), 11);
    for vector in &vectors {
        let verdict = match vector.key() {
            Err(InvalidCallbackKey::KeyLength { .. } | InvalidCallbackKey::KeyCharacter) => "key",
            Err(other) => panic!("{}: {other}", vector.id),
            Ok(key) => {
                let accepted = [vector.receive_id.clone()];
                let opened = match &vector.msg_signature {
                    Some(_) if vector.receive_id.is_empty() => {
                        key.open(&vector.signed(), &vector.encrypt, ReceiveIds::Any)
                    }
                    Some(_) => key.open(&vector.signed(), &vector.encrypt, ReceiveIds::OneOf(&accepted)),
                    None => key.open_unsigned(&vector.encrypt, ReceiveIds::Any),
                };
                match opened {
                    Ok(opened) => {
                        if let Some(plaintext) = &vector.plaintext {
                            assert_eq!(&String::from_utf8(opened.plaintext).unwrap(), plaintext);
                        }
                        "opens"
                    }
                    Err(OpenError::Signature) => "signature",
                    Err(OpenError::Frame) => "frame",
                    Err(OpenError::ReceiveId) => "receive id",
                    Err(other) => panic!("{}: {other}", vector.id),
                }
            }
        };
        assert_eq!(verdict, vector.verdict, "{}", vector.id);
    }
}

#[test]
fn bad_tokens_and_keys_are_named_and_never_printed() {
    const KEY: &str = "4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws";
    let long = "x".repeat(33);
    for (token, encoding_aes_key, expected) in [
        (
            "",
            KEY,
            "token must be 1 to 32 letters or digits, got 0 characters",
        ),
        (
            &long,
            KEY,
            "token must be 1 to 32 letters or digits, got 33 characters",
        ),
        ("a b", KEY, "token must consist of letters and digits"),
        ("t", &KEY[..42], "encoding_aes_key must be 43 characters, got 42"),
        (
            "t",
            "四Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws",
            "encoding_aes_key must consist of",
        ),
    ] {
        let error = key(token, encoding_aes_key).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("Ma3YBr"));
    }
    assert_eq!(format!("{:?}", key("t", KEY).unwrap()), "CallbackKey([REDACTED])");
}

#[test]
fn the_empty_receive_id_is_accepted_only_when_listed() {
    let key = key("t", "4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws").unwrap();
    let encrypt = key.seal(b"x", "", [7; 16]);
    let corp = ["ww1".to_owned()];
    let both = ["ww1".to_owned(), String::new()];
    assert_eq!(
        key.open_unsigned(&encrypt, ReceiveIds::OneOf(&corp)),
        Err(OpenError::ReceiveId)
    );
    assert_eq!(
        key.open_unsigned(&encrypt, ReceiveIds::OneOf(&[])),
        Err(OpenError::ReceiveId)
    );
    assert!(key.open_unsigned(&encrypt, ReceiveIds::OneOf(&both)).is_ok());
    assert!(key.open_unsigned(&encrypt, ReceiveIds::Any).is_ok());
}

#[test]
fn a_keyring_opens_with_the_previous_key_during_a_rotation() {
    let old = || key("tokenA", "4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws").unwrap();
    let new = || key("tokenA", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").unwrap();
    let other = key("tokenB", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").unwrap();
    let sealed = old().seal_signed(b"<xml/>", "ww1", [1; 16], "1700000000", "n");
    let open = |keyring: Keyring, accepted: &[String]| {
        keyring.open(&sealed.signed(), &sealed.encrypt, ReceiveIds::OneOf(accepted))
    };
    let corp = ["ww1".to_owned()];
    // The token stayed, so the signature is good under both keys and only the cipher tells them apart.
    assert!(open(Keyring::new(new()).with_previous(old()), &corp).is_ok());
    assert!(matches!(
        open(Keyring::new(new()), &corp),
        Err(OpenError::Padding | OpenError::Frame)
    ));
    let foreign = ["ww2".to_owned()];
    assert_eq!(
        open(Keyring::new(other).with_previous(old()), &foreign),
        Err(OpenError::ReceiveId)
    );
}
