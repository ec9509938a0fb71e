use std::time::Duration;

/// How long a delivery is held while its verdict cannot be made durable; then it is left to redelivery.
pub(crate) const SETTLE_HOLD_MAX: Duration = Duration::from_secs(600);

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The wait after `failures` earlier ones: 0.2 s doubling to 30 s, of which a random half to all.
pub(crate) fn backoff(failures: u32) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(2u32.saturating_pow(failures));
    doubled
        .min(BACKOFF_MAX)
        .mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_half_a_minute() {
        assert!((Duration::from_millis(100)..=Duration::from_millis(200)).contains(&backoff(0)));
        assert!((Duration::from_secs(15)..=BACKOFF_MAX).contains(&backoff(u32::MAX)));
    }
}
