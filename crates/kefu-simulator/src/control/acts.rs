//! What customers and agents do.

use actix_web::web::{self, Bytes, Path, ServiceConfig};
use actix_web::{HttpResponse, web::Query};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, incoming, read};
use crate::handle::Handle;
use crate::world::{Servicer, ServicerAct};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/simulator/customers/{id}", web::get().to(chat))
        .route("/simulator/customers/{id}", web::post().to(meet))
        .route("/simulator/customers/{id}/messages", web::post().to(message))
        .route("/simulator/customers/{id}/enter_session", web::post().to(enter))
        .route("/simulator/customers/{id}/recall", web::post().to(recall))
        .route(
            "/simulator/customers/{id}/delivery_failure",
            web::post().to(delivery_failure),
        )
        .route("/simulator/customers/{id}/servicer", web::post().to(servicer_act))
        .route("/simulator/servicers/{id}", web::post().to(servicer_status));
}

#[derive(Deserialize)]
struct View {
    account: Option<String>,
    #[serde(default)]
    after: u64,
}

async fn chat(simulator: web::Data<Handle>, customer: Path<String>, view: Query<View>) -> Answer {
    let chat = simulator.chat(view.account.as_deref(), &customer, view.after)?;
    Ok(HttpResponse::Ok().json(chat))
}

async fn meet(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Profile {
        name: Option<String>,
    }
    let Profile { name } = read(&body)?;
    simulator.world().meet(&customer, name.as_deref())?;
    Ok(HttpResponse::NoContent().finish())
}

async fn message(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    let (account, incoming) = incoming::read(&simulator, &body)?;
    let msgid = simulator
        .customer_sends(account.as_deref(), &customer, &incoming)
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "msgid": msgid })))
}

async fn enter(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        account: Option<String>,
        #[serde(default)]
        scene: String,
        #[serde(default)]
        scene_param: String,
    }
    let Entry {
        account,
        scene,
        scene_param,
    } = read(&body)?;
    let code = simulator
        .customer_enters(account.as_deref(), &customer, &scene, &scene_param)
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "welcome_code": code })))
}

async fn recall(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Which {
        account: Option<String>,
        msgid: String,
    }
    let Which { account, msgid } = read(&body)?;
    simulator
        .customer_recalls(account.as_deref(), &customer, &msgid)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn delivery_failure(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Failure {
        account: Option<String>,
        msgid: String,
        #[serde(default)]
        fail_type: i32,
    }
    let Failure {
        account,
        msgid,
        fail_type,
    } = read(&body)?;
    simulator
        .delivery_fails(account.as_deref(), &customer, &msgid, fail_type)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn servicer_act(simulator: web::Data<Handle>, customer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    struct Act {
        account: Option<String>,
        servicer: String,
        #[serde(flatten)]
        act: ServicerAct,
    }
    let Act {
        account,
        servicer,
        act,
    } = read(&body)?;
    let msgid = simulator
        .servicer_acts(account.as_deref(), &customer, &servicer, &act)
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "msgid": msgid })))
}

async fn servicer_status(simulator: web::Data<Handle>, servicer: Path<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        Receiving,
        Stopped,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        status: Status,
    }
    let status = match read::<Change>(&body)?.status {
        Status::Receiving => Servicer::Receiving,
        Status::Stopped => Servicer::Stopped,
    };
    simulator.servicer_changes(&servicer, status).await?;
    Ok(HttpResponse::NoContent().finish())
}
