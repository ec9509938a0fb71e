//! Whether the time of a refusal tells how much of a signature is right.

use std::hint::black_box;
use std::time::Instant;

use kefu_wecom::crypto::{OpenError, ReceiveIds, Signed};
use rand::seq::SliceRandom;

use super::super::{key, sealed};

/// Characters that match.
const PREFIXES: [usize; 4] = [0, 1, 20, 39];
const TIMES_EACH: usize = 100_000;
const WARM_UP: usize = 1_000;

/// Welch's t of each prefix against none.
pub(super) fn spread() -> Vec<(usize, f64)> {
    let (key, sealed) = (key(), sealed());
    let signatures = PREFIXES.map(|prefix| wrong_after(&sealed.msg_signature, prefix));
    let mut order: Vec<usize> = (0..PREFIXES.len() * TIMES_EACH).collect();
    // What the machine does meanwhile hits all alike.
    order.shuffle(&mut rand::rng());
    let mut times: [Vec<f64>; PREFIXES.len()] = Default::default();
    let mut buffer = String::with_capacity(64);
    for (number, class) in order.iter().map(|number| number % PREFIXES.len()).enumerate() {
        // The same place in memory for all.
        buffer.clear();
        buffer.push_str(&signatures[class]);
        let signed = Signed {
            msg_signature: black_box(&buffer),
            timestamp: &sealed.timestamp,
            nonce: &sealed.nonce,
        };
        let started_at = Instant::now();
        let opened = key.open(&signed, black_box(&sealed.encrypt), ReceiveIds::Any);
        let took = started_at.elapsed();
        assert_eq!(opened, Err(OpenError::Signature));
        if WARM_UP <= number {
            times[class].push(took.as_nanos() as f64);
        }
    }
    let cut = percentile_99(&times.concat());
    let samples = times.map(|times| Sample::of(times.into_iter().filter(|time| *time <= cut)));
    let others = PREFIXES.iter().zip(&samples).skip(1);
    others
        .map(|(prefix, sample)| (*prefix, sample.t(&samples[0])))
        .collect()
}

/// The signature up to there, and another character at that place.
pub(super) fn wrong_after(signature: &str, prefix: usize) -> String {
    let wrong = if signature.as_bytes()[prefix] == b'0' {
        "1"
    } else {
        "0"
    };
    format!("{}{wrong}{}", &signature[..prefix], &signature[prefix + 1..])
}

fn percentile_99(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}

struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Sample {
    fn of(times: impl Iterator<Item = f64> + Clone) -> Sample {
        let count = times.clone().count() as f64;
        let mean = times.clone().sum::<f64>() / count;
        let squares: f64 = times.map(|time| (time - mean).powi(2)).sum();
        Sample {
            count,
            mean,
            variance: squares / (count - 1.0),
        }
    }

    fn t(&self, other: &Sample) -> f64 {
        let error = self.variance / self.count + other.variance / other.count;
        (self.mean - other.mean) / error.sqrt()
    }
}
