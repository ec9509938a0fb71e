use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Answer, parameter, serve, upload};
use crate::handle::Handle;
use crate::world::Refusal;

/// `POST /cgi-bin/media/upload?type=`.
pub(crate) async fn upload(simulator: web::Data<Handle>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let kind = parameter(&request, "type").unwrap_or_default();
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let form = upload::read(content_type.unwrap_or_default(), &body);
    serve(&simulator, &request, "media/upload", |world, _, now| {
        let form = form.ok_or_else(|| Refusal::new(41_005, "media data missing"))?;
        let media_id = world.upload(&kind, &form.file_name, &form.content_type, form.bytes, now)?;
        // The time is a text, unlike everywhere else.
        let created_at = (now / 1_000).to_string();
        Ok(Answer::ok(
            &json!({ "type": kind, "media_id": media_id, "created_at": created_at }),
        ))
    })
    .await
}

/// `GET /cgi-bin/media/get?media_id=`: bytes, or a JSON error.
pub(crate) async fn get(simulator: web::Data<Handle>, request: HttpRequest) -> HttpResponse {
    let media_id = parameter(&request, "media_id").unwrap_or_default();
    serve(&simulator, &request, "media/get", |world, _, now| {
        let file = world.media(&media_id, now)?;
        Ok(Answer::file(
            file.content_type,
            file.file_name,
            file.bytes.to_vec(),
        ))
    })
    .await
}
