//! The rule against stand-ins of WeCom, played in virtual time: what comes through, and how late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

const MINUTE_MS: u64 = 60_000;
const MINUTE: Duration = Duration::from_millis(MINUTE_MS);
/// Jobs at work at a time, over all workers.
const SLOTS: usize = 128;
/// A call takes so long.
const CALL_MS: u64 = 20;
/// Callers look so often whether the one that asks is done.
const LOOK_MS: u64 = 50;
/// Waiting jobs come back at most so many a second.
const WOKEN: usize = 200;

/// When WeCom refuses a call.
enum StandIn {
    /// Beyond so many in a minute of the clock.
    Calendar { most: u64, calls: u64, minute: u64 },
    /// The same, in minutes from the first call; then all calls for a minute from that refusal on.
    Block {
        most: u64,
        calls: u64,
        began: u64,
        blocked_until: u64,
    },
    /// One in so many, by chance.
    Random { one_in: u64, seed: u64 },
}

impl StandIn {
    fn refuses(&mut self, now: u64) -> bool {
        match self {
            StandIn::Calendar { most, calls, minute } => {
                if *minute != now / MINUTE_MS {
                    (*minute, *calls) = (now / MINUTE_MS, 0);
                }
                *calls += 1;
                *most < *calls
            }
            StandIn::Block {
                most,
                calls,
                began,
                blocked_until,
            } => {
                if now < *blocked_until {
                    return true;
                }
                if *began + MINUTE_MS <= now {
                    (*began, *calls) = (now, 0);
                }
                *calls += 1;
                if *calls <= *most {
                    return false;
                }
                (*blocked_until, *began) = (now + MINUTE_MS, 0);
                true
            }
            StandIn::Random { one_in, seed } => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (*seed >> 33).is_multiple_of(*one_in)
            }
        }
    }
}

/// A message, by the time it was written.
type Written = u64;

/// What a slot does next, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Look(Written),
    Call(Written, Option<u64>),
    Answer(Written, Option<u64>, bool),
}

struct Answered {
    /// When each message was answered.
    at: Vec<u64>,
    /// How long it took.
    took: Vec<u64>,
    /// How often a job came to a slot.
    looks: usize,
}

impl Answered {
    /// Percent of a limit over these minutes.
    fn share(&self, limit: u64, from: u64, to: u64) -> u64 {
        let minutes = from * MINUTE_MS..to * MINUTE_MS;
        let count = self.at.iter().filter(|at| minutes.contains(at)).count();
        count as u64 * 100 / (limit * (to - from))
    }

    fn p99(mut self) -> u64 {
        self.took.sort_unstable();
        self.took[self.took.len() * 99 / 100] / 1000
    }
}

/// `messages` are written `a_second`; ends when all are answered.
fn play(mut wecom: StandIn, limit: u64, messages: u64, a_second: u64) -> Answered {
    let interval = Duration::from_secs_f64(60.0 / (limit as f64 * 0.95));
    let epoch = Instant::now() + PAUSE_MAX;
    let mut limits = Limit::default();
    let mut slots: BinaryHeap<Reverse<(u64, Next)>> = BinaryHeap::new();
    let mut lane: VecDeque<Written> = VecDeque::new();
    let mut parked: BinaryHeap<Reverse<(u64, Written)>> = BinaryHeap::new();
    let mut answered = Answered {
        at: Vec::new(),
        took: Vec::new(),
        looks: 0,
    };
    let mut written = 0;
    for now in 0.. {
        while written < messages && written * 1000 / a_second <= now {
            lane.push_back(now);
            written += 1;
        }
        if now % 1000 == 0 {
            for _ in 0..WOKEN {
                match parked.pop() {
                    Some(Reverse((due, job))) if due <= now => lane.push_back(job),
                    Some(not_due) => {
                        parked.push(not_due);
                        break;
                    }
                    None => break,
                }
            }
        }
        while slots.len() < SLOTS
            && let Some(job) = lane.pop_front()
        {
            answered.looks += 1;
            slots.push(Reverse((now, Next::Look(job))));
        }
        let at = epoch + Duration::from_millis(now);
        while let Some(Reverse((_, next))) = slots.peek().filter(|Reverse((due, _))| *due <= now).copied() {
            slots.pop();
            let mut later = |wait: u64, next| slots.push(Reverse((now + wait, next)));
            let milliseconds = |wait: Duration| wait.as_millis() as u64;
            match next {
                Next::Look(job) => match limits.call(interval, at) {
                    Call::Go(wait) => later(milliseconds(wait), Next::Call(job, None)),
                    Call::Ask(asked) => later(0, Next::Call(job, Some(asked))),
                    Call::Asked(_) => later(LOOK_MS, Next::Look(job)),
                    Call::Paused(wait) | Call::Full(wait) => {
                        parked.push(Reverse((now + milliseconds(wait), job)));
                    }
                },
                Next::Call(job, asked) => later(CALL_MS, Next::Answer(job, asked, wecom.refuses(now))),
                Next::Answer(job, asked, true) => {
                    let pause = limits.refused(asked, MINUTE, at);
                    parked.push(Reverse((now + milliseconds(pause.left), job)));
                }
                Next::Answer(job, asked, false) => {
                    if let Some(asked) = asked {
                        limits.told(asked, Told::Passed, at);
                    }
                    answered.at.push(now);
                    answered.took.push(now - job);
                }
            }
        }
        if answered.at.len() as u64 == messages {
            return answered;
        }
    }
    unreachable!("time has no end");
}

#[test]
fn a_random_refusal_in_two_hundred_is_no_limit() {
    for seed in 1..=50 {
        let p99 = play(StandIn::Random { one_in: 200, seed }, 10_000, 1_500, 48).p99();
        assert!(p99 < 75, "seed {seed}: {p99} s");
    }
}

/// More than the limit is written for minutes; from the third on it is used, and each job comes a few times.
#[track_caller]
fn check_used(wecom: StandIn, limit: u64) {
    let answered = play(wecom, limit, 12 * limit, limit / 33);
    let share = answered.share(limit, 2, 11);
    assert!(90 <= share, "{share} %");
    let looks = answered.looks as u64 / (12 * limit);
    assert!(looks <= 3, "{looks} looks a job");
}

fn calendar(most: u64) -> StandIn {
    StandIn::Calendar {
        most,
        calls: 0,
        minute: 0,
    }
}

fn block(most: u64) -> StandIn {
    StandIn::Block {
        most,
        calls: 0,
        began: 0,
        blocked_until: 0,
    }
}

#[test]
fn the_minutes_of_a_clock_are_used() {
    check_used(calendar(10_000), 10_000);
}

#[test]
fn a_block_for_a_minute_happens_once() {
    check_used(block(10_000), 10_000);
}

/// Then more jobs are at work than there are places in the near future.
#[test]
fn a_small_limit_is_used_as_well() {
    check_used(calendar(600), 600);
    check_used(block(600), 600);
}
