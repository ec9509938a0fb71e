//! A moment as people write one: how long ago, or when.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kefu_domain::Millis;
use kefu_store::Moment;

/// `90m` and `2days` are so long ago; `2026-11-20`, `2026-11-20T09:00` and `2026-11-20T09:00:00+08:00` are moments, in
/// the local time zone where none stands.
pub(super) fn parse(text: &str) -> Result<Moment, String> {
    parse_in(text, &TimeZone::system())
}

fn parse_in(text: &str, zone: &TimeZone) -> Result<Moment, String> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Moment::Ago(ago));
    }
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        zone.to_timestamp(local).ok()
    });
    match at {
        Some(at) => Ok(Moment::At(Millis(at.as_millisecond()))),
        None => Err(
            "expected a time ago, such as 90m or 2days, or a moment, such as 2026-11-20 or 2026-11-20T09:00"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn in_shanghai(text: &str) -> Result<Moment, String> {
        parse_in(text, &TimeZone::get("Asia/Shanghai").unwrap())
    }

    #[test]
    fn a_time_ago_is_a_duration() {
        for (text, seconds) in [
            ("0s", 0),
            ("90m", 5400),
            ("2days", 172_800),
            (" 1h 30m ", 5400),
            ("1week", 604_800),
        ] {
            assert_eq!(
                in_shanghai(text),
                Ok(Moment::Ago(Duration::from_secs(seconds))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_moment_without_a_zone_is_local() {
        for (text, at) in [
            ("2023-11-15", 1_699_977_600_000),
            ("2023-11-15T06:13", 1_700_000_000_000 - 20_000),
            ("2023-11-15 06:13:20", 1_700_000_000_000),
            ("2023-11-15T06:13:20.123", 1_700_000_000_123),
            ("2023-11-15T06:13:20+08:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ] {
            assert_eq!(in_shanghai(text), Ok(Moment::At(Millis(at))), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_would_do() {
        for text in [
            "",
            "yesterday",
            "90",
            "-5m",
            "2023-13-01",
            "2023-11-31",
            "T09:00",
            "客",
        ] {
            let error = in_shanghai(text).unwrap_err();
            assert!(error.contains("90m"), "{text}: {error}");
        }
    }
}
