//! Damaged answers of WeCom, as each call reads them.

use kefu_faults::mutator;
use serde::de::DeserializeOwned;

use super::accounts::Page;
use super::customers::Batch;
use super::send::Accepted;
use super::service_state::{StateAnswer, StateNow};
use super::tokens::{self, Token};
use super::transport::{check, decode};
use crate::error::{ApiError, Failure};

const CASES: u32 = 20_000;

/// Stands in every sample where a secret or a name would.
const SECRET: &str = "geheim";
const ACCESS_TOKEN: &str = "T0KENx";

const REFUSALS: [&str; 2] = [
    r#"{"errcode":40014,"errmsg":"invalid access_token T0KENx, hint: [1700000000]"}"#,
    r#"{"errcode":-1,"errmsg":"system busy"}"#,
];

/// Reads damaged forms of `answer`, and of refusals, as `read` does behind the check of `errcode`.
fn read_damaged<T>(api: &'static str, answer: &str, read: impl Fn(&[u8]) -> Result<T, ApiError>) {
    let token = Token::new(ACCESS_TOKEN);
    mutator::check(&[answer, answer, REFUSALS[0], REFUSALS[1]], CASES, |bytes| {
        let one = check(api, bytes, Some(&token)).and_then(|()| read(bytes)).err();
        let two = check(api, bytes, Some(&token)).and_then(|()| read(bytes)).err();
        if one != two {
            return Err(format!("{one:?} is not {two:?}"));
        }
        one.map_or(Ok(()), |error| documented(&error))
    });
}

fn documented(error: &ApiError) -> Result<(), String> {
    let text = error.to_string();
    let fits = match &error.failure {
        // WeCom's own words are kept, the token among them is not.
        Failure::Refused { code, message } => {
            *code != 0 && message.chars().count() <= 512 && !message.contains(ACCESS_TOKEN)
        }
        Failure::Unreadable(_) => !text.contains(SECRET) && text.len() < 200,
        _ => false,
    };
    // Everybody who prints the error relies on the one line.
    match fits && !text.contains(char::is_control) {
        true => Ok(()),
        false => Err(format!("undocumented: {text}")),
    }
}

fn as_type<T: DeserializeOwned>(api: &'static str) -> impl Fn(&[u8]) -> Result<T, ApiError> {
    move |bytes| decode(api, bytes)
}

#[test]
fn a_damaged_token_is_granted_or_refused() {
    let answer = r#"{"errcode":0,"errmsg":"ok","access_token":"geheim","expires_in":7200}"#;
    read_damaged("gettoken", answer, |bytes| {
        tokens::granted(bytes).inspect(|granted| assert!(!granted.lifetime.is_zero()))
    });
}

#[test]
fn a_damaged_acceptance_is_read_or_refused() {
    let answer = r#"{"errcode":0,"errmsg":"ok","msgid":"geheim1"}"#;
    read_damaged("kf/send_msg", answer, as_type::<Accepted>("kf/send_msg"));
}

#[test]
fn a_damaged_service_state_is_read_or_refused() {
    let answer = r#"{"errcode":0,"errmsg":"ok","service_state":3,"servicer_userid":"geheim"}"#;
    read_damaged("kf/service_state/get", answer, |bytes| {
        decode::<StateAnswer>("kf/service_state/get", bytes)
            .map(StateNow::from)
            .inspect(|now| assert_ne!(now.servicer_userid.as_deref(), Some("")))
    });
}

#[test]
fn a_damaged_list_of_accounts_is_read_or_refused() {
    let answer = r#"{"errcode":0,"errmsg":"ok","account_list":[{"open_kfid":"wk1","name":"geheim","avatar":"https://x/y","manage_privilege":true},{"open_kfid":"wk2","name":"b"}]}"#;
    read_damaged("kf/account/list", answer, as_type::<Page>("kf/account/list"));
}

#[test]
fn a_damaged_batch_of_customers_is_read_or_refused() {
    let answer = r#"{"errcode":0,"errmsg":"ok","customer_list":[{"external_userid":"wm1","nickname":"geheim","avatar":"","gender":1,"unionid":"u","enter_session_context":{"scene":"s","scene_param":"p"}}],"invalid_external_userid":["wm2"]}"#;
    read_damaged(
        "kf/customer/batchget",
        answer,
        as_type::<Batch>("kf/customer/batchget"),
    );
}

#[test]
fn a_token_that_control_characters_cut_in_two_does_not_grow_together() {
    let answer = br#"{"errcode":40014,"errmsg":"invalid T0K\u0001ENx"}"#;
    let error = check("kf/send_msg", answer, Some(&Token::new(ACCESS_TOKEN))).unwrap_err();
    assert!(error.to_string().ends_with("invalid [token]"), "{error}");
}
