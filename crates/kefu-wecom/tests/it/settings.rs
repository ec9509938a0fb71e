use kefu_wecom::AppSettings;
use kefu_wecom::client::ClientError;
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
    assert_eq!(ids("").unwrap_err().key, "receive_ids");
    assert_eq!(ids("ww1,").unwrap_err().key, "receive_ids");
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
        assert!(matches!(error, ClientError::ApiBase), "{base}: {error}");
        assert!(error.to_string().starts_with("wecom.api_base: "));
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
        with(|settings| settings.proxy = Some("socks5://u:hidden@p:1080".into())),
        Ok(())
    );
    let error = with(|settings| settings.proxy = Some("ftp://u:hidden@p".into())).unwrap_err();
    assert!(
        error.starts_with("wecom.proxy: ") && !error.contains("hidden"),
        "{error}"
    );
    let error = with(|settings| settings.msgid_repeated_codes = "95001,x".into()).unwrap_err();
    assert_eq!(error, "wecom.msgid_repeated_codes: \"x\" is not an error code");
}
