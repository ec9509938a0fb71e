//! The commands sent to Redis. What reads and then writes is one script, so that nothing comes between.
//!
//! Sent whole each time: they are shorter than a second round trip when a restarted Redis has forgotten them.

use std::time::Duration;

use kefu_domain::MessageId;
use redis::Cmd;

use crate::keys;
use crate::limit::{ASKED_MAX, MOMENT, PACED_FOR, PAUSE_MAX, PLACE_KEPT, PLACE_WAIT_MAX, Told};

/// Life of the record of a limit: longer than the longest pause, as long again in which it is recent, and the hour
/// for which calls are paced.
pub(crate) const LIMIT_KEPT: Duration = Duration::from_secs(4 * 3600);

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

/// The record of a limit (`limit.rs`): nine numbers, times as microseconds from its writing on. Its life is always the
/// same, so what is missing of that is its age, and only the clock of Redis counts. A time that lies further away than
/// it can is cut; what is there and cannot be ours counts as absent.
const LIMIT: &str = "
local life, longest, asked_max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wait_max, paced_for = tonumber(ARGV[4]), tonumber(ARGV[5])
-- Longer ago than a record lives: nobody asks.
local never = -life
local length, real, refused, ends, asked, ask, place, back, paced = 0, 0, 0, 0, never, 0, 0, 0, 0
local age, fields = life - redis.call('PTTL', KEYS[1]) * 1000, {}
for field in string.gmatch(redis.call('GET', KEYS[1]) or '', '%-?%d+') do
    fields[#fields + 1] = tonumber(field)
end
if #fields == 9 and 0 <= age and age <= life and 0 <= fields[1] and fields[1] <= longest then
    length, real, ask = fields[1], fields[2], fields[6]
    refused = fields[3] - age
    ends = math.min(fields[4] - age, length)
    asked = math.min(fields[5] - age, asked_max)
    place = math.min(fields[7] - age, math.max(ends, 0) + longest)
    back = math.min(fields[8] - age, math.max(ends, 0) + longest)
    paced = math.min(fields[9] - age, longest + paced_for)
    if math.max(ends, asked) + math.max(length, asked_max) <= 0 then length = 0 end
end
local function keep()
    if length == 0 and paced <= 0 then return redis.call('DEL', KEYS[1]) end
    local record = table.concat({length, real, refused, ends, asked, ask, place, back, paced}, ' ')
    redis.call('SET', KEYS[1], record, 'PX', life / 1000)
end
";

/// Whether a call may be made: which of [`Call`]'s, and its number or time.
const CALL: &str = "
if 0 < length then
    if 0 < ends then return {3, ends} end
    if 0 < asked then return {2, asked} end
    ask, asked = ask + 1, asked_max
    keep()
    return {1, ask}
end
if paced <= 0 then return {0, 0} end
place = math.max(place, -tonumber(ARGV[7]))
if wait_max < place then
    local wait = math.min(math.max(back, place), longest)
    back = wait + ARGV[6]
    keep()
    return {4, wait}
end
local wait = math.max(place, 0)
place = place + ARGV[6]
keep()
return {0, wait}";

/// Begins a pause, or joins the one that runs: 1 if it began, its length, and what is left of it.
const REFUSED: &str = "
local first, moment, answered = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if length == 0 then
    length, real, refused, ends, asked = moment, 0, 0, moment, never
elseif answered == ask and never < asked then
    if real == 1 then
        length = math.min(2 * length, longest)
        ends = length
    else
        length, real = first, 1
        ends = math.max(refused + first, moment)
    end
    asked, place, back, paced = never, ends, ends, ends + paced_for
else
    return {0, length, 0 < ends and ends or moment}
end
keep()
return {1, length, ends}";

/// The length of the pause that runs, and what is left of it; else zeros.
const PAUSED: &str = "
if 0 < length and 0 < ends then return {length, ends} end
return {0, 0}";

/// The call that asked has ended: it passed, or nobody knows more than before.
const TOLD: &str = "
if length == 0 or tonumber(ARGV[6]) ~= ask or asked <= never then return end
if ARGV[7] == 'passed' then length = 0 else asked = never end
keep()";

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

pub(crate) fn call(key: &str, interval: Duration) -> Cmd {
    let mut command = limit(CALL, key);
    command.arg(microseconds(interval)).arg(microseconds(PLACE_KEPT));
    command
}

pub(crate) fn refused(key: &str, asked: Option<u64>, first: Duration) -> Cmd {
    let mut command = limit(REFUSED, key);
    let moment = first.min(MOMENT);
    command.arg(microseconds(first)).arg(microseconds(moment));
    // Nobody is told to ask with the number zero.
    command.arg(asked.unwrap_or(0));
    command
}

pub(crate) fn told(key: &str, asked: u64, told: Told) -> Cmd {
    let mut command = limit(TOLD, key);
    command.arg(asked).arg(match told {
        Told::Passed => "passed",
        Told::Nothing => "nothing",
    });
    command
}

pub(crate) fn paused(key: &str) -> Cmd {
    limit(PAUSED, key)
}

fn limit(step: &str, key: &str) -> Cmd {
    let mut command = eval(&format!("{LIMIT}{step}"), key);
    for time in [LIMIT_KEPT, PAUSE_MAX, ASKED_MAX, PLACE_WAIT_MAX, PACED_FOR] {
        command.arg(microseconds(time));
    }
    command
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

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
