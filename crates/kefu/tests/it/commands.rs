//! The small commands: help, version, settings, migrate, events.

use std::fs;

use futures::future::join_all;

use crate::stage::{Services, app, kefu};

const COMMANDS: [&[&str]; 26] = [
    &[],
    &["demo"],
    &["run"],
    &["simulate"],
    &["migrate"],
    &["settings"],
    &["callback"],
    &["callback", "open"],
    &["callback", "seal"],
    &["dead-letters"],
    &["dead-letters", "list"],
    &["dead-letters", "show"],
    &["dead-letters", "replay"],
    &["dead-letters", "discard"],
    &["replies"],
    &["replies", "list"],
    &["replies", "resolve"],
    &["events"],
    &["events", "list"],
    &["bench"],
    &["bench", "ingress"],
    &["bench", "end-to-end"],
    &["completions"],
    &["version"],
    &["help"],
    &["help", "run"],
];

#[tokio::test]
async fn every_command_has_help_that_says_what_it_does() {
    for command in COMMANDS {
        let arguments = match command.first() {
            Some(&"help") => command.to_vec(),
            _ => [command, &["--help"]].concat(),
        };
        let ended = kefu(&arguments).end().await;
        ended.check_code(0);
        let text = ended.text();
        assert!(
            text.contains("Usage: kefu") && !text.starts_with("Usage"),
            "{arguments:?}: {text}"
        );
    }
}

