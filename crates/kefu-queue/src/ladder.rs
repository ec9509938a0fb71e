use std::time::Duration;

use humantime_serde::re::humantime;
use thiserror::Error;

/// Most steps a ladder may have: each is one queue per lane.
const STEPS_MAX: usize = 8;

/// Longest step.
const STEP_MAX: Duration = Duration::from_secs(24 * 3600);

/// The waits between the executions of a job, shortest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    steps: Vec<Step>,
}

/// One wait; `name` is the text of the setting and the end of its queues' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub delay: Duration,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidLadder {
    #[error("`{step}` is no duration such as `5s` or `10m`")]
    NotADuration { step: String },
    #[error("`{step}` must be a whole number of milliseconds, from 1ms to 24h")]
    OutOfRange { step: String },
    #[error("`{step}` must be longer than the step before it")]
    NotLonger { step: String },
    #[error("needs 1 to {STEPS_MAX} steps, got {count}")]
    Count { count: usize },
}

impl Ladder {
    /// Reads a list such as `5s,30s,2m,10m,1h`.
    pub fn parse(raw: &str) -> Result<Ladder, InvalidLadder> {
        let mut steps: Vec<Step> = Vec::new();
        for part in raw.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let step = step(part)?;
            if steps.last().is_some_and(|last| step.delay <= last.delay) {
                return Err(InvalidLadder::NotLonger {
                    step: part.to_owned(),
                });
            }
            steps.push(step);
        }
        match steps.len() {
            1..=STEPS_MAX => Ok(Ladder { steps }),
            count => Err(InvalidLadder::Count { count }),
        }
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step of that number; beyond the last, the last.
    pub(crate) fn step(&self, index: usize) -> &Step {
        &self.steps[index.min(self.steps.len() - 1)]
    }

    /// The step after failed execution `attempt` (from 1); `None` when the attempts are used up.
    pub fn after(&self, attempt: u32) -> Option<usize> {
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        (step < self.steps.len()).then_some(step)
    }

    /// The shortest step that waits at least `wait`, else the longest: for jobs that are parked.
    pub fn at_least(&self, wait: Duration) -> usize {
        let longer = self.steps.iter().position(|step| wait <= step.delay);
        longer.unwrap_or(self.steps.len() - 1)
    }
}

fn step(part: &str) -> Result<Step, InvalidLadder> {
    let not_a_duration = |_| InvalidLadder::NotADuration {
        step: part.to_owned(),
    };
    let delay = humantime::parse_duration(part).map_err(not_a_duration)?;
    if delay < Duration::from_millis(1) || STEP_MAX < delay || delay.subsec_nanos() % 1_000_000 != 0 {
        return Err(InvalidLadder::OutOfRange {
            step: part.to_owned(),
        });
    }
    Ok(Step {
        name: part.split_whitespace().collect(),
        delay,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_executions_have_five_steps_between_them() {
        let ladder = Ladder::parse("5s, 30s,2m,10m,1h").unwrap();
        let names: Vec<&str> = ladder.steps().iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["5s", "30s", "2m", "10m", "1h"]);
        assert_eq!(ladder.steps()[4].delay, Duration::from_secs(3600));
        assert_eq!(
            (ladder.after(1), ladder.after(5), ladder.after(6)),
            (Some(0), Some(4), None)
        );
        assert_eq!((ladder.after(0), ladder.after(u32::MAX)), (Some(0), None));
    }

    #[test]
    fn parked_jobs_take_the_next_longer_step_or_the_last() {
        let ladder = Ladder::parse("5s,30s,2m").unwrap();
        let at_least = |seconds| ladder.at_least(Duration::from_secs(seconds));
        assert_eq!(
            (at_least(0), at_least(5), at_least(6), at_least(9999)),
            (0, 0, 1, 2)
        );
    }

    #[test]
    fn bad_lists_name_the_step() {
        #[track_caller]
        fn check(raw: &str, expected: &str) {
            assert_eq!(Ladder::parse(raw).unwrap_err().to_string(), expected);
        }
        check("5s,x", "`x` is no duration such as `5s` or `10m`");
        check("30s,5s", "`5s` must be longer than the step before it");
        check("60s,1m", "`1m` must be longer than the step before it");
        check(
            "25h",
            "`25h` must be a whole number of milliseconds, from 1ms to 24h",
        );
        check(
            "0s",
            "`0s` must be a whole number of milliseconds, from 1ms to 24h",
        );
        check(" , ", "needs 1 to 8 steps, got 0");
    }
}
