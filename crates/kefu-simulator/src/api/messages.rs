use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Answer, read, read_object, serve};
use crate::handle::Handle;
use crate::world::SyncRequest;

/// `POST /cgi-bin/kf/sync_msg` (doc 94670).
pub(crate) async fn sync_msg(
    simulator: web::Data<Handle>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    #[derive(Serialize)]
    struct Page<'a> {
        next_cursor: &'a str,
        has_more: u8,
        msg_list: Vec<&'a RawValue>,
    }
    let asked = read::<SyncRequest>(&body);
    serve(&simulator, &request, "kf/sync_msg", |world, plan, now| {
        let page = world.sync(&asked?, plan.twist, now)?;
        Ok(Answer::ok(&Page {
            next_cursor: &page.next_cursor,
            has_more: u8::from(page.has_more),
            msg_list: page.messages.iter().map(|entry| &*entry.json).collect(),
        }))
    })
    .await
}

/// `POST /cgi-bin/kf/send_msg` (doc 96427).
pub(crate) async fn send_msg(
    simulator: web::Data<Handle>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let asked = read_object(&body);
    serve(&simulator, &request, "kf/send_msg", |world, plan, now| {
        let accepted = world.send(&asked?, plan.undelivered, now)?;
        Ok(Answer::ok(&json!({ "msgid": accepted.msgid })).with_notice(accepted.notice))
    })
    .await
}

/// `POST /cgi-bin/kf/send_msg_on_event` (doc 96428).
pub(crate) async fn send_msg_on_event(
    simulator: web::Data<Handle>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let asked = read_object(&body);
    serve(&simulator, &request, "kf/send_msg_on_event", |world, _, now| {
        let accepted = world.send_on_event(&asked?, now)?;
        Ok(Answer::ok(&json!({ "msgid": accepted.msgid })))
    })
    .await
}
