//! The commands sent to Redis. What reads and then writes is one script, so that nothing comes between.
//!
//! Sent whole each time: they are shorter than a second round trip when a restarted Redis has forgotten them.

use std::time::Duration;

use redis::Cmd;

use crate::keys;

/// Won unless another owner's lease runs or the work is done.
const CLAIM: &str = "
local held = redis.call('GET', KEYS[1])
if held == 'done' then return 'done' end
if held and held ~= ARGV[1] then return 'held' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'won'";

/// Done, unless another owner holds it by now: that one will say itself how it ended.
const COMPLETE: &str = "
local held = redis.call('GET', KEYS[1])
if not held or held == ARGV[1] then redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2]) end";

const DELETE_IF: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

/// The value and its remaining milliseconds, read at one moment.
const GET_WITH_LIFE: &str = "
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}";

/// Written only if it is later than what is there.
const SET_LATER: &str = "
local stored = tonumber(redis.call('GET', KEYS[1]) or '')
if not stored or stored < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end";

pub(crate) fn claim(key: &str, owner: &str, lease: Duration) -> Cmd {
    eval(CLAIM, key).arg(owner).arg(milliseconds(lease)).take()
}

pub(crate) fn complete(key: &str, owner: &str, kept: Duration) -> Cmd {
    eval(COMPLETE, key).arg(owner).arg(milliseconds(kept)).take()
}

pub(crate) fn delete_if(key: &str, value: &str) -> Cmd {
    eval(DELETE_IF, key).arg(value).take()
}

pub(crate) fn get(key: &str) -> Cmd {
    redis::cmd("GET").arg(key).take()
}

pub(crate) fn get_with_life(key: &str) -> Cmd {
    eval(GET_WITH_LIFE, key)
}

pub(crate) fn set(key: &str, value: &str, life: Duration) -> Cmd {
    redis::cmd("SET")
        .arg(key)
        .arg(value)
        .arg("PX")
        .arg(milliseconds(life))
        .take()
}

pub(crate) fn set_later(key: &str, value: i64, life: Duration) -> Cmd {
    eval(SET_LATER, key).arg(value).arg(milliseconds(life)).take()
}

/// A write that changes nothing.
///
/// Unlike PING it is refused by a replica, by a full Redis and by one that cannot save, all of which would
/// refuse the next claim too. Nothing appended to nothing creates no key.
pub(crate) fn probe(prefix: &str) -> Cmd {
    redis::cmd("SETRANGE")
        .arg(format!("{prefix}{}", keys::PROBE))
        .arg(0)
        .arg("")
        .take()
}

fn eval(script: &str, key: &str) -> Cmd {
    redis::cmd("EVAL").arg(script.trim_start()).arg(1).arg(key).take()
}

/// Redis refuses a life of zero.
fn milliseconds(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1)
}
