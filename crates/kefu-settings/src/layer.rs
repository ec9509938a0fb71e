//! One layer of settings from a TOML text.

use std::path::Path;

use crate::node::{Node, Table, promise_files, table_from_toml};
use crate::place::{AsUser, absolute};
use crate::{SECTIONS, SettingsError, origin, reference};

/// A settings file is a page or two; more is a mistake in the path.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What can be settings, and what is wrong with the rest.
pub(crate) struct Layer {
    pub(crate) table: Table,
    pub(crate) mistakes: Vec<SettingsError>,
}

impl Layer {
    pub(crate) fn from_toml(file_name: &str, text: &str) -> Result<Layer, SettingsError> {
        let parsed: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // Only the message: the full text of the error quotes the line, which may hold a secret.
            let line = error.span().map_or(0, |span| origin::line_of(text, &span));
            SettingsError::new(
                file_name,
                format!("line {line}: {}", error.message().replace('\n', ", ")),
            )
        })?;
        let mut table = table_from_toml(parsed);
        let mut mistakes = Vec::new();
        table.retain(|name, node| match misplaced(name, node) {
            Some(problem) => {
                mistakes.push(SettingsError::new(name, problem));
                false
            }
            None => true,
        });
        mistakes.extend(promise_files(&mut table, ""));
        Ok(Layer { table, mistakes })
    }
}

fn misplaced(name: &str, node: &Node) -> Option<String> {
    match (SECTIONS.contains(&name), node) {
        (true, Node::Table(_)) => None,
        (true, _) => Some(format!("is a section: write its keys under [{name}]")),
        (false, Node::Table(_)) => {
            let hint = reference::section_meant(name)
                .map(|section| format!("did you mean {section}? "))
                .unwrap_or_default();
            Some(format!(
                "unknown section; {hint}known are {}",
                SECTIONS.join(", ")
            ))
        }
        (false, _) => {
            let hint = reference::meant(name)
                .map(|key| format!("; did you mean {key}?"))
                .unwrap_or_default();
            Some(format!("stands above all sections, and belongs into one{hint}"))
        }
    }
}

pub(crate) fn read_file(path: &Path) -> Result<String, SettingsError> {
    let refuse = |problem: String| SettingsError::new(absolute(path).display().to_string(), problem);
    let cannot = |error: std::io::Error| refuse(format!("cannot read the settings file: {error}{AsUser}"));
    let bytes = std::fs::metadata(path).map_err(cannot)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(refuse(format!(
            "is no settings file: {bytes} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    std::fs::read_to_string(path).map_err(cannot)
}
