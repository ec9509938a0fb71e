use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, json};

use super::{Answer, read, serve};
use crate::handle::Handle;

#[derive(Deserialize)]
struct Which {
    open_kfid: String,
    external_userid: String,
}

#[derive(Deserialize)]
struct Target {
    open_kfid: String,
    external_userid: String,
    service_state: i64,
    servicer_userid: Option<String>,
}

/// `POST /cgi-bin/kf/service_state/get` (doc 94698).
pub(crate) async fn get(simulator: web::Data<Handle>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = read::<Which>(&body);
    serve(&simulator, &request, "kf/service_state/get", |world, _, _| {
        let Which {
            open_kfid,
            external_userid,
        } = asked?;
        let (state, servicer) = world.service_state(&open_kfid, &external_userid)?;
        let mut fields = Map::new();
        fields.insert("service_state".to_owned(), json!(state.number()));
        if let Some(servicer) = servicer {
            fields.insert("servicer_userid".to_owned(), json!(servicer));
        }
        Ok(Answer::ok(&fields))
    })
    .await
}

/// `POST /cgi-bin/kf/service_state/trans` (doc 94698).
pub(crate) async fn trans(simulator: web::Data<Handle>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = read::<Target>(&body);
    serve(&simulator, &request, "kf/service_state/trans", |world, _, now| {
        let asked = asked?;
        let servicer = asked.servicer_userid.as_deref();
        let code = world.transfer(
            &asked.open_kfid,
            &asked.external_userid,
            asked.service_state,
            servicer,
            now,
        )?;
        let mut fields = Map::new();
        if let Some(code) = code {
            fields.insert("msg_code".to_owned(), json!(code));
        }
        Ok(Answer::ok(&fields))
    })
    .await
}
