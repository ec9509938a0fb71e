//! Secrets and messages that would cross a network where others can read them: said, and not refused.

use crate::mistakes::call;

#[tokio::test]
async fn what_would_cross_a_network_in_the_clear_is_warned_of() {
    const DATABASE: &str = "kefu: warning: database.url: is on another machine";
    const WECOM: &str = "kefu: warning: wecom.api_base: is http:// to another machine";
    for (variable, value, warning, expected) in [
        (
            "DATABASE_URL",
            "postgres://kefu:hunter2@db.example/kefu",
            DATABASE,
            1,
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/kefu?sslmode=disable",
            DATABASE,
            0,
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/kefu?sslmode=verify-full",
            DATABASE,
            0,
        ),
        ("DATABASE_URL", "postgres://[::1]:5432/kefu", DATABASE, 0),
        (
            "DATABASE_URL",
            "postgres:///kefu?host=/run/postgresql",
            DATABASE,
            0,
        ),
        ("KEFU_WECOM__API_BASE", "http://wecom.example:3900", WECOM, 1),
        ("KEFU_WECOM__API_BASE", "https://wecom.example", WECOM, 0),
        ("KEFU_WECOM__API_BASE", "http://localhost:3900", WECOM, 0),
    ] {
        let checked = call(&["settings", "--check", "worker"], &[(variable, value)])
            .end()
            .await;
        checked.check_code(0);
        let lines = checked.stderr.iter().filter(|line| line.starts_with(warning));
        assert_eq!(lines.count(), expected, "{value}: {checked:?}");
        assert!(!checked.stderr.concat().contains("hunter2"), "{checked:?}");
    }
    // A start says it, too. Nobody answers there, so it waits.
    let variables = [("KEFU_WECOM__API_BASE", "http://wecom.example:3900")];
    let running = call(&["run", "worker"], &variables).start().await;
    let line = running
        .says("wecom.api_base: is http:// to another machine")
        .await;
    assert_eq!(line["level"], "WARN");
    running.terminate().await;
    running.ended().await.check_code(0);
}
