use kefu_wecom::query::open_echo;
use kefu_wecom::{
    CallbackEvent, CallbackKey, Envelope, Keyring, OpenError, ReceiveIds, Signed, SignedQuery, SyncMessage,
};
use proptest::prelude::*;
use serde_json::value::RawValue;

fn key() -> CallbackKey {
    CallbackKey::new(
        &"QDG6eK".into(),
        &"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".into(),
    )
    .unwrap()
}

/// Text that often looks like the start of something.
fn nearly_xml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<xml>"),
        Just("</xml>"),
        Just("<a>"),
        Just("</a>"),
        Just("<Encrypt>"),
        Just("</Encrypt>"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("&lt;"),
        Just("&#x0;"),
        Just("&#1114112;"),
        Just("&"),
        Just(";"),
        Just("<!--"),
        Just("-->"),
        Just("<?x"),
        Just("?>"),
        Just("<!DOCTYPE"),
        Just("<a b='"),
        Just("\u{feff}"),
        Just("你"),
        Just(" "),
        Just("/>"),
        Just("<"),
        Just(">"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\"msgid\""),
        Just("\"event\""),
        Just("\"msgtype\""),
        Just("\"text\""),
        Just("\"encrypt\""),
        Just("1e999"),
        Just("-0"),
        Just("null"),
        Just("\"\\ud83d\""),
        Just("\"\\"),
        Just("\""),
        Just("18446744073709551616"),
        Just("你"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_sealed_opens(
        plaintext in prop::collection::vec(any::<u8>(), 0..300), receive_id in ".{0,40}", random in any::<[u8; 16]>(),
    ) {
        let key = key();
        let sealed = key.seal_signed(&plaintext, &receive_id, random, "1", "n");
        let accepted = [receive_id.clone()];
        let opened = key.open(&sealed.signed(), &sealed.encrypt, ReceiveIds::OneOf(&accepted)).unwrap();
        prop_assert_eq!(opened.plaintext, plaintext);
        prop_assert_eq!(opened.receive_id, receive_id);
    }

    #[test]
    fn s46_a_flipped_bit_is_never_accepted(plaintext in prop::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>()) {
        let key = key();
        let sealed = key.seal_signed(&plaintext, "ww1", [5; 16], "1700000000", "nonce");
        let flip = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (signed, encrypt) = (sealed.signed(), sealed.encrypt.as_str());
        let (signature, time, nonce) = (flip(signed.msg_signature), flip(signed.timestamp), flip(signed.nonce));
        for (signed, encrypt) in [
            (Signed { msg_signature: &signature, ..signed }, encrypt),
            (Signed { timestamp: &time, ..signed }, encrypt),
            (Signed { nonce: &nonce, ..signed }, encrypt),
            (signed, &*flip(encrypt)),
        ] {
            prop_assert_eq!(key.open(&signed, encrypt, ReceiveIds::Any), Err(OpenError::Signature));
        }
    }

    #[test]
    fn no_ciphertext_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        use base64::Engine;
        let padded = [&bytes[..], &vec![0; (16 - bytes.len() % 16) % 16]].concat();
        let encrypt = base64::engine::general_purpose::STANDARD.encode(padded);
        let opened = key().open_unsigned(&encrypt, ReceiveIds::OneOf(&["ww1".to_owned()]));
        prop_assert!(opened.is_err());
        prop_assert!(key().open_unsigned(&text, ReceiveIds::Any).is_err());
    }

    #[test]
    fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), xml in nearly_xml(), json in nearly_json()) {
        for body in [&bytes[..], xml.as_bytes(), json.as_bytes(), format!("<xml>{xml}").as_bytes(), format!("{{{json}").as_bytes()] {
            let _ = Envelope::parse(body);
            if let Ok(event) = CallbackEvent::parse(body) {
                prop_assert!(event.kind().len() <= 64);
                let _ = (event.create_time(), event.event(), event.is_kf_wake_up());
            }
        }
    }

    #[test]
    fn no_query_panics(query in "[a-z_=&%+ 0-9\u{0}你]{0,80}", echostr in ".{0,40}") {
        let _ = SignedQuery::parse(&query);
        if let Ok(query) = SignedQuery::parse(&format!("msg_signature=a&timestamp=1&nonce=2&echostr={echostr}")) {
            prop_assert!(open_echo(&Keyring::new(key()), &query, ReceiveIds::Any).is_err());
        }
    }

    #[test]
    fn no_message_panics(json in nearly_json(), inner in nearly_json()) {
        for text in [json.clone(), format!("{{\"msgid\":\"m\",\"msgtype\":\"text\",\"text\":{inner}}}"), format!("{{{inner}}}")] {
            if let Ok(raw) = RawValue::from_string(text) {
                let _ = SyncMessage::parse(&raw);
            }
        }
    }
}
