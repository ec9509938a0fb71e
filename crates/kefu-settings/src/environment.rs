//! The environment: three variables which other programs know too, and `KEFU_<SECTION>__<KEY>`.

use crate::node::{Node, Table, insert, promise_files};
use crate::settings::SECTIONS;
use crate::{Origin, SettingsError, reference};

/// Variables which other programs know too, and the key each one sets.
const WELL_KNOWN: [(&str, [&str; 2]); 3] = [
    ("DATABASE_URL", ["database", "url"]),
    ("REDIS_URL", ["state", "url"]),
    ("AMQP_URL", ["queue", "url"]),
];

/// The two layers of the environment, and which variable set which key.
#[derive(Default)]
pub(crate) struct Environment {
    pub(crate) well_known: Table,
    pub(crate) ours: Table,
    pub(crate) variables: Vec<(String, String)>,
    /// Variables that set nothing although somebody meant them to.
    pub(crate) mistakes: Vec<SettingsError>,
}

impl Environment {
    pub(crate) fn read(environment: impl IntoIterator<Item = (String, String)>) -> Environment {
        let mut read = Environment::default();
        // Those that win come last.
        let mut ours = Vec::new();
        for (variable, value) in environment {
            if let Some([section, key]) = well_known(&variable) {
                // An empty one is how a compose file says "not set".
                if !value.is_empty() {
                    insert(&mut read.well_known, &[&section, &key], Node::Text(value));
                    read.variables.push((format!("{section}.{key}"), variable));
                }
                continue;
            }
            match meaning(&variable) {
                Meaning::Setting(key) => {
                    let path: Vec<&str> = key.split('.').collect();
                    insert(&mut read.ours, &path, Node::Text(value));
                    ours.push((key, variable));
                }
                Meaning::Mistake(error) => read.mistakes.push(error),
                Meaning::None => (),
            }
        }
        read.variables.extend(ours);
        let variables = &read.variables;
        let mut mistakes = promise_files(&mut read.well_known, "");
        mistakes.extend(promise_files(&mut read.ours, ""));
        let placed = mistakes.into_iter().map(|error| {
            let by = variables.iter().rev().find(|(key, _)| key == error.key());
            error.at(by.map(|(_, variable)| Origin::Variable(variable.clone())))
        });
        read.mistakes.extend(placed);
        read
    }
}

/// Section and key of a variable which other programs know, or of the file that its value stands in.
fn well_known(variable: &str) -> Option<[String; 2]> {
    let plain = variable.strip_suffix("_FILE");
    let (_, [section, key]) = WELL_KNOWN
        .iter()
        .find(|(name, _)| *name == plain.unwrap_or(variable))?;
    let suffix = if plain.is_some() { "_file" } else { "" };
    Some([(*section).to_owned(), format!("{key}{suffix}")])
}

enum Meaning {
    Setting(String),
    Mistake(SettingsError),
    /// Not ours: Kubernetes injects KEFU_INGRESS_SERVICE_HOST and many more.
    None,
}

