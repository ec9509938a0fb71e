//! Values that were copied with too much around them.

use crate::node::{Node, Table, join};
use crate::{Settings, SettingsError};

/// Keys whose values are ids, secrets or addresses: none has a blank or a quotation mark around it.
const PLAIN: [&str; 10] = [
    "corp_id",
    "token",
    "encoding_aes_key",
    "secret",
    "api_key",
    "api_base",
    "base_url",
    "url",
    "model",
    "proxy",
];
const QUOTES: [char; 6] = ['"', '\'', '`', '“', '”', '’'];

impl Settings {
    /// Of a section: values in quotation marks, which no service takes.
    pub fn quoted(&self, section: &str) -> Vec<SettingsError> {
        let problem = "stands in quotation marks, which belong to its value as it is written; remove them";
        self.values(section, problem, |text| {
            text.starts_with(QUOTES) || text.ends_with(QUOTES)
        })
    }

    /// Of a section: values with a blank or a line break at an end.
    pub fn padded(&self, section: &str) -> Vec<SettingsError> {
        let problem = "begins or ends with a blank or a line break; was it copied with too much?";
        self.values(section, problem, |text| text.trim() != text)
    }

    fn values(&self, section: &str, problem: &str, is_odd: impl Fn(&str) -> bool) -> Vec<SettingsError> {
        let mut found = Vec::new();
        if let Some(Node::Table(table)) = self.root().get(section) {
            walk(table, section, &mut |key, text| {
                if is_odd(text) {
                    found.push(self.placed(SettingsError::new(key, problem)));
                }
            });
        }
        found
    }
}

fn walk(table: &Table, prefix: &str, found: &mut impl FnMut(String, &str)) {
    for (name, node) in table {
        let key = join(prefix, name);
        match node {
            Node::Table(below) => walk(below, &key, found),
            Node::Text(text) if PLAIN.contains(&name.as_str()) && !text.is_empty() => found(key, text),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_and_blanks_around_a_value_are_seen() {
        let file = "[apps.default]\ncorp_id = \"'ww1'\"\nsecret = \"abc \"\ntoken = \"fine\"\n[reply]\nfallback = \" “好” \"\n";
        let settings = Settings::from_sources(Some(file), []).unwrap();
        let keys = |found: Vec<SettingsError>| -> Vec<String> {
            found.iter().map(|error| error.key().to_owned()).collect()
        };
        assert_eq!(keys(settings.quoted("apps")), ["apps.default.corp_id"]);
        assert_eq!(keys(settings.padded("apps")), ["apps.default.secret"]);
        assert!(settings.quoted("reply").is_empty() && settings.padded("reply").is_empty());
    }
}
