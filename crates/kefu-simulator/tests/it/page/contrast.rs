//! Contrast of what stands on what, by the formula of WCAG 2.2, in both colour schemes.

use std::collections::HashMap;

use super::STYLE;

/// Text: 4.5 to 1.
const TEXT: &[(&str, &str)] = &[
    ("ink", "back"),
    ("ink", "panel"),
    ("ink", "field"),
    ("ink", "mine"),
    ("ink", "theirs"),
    ("ink", "agent"),
    ("ink", "trouble"),
    ("faint", "back"),
    ("faint", "panel"),
    ("faint", "field"),
    ("warn", "back"),
    ("warn", "panel"),
    ("on-main", "main"),
];
/// Edges of controls and the ring of the focus: 3 to 1.
const SHAPES: &[(&str, &str)] = &[
    ("edge", "panel"),
    ("edge", "field"),
    ("edge", "back"),
    ("main", "panel"),
    ("focus", "panel"),
    ("focus", "back"),
    ("warn", "trouble"),
];

#[test]
fn text_and_shapes_stand_out_in_both_colour_schemes() {
    let (before, after) = STYLE.split_once("(prefers-color-scheme: dark)").unwrap();
    let light = colours(before);
    let mut dark = light.clone();
    dark.extend(colours(after.split_once("@media (pointer").unwrap().0));
    assert_ne!(light["back"], dark["back"]);
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        for (pairs, least) in [(TEXT, 4.5), (SHAPES, 3.0)] {
            for (above, below) in pairs {
                let ratio = contrast(colours[*above], colours[*below]);
                assert!(
                    least <= ratio,
                    "{scheme}: {above} on {below} is {ratio:.2}, not {least}"
                );
            }
        }
    }
}

#[test]
fn colours_are_named_once_and_nothing_is_made_transparent() {
    let (_, rules) = STYLE.split_once("* { box-sizing").unwrap();
    assert!(
        !rules.contains(": #") && !rules.contains("rgb"),
        "a colour without a name"
    );
    assert!(!rules.replace("opacity: 1;", "").contains("opacity"));
}

#[test]
fn the_formula_knows_black_on_white() {
    assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 0.01);
    assert!((contrast([0x76, 0x76, 0x76], [255, 255, 255]) - 4.54).abs() < 0.01);
}

/// `--name: #rgb;` or `#rrggbb` of a piece of the style sheet.
fn colours(css: &str) -> HashMap<String, [u8; 3]> {
    let pairs = css.split("--").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": #")?;
        let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        let long = match hex.len() {
            3 => hex.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => hex,
        };
        let channel = |at: usize| u8::from_str_radix(&long[at..at + 2], 16).unwrap();
        (!name.contains([' ', ':'])).then(|| (name.to_owned(), [channel(0), channel(2), channel(4)]))
    });
    pairs.collect()
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: [u8; 3]) -> f64 {
    let linear = colour.map(|channel| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}
