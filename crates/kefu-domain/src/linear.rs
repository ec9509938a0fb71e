//! A check for tests: that reading a text takes time in proportion to its length.

use std::time::{Duration, Instant};

const SHORT_BYTES: usize = 8 * 1024;
/// How much longer the long text is. Reading that is quadratic takes the square of it.
const FACTOR: usize = 8;
/// Between the factor and its square, by as much to either side.
const RATIO_MAX: f64 = 22.0;
/// A machine that is busy elsewhere is asked again.
const TRIES_MAX: usize = 5;
/// Below this the clock and the first call decide, not the text.
const SHORT_MIN: Duration = Duration::from_micros(200);

/// Each kind is `first§behind`, or `first` alone: the first piece many times, then the other one as often.
pub(crate) fn reads_in_linear_time(kinds: &[&str], read: impl Fn(&str)) {
    let took = |kind: &str, bytes: usize| {
        let (first, behind) = kind.split_once('§').unwrap_or((kind, ""));
        let times = bytes / (first.len() + behind.len());
        let text = first.repeat(times) + &behind.repeat(times);
        let begun = Instant::now();
        read(&text);
        begun.elapsed()
    };
    for kind in kinds {
        let ratio = |_| {
            let short = took(kind, SHORT_BYTES).max(SHORT_MIN);
            took(kind, SHORT_BYTES * FACTOR).as_secs_f64() / short.as_secs_f64()
        };
        let ratios: Vec<f64> = (0..TRIES_MAX)
            .map(ratio)
            .scan(false, |done, ratio| {
                let before = std::mem::replace(done, ratio <= RATIO_MAX);
                (!before).then_some(ratio)
            })
            .collect();
        let best = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(
            best <= RATIO_MAX,
            "{kind:?}: {FACTOR} times the text takes {ratios:?} times as long"
        );
    }
}
