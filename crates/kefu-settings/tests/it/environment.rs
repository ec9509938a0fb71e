//! Variables: which win, which are ours, and which hold the path of a file.

use std::io::Write as _;

use secrecy::ExposeSecret as _;

use crate::settings::{Database, Queue, from};

#[test]
fn the_environment_wins_over_the_urls_which_win_over_the_file() {
    let file = "[database]\nurl = \"sqlite:file.db\"\npool = 4\n[queue]\nprefix = \"file\"";
    let url = |environment: &[(&str, &str)]| {
        let database: Database = from(file, environment).unwrap().section("database").unwrap();
        (database.url.expose_secret().to_owned(), database.pool)
    };
    assert_eq!(url(&[]), ("sqlite:file.db".to_owned(), 4));
    assert_eq!(
        url(&[("DATABASE_URL", "postgres://a")]),
        ("postgres://a".to_owned(), 4)
    );
    assert_eq!(url(&[("DATABASE_URL", "")]).0, "sqlite:file.db");
    let both = [
        ("KEFU_DATABASE__URL", "postgres://b"),
        ("DATABASE_URL", "postgres://a"),
        ("KEFU_DATABASE__POOL", " 7 "),
    ];
    assert_eq!(url(&both), ("postgres://b".to_owned(), 7));
    let over = from(file, &both)
        .unwrap()
        .with("database.pool", 9)
        .with("database.url", "sqlite::memory:");
    assert_eq!(over.section::<Database>("database").unwrap().pool, 9);
}

#[test]
fn a_url_that_other_programs_know_can_stand_in_a_file() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"postgres://kefu:hunter2@db/kefu\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let url = |environment: &[(&str, &str)]| {
        let settings = from("[database]\nurl = \"sqlite:file.db\"", environment).unwrap();
        let database: Database = settings.section("database").unwrap();
        (
            database.url.expose_secret().to_owned(),
            settings.origin("database.url").to_string(),
        )
    };
    let (value, origin) = url(&[("DATABASE_URL_FILE", path)]);
    assert_eq!(
        (value.as_str(), origin.as_str()),
        ("postgres://kefu:hunter2@db/kefu", "set by DATABASE_URL_FILE")
    );
    assert_eq!(url(&[("DATABASE_URL_FILE", "")]).0, "sqlite:file.db");
    let over = [("KEFU_DATABASE__URL", "sqlite:b.db"), ("DATABASE_URL_FILE", path)];
    assert_eq!(url(&over).0, "sqlite:b.db");
    let both = [("REDIS_URL", "redis://a"), ("REDIS_URL_FILE", path)];
    let refused = from("", &both).unwrap_err().to_string();
    assert_eq!(
        refused,
        "state.url_file: `state.url` is set as well; set only one of them (set by REDIS_URL_FILE)"
    );
    let gone = from("", &[("AMQP_URL_FILE", "/nowhere/url")]).unwrap();
    let error = gone.section::<Queue>("queue").unwrap_err().to_string();
    assert!(
        error.starts_with("queue.url_file: cannot read /nowhere/url")
            && error.ends_with("(set by AMQP_URL_FILE)"),
        "{error}"
    );
}

#[test]
fn variables_that_are_no_settings_are_ignored() {
    let environment = [
        ("KEFU_INGRESS_SERVICE_HOST", "10.0.0.1"),
        ("KEFU_INGRESS_PORT_3001_TCP", "tcp://10.0.0.1:3001"),
        ("KEFU_CONFIG", "x"),
        ("PATH", "/bin"),
        ("OTHER__THING", "x"),
    ];
    from("", &environment).unwrap();
}
