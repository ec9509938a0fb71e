//! Damaged frames and ciphertexts: the inside of the cipher, which no forger reaches but a wrong key does.

use kefu_faults::mutator::check;

use super::*;

const CASES: u32 = 20_000;

fn key() -> CallbackKey {
    CallbackKey::new(
        &"QDG6eK".into(),
        &"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".into(),
    )
    .unwrap()
}

impl CallbackKey {
    /// Encrypts a frame as it is.
    fn seal_frame(&self, mut frame: Vec<u8>) -> String {
        let length = frame.len();
        cbc::Encryptor::<Aes256>::new(self.key().into(), self.iv().into())
            .encrypt_padded::<NoPadding>(&mut frame, length)
            .unwrap();
        STANDARD.encode(frame)
    }
}

#[test]
fn a_damaged_frame_opens_to_what_it_says_or_not_at_all() {
    let samples = [
        ("<xml>geheim</xml>", "ww1"),
        ("{\"a\":1}", ""),
        ("", "ww1"),
        ("1234567890", "suite"),
    ]
    .map(|(plaintext, receive_id)| frame::write(plaintext.as_bytes(), receive_id, *b"0123456789abcdef"))
    .map(|frame| String::from_utf8(frame).unwrap());
    let key = key();
    check(&samples.each_ref().map(String::as_str), CASES, |frame| {
        // The cipher needs whole blocks; a padding that fits lets the damage through to the rest.
        let mut frame = frame.to_vec();
        let missing = (BLOCK_BYTES - frame.len() % BLOCK_BYTES) % BLOCK_BYTES;
        frame.resize(frame.len() + missing, u8::try_from(missing).unwrap());
        let encrypt = key.seal_frame(frame.clone());
        let opened = key.open_unsigned(&encrypt, ReceiveIds::Any);
        if opened != key.open_unsigned(&encrypt, ReceiveIds::Any) {
            return Err("opens differently the second time".to_owned());
        }
        match opened {
            Ok(opened) => {
                let length = u32::try_from(opened.plaintext.len()).unwrap().to_be_bytes();
                let inside = [&length, &*opened.plaintext, opened.receive_id.as_bytes()].concat();
                let padding = frame[16..].strip_prefix(&*inside);
                let fits = |padding: &[u8]| padding.iter().all(|byte| usize::from(*byte) == padding.len());
                padding
                    .is_some_and(fits)
                    .then_some(())
                    .ok_or(format!("{opened:?} is not in it"))
            }
            Err(OpenError::Padding | OpenError::Frame) => Ok(()),
            Err(OpenError::CiphertextLength { bytes: 0 }) if frame.is_empty() => Ok(()),
            Err(other) => Err(format!("undocumented: {other}")),
        }
    });
}

#[test]
fn a_damaged_ciphertext_never_passes_the_signature_and_never_panics() {
    let key = key();
    let sealed = ["<xml>geheim</xml>", "1616140317555161061"]
        .map(|text| key.seal_signed(text.as_bytes(), "ww1", [5; 16], "1700000000", "n"));
    let samples = sealed.each_ref().map(|sealed| sealed.encrypt.as_str());
    check(&samples, CASES, |encrypt| {
        let encrypt = String::from_utf8_lossy(encrypt);
        // Each with either signature would cost twice as much.
        let signed = &sealed[encrypt.len() % 2];
        let opened = key.open(&signed.signed(), &encrypt, ReceiveIds::Any);
        if opened.is_ok() != (signed.encrypt == encrypt) {
            return Err(format!("{opened:?}"));
        }
        match key.open_unsigned(&encrypt, ReceiveIds::Any) {
            Err(OpenError::Signature | OpenError::ReceiveId) => Err("not what was asked".to_owned()),
            Err(error) if error.to_string().contains("geheim") => Err(error.to_string()),
            _ => Ok(()),
        }
    });
}
