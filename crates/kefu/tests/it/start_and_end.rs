//! What a process says of itself first and last.

use serde_json::json;

use crate::stage::{Services, Simulator, both_roles, eventually, ingress, worker};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn the_first_line_health_and_metrics_tell_the_version_and_the_last_line_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let kefu = both_roles(folder.path(), &simulator, &[]).await;
    let health = eventually("it is healthy", async || {
        let (status, health) = kefu.get("/health").await?;
        (status == 200).then_some(health)
    })
    .await;
    assert_eq!(
        (&health["version"], &health["role"]),
        (&json!(VERSION), &json!("ingress"))
    );
    let metrics = kefu.metrics().await;
    for role in ["ingress", "worker"] {
        let line = format!(r#"kefu_build_info{{version="{VERSION}",role="{role}"}} 1"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    kefu.running.terminate().await;
    let ended = kefu.running.ended().await;
    ended.check_code(0);
    let first: serde_json::Value = serde_json::from_str(&ended.stderr[0]).unwrap();
    assert_eq!(
        (&first["message"], &first["version"]),
        (&json!(format!("kefu {VERSION} starts")), &json!(VERSION))
    );
    let last: serde_json::Value = serde_json::from_str(ended.stderr.last().unwrap()).unwrap();
    let last = last["message"].as_str().unwrap();
    assert!(
        last.starts_with("stopped after ") && last.ends_with(" s, nothing left"),
        "{last}"
    );
}

#[tokio::test]
async fn each_role_says_first_who_it_is_beside_a_broker_as_well() {
    let services = Services::own().await;
    let simulator = Simulator::start().await;
    let roles = [
        ("kefu-ingress", ingress(&services, &[]).await),
        ("kefu-worker", worker(&services, &simulator.url, &[]).await),
    ];
    for (name, role) in roles {
        role.running.says("connected to the broker").await;
        assert_eq!(
            role.running.log()[0]["message"],
            format!("{name} {VERSION} starts")
        );
        role.running.terminate().await;
        let ended = role.running.ended().await;
        ended.check_code(0);
        assert!(
            ended.stderr.last().unwrap().contains("stopped after "),
            "{ended:?}"
        );
    }
    services.remove().await;
}
