//! Numbers in docs/guarantees.md are those of the code and of the reference.

use kefu_settings::{Settings, Shown};

use super::check;
use super::crash_points::points;

const DOCUMENT: &str = include_str!("../../../../../docs/guarantees.md");

#[test]
fn the_number_of_crash_points_is_the_one_that_is_promised() {
    let expected = format!("at {} named crash points", points().len());
    assert!(DOCUMENT.contains(&expected), "docs/guarantees.md: {expected}");
}

#[test]
fn limits_that_are_settings_are_the_defaults() {
    let (_, limits) = DOCUMENT.split_once("\n## Limits\n").unwrap();
    let (limits, _) = limits.split_once("\n## ").unwrap();
    let values = Settings::reference_only().unwrap().effective();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for row in limits.lines().filter(|line| line.starts_with("| ")) {
        let limit = row.split(" | ").nth(1).unwrap();
        for key in keys(limit) {
            seen += 1;
            let known = values.iter().find(|value| value.key == key);
            match known.map(|value| &value.value) {
                Some(Shown::Value(text)) if limit.contains(&spoken(text)) => (),
                other => broken.push(format!("{limit}: {key} is {other:?}")),
            }
        }
    }
    check("the limits are those of the reference", &broken);
    assert!(8 <= seen, "{seen} settings were found among the limits");
}

/// The settings in code style; one without its section is of the section before.
fn keys(limit: &str) -> Vec<String> {
    let mut section = "";
    let words = limit.split('`').skip(1).step_by(2);
    words
        .map(|word| {
            let (own, key) = word.split_once('.').unwrap();
            section = if own.is_empty() { section } else { own };
            format!("{section}.{key}")
        })
        .collect()
}

/// As people write what the reference has: `65536` is 64 KiB, `5s,2m` is 5 s, 2 min.
fn spoken(value: &str) -> String {
    const KIBI: u64 = 1024;
    const GIBI: u64 = KIBI * KIBI * KIBI;
    if let Ok(number) = value.parse::<u64>() {
        return match number {
            _ if number % GIBI == 0 => format!("{} GiB", number / GIBI),
            _ if number % KIBI == 0 => format!("{} KiB", number / KIBI),
            _ => number.to_string(),
        };
    }
    let durations = value.split(',').map(|duration| {
        let digits = duration.trim_end_matches(char::is_alphabetic);
        let unit = match &duration[digits.len()..] {
            "m" => "min",
            unit => unit,
        };
        format!("{digits} {unit}")
    });
    durations.collect::<Vec<_>>().join(", ")
}
