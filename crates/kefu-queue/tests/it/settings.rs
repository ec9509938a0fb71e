use std::time::Duration;

use kefu_queue::{Queue, QueueSettings, Roles};

use crate::bench::settings;

async fn check(settings: QueueSettings, expected: &str) {
    let error = Queue::open(&settings, Roles::Both, None).await.unwrap_err();
    assert!(error.is_refusal());
    let shown = error.to_string();
    assert!(shown.starts_with(expected), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn impossible_settings_are_refused_by_name() {
    check(settings("redis://u:hush@host"), "queue.url: must begin with").await;
    check(settings("amqp://u:hush@host:port"), "queue.url: is no URL").await;
    check(
        settings("sqlite:"),
        "queue.url: sqlite: must be followed by the path",
    )
    .await;
    check(
        settings("sqlite:/proc/nowhere/q.db"),
        "queue.url: cannot create /proc/nowhere: No such file or directory (os error 2), as user ",
    )
    .await;
    let wrong = QueueSettings {
        prefix: "a b".to_owned(),
        ..settings("sqlite:x")
    };
    check(wrong, "queue.prefix: must be").await;
    let wrong = QueueSettings {
        retry_steps: "5s,soon".to_owned(),
        ..settings("sqlite:x")
    };
    check(wrong, "queue.retry_steps: `soon` is no duration").await;
    let wrong = QueueSettings {
        spool_after: Duration::ZERO,
        ..settings("sqlite:x")
    };
    check(wrong, "queue.spool_after: must be more than 0 and at most 3 s").await;
    let wrong = QueueSettings {
        spool_max: 1000,
        ..settings("sqlite:x")
    };
    check(wrong, "queue.spool_max: must be at least 1048576 bytes").await;
}

/// A check is made without certificates, and a start makes the check first.
#[test]
fn a_broker_that_is_spoken_to_encrypted_is_possible() {
    for roles in [Roles::Both, Roles::IngressOnly, Roles::WorkerOnly] {
        for url in ["amqps://u:hush@mq:5671/v", "amqps://mq"] {
            Queue::check(&settings(url), roles).unwrap();
        }
        let shown = Queue::check(&settings("amqps://u:hush@mq:port"), roles)
            .unwrap_err()
            .to_string();
        assert!(shown.starts_with("queue.url: is no URL"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
