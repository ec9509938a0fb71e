//! Bad input: well-formed samples, damaged in every way somebody may damage them, the same ones at every run.

mod nasty;
mod operation;
mod span;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

pub use nasty::{NUMBERS, TEXTS, VALUES};
use operation::Operation;

/// Replaces the number of cases by a time per parser, in whole seconds.
pub const SECONDS_VARIABLE: &str = "KEFU_FUZZ_SECONDS";

/// No case takes longer, not even on a busy machine; a parser that is slower than this is attacked with it.
const CASE_TIME_MAX: Duration = Duration::from_secs(5);

/// A case that does not end is shown after this, and the process ends.
const HANG_AFTER: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Cases of one round when time and not their number ends the test.
const ROUND_CASES: u32 = 500;

/// Damages of one case.
const OPERATIONS_MAX: usize = 5;

const SHRINK_STEPS_MAX: u32 = 4_000;

/// Any change of this changes every case: then look that the tests still find what they are there for.
const SEED: u64 = 0x6b65_6675_6b65_6675;

/// An input whose `Debug` can be pasted into a test as a byte string.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Damaged samples of a corpus; shrinks towards fewer damages of the first sample.
pub fn damaged(corpus: &[Vec<u8>]) -> impl Strategy<Value = Input> {
    let corpus = corpus.to_vec();
    let operations = vec(any::<[u32; 4]>(), 0..=OPERATIONS_MAX);
    (any::<u32>(), operations).prop_map(move |(sample, operations)| {
        let mut bytes = corpus[operation::index(sample, corpus.len())].clone();
        for numbers in operations {
            Operation::of(numbers).apply(&mut bytes, &corpus);
        }
        Input(bytes)
    })
}

/// Runs a property over `cases` damaged samples, or for as long as [`SECONDS_VARIABLE`] says.
///
/// # Panics
/// When a case breaks the property, panics, or takes too long: with the smallest such input that was found.
#[track_caller]
pub fn check(corpus: &[&str], cases: u32, property: impl Fn(&[u8]) -> Result<(), String>) {
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|sample| sample.as_bytes().to_vec()).collect();
    let strategy = damaged(&corpus);
    let watch = Watch::default();
    let run = |round: u64, cases: u32| {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: SHRINK_STEPS_MAX,
            ..Config::default()
        };
        let outcome = TestRunner::new_with_rng(config, rng(round)).run(&strategy, |input| {
            watch
                .run(&input, || property(&input.0))
                .map_err(TestCaseError::fail)
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!("{why}\nround {round}, input {input:?}"),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    };
    std::thread::scope(|scope| {
        let (ended, ending) = std::sync::mpsc::channel::<()>();
        scope.spawn(|| watch.look(ending));
        // Dropped at the end of this closure, also when it panics: that ends the watch.
        let _ended = ended;
        match budget() {
            None => run(0, cases),
            Some(budget) => {
                let began = Instant::now();
                for round in (0..).take_while(|_| began.elapsed() < budget) {
                    run(round, ROUND_CASES);
                }
            }
        }
    });
}

fn rng(round: u64) -> TestRng {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&SEED.to_le_bytes());
    seed[8..].copy_from_slice(&(round + 1).to_le_bytes());
    TestRng::from_seed(RngAlgorithm::XorShift, &seed)
}

fn budget() -> Option<Duration> {
    let seconds = std::env::var(SECONDS_VARIABLE).ok()?;
    let seconds = seconds
        .parse()
        .expect("KEFU_FUZZ_SECONDS is a whole number of seconds");
    Some(Duration::from_secs(seconds))
}

/// The case that is running.
#[derive(Default)]
struct Watch(Mutex<Option<(Instant, Input)>>);

impl Watch {
    fn run(&self, input: &Input, case: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let began = Instant::now();
        self.set(Some((began, input.clone())));
        let outcome = case();
        self.set(None);
        outcome?;
        match began.elapsed() {
            quick if quick < CASE_TIME_MAX => Ok(()),
            slow => Err(format!("took {slow:?}")),
        }
    }

    fn set(&self, case: Option<(Instant, Input)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = case;
    }

    /// Nothing can end a thread that runs for ever but the end of its process.
    #[expect(
        clippy::print_stderr,
        reason = "the process ends here; nothing else is left to say it"
    )]
    fn look(&self, ending: std::sync::mpsc::Receiver<()>) {
        while ending.recv_timeout(LOOK_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((began, input)) = running
                && HANG_AFTER < began.elapsed()
            {
                eprintln!("a case does not end, input {input:?}");
                std::process::abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn inputs() -> Vec<Vec<u8>> {
        let seen = RefCell::new(Vec::new());
        check(
            &[r#"{"a":"text","b":17}"#, "<xml><A>text</A></xml>"],
            2_000,
            |input| {
                seen.borrow_mut().push(input.to_vec());
                Ok(())
            },
        );
        seen.into_inner()
    }

    #[test]
    fn the_same_inputs_come_at_every_run() {
        let (one, two) = (inputs(), inputs());
        let both = one.len().min(two.len());
        assert!(one[..both] == two[..both]);
        assert!(2_000 <= both || super::budget().is_some());
    }

    #[test]
    fn every_kind_of_damage_comes() {
        let inputs = inputs();
        let has = |part: &[u8]| {
            inputs
                .iter()
                .any(|input| input.windows(part.len()).any(|at| at == part))
        };
        for part in [
            &b"\\ud800"[..],
            b"\\u0000",
            b"18446744073709551615",
            b"1e400",
            b"]]>",
            b"<!DOCTYPE",
            b"null",
            b"\xff",
            b"[[[[[[",
            b"\xe2\x80\xae",
            b"<A>text</A><A>text</A>",
            b"\"b\":17,\"b\":17",
        ] {
            assert!(has(part), "{}", part.escape_ascii());
        }
        assert!(inputs.iter().any(|input| 65_536 <= input.len()));
        assert!(inputs.iter().any(|input| std::str::from_utf8(input).is_err()));
    }

    #[test]
    fn a_failure_shows_the_smallest_input() {
        let outcome = std::panic::catch_unwind(|| {
            check(&[r#"{"a":"text","b":17}"#], 2_000, |input| {
                match input.windows(4).any(|at| at == b"null") {
                    true => Err("holds null".to_owned()),
                    false => Ok(()),
                }
            });
        });
        let text = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(text.starts_with("holds null"), "{text}");
        assert!(text.contains("input b\"{"), "{text}");
        assert!(text.len() < 200, "{text}");
    }
}
