//! Settings as they are in force: where each value was set, and what the services say to them.

use serde_json::Value;

use crate::json_fields::check;
use crate::mistakes::call;
use crate::stage::{Services, Simulator, app, kefu};

#[tokio::test]
async fn what_is_in_force_is_shown_with_its_layer() {
    let shown = call(&["settings", "--effective"], &[("KEFU_QUEUE__PREFIX", "shop")])
        .end()
        .await;
    shown.check_code(0);
    let text = shown.text();
    for line in [
        "queue.prefix = \"shop\"  # set by KEFU_QUEUE__PREFIX",
        "queue.url = \"amqp://kefu:[set]@127.0.0.1:1/\"  # set by AMQP_URL",
        "apps.default.secret = [set]  # set by KEFU_APPS__DEFAULT__SECRET",
        "worker.slots.high = \"16\"  # default",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    assert!(!text.contains("hunter2"));
    // A slip of the finger may have hidden a secret under a key that is none, or behind a question mark.
    let slips = [
        ("KEFU_APPS__DEFAULT__SECRT", "hunter2"),
        ("DATABASE_URL", "postgres://db/kefu?user=u&password=hunter2"),
        ("AMQP_URL", "sqlite:jobs.db"),
    ];
    let text = call(&["settings", "--effective"], &slips).end().await.text();
    assert!(
        text.contains("apps.default.secrt = [set]") && !text.contains("hunter2"),
        "{text}"
    );
    let queue = text
        .lines()
        .find(|line| line.starts_with("queue.url = "))
        .unwrap();
    assert!(
        queue.contains("# set by AMQP_URL; /") && queue.ends_with("/jobs.db"),
        "{queue}"
    );
    let json = call(&["settings", "--effective", "--json"], &[]).end().await;
    let secret = json.text();
    let secret = secret
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|value| value["key"] == "apps.default.secret")
        .unwrap();
    assert_eq!(
        (&secret["secret"], &secret["value"]),
        (&Value::Bool(true), &Value::Null)
    );
}

#[tokio::test]
async fn services_are_asked_once_and_nothing_is_made() {
    let services = Services::own().await;
    let simulator = Simulator::start().await;
    let model = format!("{}/v1", simulator.url);
    let asked = |more: &[(&str, &str)]| {
        let call = kefu(&["settings", "--check", "--connect"])
            .set_all(&app())
            .set_all(&services.settings())
            .set("KEFU_WECOM__API_BASE", &simulator.url)
            .set("KEFU_AI__BASE_URL", &model);
        more.iter()
            .fold(call, |call, (name, value)| call.set(name, value))
            .end()
    };
    let good = asked(&[]).await;
    good.check_code(0);
    let said = good.text();
    for line in [
        "queue: answers",
        "database: answers; ",
        "state: answers",
        "wecom, app default: gives an access token",
        "model: answers a question",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}: {said}");
    }
    assert!(services.queues().await.is_empty(), "nothing was declared");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    assert_eq!(services.count(tables).await, 0, "nothing was migrated");

    let refused = asked(&[
        ("KEFU_APPS__DEFAULT__SECRET", "not-the-secret"),
        ("AMQP_URL", "amqp://nobody:hunter2@127.0.0.1:1/"),
    ])
    .await;
    refused.check_code(2);
    assert!(
        refused
            .stderr
            .iter()
            .any(|line| line.starts_with("kefu: apps.default.secret: ")),
        "{refused:?}"
    );
    assert!(refused.text().contains("queue: does not answer"), "{refused:?}");
    as_one_object(&services, &simulator).await;
    let away = asked(&[("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")]).await;
    away.check_code(69);
    assert!(
        away.stderr
            .iter()
            .any(|line| line.starts_with("kefu: state.url: ")),
        "{away:?}"
    );
    services.remove().await;
}

async fn as_one_object(services: &Services, simulator: &Simulator) {
    let as_json = kefu(&["settings", "--check", "--connect", "--json"])
        .set_all(&app())
        .set_all(&services.settings())
        .set("KEFU_WECOM__API_BASE", &simulator.url)
        .set("KEFU_APPS__DEFAULT__SECRET", "not-the-secret")
        .end()
        .await;
    as_json.check_code(2);
    let told: Value = serde_json::from_str(&as_json.text()).unwrap();
    let of = |service: &str| {
        told["services"]
            .as_array()
            .unwrap()
            .iter()
            .find(|told| told["service"] == service)
    };
    assert_eq!(of("queue").unwrap()["outcome"], "answers");
    let around = [
        "problems",
        "warnings",
        "services",
        "--connect",
        "key",
        "problem",
        "origin",
    ];
    let outcomes = ["answers", "refuses", "away"];
    check(
        "settings --check",
        of("queue").unwrap(),
        &[&around[..], &outcomes].concat(),
    );
    let wecom = of("wecom, app default").unwrap();
    assert_eq!(
        (&wecom["outcome"], &wecom["said"]["key"]),
        (&"refuses".into(), &"apps.default.secret".into())
    );
}
