//! The environment: three variables which other programs know too, and `KEFU_<SECTION>__<KEY>`.

use crate::node::{Node, Table, insert, promise_files};
use crate::settings::SECTIONS;
use crate::{SettingsError, reference};

/// Variables which other programs know too, and the key each one sets.
const WELL_KNOWN: [(&str, [&str; 2]); 3] = [
    ("DATABASE_URL", ["database", "url"]),
    ("REDIS_URL", ["state", "url"]),
    ("AMQP_URL", ["queue", "url"]),
];

/// The two layers of the environment, and which variable set which key.
pub(crate) struct Environment {
    pub(crate) well_known: Table,
    pub(crate) ours: Table,
    pub(crate) variables: Vec<(String, String)>,
    /// Variables that lack an underscore to be a setting.
    pub(crate) lookalikes: Vec<SettingsError>,
}

impl Environment {
    pub(crate) fn read(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Environment, SettingsError> {
        let mut read = Environment {
            well_known: Table::new(),
            ours: Table::new(),
            variables: Vec::new(),
            lookalikes: Vec::new(),
        };
        // Those that win come last.
        let mut ours = Vec::new();
        for (variable, value) in environment {
            if let Some((_, path)) = WELL_KNOWN.iter().find(|(name, _)| *name == variable) {
                // An empty one is how a compose file says "not set".
                if !value.is_empty() {
                    insert(&mut read.well_known, path, Node::Text(value));
                    read.variables.push((path.join("."), variable));
                }
                continue;
            }
            let Some(name) = variable.strip_prefix("KEFU_") else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            // Without `__` it is not ours: Kubernetes injects KEFU_INGRESS_SERVICE_HOST and many more.
            if !name.contains("__") {
                read.lookalikes.extend(lookalike(&variable, &name));
                continue;
            }
            let path: Vec<&str> = name.split("__").collect();
            let key = path.join(".");
            if !SECTIONS.contains(&path[0]) || path.iter().any(|part| part.is_empty()) {
                let problem = format!(
                    "unknown key, set by {variable}; known sections are {}",
                    SECTIONS.join(", ")
                );
                return Err(SettingsError::new(key, problem));
            }
            insert(&mut read.ours, &path, Node::Text(value));
            ours.push((key, variable));
        }
        read.variables.extend(ours);
        promise_files(&mut read.ours, "")?;
        Ok(read)
    }
}

/// A variable that is a setting's but for an underscore: without a word it would do nothing.
fn lookalike(variable: &str, name: &str) -> Option<SettingsError> {
    let key = reference::key_like(name)?;
    let right = format!("KEFU_{}", key.replace('.', "__").to_ascii_uppercase());
    Some(SettingsError::new(
        key,
        format!("is not set by {variable}, which does nothing; the variable is {right}"),
    ))
}

/// The variables of this process that can be settings, refusing those that are not UTF-8.
pub(crate) fn variables() -> Result<Vec<(String, String)>, SettingsError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if name.starts_with("KEFU_") || WELL_KNOWN.iter().any(|(known, _)| *known == name) {
            let is_setting = name.contains("__") || !name.starts_with("KEFU_");
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if is_setting => return Err(SettingsError::new(&name, "is not valid UTF-8")),
                Err(_) => (),
            }
        }
    }
    Ok(variables)
}
