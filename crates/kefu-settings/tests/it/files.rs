//! Values that stand in files of their own, and the file itself.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use kefu_settings::{AsUser, Settings, SettingsError};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::settings::{App, Database, Queue, check_refused, from};

#[test]
fn a_value_can_stand_in_a_file_of_its_own() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b" s3cret \r\n").unwrap();
    let path = file.path().to_str().unwrap();
    let secret = |file: &str, environment: &[(&str, &str)]| -> Result<String, SettingsError> {
        let apps = from(file, environment)?.entries::<App>("apps")?;
        Ok(apps["default"]
            .secret
            .as_ref()
            .unwrap()
            .expose_secret()
            .to_owned())
    };
    let in_file = format!("[apps.default]\ncorp_id = \"c\"\nsecret_file = '{path}'");
    assert_eq!(secret(&in_file, &[]), Ok(" s3cret ".to_owned()));
    let plain = "[apps.default]\ncorp_id = \"c\"\nsecret = \"plain\"";
    assert_eq!(
        secret(plain, &[("KEFU_APPS__DEFAULT__SECRET_FILE", path)]),
        Ok(" s3cret ".to_owned())
    );
    assert_eq!(
        secret(&in_file, &[("KEFU_APPS__DEFAULT__SECRET", "other")]),
        Ok("other".to_owned())
    );
    // As editors of Windows write it.
    std::fs::write(path, "\u{feff}s3cret\r\n").unwrap();
    assert_eq!(secret(&in_file, &[]), Ok("s3cret".to_owned()));
    let with_mark = format!("\u{feff}{}", in_file.replace('\n', "\r\n"));
    assert_eq!(secret(&with_mark, &[]), Ok("s3cret".to_owned()));
}

#[test]
fn files_that_cannot_be_read_are_refused_only_where_they_are_used() {
    let environment = [("KEFU_APPS__DEFAULT__SECRET_FILE", "/nowhere/secret")];
    let settings = from("[apps.default]\ncorp_id = \"c\"", &environment).unwrap();
    settings.section::<Queue>("queue").unwrap();
    check_refused(
        settings.entries::<App>("apps"),
        &format!(
            "apps.default.secret_file: cannot read /nowhere/secret: No such file or directory (os error 2){AsUser} \
             (set by KEFU_APPS__DEFAULT__SECRET_FILE)"
        ),
    );
    check_refused(
        from("[apps.default]\nsecret = \"a\"\nsecret_file = \"b\"", &[]),
        "apps.default.secret_file: `apps.default.secret` is set as well; set only one of them (kefu.toml, line 3)",
    );
    check_refused(
        from("[queue]\nurl_file = 3", &[]),
        "queue.url_file: must be the path of a file (kefu.toml, line 2)",
    );
}

#[test]
fn what_a_reader_leaves_to_others_is_not_looked_at() {
    #[derive(Deserialize)]
    struct Corp {
        corp_id: String,
    }
    let environment = [("KEFU_APPS__DEFAULT__SECRET_FILE", "/nowhere/secret")];
    let text = "[apps.default]\ncorp_id = \"c\"\nreceive_ids = [1, { x = 2 }]\n[apps.default.previous]\ntoken_file = \"/nowhere\"";
    let settings = from(text, &environment).unwrap();
    let apps: BTreeMap<String, Corp> = settings.entries("apps").unwrap();
    assert_eq!(apps["default"].corp_id, "c");
}

#[test]
fn secrets_are_never_printed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"hunter2").unwrap();
    let path = file.path().to_str().unwrap();
    let text = "[apps.default]\ncorp_id = \"c\"\ntoken = \"hunter2\"";
    let environment = [
        ("KEFU_QUEUE__URL", "amqp://u:hunter2@h"),
        ("KEFU_DATABASE__POOL_FILE", path),
    ];
    let settings = from(text, &environment).unwrap();
    let apps: BTreeMap<String, App> = settings.entries("apps").unwrap();
    let queue: Queue = settings.section("queue").unwrap();
    let error = settings.section::<Database>("database").unwrap_err();
    assert_eq!(error.key(), "database.pool");
    let broken_line = from("[apps.default]\ntoken = \"hunter2", &[]).unwrap_err();
    assert!(
        broken_line.to_string().starts_with("kefu.toml: line 2: "),
        "{broken_line}"
    );
    let repeated = from("[apps.default]\ntoken = \"hunter2\"\ntoken = \"hunter2\"", &[]).unwrap_err();
    let wrong_kind = from("[apps.default]\ncorp_id = 'c'\ntoken = ['hunter2']", &[]).unwrap();
    let wrong_kind = wrong_kind.entries::<App>("apps").unwrap_err();
    for printed in [
        format!("{settings:?}"),
        format!("{apps:?} {queue:?}"),
        format!("{error} {broken_line} {repeated} {wrong_kind}"),
        format!("{error:?} {broken_line:?} {repeated:?} {wrong_kind:?}"),
    ] {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let error = Settings::load(Some(Path::new("/nowhere/kefu.toml"))).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/nowhere/kefu.toml: cannot read the settings file: "),
        "{error}"
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[queue]\nretry_steps = \"1s\"").unwrap();
    let settings = Settings::load(Some(file.path())).unwrap();
    assert_eq!(settings.file(), Some(file.path()));
    assert_eq!(settings.section::<Queue>("queue").unwrap().retry_steps, "1s");
}

#[test]
fn a_role_does_not_read_the_secrets_of_another() {
    let file = "[apps.default]\ncorp_id = \"c\"\nsecret_file = \"/nowhere/secret\"";
    let settings = from(file, &[]).unwrap();
    assert!(settings.entries::<App>("apps").is_err());
    let apps = settings
        .without("apps", &["secret"])
        .entries::<App>("apps")
        .unwrap();
    assert!(apps["default"].secret.is_none());
}
