//! Services that answer and refuse end the process with one line; trying again would not help.

use reqwest::Url;

use crate::refusals::check_refusal;
use crate::stage::{Call, Services, app, kefu};

fn role(name: &str, services: &Services) -> Call {
    kefu(&["run", name])
        .set_all(&app())
        .set_all(&services.settings())
        .set("KEFU_QUEUE__RETRY_STEPS", "1s")
        .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
        .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
        .set("KEFU_WECOM__API_BASE", "http://127.0.0.1:9")
}

/// The URL with another password.
fn spoiled(url: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_password(Some("hunter2")).unwrap();
    url.into()
}

#[tokio::test]
async fn a_wrong_password_or_a_missing_vhost_of_the_broker() {
    let services = Services::own().await;
    for name in ["ingress", "worker"] {
        let ended = role(name, &services)
            .set("AMQP_URL", spoiled(&services.amqp))
            .end()
            .await;
        check_refusal(&ended, "queue.url: amqp://");
        assert_eq!(ended.stderr.len(), 1, "{ended:?}");
        let (server, _) = services.amqp.rsplit_once('/').unwrap();
        let ended = role(name, &services)
            .set("AMQP_URL", format!("{server}/nowhere"))
            .end()
            .await;
        check_refusal(&ended, "queue.url: amqp://");
        assert!(
            ended.stderr.last().unwrap().contains("vhost nowhere not found"),
            "{ended:?}"
        );
        assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    }
    services.remove().await;
}

#[tokio::test]
async fn a_wrong_password_of_redis() {
    let services = Services::own().await;
    let ended = role("worker", &services)
        .set("REDIS_URL", spoiled(&services.redis))
        .end()
        .await;
    check_refusal(&ended, "state.url: redis at ");
    services.remove().await;
}

#[tokio::test]
async fn a_wrong_password_or_a_missing_database_of_postgresql() {
    let services = Services::own().await;
    let (wrong, missing) = (
        spoiled(&services.postgres),
        services.postgres.replace("?options", "nowhere?options"),
    );
    for (url, reason) in [(wrong, "password"), (missing, "does not exist")] {
        let mut calls = vec![role("worker", &services)];
        calls.extend([&["migrate"][..], &["events", "list"]].map(kefu));
        for call in calls {
            let ended = call.set("DATABASE_URL", &url).end().await;
            check_refusal(&ended, "database.url: postgres://");
            assert!(ended.stderr.last().unwrap().contains(reason), "{ended:?}");
        }
    }
    services.remove().await;
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_program() {
    let services = Services::own().await;
    let migrate = || kefu(&["migrate"]).set_all(&services.settings());
    migrate().end().await.check_code(0);
    services
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', TRUE, 'x', 1)",
        )
        .await;
    let events = kefu(&["events", "list"]).set_all(&services.settings());
    for call in [role("worker", &services), migrate(), events] {
        let ended = call.end().await;
        check_refusal(&ended, "database.url: ");
        let line = ended.stderr.last().unwrap();
        assert!(line.contains("9999") && line.contains("newer program"), "{line}");
    }
    services.remove().await;
}
