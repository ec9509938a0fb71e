//! Both languages say the same things.

use serde_json::Value;

use super::html::elements;
use super::{INDEX, SCRIPTS};

fn words() -> Value {
    let script = include_str!("../../../src/page/words.js");
    let json = script.split_once("export const WORDS = ").unwrap().1;
    let (json, _) = json.split_once("\n};").unwrap();
    serde_json::from_str(&format!("{json}\n}}")).unwrap()
}

/// The {…} of a text, sorted.
fn places(text: &str) -> Vec<&str> {
    let mut places: Vec<&str> = text
        .split('{')
        .skip(1)
        .map(|rest| rest.split_once('}').unwrap().0)
        .collect();
    places.sort_unstable();
    places
}

fn check_alike(path: &str, chinese: &Value, english: &Value) {
    match (chinese, english) {
        (Value::Object(chinese), Value::Object(english)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(chinese), keys(english), "{path}");
            for (key, value) in chinese {
                check_alike(&format!("{path}.{key}"), value, &english[key]);
            }
        }
        (Value::String(chinese), Value::String(english)) => {
            assert_eq!(places(chinese), places(english), "{path}");
            assert_eq!(chinese.is_empty(), english.is_empty(), "{path}");
        }
        _ => panic!("{path} differs in kind"),
    }
}

#[test]
fn both_languages_have_the_same_keys_and_the_same_places_to_fill() {
    let words = words();
    check_alike("words", &words["zh"], &words["en"]);
}

#[test]
fn what_stands_in_the_page_is_translated_and_chinese_before_any_script_runs() {
    let words = words();
    for element in elements(INDEX) {
        let said = |attribute: &str| {
            let key = element.attribute(attribute)?;
            let text = words["zh"][key].as_str();
            Some(text.unwrap_or_else(|| panic!("no words for {key}")).to_owned())
        };
        if let Some(text) = said("data-text") {
            assert_eq!(element.text, text);
        }
        if let Some(label) = said("data-label") {
            assert_eq!(element.attribute("aria-label"), Some(label.as_str()));
        }
        said("data-hint");
        // A name that is not translated would stay in one language.
        assert_eq!(
            element.attribute("aria-label").is_some(),
            element.attribute("data-label").is_some(),
            "{element:?}"
        );
    }
    assert!(INDEX.contains("<html lang=\"zh-CN\">") && words["zh"]["lang"] == "zh-CN");
}

#[test]
fn the_scripts_use_no_word_that_is_not_there() {
    let words = words();
    for script in SCRIPTS {
        for marker in ["words().", "words."] {
            for rest in script.split(marker).skip(1) {
                let key: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                assert!(
                    key == "js" || key == "fill" || !words["zh"][&key].is_null(),
                    "{key}"
                );
            }
        }
    }
}

#[test]
fn every_session_state_and_every_speaker_has_a_word() {
    let words = words();
    for state in ["new", "0", "1", "2", "3", "4"] {
        assert!(words["zh"]["states"][state].is_string(), "{state}");
    }
    for speaker in ["customer", "reply", "servicer", "system"] {
        assert!(words["zh"]["from"][speaker].is_string(), "{speaker}");
    }
}
