use std::time::Duration;

use crate::Millis;

/// How long after the customer's last message a part may be sent (doc 96427; else 95002).
pub const WINDOW: Duration = Duration::from_secs(48 * 3600);

/// How many parts may follow one customer message (doc 96427; else 95001).
pub const PARTS_PER_MESSAGE_MAX: u32 = 5;

/// What may still be said to a customer: 48 hours and five parts from the last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// When the customer last wrote; `None` when never.
    pub customer_wrote_at: Option<Millis>,
    /// Parts that left for WeCom since then, unknown ones included.
    pub used: u32,
}

impl Budget {
    pub fn window_open(&self, now: Millis) -> bool {
        self.customer_wrote_at
            .is_some_and(|wrote_at| now < wrote_at + WINDOW)
    }

    pub fn parts_left(&self) -> u32 {
        PARTS_PER_MESSAGE_MAX.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_after_48_hours() {
        let budget = Budget {
            customer_wrote_at: Some(Millis(0)),
            used: 0,
        };
        let end = Millis(48 * 3600 * 1000);
        assert!(budget.window_open(Millis(end.0 - 1)));
        assert!(!budget.window_open(end));
        assert!(
            !Budget {
                customer_wrote_at: None,
                used: 0
            }
            .window_open(end)
        );
    }

    #[test]
    fn five_parts_and_no_more() {
        let left = |used| {
            Budget {
                customer_wrote_at: None,
                used,
            }
            .parts_left()
        };
        assert_eq!((left(0), left(4), left(5), left(9)), (5, 1, 0, 0));
    }
}
