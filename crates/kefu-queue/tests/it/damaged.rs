//! Thousands of damaged envelopes, the same ones at every run.

use kefu_faults::mutator::check;
use kefu_queue::{BODY_BYTES_MAX, InvalidEnvelope, Job};
use serde_json::{Value, json};

const CASES: u32 = 20_000;

/// Stands in every sample where a customer's words would; no error may repeat it.
const SECRET: &str = "geheim";

const ENVELOPES: &[&str] = &[
    r#"{"v":1,"id":"0123456789abcdef0123456789abcdef","kind":"kf.sync","app":"default","lane":"high","dedup":null,"received_at_ms":1700000000000,"attempt":1,"replay":0,"trace":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","payload":{"account":"wk1","token":"geheim"}}"#,
    r#"{"v":1,"id":"a","kind":"app.event","app":"sales","lane":"low","dedup":"da39a3ee5e6b4b0d3255bfef95601890afd80709","received_at_ms":0,"attempt":6,"payload":{"kind":"text","plaintext":"<xml>geheim</xml>","numbers":[1.5,-3,18446744073709551615,0.1]},"tenant":{"id":7,"deep":[[{"a":null}]]},"errors":{"first":{"at_ms":1,"text":"a"},"last":{"at_ms":2,"text":"b"}}}"#,
    r#"{"v":2,"id":"b","kind":"kf.turn","attempt":3,"shape":["geheim"]}"#,
];

#[test]
fn a_damaged_envelope_is_read_whole_or_refused() {
    check(ENVELOPES, CASES, |body| {
        let decoded = Job::decode(body);
        if decoded != Job::decode(body) {
            return Err("reads differently the second time".to_owned());
        }
        match decoded {
            Ok(job) => kept(body, &job),
            Err(error) => silent(&error),
        }
    });
}

/// What was read is written back, whether we know it or not.
fn kept(body: &[u8], job: &Job) -> Result<(), String> {
    let encoded = job.encode();
    if Job::decode(&encoded).as_ref() != Ok(job) {
        return Err("reads back differently".to_owned());
    }
    if BODY_BYTES_MAX < encoded.len() || format!("{job:?}").len() > 8 * body.len() + 512 {
        return Err("grows".to_owned());
    }
    let came: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let goes: Value = serde_json::from_slice(&encoded).map_err(|error| error.to_string())?;
    for (name, value) in came.as_object().into_iter().flatten() {
        // The first execution, counted from 0.
        let counted = name == "attempt" && value == &json!(0) && job.attempt == 1;
        if goes.get(name) != Some(value) && !counted {
            return Err(format!("{name} was {value}, is {:?}", goes.get(name)));
        }
    }
    Ok(())
}

fn silent(error: &InvalidEnvelope) -> Result<(), String> {
    let text = error.to_string();
    let counts = !matches!(error, InvalidEnvelope::UnknownVersion { attempt: 0, .. });
    match counts && !text.contains(SECRET) && text.len() < 200 {
        true => Ok(()),
        false => Err(text),
    }
}
