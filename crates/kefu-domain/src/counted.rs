//! A number with its noun, as people write it: `1 message`, `2 messages`.

use std::fmt;

/// Displays a count with its noun in the right number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    count: u64,
    one: &'static str,
}

/// `one` is the noun for one thing, such as `message` or `reply`; several get `s`, or `ies` for a `y` that follows a
/// consonant.
pub fn counted(count: impl TryInto<u64>, one: &'static str) -> Counted {
    Counted {
        count: count.try_into().unwrap_or(u64::MAX),
        one,
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted { count, one } = self;
        let stem = one
            .strip_suffix('y')
            .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
        match (count, stem) {
            (1, _) => write!(f, "1 {one}"),
            (_, Some(stem)) => write!(f, "{count} {stem}ies"),
            (_, None) => write!(f, "{count} {one}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_and_everything_else_is_several() {
        for (count, one, expected) in [
            (0, "message", "0 messages"),
            (1, "message", "1 message"),
            (2, "message", "2 messages"),
            (21, "dead letter", "21 dead letters"),
            (1, "reply", "1 reply"),
            (11, "reply", "11 replies"),
            (3, "key", "3 keys"),
            (u64::MAX, "row", "18446744073709551615 rows"),
        ] {
            assert_eq!(counted(count, one).to_string(), expected);
        }
        assert_eq!(counted(-1_i64, "row").to_string(), "18446744073709551615 rows");
    }
}
