//! What operators see in Redis: names, values and lifetimes are part of the contract.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_state::{Call, Claim, State, Told};
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;

use crate::said::{conversation, messages};
use crate::support::{forget, prefix, raw, redis_info, redis_url, settings};

const MINUTE: Duration = Duration::from_secs(60);
/// API and value. `endless` is what earlier versions wrote, `time` how an end in Unix milliseconds would look.
const ODD_PAUSES: [(&str, &str); 8] = [
    ("word", "soon"),
    ("huge", "9e99"),
    ("nan", "nan"),
    ("negative", "-60000"),
    ("endless", "60000"),
    ("time", "1800000000000"),
    // Without an end in Redis, and with a length that no pause has.
    ("alike", "1000000 0 0 1000000 0 0 0 0 0"),
    ("long", "99000000000 1 0 99000000000 0 0 0 0 0"),
];

/// The value under the key, and that its life is just under `life`.
async fn check(raw: &mut MultiplexedConnection, key: &str, value: &str, life: Duration) {
    let found: Option<String> = redis::cmd("GET").arg(key).query_async(raw).await.unwrap();
    assert_eq!(found.as_deref(), Some(value), "{key}");
    let left: u64 = redis::cmd("PTTL").arg(key).query_async(raw).await.unwrap();
    let left = Duration::from_millis(left);
    assert!(
        left <= life && life < left + Duration::from_secs(30),
        "{key}: {left:?} of {life:?}"
    );
}

#[tokio::test]
async fn key_names_values_and_lifetimes_are_the_documented_ones() {
    let prefix = prefix().await;
    let state = State::open_with_prefix(&settings(&redis_url()), &prefix)
        .await
        .unwrap();
    let mut raw = raw().await;

    assert_eq!(
        state.claim("default", "2fd4e1c6", "job-a:1", MINUTE).await,
        Claim::Won
    );
    let claim = format!("{prefix}event:processed:default:2fd4e1c6");
    check(&mut raw, &claim, "job-a:1", MINUTE).await;
    state.complete("default", "2fd4e1c6", "job-a:1").await;
    check(&mut raw, &claim, "done", Duration::from_secs(24 * 3600)).await;

    state
        .put_token("default", &"access".into(), Duration::from_secs(7200))
        .await;
    let token = format!("{prefix}wecom:token:default");
    check(&mut raw, &token, "access", Duration::from_secs(7200)).await;

    state.mirror_cursor("default", "wkA", "4gw7").await;
    let cursor = format!("{prefix}kf:cursor:default:wkA");
    check(&mut raw, &cursor, "4gw7", Duration::from_secs(7 * 24 * 3600)).await;

    state.refused("default", "send_msg", None, MINUTE).await;
    let pause = format!("{prefix}pause:default:send_msg");
    let moment = "1000000 0 0 1000000 -14400000000 0 0 0 0";
    check(&mut raw, &pause, moment, Duration::from_secs(4 * 3600)).await;

    state
        .note_said(&conversation("wm1"), &messages(&["m1"]), Millis(1))
        .await;
    let said = format!("{prefix}kf:said:ww1:wkA:wm1");

    state.ping().await.unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{prefix}*"))
        .query_async(&mut raw)
        .await
        .unwrap();
    keys.sort();
    assert_eq!(
        keys,
        [claim, cursor, said, pause, token],
        "other keys than the documented ones"
    );
}

#[tokio::test]
async fn a_flushed_redis_is_forgotten_claims_and_nothing_worse() {
    let prefix = prefix().await;
    let state = State::open_with_prefix(&settings(&redis_url()), &prefix)
        .await
        .unwrap();
    assert_eq!(
        state.claim("default", "hash", "job-a:1", MINUTE).await,
        Claim::Won
    );
    state.put_token("default", &"access".into(), MINUTE).await;
    state.refused("default", "send_msg", None, MINUTE).await;
    forget(&prefix).await;
    assert!(state.token("default").await.is_none());
    assert_eq!(state.paused("default", "send_msg").await, None);
    state.release("default", "hash", "job-a:1").await;
    state.complete("default", "hash", "job-a:1").await;
    assert_eq!(
        state.claim("default", "hash", "job-b:1", MINUTE).await,
        Claim::Done
    );
    assert!(!state.health().degraded);
}