fn meaning(variable: &str) -> Meaning {
    let Some(rest) = beginning(variable) else {
        return Meaning::None;
    };
    let lower = rest.to_ascii_lowercase();
    // With one underscore for every separator, however it was written.
    let words: Vec<&str> = lower
        .split(['_', '.', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    let joined = words.join("_");
    let is_ours = variable.starts_with("KEFU_") && lower.contains("__");
    if is_ours {
        let path: Vec<&str> = lower.split("__").collect();
        let key = path.join(".");
        let is_whole = 1 < path.len() && path.iter().all(|part| !part.is_empty());
        let is_plain = key.strip_suffix("_file").unwrap_or(&key);
        let other = reference::key_like(&joined).filter(|_| !reference::is_known(is_plain));
        if is_whole && SECTIONS.contains(&path[0]) && other.is_none() {
            return Meaning::Setting(key);
        }
        return Meaning::Mistake(unknown(variable, &key, &path, &joined, other));
    }
    let told = |key: &str, words: &str| {
        let right = right(key, &joined);
        let problem = format!("is not set by {variable}, which does nothing; {words} {right}");
        Meaning::Mistake(SettingsError::new(key, problem))
    };
    match (reference::key_like(&joined), reference::key_near(&joined)) {
        (Some(key), _) => told(&key, "the variable is"),
        (None, Some(key)) => told(&key, "probably meant is"),
        (None, None) => Meaning::None,
    }
}

/// The variable for a key, or for the file that its value stands in.
fn right(key: &str, name: &str) -> String {
    match name.ends_with("_file") {
        true => format!("{}_FILE", reference::variable(key)),
        false => reference::variable(key),
    }
}

fn unknown(variable: &str, key: &str, path: &[&str], joined: &str, other: Option<String>) -> SettingsError {
    let hint = match (other, reference::section_meant(path[0])) {
        (Some(other), _) => format!("the variable is {}", right(&other, joined)),
        (None, Some(section)) if !SECTIONS.contains(&path[0]) => {
            format!(
                "did you mean the section {section}? known are {}",
                SECTIONS.join(", ")
            )
        }
        _ => format!("known sections are {}", SECTIONS.join(", ")),
    };
    SettingsError::new(key, format!("unknown key, set by {variable}; {hint}"))
}

/// What stands behind our prefix, however that is written.
fn beginning(variable: &str) -> Option<&str> {
    // Any byte may end the first four: names are whatever somebody else has exported.
    let (prefix, rest) = variable.split_at_checked(4)?;
    let rest = rest.strip_prefix(['_', '.', '-'])?;
    prefix.eq_ignore_ascii_case("kefu").then_some(rest)
}

/// The variables of this process that can be settings, refusing those that are not UTF-8.
pub(crate) fn variables() -> Result<Vec<(String, String)>, SettingsError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if beginning(&name).is_some() || well_known(&name).is_some() {
            let is_setting = name.contains("__") || beginning(&name).is_none();
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if is_setting => return Err(SettingsError::new(&name, "is not valid UTF-8")),
                Err(_) => (),
            }
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variable: &str) -> Option<String> {
        match meaning(variable) {
            Meaning::Mistake(error) => Some(error.to_string()),
            Meaning::Setting(_) | Meaning::None => None,
        }
    }

    #[test]
    fn a_variable_with_its_underscores_wrong_is_told_its_right_name() {
        for (variable, expected) in [
            ("KEFU_QUEUE_PREFIX", "KEFU_QUEUE__PREFIX"),
            ("KEFU_AI_API_KEY_FILE", "KEFU_AI__API_KEY_FILE"),
            ("KEFU_WORKER_SLOTS__HIGH", "KEFU_WORKER__SLOTS__HIGH"),
            ("KEFU_WORKER__SLOTS_HIGH", "KEFU_WORKER__SLOTS__HIGH"),
            ("KEFU_APPS_DEFAULT__CORP_ID", "KEFU_APPS__DEFAULT__CORP_ID"),
            (
                "KEFU_APPS__DEFAULT_SECRET_FILE",
                "KEFU_APPS__DEFAULT__SECRET_FILE",
            ),
            ("KEFU_REPLY__HANDOVER__KEYWORDS", "KEFU_REPLY__HANDOVER_KEYWORDS"),
            ("KEFU__QUEUE__PREFIX", "KEFU_QUEUE__PREFIX"),
            ("KEFU.QUEUE.PREFIX", "KEFU_QUEUE__PREFIX"),
            ("kefu_queue__prefix", "KEFU_QUEUE__PREFIX"),
            ("Kefu_Log_Level", "KEFU_LOG__LEVEL"),
            ("KEFU_QUEUE_PREFX", "KEFU_QUEUE__PREFIX"),
            ("KEFU_QEUE_PREFIX", "KEFU_QUEUE__PREFIX"),
            ("KEFU_AI_APIKEY", "KEFU_AI__API_KEY"),
            ("KEFU_AI_API_KEI_FILE", "KEFU_AI__API_KEY_FILE"),
            ("KEFU_APPS_DEFAULT_SECRT", "KEFU_APPS__DEFAULT__SECRET"),
            (
                "KEFU_APPS_MY_SHOP_ENCODING_AESKEY",
                "KEFU_APPS__MY_SHOP__ENCODING_AES_KEY",
            ),
        ] {
            let told = told(variable).unwrap_or_else(|| panic!("{variable} is taken"));
            assert!(
                told.contains(variable) && told.ends_with(&format!(" {expected}")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_name_of_any_characters_is_read_without_being_cut_in_one() {
        for variable in [
            "",
            "É",
            "ABCÉ",
            "ABCDÉ",
            "KEFÜ",
            "KEFÜ_X",
            "KEF客_QUEUE",
            "KEFU客",
            "KEFU_",
            "KEFU_客__服",
            "KEFU__",
            "\u{1f600}",
        ] {
            for end in variable.char_indices().map(|(at, _)| at).chain([variable.len()]) {
                let name = &variable[..end];
                assert!(!matches!(meaning(name), Meaning::Setting(_)), "{name}");
            }
        }
        assert_eq!(beginning("kefu-é"), Some("é"));
        assert_eq!(beginning("KEFÜ_X"), None);
    }

    #[test]
    fn settings_and_what_is_not_ours_are_no_mistakes() {
        for variable in [
            "KEFU_QUEUE__PREFIX",
            "KEFU_queue__prefix",
            "KEFU_APPS__MY_SHOP__SECRET_FILE",
            "KEFU_APPS__DEFAULT_PREVIOUS__TOKEN",
            "KEFU_APPS__DEFAULT__PREVIOUS__TOKEN",
            "KEFU_INGRESS__LANES__MY_EVENT",
            // Unknown, which is for the role to say that reads the section.
            "KEFU_QUEUE__PREFX",
            "KEFU_CONFIG",
            "KEFU_CRASH_AT",
            "KEFU_INGRESS_PORT",
            "KEFU_INGRESS_SERVICE_HOST",
            "KEFU_INGRESS_PORT_3001_TCP_ADDR",
            "KEFU_STATE_PORT",
            "KEFU_WORKER_PORT",
            "KEFU_QUEUE_PORT",
            "KEFU_QUEUE_PORT_5672_TCP_PROTO",
            "KEFU_DATABASE_PORT",
            "KEFU_DATABASE_SERVICE_PORT_POSTGRES",
            "KEFU_LOG_PORT",
            "KEFU_AI_SERVICE_PORT",
            "KEFU_APPS_SERVICE_HOST",
            "KEFU_APPS_SERVICE_PORT",
            "KEFU_VERSION",
            "KEFU_IMAGE_TAG",
            "KEFU",
            "KEFUQUEUE__PREFIX",
            "客服_QUEUE",
        ] {
            assert_eq!(told(variable), None, "{variable}");
        }
        let told = told("KEFU_QEUE__URL").unwrap();
        assert!(told.contains("did you mean the section queue?"), "{told}");
    }
}
