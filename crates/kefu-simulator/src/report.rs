//! The totals of a simulator.

use std::collections::BTreeMap;

use serde::Serialize;

/// Latencies kept; later ones replace the oldest.
const SAMPLES_MAX: usize = 100_000;

/// Totals since the start. Times are milliseconds; `None` = nothing measured.
///
/// `messages` are customer messages that carry a counted tag: `answered` of them have at least one visible
/// reply with their tag, `lost` none, `duplicated` more than one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    pub customers: u64,
    pub messages: u64,
    pub answered: u64,
    pub lost: u64,
    pub duplicated: u64,
    /// Visible replies that carry the tag of another conversation's message.
    pub misdirected: u64,
    /// All customer messages, with and without a tag.
    pub customer_messages: u64,
    pub welcomes: u64,
    /// Callbacks answered with 200.
    pub callbacks: u64,
    pub callback_attempts: u64,
    pub callback_retries: u64,
    /// Callbacks that failed four times.
    pub callbacks_given_up: u64,
    /// Callbacks a fault swallowed.
    pub callbacks_dropped: u64,
    /// Of single attempts that were answered with 200.
    pub callback_p50_ms: Option<f64>,
    pub callback_p99_ms: Option<f64>,
    pub callback_max_ms: Option<f64>,
    /// From the customer's message to the first visible reply with its tag.
    pub reply_p50_ms: Option<f64>,
    pub reply_p99_ms: Option<f64>,
    pub reply_max_ms: Option<f64>,
    /// Accepted sends, welcomes included.
    pub sends: u64,
    /// Refused sends by `errcode`.
    pub sends_refused: BTreeMap<i32, u64>,
    pub sync_calls: u64,
    pub gettoken_calls: u64,
    pub model_calls: u64,
    /// Calls by API, whatever their outcome.
    pub calls: BTreeMap<String, u64>,
}

/// A bounded set of measurements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    values: Vec<f64>,
    next: usize,
}

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        if self.values.len() < SAMPLES_MAX {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
            self.next = (self.next + 1) % SAMPLES_MAX;
        }
    }

    /// The smallest value that `percent` of all do not exceed, to a hundredth.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map(|value| (value * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks_of_the_sorted_values() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50), None);
        for value in (1..=200).rev() {
            samples.add(f64::from(value));
        }
        assert_eq!(samples.percentile(50), Some(100.0));
        assert_eq!(samples.percentile(99), Some(198.0));
        assert_eq!(samples.percentile(100), Some(200.0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut samples = Samples::default();
        for _ in 0..SAMPLES_MAX + 5 {
            samples.add(1.0);
        }
        assert_eq!(samples.values.len(), SAMPLES_MAX);
    }
}
