//! Thousands of damaged samples for every parser, the same ones at every run.

use kefu_faults::mutator::check;
use kefu_wecom::client::SyncPage;
use kefu_wecom::crypto::Opened;
use kefu_wecom::fields::{Field, NAME_BYTES_MAX};
use kefu_wecom::query::open_echo;
use kefu_wecom::{CallbackEvent, CallbackKey, Envelope, Keyring, ReceiveIds, SignedQuery, SyncMessage};
use serde_json::Value;

const CASES: u32 = 20_000;

/// Stands in every sample where a customer's words or a secret would; no error may repeat it.
const SECRET: &str = "geheim";

/// A number like `1e308` has 309 digits when it is written out.
const NUMBER_BYTES_MAX: usize = 320;

const ENVELOPES: &[&str] = &[
    "<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[geheimab+/cd==]]></Encrypt><AgentID><![CDATA[218]]></AgentID></xml>",
    "<?xml version=\"1.0\"?>\n<xml>\n <Encrypt>geheimAAAABBBB</Encrypt>\n <ToUserName/></xml>\n",
    r#"{"tousername":"ww1","encrypt":"geheimab+/cd==","agentid":"218"}"#,
    r#" {"ToUserName":"ww1","Encrypt":"geheimAAAA","AgentID":1000002,"More":[{"a":null},true,1.5]}"#,
];

const EVENTS: &[&str] = &[
    "<xml><ToUserName><![CDATA[ww1]]></ToUserName><CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[geheimENC]]></Token><OpenKfId><![CDATA[wk1]]></OpenKfId></xml>",
    "<xml><FromUserName><![CDATA[anna]]></FromUserName><MsgType>text</MsgType><Content><![CDATA[geheim <b> & ]]></Content><MsgId>1234567890123456</MsgId><AgentID>1</AgentID></xml>",
    "<xml><MsgType>event</MsgType><Event>batch_job_result</Event><BatchJob><JobId>geheim</JobId><Items><Item>1</Item><Item>&lt;2&#62;</Item></Items></BatchJob></xml>",
    "<xml><SuiteId>ww2</SuiteId><InfoType> <![CDATA[suite_ticket]]></InfoType><TimeStamp>1700000000</TimeStamp><SuiteTicket>geheim</SuiteTicket></xml>",
    r#"{"ToUserName":"ww1","CreateTime":1700000000,"MsgType":"event","Event":"kf_msg_or_event","Token":"geheimENC","OpenKfId":"wk1"}"#,
    r#"{"msgtype":"event","event":{"eventtype":"enter_chat"},"list":[{"x":"geheim"},"2",[3,[4]]],"n":null,"b":true,"f":1.5}"#,
];

const PAGES: &[&str] = &[
    r#"{"errcode":0,"errmsg":"ok","next_cursor":"c1","has_more":1,"msg_list":[{"msgid":"m1","open_kfid":"wk1","external_userid":"wm1","send_time":1700000000,"origin":3,"msgtype":"text","text":{"content":"geheim \ud83d\ude00","menu_id":"a"}},{"msgid":"m2","external_userid":"wm2","send_time":1700000001,"origin":5,"servicer_userid":"anna","msgtype":"image","image":{"media_id":"geheim"}}]}"#,
    r#"{"errcode":0,"next_cursor":"c2","has_more":0,"msg_list":[{"msgid":"m3","send_time":1700000002,"origin":4,"msgtype":"event","event":{"event_type":"enter_session","open_kfid":"wk1","external_userid":"wm1","scene":"s","welcome_code":"geheim","wechat_channels":{"nickname":"n"}}},{"msgid":"m4","origin":4,"msgtype":"event","event":{"event_type":"msg_send_fail","fail_msgid":"m1","fail_type":4}}]}"#,
    r#"{"errcode":0,"next_cursor":"c3","has_more":false,"msg_list":[{"msgid":"m5","external_userid":"wm1","send_time":"1700000003","origin":"3","msgtype":"merged_msg","merged_msg":{"title":"geheim","item":[{"send_time":1,"msgtype":"text","sender_name":"a","msg_content":"{}"}]}},{"msgid":"m6","external_userid":"wm1","origin":3,"msgtype":"location","location":{"latitude":23.1,"longitude":113.3,"name":"geheim"}},{"msgid":"m7","origin":5,"external_userid":"wm1","msgtype":"msgmenu","msgmenu":{"head_content":"h","list":[{"type":"click","click":{"id":"1","content":"x"}}]}}]}"#,
];

