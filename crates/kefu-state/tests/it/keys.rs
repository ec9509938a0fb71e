//! What operators see in Redis: names, values and lifetimes are part of the contract.

use std::time::Duration;

use kefu_domain::Millis;
use kefu_state::{Claim, State};
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;

use crate::support::{forget, prefix, raw, redis_info, redis_url, settings};

const MINUTE: Duration = Duration::from_secs(60);
const NOW: Millis = Millis(1_800_000_000_000);

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

    let until = NOW + MINUTE;
    state.pause("default", "send_msg:with_token", until, NOW).await;
    let pause = format!("{prefix}pause:default:send_msg:with_token");
    check(&mut raw, &pause, &until.to_string(), MINUTE).await;

    state.ping().await.unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{prefix}*"))
        .query_async(&mut raw)
        .await
        .unwrap();
    keys.sort();
    assert_eq!(
        keys,
        [claim, cursor, pause, token],
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
    state.pause("default", "send_msg", NOW + MINUTE, NOW).await;
    forget(&prefix).await;
    assert!(state.token("default").await.is_none());
    assert_eq!(state.paused_until("default", "send_msg", NOW).await, None);
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
    put("SET", "pause:default:send_msg", "soon").await;
    put("SET", "pause:default:bytes", "9e99").await;

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
    assert_eq!(state.paused_until("default", "send_msg", NOW).await, None);
    assert_eq!(state.paused_until("default", "bytes", NOW).await, None);
    state.put_token("endless", &"ours".into(), MINUTE).await;
    assert_eq!(state.token("endless").await.unwrap().0.expose_secret(), "ours");
    state.pause("default", "send_msg", NOW + MINUTE, NOW).await;
    assert_eq!(
        state.paused_until("default", "send_msg", NOW).await,
        Some(NOW + MINUTE)
    );
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
        ["event:processed:*", "kf:cursor:*", "wecom:token:*", "pause:*"]
            .map(|keys| format!("~{prefix}{keys}")),
    );
    let commands = [
        "eval", "get", "pttl", "set", "setrange", "del", "select", "ping", "unwatch",
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
    state.pause("default", "send_msg", NOW + MINUTE, NOW).await;
    state.paused_until("default", "send_msg", NOW).await.unwrap();
    let health = state.health();
    let _: () = redis::cmd("ACL")
        .arg(&["DELUSER", &user])
        .query_async(&mut raw)
        .await
        .unwrap();
    assert!(!health.degraded, "{health:?}");
}
