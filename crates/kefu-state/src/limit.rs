//! What is known of the limit of one API, without clock and engine. The scripts for Redis say the same.
//!
//! Free → paused for a moment after a refusal → one call asks → free again if it passes; else it was a real limit:
//! paused until the limit's minute is over → one call asks → free if it passes, else paused for twice as long.
//! After a real limit the calls are paced below it for an hour.

#[cfg(test)]
mod played;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

/// No pause lasts longer, however often the limit is hit: WeCom blocks for a minute or for an hour.
pub const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Redis refuses a life of zero.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The pause after a refusal that may mean nothing, at most: then one call asks whether it does.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);
/// For so long one caller's question keeps the others waiting. Its worker may have died.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(10);
/// Nobody is given a place that is further away.
pub(crate) const PLACE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Places that nobody took stay good for so long: callers are not as regular as places.
pub(crate) const PLACE_KEPT: Duration = Duration::from_secs(1);
/// Calls are paced for so long after a real limit.
pub(crate) const PACED_FOR: Duration = Duration::from_secs(3600);

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// To be made after this wait, mostly none: its place below the limit.
    Go(Duration),
    /// To be made, and to be told of with this number: it finds out whether the limit is over.
    Ask(u64),
    /// Another call is finding out; this is how long it may take at most.
    Asked(Duration),
    /// Not before this time is over.
    Paused(Duration),
    /// All places of the near future are taken: to come again after this time, when those who came before have.
    Full(Duration),
}

/// How a call that asked has ended, if not by a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was no limit, or it is over.
    Passed,
    /// It was not made, or got no answer: the next one asks.
    Nothing,
}

/// A pause of one API that runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until its end.
    pub left: Duration,
    pub length: Duration,
    /// This call began it; else it ran already.
    pub begun: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Limit {
    pausing: Option<Pausing>,
    pace: Option<Pace>,
    /// Calls that were told to ask.
    asks: u64,
}

#[derive(Clone, Debug)]
struct Pausing {
    refused_at: Instant,
    until: Instant,
    length: Duration,
    /// A call that asked was refused, too.
    is_real: bool,
    /// Since a call asks: until when the others wait for it.
    asked_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Pace {
    /// The next place that is free.
    place: Instant,
    /// When the next one who finds no place may come again.
    back: Instant,
    until: Instant,
}

impl Limit {
    /// Whether the next call may be made; `interval` lies between two calls that are paced.
    pub(crate) fn call(&mut self, interval: Duration, now: Instant) -> Call {
        self.forget(now);
        if let Some(pausing) = &mut self.pausing {
            if now < pausing.until {
                return Call::Paused(pausing.until - now);
            }
            if let Some(until) = pausing.asked_until.filter(|until| now < *until) {
                return Call::Asked(until - now);
            }
            self.asks += 1;
            pausing.asked_until = Some(now + ASKED_MAX);
            return Call::Ask(self.asks);
        }
        let Some(pace) = &mut self.pace else {
            return Call::Go(Duration::ZERO);
        };
        let place = now.checked_sub(PLACE_KEPT).unwrap_or(now).max(pace.place);
        let wait = place.saturating_duration_since(now);
        if PLACE_WAIT_MAX < wait {
            let back = pace.back.max(place).min(now + PAUSE_MAX);
            pace.back = back + interval;
            return Call::Full(back - now);
        }
        pace.place = place + interval;
        Call::Go(wait)
    }

    /// WeCom said "too often" to a call, which may be one that asked. `first` is how long its limits last.
    pub(crate) fn refused(&mut self, asked: Option<u64>, first: Duration, now: Instant) -> Pause {
        self.forget(now);
        let moment = first.min(MOMENT);
        let is_answer = asked == Some(self.asks);
        match &mut self.pausing {
            None => {
                self.pausing = Some(Pausing {
                    refused_at: now,
                    until: now + moment,
                    length: moment,
                    is_real: false,
                    asked_until: None,
                });
            }
            Some(pausing) if is_answer && pausing.asked_until.is_some() => {
                if pausing.is_real {
                    pausing.length = (pausing.length * 2).min(PAUSE_MAX);
                    pausing.until = now + pausing.length;
                } else {
                    pausing.is_real = true;
                    pausing.length = first;
                    pausing.until = (pausing.refused_at + first).max(now + moment);
                }
                pausing.asked_until = None;
                self.pace = Some(Pace {
                    place: pausing.until,
                    back: pausing.until,
                    until: pausing.until + PACED_FOR,
                });
            }
            // It was on its way already when the pause began.
            Some(pausing) => {
                let left = pausing.until.saturating_duration_since(now);
                return Pause {
                    left: if left.is_zero() { moment } else { left },
                    length: pausing.length,
                    begun: false,
                };
            }
        }
        let running = self.paused(now).expect("a pause was begun above");
        Pause {
            begun: true,
            ..running
        }
    }

    /// How the call that asked has ended. Told too late, it says nothing.
    pub(crate) fn told(&mut self, asked: u64, told: Told, now: Instant) {
        self.forget(now);
        if asked != self.asks {
            return;
        }
        match (told, &mut self.pausing) {
            (
                Told::Passed,
                pausing @ Some(Pausing {
                    asked_until: Some(_), ..
                }),
            ) => *pausing = None,
            (Told::Nothing, Some(pausing)) => pausing.asked_until = None,
            (_, _) => (),
        }
    }

    /// The pause that runs now.
    pub(crate) fn paused(&self, now: Instant) -> Option<Pause> {
        let pausing = self.pausing.as_ref().filter(|pausing| now < pausing.until)?;
        Some(Pause {
            left: pausing.until - now,
            length: pausing.length,
            begun: false,
        })
    }

    /// Nothing is known that could matter.
    pub(crate) fn is_free(&self) -> bool {
        self.pausing.is_none() && self.pace.is_none()
    }

    /// A pause after which nobody has asked for as long as it lasted, and for more than a moment, says nothing about
    /// now.
    fn forget(&mut self, now: Instant) {
        let is_old = |pausing: &Pausing| {
            let ended_at = pausing.asked_until.unwrap_or(pausing.until).max(pausing.until);
            ended_at + pausing.length.max(ASKED_MAX) <= now
        };
        if self.pausing.as_ref().is_some_and(is_old) {
            self.pausing = None;
        }
        if self.pace.as_ref().is_some_and(|pace| pace.until <= now) {
            self.pace = None;
        }
    }
}

/// What a caller may ask for.
pub(crate) fn clamped(first: Duration) -> Duration {
    first.clamp(PAUSE_MIN, PAUSE_MAX)
}
