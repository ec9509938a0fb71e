//! Settings: the reference below the file, below the three well-known URLs, below `KEFU_<SECTION>__<KEY>`.
//!
//! Contents are checked only when a role asks for its section, so that a role is not stopped by a section it does
//! not use, and does not need to be allowed to read the secret files of another.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::SettingsError;
use crate::node::{Node, Table, insert, join, merge, promise_files, table_from_toml};
use crate::place::{AsUser, absolute};
use crate::read;

/// The commented reference: every key with its default.
pub const REFERENCE: &str = include_str!("../../../deploy/kefu.toml");

/// Every section there is.
pub const SECTIONS: [&str; 11] = [
    "apps",
    "ingress",
    "worker",
    "queue",
    "state",
    "database",
    "wecom",
    "ai",
    "reply",
    "conversation",
    "log",
];

/// Looked for in the working directory when neither an argument nor `KEFU_CONFIG` names a file.
const FILE_DEFAULT: &str = "kefu.toml";

/// Variables which other programs know too, and the key each one sets.
const WELL_KNOWN: [(&str, [&str; 2]); 3] = [
    ("DATABASE_URL", ["database", "url"]),
    ("REDIS_URL", ["state", "url"]),
    ("AMQP_URL", ["queue", "url"]),
];

/// A settings file is a page or two; more is a mistake in the path.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All settings of this process, not yet typed.
#[derive(Clone)]
pub struct Settings {
    root: Table,
    file: Option<PathBuf>,
}

impl Settings {
    /// Reads the file (argument, else `KEFU_CONFIG`, else `./kefu.toml` if it exists) and the environment.
    pub fn load(config_path: Option<&Path>) -> Result<Settings, SettingsError> {
        let named = config_path.map(Path::to_owned).or_else(|| {
            std::env::var_os("KEFU_CONFIG")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let file = named.or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists()));
        let text = file.as_deref().map(read_file).transpose()?;
        let name = file
            .as_deref()
            .unwrap_or(Path::new(FILE_DEFAULT))
            .display()
            .to_string();
        let mut settings = Settings::from_layers(&name, text.as_deref(), environment()?)?;
        settings.file = file;
        Ok(settings)
    }

    /// The same from given sources; nothing of the machine is read.
    pub fn from_sources(
        file_text: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        Settings::from_layers(FILE_DEFAULT, file_text, environment)
    }

    /// The defaults alone: neither file nor environment.
    pub fn reference_only() -> Result<Settings, SettingsError> {
        Settings::from_sources(None, [])
    }

    /// Sets one key (`worker.listen`) over everything else. Numbers and durations are given as text, too.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Settings {
        let path: Vec<&str> = key.split('.').collect();
        insert(&mut self.root, &path, Node::Text(value.to_string()));
        self
    }

    /// The file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// One section as its type. Unknown and missing keys and wrong values fail with the full name of the key.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let empty = Node::Table(Table::new());
        read::read(name, self.root.get(name).unwrap_or(&empty))
    }

    /// A section that holds one table per name, such as `apps`. Names are `[a-z0-9_]+`.
    pub fn entries<T: DeserializeOwned>(&self, name: &str) -> Result<BTreeMap<String, T>, SettingsError> {
        let Some(Node::Table(entries)) = self.root.get(name) else {
            return Ok(BTreeMap::new());
        };
        let mut typed = BTreeMap::new();
        for (entry, node) in entries {
            let key = join(name, entry);
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if entry.is_empty() || !entry.chars().all(is_allowed) {
                return Err(SettingsError::new(
                    key,
                    "a name here consists of a-z, 0-9 and _ only",
                ));
            }
            typed.insert(entry.clone(), read::read(&key, node)?);
        }
        Ok(typed)
    }

    fn from_layers(
        file_name: &str,
        file_text: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        let mut root = layer_from_toml("deploy/kefu.toml", REFERENCE)?;
        if let Some(text) = file_text {
            merge(&mut root, layer_from_toml(file_name, text)?);
        }
        let (well_known, ours) = layers_from_environment(environment)?;
        merge(&mut root, well_known);
        merge(&mut root, ours);
        Ok(Settings { root, file: None })
    }
}

/// Names of keys only: a value may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections = self.root.iter().map(|(name, node)| match node {
            Node::Table(table) => (name, table.keys().collect::<Vec<_>>()),
            _ => (name, Vec::new()),
        });
        f.debug_map().entries(sections).finish()
    }
}

fn layer_from_toml(file_name: &str, text: &str) -> Result<Table, SettingsError> {
    let parsed: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Only the message: the full text of the error quotes the line, which may hold a secret.
        let line = error.span().map_or(0, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        SettingsError::new(
            file_name,
            format!("line {line}: {}", error.message().replace('\n', ", ")),
        )
    })?;
    let mut layer = table_from_toml(parsed);
    for (name, node) in &layer {
        if !SECTIONS.contains(&name.as_str()) {
            return Err(SettingsError::new(
                name,
                format!("unknown section; known are {}", SECTIONS.join(", ")),
            ));
        }
        if !matches!(node, Node::Table(_)) {
            return Err(SettingsError::new(
                name,
                format!("is a section: write its keys under [{name}]"),
            ));
        }
    }
    promise_files(&mut layer, "")?;
    Ok(layer)
}

/// The layer of `DATABASE_URL` and its like, and the layer of `KEFU_<SECTION>__<KEY>`.
fn layers_from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Table, Table), SettingsError> {
    let mut well_known = Table::new();
    let mut ours = Table::new();
    for (variable, value) in environment {
        if let Some((_, path)) = WELL_KNOWN.iter().find(|(name, _)| *name == variable) {
            // An empty one is how a compose file says "not set".
            if !value.is_empty() {
                insert(&mut well_known, path, Node::Text(value));
            }
            continue;
        }
        // Without `__` it is not ours: Kubernetes injects KEFU_INGRESS_SERVICE_HOST and many more.
        let Some(name) = variable.strip_prefix("KEFU_").filter(|name| name.contains("__")) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let path: Vec<&str> = name.split("__").collect();
        let key = path.join(".");
        if !SECTIONS.contains(&path[0]) || path.iter().any(|part| part.is_empty()) {
            let problem = format!(
                "unknown key, set by {variable}; known sections are {}",
                SECTIONS.join(", ")
            );
            return Err(SettingsError::new(key, problem));
        }
        insert(&mut ours, &path, Node::Text(value));
    }
    promise_files(&mut ours, "")?;
    Ok((well_known, ours))
}

/// The variables of this process that can be settings, refusing those that are not UTF-8.
fn environment() -> Result<Vec<(String, String)>, SettingsError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        let is_setting = name.starts_with("KEFU_") && name.contains("__");
        if is_setting || WELL_KNOWN.iter().any(|(known, _)| *known == name) {
            let value = value
                .into_string()
                .map_err(|_| SettingsError::new(&name, "is not valid UTF-8"))?;
            variables.push((name, value));
        }
    }
    Ok(variables)
}

fn read_file(path: &Path) -> Result<String, SettingsError> {
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