#[tokio::test]
async fn the_version_is_one_line() {
    let ended = kefu(&["--version"]).end().await;
    ended.check_code(0);
    assert_eq!(ended.text(), format!("kefu {}\n", env!("CARGO_PKG_VERSION")));

    let ended = kefu(&["version"]).end().await;
    ended.check_code(0);
    assert!(
        ended
            .text()
            .starts_with(concat!("kefu ", env!("CARGO_PKG_VERSION"), " (rustc 1.")),
        "{ended:?}"
    );
    let json = kefu(&["version", "--json"]).end().await.json();
    assert_eq!(
        (&json["name"], &json["version"]),
        (&"kefu".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(
        json["rustc"].is_string() && json["target"].as_str().unwrap().contains('-'),
        "{json}"
    );
}

#[tokio::test]
async fn bad_usage_is_two_and_says_nothing_on_stdout() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["run", "kitchen"],
        &["simulate", "--callback", "here"],
        &["simulate", "--fault", "{}"],
        &["demo", "--customers", "0"],
        &["events", "list", "--limit", "many"],
        &["callback", "open", "--token", "t"],
    ];
    for arguments in wrong {
        let ended = kefu(arguments).end().await;
        ended.check_code(2);
        assert_eq!(ended.text(), "", "{arguments:?}");
        let says = |line: &String| line.starts_with("kefu: ") || line.contains("Usage: kefu");
        assert!(ended.stderr.iter().any(says), "{arguments:?}: {ended:?}");
        assert!(
            !ended.stderr.iter().any(|line| line.starts_with("error")),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn an_option_for_settings_is_refused_where_none_are_read() {
    for idle in [&["--check"][..], &["--effective"], &["--check", "--json"]] {
        let arguments = [&["settings", "--language", "zh"], idle].concat();
        let ended = kefu(&arguments).set_all(&app()).end().await;
        ended.check_code(2);
        assert!(ended.stderr[0].contains("--language"), "{ended:?}");
    }
    for arguments in [
        &["--config", "x.toml", "demo"][..],
        &["demo", "--config", "x.toml"],
        &["--config", "x.toml", "version"],
        &["version", "--config", "x.toml"],
        &["--config", "x.toml", "completions", "bash"],
        &["completions", "bash", "--config", "x.toml"],
        &["settings", "--config", "x.toml"],
        &["settings", "--language", "zh", "--config", "x.toml"],
    ] {
        let ended = kefu(arguments).end().await;
        ended.check_code(2);
        assert!(
            ended.stderr[0].starts_with("kefu: ") && ended.stderr[0].contains("--config"),
            "{ended:?}"
        );
    }
    // Where they are read it may stand in front, behind the group, and at the end.
    for arguments in [
        &["--config", "gone.toml", "events", "list"][..],
        &["events", "--config", "gone.toml", "list"],
        &["events", "list", "--config", "gone.toml"],
        &["run", "--config", "gone.toml"],
        &["callback", "seal", "--config", "gone.toml"],
    ] {
        let ended = kefu(arguments).end().await;
        ended.check_code(2);
        assert!(
            ended.stderr[0].contains("/gone.toml: cannot read the settings file"),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = kefu(&["completions", shell]).end().await;
        ended.check_code(0);
        let script = ended.text();
        for word in ["dead-letters", "customer", "callback", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    kefu(&["completions", "dos"]).end().await.check_code(2);
}

#[tokio::test]
async fn settings_print_the_reference_byte_for_byte() {
    let ended = kefu(&["settings"]).set("KEFU_NONSENSE__KEY", "1").end().await;
    ended.check_code(0);
    assert_eq!(ended.text(), include_str!("../../../../deploy/kefu.toml"));
    let chinese = kefu(&["settings", "--language", "zh"]).end().await;
    assert_eq!(chinese.text(), include_str!("../../../../deploy/kefu.zh.toml"));
}

#[tokio::test]
async fn settings_are_checked_for_the_roles_that_are_named() {
    let good = kefu(&["settings", "--check"]).set_all(&app()).end().await;
    good.check_code(0);
    assert_eq!(good.text().lines().count(), 1);

    // The ingress needs no secret, the worker no token.
    for (role, missing, code) in [
        ("ingress", "SECRET", 0),
        ("worker", "SECRET", 2),
        ("worker", "TOKEN", 0),
        ("ingress", "TOKEN", 2),
    ] {
        let call = kefu(&["settings", "--check", role])
            .set_all(&app())
            .set("AMQP_URL", "amqp://127.0.0.1:1/")
            .set("DATABASE_URL", "postgres://kefu@127.0.0.1:1/kefu");
        let ended = call.unset(&format!("KEFU_APPS__DEFAULT__{missing}")).end().await;
        ended.check_code(code);
        let key = format!("kefu: apps.default.{}:", missing.to_lowercase());
        assert_eq!(
            ended.stderr.iter().filter(|line| line.starts_with(&key)).count(),
            usize::from(code == 2)
        );
    }
}

#[tokio::test]
async fn words_that_stand_in_many_messages_are_warned_of() {
    let checked = kefu(&["settings", "--check"])
        .set_all(&app())
        .set("KEFU_REPLY__HANDOVER_KEYWORDS", "人,转人工")
        .set("KEFU_REPLY__RULES", "hi => 您好")
        .end()
        .await;
    checked.check_code(0);
    let warned = |key: &str, word: &str| {
        let line =
            format!("kefu: warning: {key}: the word \"{word}\" is so short that it stands in many messages");
        checked.stderr.iter().any(|said| said.starts_with(&line))
    };
    assert!(warned("reply.handover_keywords", "人"), "{checked:?}");
    assert!(warned("reply.rules", "hi"), "{checked:?}");
}

#[tokio::test]
async fn the_simulator_prints_the_settings_that_fit_it() {
    let printed = kefu(&["simulate", "--listen", "127.0.0.1:3900", "--settings"])
        .end()
        .await;
    printed.check_code(0);
    let exports = printed.text();
    let mut call = kefu(&["settings", "--check"]);
    for export in exports.lines() {
        let (name, value) = export.strip_prefix("export ").unwrap().split_once('=').unwrap();
        call = call.set(name, value.trim_matches('\''));
        let described = include_str!("../../../../docs/simulator.md").contains(&format!("`{name}`"));
        assert!(described, "{name} is not in docs/simulator.md");
    }
    call.end().await.check_code(0);
    assert!(
        exports.contains("KEFU_WECOM__API_BASE='http://127.0.0.1:3900'\n"),
        "{exports}"
    );
}

#[tokio::test]
async fn a_command_does_not_wait_for_a_database_that_is_away() {
    for arguments in [
        &["migrate"][..],
        &["events", "list"],
        &["dead-letters", "list"],
        &["replies", "list"],
    ] {
        let ended = kefu(arguments)
            .set("DATABASE_URL", "postgres://kefu:hunter2@127.0.0.1:1/kefu")
            .end()
            .await;
        ended.check_code(69);
        assert_eq!(ended.stderr.len(), 1, "{ended:?}");
        let line = &ended.stderr[0];
        assert!(
            line.starts_with("kefu: database.url: ") && !line.contains("hunter2"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_database_is_migrated_once_however_many_try() {
    let services = Services::own().await;
    let migrate = || kefu(&["migrate"]).set_all(&services.settings()).end();
    let ended = join_all((0..4).map(|_| migrate())).await;
    let mut texts: Vec<String> = ended.iter().map(|ended| ended.text()).collect();
    ended.iter().for_each(|ended| ended.check_code(0));
    texts.sort();
    assert!(texts[0].contains("migrations applied"), "{texts:?}");
    assert!(
        texts[1..].iter().all(|text| text.contains("nothing to do")),
        "{texts:?}"
    );

    let again = migrate().await;
    again.check_code(0);
    assert!(again.text().contains("nothing to do"), "{again:?}");
    services.remove().await;
}

#[tokio::test]
async fn an_empty_database_lists_no_events_and_an_unmigrated_one_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| kefu(arguments).within(folder.path()).end();
    fs::create_dir(folder.path().join("kefu-data")).unwrap();
    fs::write(folder.path().join("kefu-data/kefu.db"), "").unwrap();
    let early = call(&["events", "list"]).await;
    early.check_code(2);
    let line = early.stderr.last().unwrap();
    assert!(
        line.starts_with("kefu: database.url: ") && line.contains("run `kefu migrate`"),
        "{early:?}"
    );

    let migrated = call(&["migrate", "--json"]).await.json();
    assert_eq!(migrated["from"], 0);
    assert_eq!(
        migrated["applied"].as_array().unwrap().last(),
        Some(&migrated["version"])
    );
    let again = call(&["migrate", "--json"]).await.json();
    assert_eq!(
        (&again["from"], &again["applied"]),
        (&migrated["version"], &Vec::<i64>::new().into())
    );
    let json = call(&["events", "list", "--json"]).await;
    json.check_code(0);
    assert_eq!(json.text(), "");
    let text = call(&["events", "list"]).await;
    text.check_code(0);
    assert_eq!((text.text().as_str(), text.stderr.len()), ("", 1), "{text:?}");
}
