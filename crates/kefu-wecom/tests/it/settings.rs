use kefu_wecom::AppSettings;
use kefu_wecom::settings::PreviousKeySettings;

use crate::stub;

const KEY: &str = "4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws";

fn app() -> AppSettings {
    AppSettings {
        corp_id: "ww1".into(),
        token: Some("token".into()),
        encoding_aes_key: Some(KEY.into()),
        secret: None,
        agent_id: None,
        receive_ids: None,
        accounts: None,
        previous: None,
    }
}

#[test]
fn a_bad_or_missing_key_is_named() {
    let check =
        |app: AppSettings, expected: &str| assert_eq!(app.keyring().unwrap_err().to_string(), expected);
    check(AppSettings { token: None, ..app() }, "token: is missing");
    check(
        AppSettings {
            encoding_aes_key: None,
            ..app()
        },
        "encoding_aes_key: is missing",
    );
    check(
        AppSettings {
            encoding_aes_key: Some(KEY[..42].into()),
            ..app()
        },
        "encoding_aes_key: must be 43 characters, got 42",
    );
    check(
        AppSettings {
            token: Some(" ".into()),
            ..app()
        },
        "token: is empty",
    );
    let previous = PreviousKeySettings {
        token: "".into(),
        encoding_aes_key: KEY.into(),
    };
    check(
        AppSettings {
            previous: Some(previous),
            ..app()
        },
        "previous.token: must be 1 to 32 letters or digits, got 0 characters",
    );
    assert_eq!(
        app().credentials("default").unwrap_err().to_string(),
        "secret: is missing"
    );
    let blank = AppSettings {
        corp_id: " ".into(),
        ..app()
    };
    assert_eq!(blank.receive_ids().unwrap_err().to_string(), "corp_id: is empty");
    assert!(app().keyring().is_ok());
}

#[test]
fn receive_ids_default_to_the_corp_and_want_the_empty_one_spelled_out() {
    let ids = |listed: &str| {
        AppSettings {
            receive_ids: Some(listed.into()),
            ..app()
        }
        .receive_ids()
    };
    assert_eq!(app().receive_ids().unwrap(), ["ww1"]);
    assert_eq!(ids("ww1, tj2").unwrap(), ["ww1", "tj2"]);
    assert_eq!(ids("ww1,\"\"").unwrap(), ["ww1", ""]);
    assert_eq!(ids("").unwrap_err().key(), "receive_ids");
    assert_eq!(ids("ww1,").unwrap_err().key(), "receive_ids");
}

#[test]
fn accounts_are_all_unless_some_are_listed() {
    let accounts = |listed: &str| {
        AppSettings {
            accounts: Some(listed.into()),
            ..app()
        }
        .accounts()
    };
    assert_eq!((app().accounts(), accounts(" , ")), (None, None));
    assert_eq!(accounts("wk1, wk2").unwrap(), ["wk1", "wk2"]);
}

#[test]
fn impossible_addresses_are_refused_with_the_key() {
    for base in [
        "",
        "qyapi.weixin.qq.com",
        "ftp://h",
        "https://h/cgi-bin",
        "https://u:p@h",
        "https://h?x=1",
        "http://",
    ] {
        let settings = kefu_wecom::WecomSettings {
            api_base: base.into(),
            ..stub::settings("http://h")
        };
        let error = stub::client_of(&settings).unwrap_err();
        assert_eq!(error.key(), "wecom.api_base", "{base}: {error}");
    }
    let with = |change: fn(&mut kefu_wecom::WecomSettings)| {
        let mut settings = stub::settings("https://h:8443/");
        change(&mut settings);
        stub::client_of(&settings)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(
        with(|settings| settings.proxy = Some("http://u:hidden@p:3128".into())),
        Ok(())
    );
    assert_eq!(
        with(|settings| settings.proxy = Some("socks5://u:hidden@p".into())),
        Ok(())
    );
    // As if it were not there.
    assert_eq!(with(|settings| settings.proxy = Some("".into())), Ok(()));
    let error = with(|settings| settings.proxy = Some("ftp://u:hidden@p".into())).unwrap_err();
    assert!(
        error.starts_with("wecom.proxy: ") && !error.contains("hidden"),
        "{error}"
    );
    let mut all = stub::settings("https://h/cgi-bin");
    all.timeout = std::time::Duration::from_secs(61);
    all.proxy = Some("p:3128".into());
    all.msgid_repeated_codes = "0".into();
    all.calls_per_minute = 59;
    let keys: Vec<String> = all
        .problems()
        .iter()
        .map(|error| error.key().to_owned())
        .collect();
    let expected = [
        "wecom.api_base",
        "wecom.timeout",
        "wecom.proxy",
        "wecom.msgid_repeated_codes",
        "wecom.calls_per_minute",
    ];
    assert_eq!(keys, expected);
    let error = with(|settings| settings.msgid_repeated_codes = "95001,x".into()).unwrap_err();
    assert_eq!(error, "wecom.msgid_repeated_codes: \"x\" is not an error code");
}

#[test]
fn everything_that_keeps_callbacks_shut_is_told_at_once() {
    let mut wrong = app();
    wrong.corp_id = " ".to_owned();
    wrong.token = None;
    wrong.encoding_aes_key = Some("short".into());
    wrong.receive_ids = Some("ww1,".to_owned());
    wrong.previous = Some(kefu_wecom::settings::PreviousKeySettings {
        token: "a b".into(),
        encoding_aes_key: "".into(),
    });
    let found: Vec<String> = wrong
        .callback_problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "corp_id: is empty",
        "token: is missing",
        "encoding_aes_key: must be 43 characters, got 5",
        "previous.token: ",
        "previous.encoding_aes_key: is empty",
        "receive_ids: has a blank item",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected}: {line}");
    }
    assert_eq!(app().callback_problems(), []);
}
