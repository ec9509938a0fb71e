//! The reference in two languages: the same keys in the same order with the same values, and every key explained in both.

use std::collections::BTreeSet;

use kefu_settings::{REFERENCE, REFERENCE_ZH};

/// All lines but the explanations: values, sections, and the examples among the comments.
fn values(reference: &str) -> Vec<&str> {
    let is_key = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    reference
        .lines()
        .filter(|line| {
            let bare = line.trim_start_matches("# ");
            let has_value = bare.split_once(" = ").is_some_and(|(name, _)| is_key(name));
            !line.is_empty() && (has_value || bare.starts_with('[') || !line.starts_with('#'))
        })
        .map(|line| {
            if line.contains("system_prompt") {
                line.split_once(" = ").unwrap().0
            } else {
                line
            }
        })
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_and_values_in_the_same_order() {
    assert_eq!(values(REFERENCE), values(REFERENCE_ZH));
    let table = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(table(REFERENCE), table(REFERENCE_ZH));
}

#[test]
fn every_key_is_explained_in_chinese() {
    let mut comment = false;
    for line in REFERENCE_ZH.lines() {
        let has_chinese = line.chars().any(|sign| ('\u{4e00}'..='\u{9fff}').contains(&sign));
        if line.starts_with('#') {
            comment |= has_chinese;
        } else if line.is_empty() {
            comment = false;
        }
        let in_lanes = line.ends_with("= \"medium\"")
            || line.ends_with("= \"low\"")
            || line.ends_with("= 64")
            || line.ends_with("= 8");
        assert!(
            comment || line.is_empty() || line.starts_with('[') || in_lanes,
            "no explanation above: {line}"
        );
    }
}

/// Numbers with their units: limits, statuses and versions, of every block between empty lines.
fn figures(reference: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '.' || sign == '_';
    reference
        .split("\n\n")
        .map(|block| {
            let words = block.split(|sign: char| !is_part(sign));
            let figures = words
                .map(|word| word.trim_end_matches('.'))
                .filter(|word| word.starts_with(|sign: char| sign.is_ascii_digit()));
            (block, figures.collect())
        })
        .collect()
}

#[test]
fn explanations_in_both_languages_name_the_same_limits() {
    let (english, chinese) = (figures(REFERENCE), figures(REFERENCE_ZH));
    assert_eq!(english.len(), chinese.len(), "blocks between empty lines");
    for ((block, english), (_, chinese)) in english.iter().zip(&chinese) {
        assert_eq!(english, chinese, "{block}");
    }
}
