//! What the settings accept, what they refuse, and what they say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use kefu_settings::{Problems, REFERENCE, SECTIONS, Settings, SettingsError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    url: SecretString,
    prefix: String,
    #[expect(dead_code, reason = "only its presence matters")]
    spool: String,
    #[serde(with = "humantime_serde")]
    spool_after: Duration,
    spool_max: u64,
    pub(crate) retry_steps: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    corp_id: String,
    token: Option<SecretString>,
    agent_id: Option<String>,
    pub(crate) secret: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    pub(crate) pool: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worker {
    listen: SocketAddr,
    slots: Slots,
    #[serde(with = "humantime_serde")]
    drain: Duration,
    #[serde(with = "humantime_serde")]
    rate_pause: Duration,
    #[serde(with = "humantime_serde")]
    breaker_wait: Duration,
    #[serde(with = "humantime_serde")]
    poll_after: Duration,
    #[expect(dead_code, reason = "only its presence matters")]
    single: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slots {
    high: u16,
    medium: u16,
    low: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    format: LogFormat,
    level: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    Text,
    Json,
    Auto,
}

pub(crate) fn from(file: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_sources(Some(file), environment).map_err(|errors| errors.iter().next().unwrap().clone())
}

#[track_caller]
pub(crate) fn check_refused<T: std::fmt::Debug>(outcome: Result<T, SettingsError>, expected: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_reference_fills_every_section() {
    let settings = Settings::reference_only().unwrap();
    let queue: Queue = settings.section("queue").unwrap();
    assert_eq!(queue.url.expose_secret(), "sqlite:kefu-data/queue.db");
    assert_eq!(
        (queue.prefix.as_str(), queue.retry_steps.as_str()),
        ("kefu", "5s,30s,2m,10m,1h")
    );
    assert_eq!(queue.spool_after, Duration::from_millis(250));
    assert_eq!(queue.spool_max, 1 << 30);
    let worker: Worker = settings.section("worker").unwrap();
    assert_eq!(
        (worker.slots.high, worker.slots.medium, worker.slots.low),
        (16, 64, 8)
    );
    assert_eq!(worker.rate_pause, Duration::from_secs(60));
    assert_eq!(worker.breaker_wait, Duration::from_secs(5));
    assert_eq!(worker.poll_after, Duration::from_secs(90));
    assert_eq!(worker.listen, "127.0.0.1:3002".parse().unwrap());
    let log: Log = settings.section("log").unwrap();
    assert_eq!((log.format, log.level.as_str()), (LogFormat::Auto, "info"));
    assert!(settings.entries::<App>("apps").unwrap().is_empty());
    for section in SECTIONS.iter().filter(|section| **section != "apps") {
        assert!(REFERENCE.contains(&format!("\n[{section}]\n")), "{section}");
    }
}

#[test]
fn the_example_app_in_the_reference_is_valid_when_its_marks_are_taken_away() {
    let (_, from_apps) = REFERENCE.split_once("# [apps.default]").unwrap();
    let (example, _) = from_apps.split_once("\n[ingress]").unwrap();
    let (example, _) = example.split_once("# [apps.default.previous]").unwrap();
    let is_key = |line: &&str| {
        line.split_once(" = ")
            .is_some_and(|(name, _)| !name.trim().contains(' '))
    };
    let keys: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(is_key)
        .collect();
    assert_eq!(keys.len(), 7, "{keys:?}");
    from(&format!("[apps.default]\n{}", keys.join("\n")), &[]).unwrap();
}

#[test]
fn ids_of_digits_stay_text_and_keep_their_zeros() {
    let environment = [
        ("KEFU_APPS__DEFAULT__CORP_ID", "0012345"),
        ("KEFU_APPS__DEFAULT__TOKEN", "1e5"),
        ("KEFU_APPS__SHOP_2__CORP_ID", "true"),
    ];
    let settings = from("[apps.default]\nagent_id = 1000002", &environment).unwrap();
    let apps: BTreeMap<String, App> = settings.entries("apps").unwrap();
    let app = &apps["default"];
    assert_eq!(
        (app.corp_id.as_str(), app.agent_id.as_deref()),
        ("0012345", Some("1000002"))
    );
    assert_eq!(app.token.as_ref().unwrap().expose_secret(), "1e5");
    assert_eq!(apps["shop_2"].corp_id, "true");
}

#[test]
fn unknown_keys_are_named_in_full() {
    let known = "unknown key; did you mean queue.prefix? known here are url, prefix, spool, spool_after, spool_max, \
        retry_steps";
    let queue = |file: &str, environment: &[(&str, &str)]| from(file, environment)?.section::<Queue>("queue");
    check_refused(
        queue("[queue]\nprefx = \"a\"", &[]),
        &format!("queue.prefx: {known} (kefu.toml, line 2)"),
    );
    check_refused(
        queue("", &[("KEFU_QUEUE__PREFX", "a")]),
        &format!("queue.prefx: {known} (set by KEFU_QUEUE__PREFX)"),
    );
    let error = from("", &[("KEFU_QEUE__URL", "amqp://secret")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("qeue.url: unknown key, set by KEFU_QEUE__URL; "),
        "{error}"
    );
    let error = from("[qeue]\nurl = \"secret\"", &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("qeue: unknown section; did you mean queue? known are apps, "),
        "{error}"
    );
    let error = from("", &[("KEFU_WORKER__SLOTS__TOP", "4")])
        .unwrap()
        .section::<Worker>("worker")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "worker.slots.top: unknown key; known here are high, medium, low (set by KEFU_WORKER__SLOTS__TOP)"
    );
    let error = from("[apps.default]\nsecrt_file = \"/x\"", &[])
        .unwrap()
        .entries::<App>("apps")
        .unwrap_err();
    assert_eq!(error.key(), "apps.default.secrt");
}

#[test]
fn missing_keys_say_how_to_set_them() {
    check_refused(
        from("[apps.shop]\ntoken = \"t\"", &[])
            .unwrap()
            .entries::<App>("apps"),
        "apps.shop.corp_id: is missing; set it in the settings file or as KEFU_APPS__SHOP__CORP_ID",
    );
}

#[test]
fn wrong_values_say_what_was_expected() {
    let worker = |key: &str, value: &str| {
        Settings::reference_only()
            .unwrap()
            .with(key, value)
            .section::<Worker>("worker")
    };
    let duration = "expected a duration with a unit, such as 10s or 800ms, found string \"10\"";
    check_refused(worker("worker.drain", "10"), &format!("worker.drain: {duration}"));
    check_refused(
        worker("worker.listen", "here"),
        "worker.listen: invalid socket address syntax",
    );
    let number = "worker.slots.high: expected a whole number, found string \"many\"";
    check_refused(worker("worker.slots.high", "many"), number);
    let range = "worker.slots.low: expected a whole number from 0 to 65535, found integer `70000`";
    check_refused(worker("worker.slots.low", "70000"), range);
    check_refused(
        worker("worker.slots", "8"),
        "worker.slots: expected a section with keys, found string \"8\"",
    );
    let settings = Settings::reference_only().unwrap().with("log.format", "xml");
    check_refused(
        settings.section::<Log>("log"),
        "log.format: expected one of text, json, auto, found \"xml\"",
    );
    assert_eq!(
        worker("worker.drain", "1m 5s").unwrap().drain,
        Duration::from_secs(65)
    );
}

#[test]
fn names_of_apps_are_checked() {
    let error = from("[apps.\"My Shop\"]\ncorp_id = \"x\"", &[])
        .unwrap()
        .entries::<App>("apps")
        .unwrap_err();
    assert_eq!(error.key(), "apps.My Shop");
    let error = from("[apps]\ndefault = \"x\"", &[])
        .unwrap()
        .entries::<App>("apps")
        .unwrap_err();
    assert_eq!(error.key(), "apps.default");
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let file = "[queue]\nspool_max = \"much\"\nprefx = \"a\"\nspool_after = \"5\"\n[apps.a]\ntoken = \"t\"\nagnt = 1\n\
        [apps.Shop]\ncorp_id = \"ww1\"\n";
    let settings = from(
        file,
        &[
            ("KEFU_WORKER__SLOTS__HIGH", "many"),
            ("KEFU_WORKER__DRAIN", "soon"),
        ],
    )
    .unwrap();
    let mut problems = Problems::of(&settings);
    assert!(problems.section::<Queue>("queue").is_none());
    assert!(problems.section::<Queue>("queue").is_none());
    let _ = problems.section::<Worker>("worker");
    assert_eq!(problems.entries::<App>("apps").len(), 1);
    let found: Vec<String> = problems.finish().iter().map(ToString::to_string).collect();
    for expected in [
        "queue.spool_max: expected a whole number, found string \"much\" (kefu.toml, line 2)",
        "queue.prefx: unknown key; ",
        "queue.spool_after: expected a duration ",
        "worker.slots.high: expected a whole number, found string \"many\" (set by KEFU_WORKER__SLOTS__HIGH)",
        "worker.drain: expected a duration ",
        "apps.a.agnt: unknown key; ",
        "apps.a.corp_id: is missing; ",
        "apps.Shop: a name here consists of ",
    ] {
        let hits = found.iter().filter(|line| line.starts_with(expected)).count();
        assert_eq!(hits, 1, "{expected}: {found:#?}");
    }
}

#[test]
fn what_can_be_no_setting_is_told_at_once_with_its_place() {
    let file = "threads = 4\nlevel = \"info\"\n[queu]\nurl = \"amqp://hunter2\"\n[kitchen]\nsink = 1\n[apps.a]\n\
        secret = \"s\"\nsecret_file = \"/run/s\"\ntoken_file = 3\n[apps.shop_file]\ncorp_id = \"ww1\"\n";
    let environment = [
        ("KEFU_QUEUE_PREFIX", "a"),
        ("KEFU_WORKER__SLOTS_HIGH", "3"),
        ("KEFU_INGRESS_SERVICE_HOST", "10.0.0.1"),
        ("KEFU_DATABSE__URL", "postgres://hunter2"),
        ("KEFU_APPS__A__ENCODING_AES_KEY", "x"),
        ("KEFU_APPS__A__ENCODING_AES_KEY_FILE", "/run/k"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let refused = Settings::from_sources(Some(file), environment).unwrap_err();
    let found: Vec<String> = refused.iter().map(ToString::to_string).collect();
    for expected in [
        "threads: stands above all sections, and belongs into one (kefu.toml, line 1)",
        "level: stands above all sections, and belongs into one; did you mean log.level? (kefu.toml, line 2)",
        "queu: unknown section; did you mean queue? known are apps, ",
        "kitchen: unknown section; known are apps, ",
        "apps.a.secret_file: `apps.a.secret` is set as well; set only one of them (kefu.toml, line 9)",
        "apps.a.token_file: must be the path of a file (kefu.toml, line 10)",
        "apps.shop_file: is a table, and a name that ends in _file is that of a value in a file; take another name \
         (kefu.toml, line 11)",
        "queue.prefix: is not set by KEFU_QUEUE_PREFIX, which does nothing; the variable is KEFU_QUEUE__PREFIX",
        "worker.slots_high: unknown key, set by KEFU_WORKER__SLOTS_HIGH; the variable is KEFU_WORKER__SLOTS__HIGH",
        "databse.url: unknown key, set by KEFU_DATABSE__URL; did you mean the section database? ",
        "apps.a.encoding_aes_key_file: `apps.a.encoding_aes_key` is set as well; set only one of them (set by \
            KEFU_APPS__A__ENCODING_AES_KEY_FILE)",
    ] {
        let hits = found.iter().filter(|line| line.starts_with(expected)).count();
        assert_eq!(hits, 1, "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 11, "{found:#?}");
    assert!(!found.concat().contains("hunter2"));
}