#[test]
fn s44_a_damaged_envelope_is_read_or_refused() {
    check(ENVELOPES, CASES, |body| {
        let parsed = Envelope::parse(body);
        same(&parsed, &Envelope::parse(body))?;
        let envelope = match parsed {
            Ok(envelope) => envelope,
            Err(error) => return silent(&error),
        };
        holds(!envelope.encrypt.is_empty(), "something is encrypted")?;
        holds(
            envelope.encrypt.len() <= body.len().max(NUMBER_BYTES_MAX),
            "nothing grows",
        )?;
        // Whatever was read can be written, in both languages.
        let sealed = kefu_wecom::crypto::Sealed {
            encrypt: envelope.encrypt.clone(),
            msg_signature: String::new(),
            timestamp: String::new(),
            nonce: String::new(),
        };
        let to = envelope.to_user_name.as_deref().unwrap_or_default();
        let agent = envelope.agent_id.as_deref();
        same(
            &Envelope::parse(sealed.request_xml(to, agent).as_bytes()),
            &Ok(envelope.clone()),
        )?;
        same(
            &Envelope::parse(sealed.request_json(to, agent).as_bytes()),
            &Ok(envelope),
        )
    });
}

#[test]
fn a_damaged_plaintext_is_read_or_refused_and_travels_unchanged() {
    let key = key();
    check(EVENTS, CASES, |plaintext| {
        let parsed = CallbackEvent::parse(plaintext);
        same(&parsed, &CallbackEvent::parse(plaintext))?;
        // What cannot be parsed opens all the same, byte by byte.
        if plaintext.len() < 1024 {
            let opened = key.open_unsigned(&key.seal(plaintext, "ww1", [7; 16]), ReceiveIds::Any);
            let receive_id = "ww1".to_owned();
            same(
                &opened,
                &Ok(Opened {
                    plaintext: plaintext.to_vec(),
                    receive_id,
                }),
            )?;
        }
        let event = match parsed {
            Ok(event) => event,
            Err(error) => return silent(&error),
        };
        let (bytes, count) = size(&event.fields);
        holds(
            bytes <= plaintext.len() + count * (NAME_BYTES_MAX + NUMBER_BYTES_MAX),
            "the tree stays small",
        )?;
        let kind = event.kind();
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        holds(
            (1..=64).contains(&kind.len()) && kind.bytes().all(plain),
            "a kind is a label",
        )?;
        holds(
            !event.is_kf_wake_up() || event.event().is_some(),
            "a wake-up is an event",
        )
    });
}

#[test]
fn a_damaged_query_is_read_or_refused() {
    let sealed = key().seal_signed(b"geheim", "ww1", [9; 16], "1700000000", "n+1");
    let samples = [
        sealed.query(),
        sealed.echo_query(),
        format!("a=1&{}&&=&b", sealed.echo_query()),
        sealed.echo_query().replace("%2B", "+"),
    ];
    let keyring = Keyring::new(key());
    check(&samples.each_ref().map(String::as_str), CASES, |query| {
        let query = String::from_utf8_lossy(query);
        let parsed = SignedQuery::parse(&query);
        same(&parsed, &SignedQuery::parse(&query))?;
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return silent(&error),
        };
        let texts = [&parsed.msg_signature, &parsed.timestamp, &parsed.nonce];
        holds(texts.iter().all(|text| !text.is_empty()), "no field is empty")?;
        holds(
            texts.iter().map(|text| text.len()).sum::<usize>() <= query.len(),
            "nothing grows",
        )?;
        match open_echo(&keyring, &parsed, ReceiveIds::OneOf(&["ww1".to_owned()])) {
            Ok(opened) => holds(opened.plaintext == b"geheim", "only what was signed is echoed")?,
            Err(error) => silent(&error)?,
        }
        let Some(encrypt) = parsed.echostr.clone() else {
            return Ok(());
        };
        let again = kefu_wecom::crypto::Sealed {
            encrypt,
            msg_signature: parsed.msg_signature.clone(),
            timestamp: parsed.timestamp.clone(),
            nonce: parsed.nonce.clone(),
        };
        let rendered = again.echo_query();
        match rendered.len() <= kefu_wecom::query::QUERY_BYTES_MAX {
            true => same(&SignedQuery::parse(&rendered), &Ok(parsed)),
            false => Ok(()),
        }
    });
}

