use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, parameter, read, serve};
use crate::handle::Handle;
use crate::world::Refusal;

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    offset: i64,
    #[serde(default = "limit_default")]
    limit: i64,
}

fn limit_default() -> i64 {
    100
}

#[derive(Deserialize)]
struct Ids {
    external_userid_list: Vec<String>,
}

/// `/cgi-bin/kf/account/list`: without a body the first hundred.
pub(crate) async fn accounts(
    simulator: web::Data<Handle>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let asked = if body.is_empty() {
        read::<Range>(b"{}")
    } else {
        read::<Range>(&body)
    };
    serve(&simulator, &request, "kf/account/list", |world, _, _| {
        let asked = asked?;
        Ok(Answer::ok(
            &json!({ "account_list": world.account_list(asked.offset, asked.limit)? }),
        ))
    })
    .await
}

/// `GET /cgi-bin/kf/servicer/list`.
pub(crate) async fn servicers(simulator: web::Data<Handle>, request: HttpRequest) -> HttpResponse {
    let open_kfid = parameter(&request, "open_kfid");
    serve(&simulator, &request, "kf/servicer/list", |world, _, _| {
        let open_kfid = open_kfid.ok_or_else(|| Refusal::new(95_000, "invalid open_kfid"))?;
        Ok(Answer::ok(
            &json!({ "servicer_list": world.servicer_list(&open_kfid)? }),
        ))
    })
    .await
}

/// `POST /cgi-bin/kf/customer/batchget`.
pub(crate) async fn customers(
    simulator: web::Data<Handle>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let asked = read::<Ids>(&body);
    serve(&simulator, &request, "kf/customer/batchget", |world, _, now| {
        let batch = world.customer_batch(&asked?.external_userid_list, now)?;
        Ok(Answer::ok(&json!({
            "customer_list": batch.customers,
            "invalid_external_userid": batch.invalid,
        })))
    })
    .await
}
