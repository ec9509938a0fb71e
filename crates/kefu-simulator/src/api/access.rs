use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Answer, parameter, serve};
use crate::handle::Handle;
use crate::world::Refusal;

/// `GET /cgi-bin/gettoken` (doc 91039).
pub(crate) async fn gettoken(simulator: web::Data<Handle>, request: HttpRequest) -> HttpResponse {
    let corp_id = parameter(&request, "corpid");
    let secret = parameter(&request, "corpsecret");
    serve(&simulator, &request, "gettoken", |world, _, now| {
        let corp_id = corp_id.ok_or_else(|| Refusal::new(41_002, "corpid missing"))?;
        let secret = secret.ok_or_else(|| Refusal::new(41_004, "corpsecret missing"))?;
        let (access_token, expires_in) = world.get_token(&corp_id, &secret, now)?;
        Ok(Answer::ok(
            &json!({ "access_token": access_token, "expires_in": expires_in }),
        ))
    })
    .await
}