#[test]
fn a_damaged_page_is_a_page_or_refused_and_a_message_never_spoils_the_others() {
    check(PAGES, CASES, |answer| {
        let page = match SyncPage::parse(answer) {
            Ok(page) => page,
            Err(error) => {
                holds(!is_page(answer), "a page is read")?;
                return silent(&error);
            }
        };
        let again = SyncPage::parse(answer).map_err(|error| error.to_string())?;
        same(
            &(&page.next_cursor, page.has_more),
            &(&again.next_cursor, again.has_more),
        )?;
        let raw = |page: &SyncPage| {
            page.messages
                .iter()
                .map(|raw| raw.get().to_owned())
                .collect::<Vec<_>>()
        };
        same(&raw(&page), &raw(&again))?;
        // A byte that is no UTF-8 becomes a sign of three.
        let kept: usize = page.messages.iter().map(|raw| raw.get().len()).sum();
        holds(kept <= 3 * answer.len(), "nothing grows")?;
        for raw in &page.messages {
            let message = SyncMessage::parse(raw);
            same(&message, &SyncMessage::parse(raw))?;
            match message {
                Ok(message) => holds(!message.msgid.is_empty(), "a message has an id")?,
                Err(error) => silent(&error)?,
            }
        }
        Ok(())
    });
}

/// What any reader of JSON would call one, with each of its fields once.
fn is_page(answer: &[u8]) -> bool {
    let Ok(Value::Object(page)) = serde_json::from_slice(answer) else {
        return false;
    };
    let text = String::from_utf8_lossy(answer);
    let names = ["\"next_cursor\"", "\"has_more\"", "\"msg_list\""];
    let once = names.iter().all(|name| text.matches(name).count() <= 1);
    let cursor = page
        .get("next_cursor")
        .is_none_or(|cursor| cursor.is_string() || cursor.is_null());
    let list = page
        .get("msg_list")
        .is_none_or(|list| list.is_array() || list.is_null());
    once && cursor && list
}

fn key() -> CallbackKey {
    CallbackKey::new(
        &"QDG6eK".into(),
        &"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".into(),
    )
    .unwrap()
}

/// Bytes and count of all fields.
fn size(fields: &[Field]) -> (usize, usize) {
    fields.iter().fold((0, 0), |(bytes, count), field| {
        let (inner_bytes, inner_count) = size(&field.children);
        let own = field.name.len() + field.text.len();
        (bytes + own + inner_bytes, count + 1 + inner_count)
    })
}

fn same<T: PartialEq + std::fmt::Debug>(one: &T, two: &T) -> Result<(), String> {
    match one == two {
        true => Ok(()),
        false => Err(format!("{one:?} is not {two:?}")),
    }
}

fn holds(condition: bool, what: &str) -> Result<(), String> {
    match condition {
        true => Ok(()),
        false => Err(format!("not so: {what}")),
    }
}

/// An error is one short line that repeats nothing of the input.
fn silent(error: &dyn std::error::Error) -> Result<(), String> {
    let text = error.to_string();
    let quiet = !text.contains(SECRET) && text.len() < 200 && !text.contains(char::is_control);
    holds(quiet, "the error says nothing of the input")
}
