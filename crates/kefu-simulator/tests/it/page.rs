//! The customers' page as text: what can be checked without a browser.

mod contrast;
mod html;
mod words;

use crate::running::Running;
use html::{Element, elements};

pub(crate) const INDEX: &str = include_str!("../../src/page/index.html");
pub(crate) const STYLE: &str = include_str!("../../src/page/style.css");
const SCRIPTS: &[&str] = &[
    include_str!("../../src/page/page.js"),
    include_str!("../../src/page/words.js"),
    include_str!("../../src/page/lines.js"),
    include_str!("../../src/page/enter.js"),
];
const CONTROLS: &[&str] = &["input", "select", "textarea", "button"];

#[tokio::test]
async fn every_file_is_served_with_its_type_and_nothing_comes_from_elsewhere() {
    let simulator = Running::start().await;
    let mut addresses = vec!["/".to_owned()];
    let linked = elements(INDEX).into_iter().filter_map(|element| {
        let address = element.attribute("src").or(element.attribute("href"))?.to_owned();
        (!address.starts_with("data:")).then_some(address)
    });
    addresses.extend(linked);
    for script in SCRIPTS {
        let imported = script
            .split("from \"./")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        addresses.extend(imported.map(|name| format!("/simulator/page/{name}")));
    }
    assert!(5 < addresses.len(), "{addresses:?}");
    for address in addresses {
        let url = format!("{}{address}", simulator.url);
        let answer = simulator.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{address}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let expected = match address.rsplit_once('.') {
            Some((_, "js")) => "text/javascript",
            Some((_, "css")) => "text/css",
            _ => "text/html",
        };
        assert!(header("content-type").starts_with(expected), "{address}");
        assert!(!header("content-security-policy").contains("unsafe"), "{address}");
        assert_eq!(header("cache-control"), "no-store", "{address}");
        let text = answer.text().await.unwrap();
        for outside in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!text.contains(outside), "{address} names {outside}");
        }
    }
}

#[test]
fn the_style_names_only_what_the_page_has() {
    let ids: Vec<String> = elements(INDEX)
        .iter()
        .filter_map(|element| element.attribute("id").map(str::to_owned))
        .collect();
    // Colours are values, behind a colon; the others stand in front of a brace.
    let selectors = STYLE.split(['{', '}', ';']).filter(|part| !part.contains(": "));
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let named: Vec<&str> = selectors
        .flat_map(|selector| selector.split('#').skip(1))
        .map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap())
        .collect();
    assert!(named.contains(&"lines"), "{named:?}");
    for name in named {
        assert!(ids.iter().any(|id| id == name), "#{name} is not on the page");
    }
}

#[test]
fn a_browser_asks_for_no_icon_that_is_not_there() {
    let icon = elements(INDEX)
        .into_iter()
        .find(|element| element.attribute("rel") == Some("icon"));
    assert!(
        icon.unwrap()
            .attribute("href")
            .unwrap()
            .starts_with("data:image/")
    );
}

