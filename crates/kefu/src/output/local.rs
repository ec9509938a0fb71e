//! Times for people: local by `TZ` or the system's zone, always with the offset.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kefu_domain::Millis;

/// `2026-11-20T17:00:08.725+08:00`; `Z` where the zone is UTC, and where it is not known.
pub(crate) fn local(at: Millis) -> String {
    local_in(at, TimeZone::system())
}

/// The same, and `-` for a time that is not there.
pub(crate) fn local_or_none(at: Option<Millis>) -> String {
    at.map_or_else(|| "-".to_owned(), local)
}

fn local_in(at: Millis, zone: TimeZone) -> String {
    // Times outside of what the calendar knows are no times of ours.
    let Ok(timestamp) = Timestamp::from_millisecond(at.0) else {
        return kefu_process::clock::rfc3339(at.0);
    };
    let time = timestamp.to_zoned_datetime(zone);
    match time.offset().is_zero() {
        true => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        false => time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_zone_with_the_offset() {
        for (zone, expected) in [
            ("UTC", "2023-11-14T22:13:20.123Z"),
            ("Asia/Shanghai", "2023-11-15T06:13:20.123+08:00"),
            ("America/New_York", "2023-11-14T17:13:20.123-05:00"),
            ("Asia/Kolkata", "2023-11-15T03:43:20.123+05:30"),
            ("Europe/London", "2023-11-14T22:13:20.123Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(local_in(Millis(1_700_000_000_123), zone), expected);
        }
        let posix = TimeZone::posix("CST-8").unwrap();
        assert_eq!(local_in(Millis(0), posix), "1970-01-01T08:00:00.000+08:00");
        assert_eq!(
            local_in(Millis(i64::MAX), TimeZone::UTC),
            "9999-12-31T23:59:59.999Z"
        );
    }
}
