use std::time::Duration;

/// No pause lasts longer, however often the limit is hit: WeCom blocks for a minute or for an hour.
pub const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Redis refuses a life of zero.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// A pause of one API that runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until its end.
    pub left: Duration,
    pub length: Duration,
    /// This call began it; else it ran already.
    pub begun: bool,
}

impl Pause {
    /// The pause of this length whose record lives so long from now. The record lives twice as long as the pause,
    /// so its life tells both: whether the pause runs, and afterwards for how long it counts as recent.
    pub(crate) fn of(length: Duration, life: Duration) -> Option<Pause> {
        let left = life.checked_sub(length).filter(|left| !left.is_zero())?;
        Some(Pause {
            left: left.min(length),
            length,
            begun: false,
        })
    }

    /// One that begins now, after a pause of length `recent` if there is a record of it.
    pub(crate) fn begin(first: Duration, recent: Option<Duration>) -> Pause {
        let doubled = recent.map_or(Duration::ZERO, |length| (length * 2).min(PAUSE_MAX));
        let length = first.max(doubled);
        Pause {
            left: length,
            length,
            begun: true,
        }
    }

    /// The record's life.
    pub(crate) fn life(self) -> Duration {
        self.length * 2
    }
}

/// What a caller may ask for.
pub(crate) fn clamped(first: Duration) -> Duration {
    first.clamp(PAUSE_MIN, PAUSE_MAX)
}

/// A length that one of us may have written.
pub(crate) fn length(text: &str) -> Option<Duration> {
    let length = Duration::from_millis(text.parse().ok()?);
    (PAUSE_MIN..=PAUSE_MAX).contains(&length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn doubles_up_to_an_hour() {
        let mut lengths = vec![Pause::begin(MINUTE, None).length.as_secs()];
        for _ in 0..7 {
            let recent = lengths.last().copied().map(Duration::from_secs);
            lengths.push(Pause::begin(MINUTE, recent).length.as_secs());
        }
        assert_eq!(lengths, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn runs_during_the_first_half_of_its_records_life() {
        let left = |life| Pause::of(MINUTE, life).map(|pause| pause.left);
        assert_eq!(left(2 * MINUTE), Some(MINUTE));
        assert_eq!(
            left(MINUTE + Duration::from_millis(1)),
            Some(Duration::from_millis(1))
        );
        assert_eq!(left(MINUTE), None);
        assert_eq!(left(Duration::ZERO), None);
        // Somebody gave the key another life.
        assert_eq!(left(Duration::MAX), Some(MINUTE));
    }
}
