//! What Tencent publishes as samples of its own callbacks, through the running roles.

use reqwest::Url;
use serde_json::Value;

use crate::stage::{Services, eventually, http, ingress, kefu, worker};

const CORP_ID: &str = "wx5823bf96d3bd56c7";
const TOKEN: &str = "QDG6eK";
const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

pub(crate) const ECHO: &str =
    "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==";
const ECHO_QUERY: [(&str, &str); 3] = [
    ("msg_signature", "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"),
    ("timestamp", "1409659589"),
    ("nonce", "263014780"),
];
const ECHO_PLAINTEXT: &str = "1616140317555161061";

pub(crate) const POST: &str = "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==";
pub(crate) const POST_SIGNATURE: &str = "477715d11cdb4164915debcba66cb864d751f3e6";
pub(crate) const POST_TIMESTAMP: &str = "1409659813";
pub(crate) const POST_NONCE: &str = "1372623149";
pub(crate) const POST_PLAINTEXT: &str = "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<FromUserName><![CDATA[mycreate]]></FromUserName>\n<CreateTime>1409659813</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>";

/// The options of `kefu callback` that open the samples.
pub(crate) const OPENING: [&str; 4] = ["--token", TOKEN, "--encoding-aes-key", KEY];
pub(crate) const RECEIVE_ID: [&str; 2] = ["--receive-id", CORP_ID];

pub(crate) fn post_body() -> String {
    format!(
        "<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><Encrypt><![CDATA[{POST}]]></Encrypt>\
         <AgentID><![CDATA[218]]></AgentID></xml>"
    )
}

#[tokio::test]
async fn the_official_samples_pass_from_the_wire_to_the_store() {
    let services = Services::own().await;
    let tencent = [
        ("KEFU_APPS__DEFAULT__CORP_ID", CORP_ID),
        ("KEFU_APPS__DEFAULT__TOKEN", TOKEN),
        ("KEFU_APPS__DEFAULT__ENCODING_AES_KEY", KEY),
        ("KEFU_QUEUE__RETRY_STEPS", "1s"),
    ];
    let ingress = ingress(&services, &tencent).await;
    // Nobody answers there: an app event needs no WeCom.
    let worker = worker(&services, "http://127.0.0.1:9", &tencent).await;

    let query = [&ECHO_QUERY[..], &[("echostr", ECHO)]].concat();
    let url = Url::parse_with_params(&ingress.callback_url(), query).unwrap();
    let echoed = http().get(url).send().await.unwrap();
    assert_eq!(echoed.status(), 200);
    assert_eq!(echoed.bytes().await.unwrap(), ECHO_PLAINTEXT.as_bytes());

    let query = [
        ("msg_signature", POST_SIGNATURE),
        ("timestamp", POST_TIMESTAMP),
        ("nonce", POST_NONCE),
    ];
    let url = Url::parse_with_params(&ingress.callback_url(), query).unwrap();
    // Twice, as after an answer that WeCom did not see: stored once.
    for _ in 0..2 {
        let taken = http().post(url.clone()).body(post_body()).send().await.unwrap();
        assert_eq!(taken.status(), 200);
        assert_eq!(taken.text().await.unwrap(), "success");
    }
    eventually("both jobs have ended", async || {
        let done = crate::stage::metric(&worker.metrics().await, "kefu_jobs_total", &["app.event", "done"]);
        (2.0 <= done).then_some(())
    })
    .await;
    let listed = kefu(&["events", "list", "--json"])
        .set_all(&services.settings())
        .end()
        .await;
    listed.check_code(0);
    let event: Value = listed.json();
    assert_eq!(event["plaintext"], POST_PLAINTEXT);
    assert_eq!(event["from_user"], "mycreate");
    assert_eq!(event["app"], "default");
    assert_eq!(event["created_at"], "2014-09-02T12:10:13.000Z");

    let text = kefu(&["events", "list"])
        .set_all(&services.settings())
        .end()
        .await;
    assert_eq!(text.text().lines().count(), 2, "{text:?}");
    services.remove().await;
}