#[tokio::test]
async fn values_that_are_not_ours_count_as_absent() {
    let prefix = prefix().await;
    let state = State::open_with_prefix(&settings(&redis_url()), &prefix)
        .await
        .unwrap();
    let mut raw = raw().await;
    let mut put = async |command: &str, key: &str, value: &str| {
        let key = format!("{prefix}{key}");
        let _: () = redis::cmd(command)
            .arg(key)
            .arg(value)
            .query_async(&mut raw)
            .await
            .unwrap();
    };
    put("RPUSH", "event:processed:default:list", "x").await;
    put("RPUSH", "wecom:token:list", "x").await;
    put("SET", "wecom:token:endless", "x").await;
    for (api, value) in ODD_PAUSES {
        put("SET", &format!("pause:default:{api}"), value).await;
    }

    assert_eq!(
        state.claim("default", "list", "job-a:1", MINUTE).await,
        Claim::Won
    );
    assert_eq!(
        state.claim("default", "list", "job-b:1", MINUTE).await,
        Claim::Held
    );
    assert!(state.token("list").await.is_none());
    assert!(state.token("endless").await.is_none());
    for (api, value) in ODD_PAUSES {
        assert_eq!(state.paused("default", api).await, None, "{value}");
        let free = state.call("default", api, MINUTE).await;
        assert_eq!(free, Call::Go(Duration::ZERO), "{value}");
        assert!(state.refused("default", api, None, MINUTE).await.begun, "{value}");
        assert!(state.paused("default", api).await.is_some(), "{value}");
    }
    state.put_token("endless", &"ours".into(), MINUTE).await;
    assert_eq!(state.token("endless").await.unwrap().0.expose_secret(), "ours");
    assert!(!state.health().degraded, "one odd key is not the end of Redis");
}

#[tokio::test]
async fn a_user_with_only_the_documented_rights_is_enough() {
    let (mut raw, info, prefix) = (raw().await, redis_info(), prefix().await);
    let user = format!("kefu_rights_{}", std::process::id());
    let mut rule = vec![
        "SETUSER".to_owned(),
        user.clone(),
        "on".to_owned(),
        ">right".to_owned(),
    ];
    rule.extend(
        [
            "event:processed:*",
            "kf:cursor:*",
            "kf:said:*",
            "wecom:token:*",
            "pause:*",
        ]
        .map(|keys| format!("~{prefix}{keys}")),
    );
    let commands = [
        "eval",
        "get",
        "pttl",
        "set",
        "setrange",
        "del",
        "zadd",
        "zscore",
        "zremrangebyrank",
        "pexpire",
        "select",
        "ping",
        "unwatch",
    ];
    rule.extend(commands.map(|command| format!("+{command}")));
    let _: () = redis::cmd("ACL").arg(&rule).query_async(&mut raw).await.unwrap();

    let url = format!(
        "redis://{user}:right@{}/{}",
        info.addr(),
        info.redis_settings().db()
    );
    let state = State::open_with_prefix(&settings(&url), &prefix).await.unwrap();
    state.claim("default", "hash", "job-a:1", MINUTE).await;
    state.complete("default", "hash", "job-a:1").await;
    state.release("default", "hash", "job-a:1").await;
    state.put_token("default", &"access".into(), MINUTE).await;
    state.token("default").await.unwrap();
    state.drop_token_if("default", "access").await;
    state.mirror_cursor("default", "wkA", "4gw7").await;
    state.refused("default", "send_msg", None, MINUTE).await;
    state.paused("default", "send_msg").await.unwrap();
    state.call("default", "send_msg", MINUTE).await;
    state.told("default", "send_msg", 1, Told::Passed).await;
    let (talk, said) = (conversation("wm1"), messages(&["m1"]));
    state.note_said(&talk, &said, Millis(1)).await;
    assert_eq!(state.said_before(&talk, &said).await, said);
    let health = state.health();
    let _: () = redis::cmd("ACL")
        .arg(&["DELUSER", &user])
        .query_async(&mut raw)
        .await
        .unwrap();
    assert!(!health.degraded, "{health:?}");
}
