//! What goes with each call, and answers that come packed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use kefu_wecom::ErrorClass;
use kefu_wecom::client::{PAGE_BYTES_MAX, SyncRequest};
use kefu_wecom::error::Failure;
use serde_json::json;

use crate::stub::{Reply, Stub};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const PACKED: &str = "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip";

#[tokio::test]
async fn each_call_says_who_calls_and_what_it_reads() {
    let stub = Stub::granting(|_| Reply::Json(json!({ "errcode": 0, "next_cursor": "c" }))).await;
    stub.client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap();
    for api in ["gettoken", "kf/sync_msg"] {
        let head = &stub.calls(api)[0].head;
        assert!(head.contains("\r\nuser-agent: kefu/"), "{head}");
        assert!(head.contains("\r\naccept-encoding: identity, gzip\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_packed_page_is_read() {
    let page = json!({ "errcode": 0, "next_cursor": "c", "msg_list": [{ "msgid": "m1" }] }).to_string();
    let stub = Stub::granting(move |_| Reply::Raw(PACKED, gzip(page.as_bytes()))).await;
    let page = stub
        .client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap();
    assert_eq!((page.messages.len(), page.next_cursor.as_deref()), (1, Some("c")));
}

#[tokio::test]
async fn a_packed_page_is_no_larger_than_any_other() {
    let bomb = gzip(&vec![b' '; 4 * PAGE_BYTES_MAX]);
    let stub = Stub::granting(move |_| Reply::Raw(PACKED, bomb.clone())).await;
    let error = stub
        .client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.failure, Failure::TooLarge(PAGE_BYTES_MAX));
}

#[tokio::test]
async fn what_does_not_unpack_is_cut_off_and_what_nobody_asked_for_unreadable() {
    let stub = Stub::granting(|_| Reply::Raw(PACKED, vec![0x1f, 0x8b, 8])).await;
    let error = stub
        .client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Ambiguous);
    let stub = Stub::granting(|_| Reply::Raw("200 OK\r\nContent-Encoding: br", vec![1])).await;
    let error = stub
        .client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap_err();
    assert!(matches!(error.failure, Failure::Unreadable(_)), "{error:?}");
}
