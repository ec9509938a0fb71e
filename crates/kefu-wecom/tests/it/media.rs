use bytes::Bytes;
use kefu_wecom::ErrorClass;
use kefu_wecom::client::MediaKind;
use serde_json::json;

use crate::stub::{Reply, Stub};

#[tokio::test]
async fn an_upload_carries_name_type_and_bytes_and_survives_a_new_token() {
    let stub = Stub::granting(|call| match call.token() {
        "T1" => Reply::Json(json!({"errcode": 40014, "errmsg": "invalid access_token"})),
        _ => Reply::Json(json!({"errcode": 0, "type": "image", "media_id": "M", "created_at": "1380000000"})),
    })
    .await;
    let bytes = Bytes::from_static(b"\x89PNG bytes");
    let client = stub.client();
    let uploaded = client
        .upload_media("default", MediaKind::Image, "图\"片.png", "image/png", bytes)
        .await
        .unwrap();
    assert_eq!(
        (uploaded.media_id.as_str(), uploaded.created_at),
        ("M", 1_380_000_000)
    );
    let calls = stub.calls("media/upload");
    assert_eq!(calls.len(), 2);
    for call in &calls {
        let body = String::from_utf8_lossy(&call.body);
        assert!(
            body.contains("Content-Disposition: form-data; name=\"media\"; filename=\"图_片.png\""),
            "{body}"
        );
        assert!(body.contains("Content-Type: image/png\r\n\r\n"), "{body}");
        assert!(call.body.windows(10).any(|window| window == b"\x89PNG bytes"));
    }
    assert_eq!(calls[1].query, "access_token=T2&type=image");
}

#[tokio::test]
async fn a_download_keeps_its_name_and_its_limit() {
    let stub = Stub::granting(|call| match call.query.rsplit_once('=').unwrap().1 {
        "txt" => Reply::Raw(
            "200 OK\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"a.txt\"",
            b"hello".to_vec(),
        ),
        "endless" => Reply::Endless("200 OK\r\nContent-Type: image/jpeg"),
        _ => Reply::Json(json!({"errcode": 40007, "errmsg": "invalid media_id"})),
    })
    .await;
    let client = stub.client();
    let download = client.download_media("default", "txt", 5).await.unwrap();
    assert_eq!(
        (download.filename.as_deref(), download.length),
        (Some("a.txt"), Some(5))
    );
    assert_eq!(download.bytes().await.unwrap(), "hello");
    let too_large = "media/get was answered with more than 4 bytes";
    assert_eq!(
        client
            .download_media("default", "txt", 4)
            .await
            .unwrap_err()
            .to_string(),
        too_large
    );
    let endless = client.download_media("default", "endless", 4).await.unwrap();
    assert_eq!(endless.bytes().await.unwrap_err().to_string(), too_large);
    let error = client.download_media("default", "gone", 4).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        (Some(40007), ErrorClass::Permanent)
    );
}
