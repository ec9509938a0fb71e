//! The commands sent to Redis. What reads and then writes is one script, so that nothing comes between.
//!
//! Sent whole each time: they are shorter than a second round trip when a restarted Redis has forgotten them.

use std::time::Duration;

use kefu_domain::MessageId;
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

/// Begins a pause, unless one runs: 1 if it began, its length, and what is left of it. After a recent one it is twice
/// as long as that. What is there and cannot be ours counts as absent.
const PAUSE: &str = "
local length = tonumber(redis.call('GET', KEYS[1]) or '')
local life = redis.call('PTTL', KEYS[1])
local first, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = length and 1 <= length and length <= longest and 0 < life
if known and length < life then return {0, length, math.min(life - length, length)} end
local next = first
if known then next = math.max(first, math.min(2 * math.floor(length), longest)) end
redis.call('SET', KEYS[1], next, 'PX', 2 * next)
return {1, next, next}";

/// Adds members with one score, drops the oldest beyond the number kept, and lives on from now.
const NOTE: &str = "
for place = 4, #ARGV do redis.call('ZADD', KEYS[1], ARGV[1], ARGV[place]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])";

/// 1 for each member that is there, else 0, in their order. One command for all exists from Redis 6.2 on only.
const NOTED: &str = "
local noted = {}
for place, member in ipairs(ARGV) do
    noted[place] = redis.call('ZSCORE', KEYS[1], member) and 1 or 0
end
return noted";

pub(crate) fn claim(key: &str, owner: &str, lease: Duration) -> Cmd {
    eval(CLAIM, key).arg(owner).arg(milliseconds(lease)).take()
}

pub(crate) fn complete(key: &str, owner: &str, kept: Duration) -> Cmd {
    eval(COMPLETE, key).arg(owner).arg(milliseconds(kept)).take()
}

pub(crate) fn delete_if(key: &str, value: &str) -> Cmd {
    eval(DELETE_IF, key).arg(value).take()
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

pub(crate) fn pause(key: &str, first: Duration, longest: Duration) -> Cmd {
    eval(PAUSE, key)
        .arg(milliseconds(first))
        .arg(milliseconds(longest))
        .take()
}

pub(crate) fn note(key: &str, members: &[MessageId], score: i64, members_max: usize, life: Duration) -> Cmd {
    let mut command = eval(NOTE, key);
    command.arg(score).arg(members_max).arg(milliseconds(life));
    with_members(command, members)
}

pub(crate) fn noted(key: &str, members: &[MessageId]) -> Cmd {
    with_members(eval(NOTED, key), members)
}

fn with_members(mut command: Cmd, members: &[MessageId]) -> Cmd {
    for member in members {
        command.arg(member.as_str());
    }
    command
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

/// Asks for a note that never exists.
pub(crate) fn probe_said(prefix: &str) -> Cmd {
    eval(NOTED, &format!("{prefix}{}", keys::SAID_PROBE))
        .arg("probe")
        .take()
}

fn eval(script: &str, key: &str) -> Cmd {
    redis::cmd("EVAL").arg(script.trim_start()).arg(1).arg(key).take()
}

/// Redis refuses a life of zero.
fn milliseconds(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1)
}