/// The policy forbids them, and nothing a customer writes may ever become markup.
#[test]
fn there_is_no_inline_code_and_no_markup_out_of_texts() {
    for element in elements(INDEX) {
        assert_ne!(element.name, "style");
        assert!(element.name != "script" || element.attribute("src").is_some());
        for (name, _) in &element.attributes {
            assert!(name != "style" && !name.starts_with("on"), "{element:?}");
        }
    }
    for script in SCRIPTS {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "document.write",
            "prompt(",
            "alert(",
        ] {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn every_control_has_a_name_of_its_own_and_every_button_its_type() {
    let all = elements(INDEX);
    let named_by = |id: &str| {
        all.iter()
            .any(|label| label.name == "label" && label.attribute("for") == Some(id))
    };
    let controls: Vec<&Element> = all
        .iter()
        .filter(|element| CONTROLS.contains(&element.name.as_str()))
        .collect();
    assert!(12 < controls.len());
    for control in controls {
        let is_labelled = match control.name.as_str() {
            "button" => {
                assert_eq!(control.attribute("type"), Some("button"), "{control:?}");
                !control.text.trim().is_empty()
            }
            _ => {
                control.within.iter().any(|name| name == "label")
                    || named_by(control.attribute("id").unwrap())
            }
        };
        assert!(is_labelled, "{control:?}");
    }
}

#[test]
fn the_chat_is_a_named_live_region_that_says_only_what_is_new() {
    let all = elements(INDEX);
    let log = all
        .iter()
        .find(|element| element.attribute("id") == Some("lines"))
        .unwrap();
    assert_eq!(log.attribute("role"), Some("log"));
    assert_eq!(log.attribute("aria-relevant"), Some("additions"));
    assert!(log.attribute("data-label").is_some() && log.attribute("aria-label").is_some());
    // What scrolls can be scrolled by the keyboard.
    assert_eq!(log.attribute("tabindex"), Some("0"));
    let role = |id: &str| {
        let element = all.iter().find(|element| element.attribute("id") == Some(id));
        element.unwrap().attribute("role")
    };
    assert_eq!(
        (role("trouble"), role("problem"), role("state")),
        (Some("status"), Some("alert"), Some("status"))
    );
}

#[test]
fn ids_are_given_once_and_the_scripts_use_no_other() {
    let all = elements(INDEX);
    let mut ids: Vec<&str> = all.iter().filter_map(|element| element.attribute("id")).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for script in SCRIPTS {
        for used in script
            .split("$(\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
        {
            assert!(ids.contains(&used), "{used}");
        }
    }
    for (attribute, of) in [("for", "label"), ("aria-describedby", "button")] {
        for element in all.iter().filter(|element| element.name == of) {
            assert!(
                element.attribute(attribute).is_none_or(|id| ids.contains(&id)),
                "{element:?}"
            );
        }
    }
}

/// Kefu answers to words; tools that only make a placeholder wait for that.
#[test]
fn there_are_no_tools_for_pictures_and_files() {
    for word in ["image", "voice", "video", "file", "图片", "语音", "视频", "文件"] {
        let tool = elements(INDEX)
            .into_iter()
            .find(|element| element.name == "button" && format!("{element:?}").contains(word));
        assert!(tool.is_none(), "{tool:?}");
    }
}

/// What each engine tells of a key that an input method takes; Safari tells the last two only.
#[test]
fn enter_is_left_to_the_input_method_by_each_of_the_signs() {
    let script = include_str!("../../src/page/enter.js");
    for sign in [
        "compositionstart",
        "isComposing",
        "keyCode === 229",
        "compositionend",
    ] {
        assert!(script.contains(sign), "{sign}");
    }
    let page = SCRIPTS[0];
    assert_eq!(page.matches("onEnter($(").count(), 2);
    assert!(!page.contains("keydown") && !page.contains("keypress"));
}

#[test]
fn nothing_moves_by_itself_and_zoom_is_not_forbidden() {
    for moving in ["transition", "animation", "smooth"] {
        let is_used = SCRIPTS.iter().chain([&STYLE]).any(|file| file.contains(moving));
        assert!(!is_used, "{moving}");
    }
    for forbidden in ["user-scalable", "maximum-scale"] {
        assert!(!INDEX.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn targets_are_large_enough_for_a_mouse_and_for_a_finger() {
    let sizes: Vec<u32> = STYLE
        .split("--touch: ")
        .skip(1)
        .map(|rest| rest.split("px").next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(sizes.len(), 2);
    assert!(
        24 <= sizes[0] && STYLE.contains("(pointer: coarse)") && 44 <= sizes[1],
        "{sizes:?}"
    );
    assert!(
        STYLE.contains(
            "input, select, textarea, button, summary { font: inherit; min-height: var(--touch); }"
        )
    );
    assert!(STYLE.contains("min-height: max(24px,"));
}
