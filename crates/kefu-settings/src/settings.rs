//! Settings: the reference below the file, below the three well-known URLs, below `KEFU_<SECTION>__<KEY>`.
//!
//! Contents are checked only when a role asks for its section, so that a role is not stopped by a section it does
//! not use, and does not need to be allowed to read the secret files of another.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::environment::{self, Environment};
use crate::layer::{self, Layer};
use crate::node::{Node, Table, insert, join, merge, replace};
use crate::place::absolute;
use crate::{Origin, SettingsError, SettingsErrors, origin, read};

/// The commented reference: every key with its default.
pub const REFERENCE: &str = include_str!("../../../deploy/kefu.toml");

/// The same with its comments in Chinese.
pub const REFERENCE_ZH: &str = include_str!("../../../deploy/kefu.zh.toml");

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

/// Mistakes in one section that are told at once; whoever has more mends these first.
const PROBLEMS_MAX: usize = 32;

/// All settings of this process, not yet typed.
#[derive(Clone)]
pub struct Settings {
    root: Table,
    file: Option<PathBuf>,
    /// Where each key was set last.
    origins: BTreeMap<String, Origin>,
    /// What stands in a layer and can be no setting, so that it is left out.
    mistakes: Vec<SettingsError>,
}

impl Settings {
    /// Reads the file (argument, else `KEFU_CONFIG`, else `./kefu.toml` if it exists) and the environment.
    pub fn load(config_path: Option<&Path>) -> Result<Settings, SettingsErrors> {
        Settings::load_to_check(config_path)?.without_mistakes()
    }

    /// The same for whoever tells all that is wrong at once: what can be no setting is left out, and stands in
    /// [`Settings::mistakes`].
    pub fn load_to_check(config_path: Option<&Path>) -> Result<Settings, SettingsError> {
        let named = config_path.map(Path::to_owned).or_else(|| {
            std::env::var_os("KEFU_CONFIG")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let file = named.or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists()));
        let text = file.as_deref().map(layer::read_file).transpose()?;
        let name = absolute(file.as_deref().unwrap_or(Path::new(FILE_DEFAULT)));
        let name = name.display().to_string();
        let mut settings = Settings::from_layers(&name, text.as_deref(), environment::variables()?)?;
        settings.file = file;
        Ok(settings)
    }

    /// The same from given sources; nothing of the machine is read.
    pub fn from_sources(
        file_text: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsErrors> {
        Settings::from_layers(FILE_DEFAULT, file_text, environment)?.without_mistakes()
    }

    fn without_mistakes(self) -> Result<Settings, SettingsErrors> {
        SettingsErrors::check(self.mistakes.clone())?;
        Ok(self)
    }

    /// The defaults alone: neither file nor environment.
    pub fn reference_only() -> Result<Settings, SettingsErrors> {
        Settings::from_sources(None, [])
    }

    /// Sets one key (`worker.listen`) over everything else. Numbers and durations are given as text, too.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Settings {
        let path: Vec<&str> = key.split('.').collect();
        insert(&mut self.root, &path, Node::Text(value.to_string()));
        self.origins.insert(key.to_owned(), Origin::Given);
        self
    }

    /// Without these keys of every entry of a section: a role does not read the secrets of another.
    #[must_use]
    pub fn without(mut self, section: &str, keys: &[&str]) -> Settings {
        if let Some(Node::Table(entries)) = self.root.get_mut(section) {
            for entry in entries.values_mut() {
                for key in keys {
                    replace(entry, &[*key], None);
                }
            }
        }
        self
    }

    /// Whether anything stands in a section.
    pub fn has(&self, section: &str) -> bool {
        matches!(self.root.get(section), Some(Node::Table(table)) if !table.is_empty())
    }

    /// The file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What was left out because it can be no setting: unknown sections, and variables that somebody meant for
    /// settings, each with its right name.
    pub fn mistakes(&self) -> &[SettingsError] {
        &self.mistakes
    }

    /// An error with the place where its value was set.
    pub fn placed(&self, error: SettingsError) -> SettingsError {
        let key = without_file(error.key());
        error.at(self.origins.get(&key).cloned())
    }

    /// One section as its type. Unknown and missing keys and wrong values fail with the full name of the key.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        read::read(name, self.node(name)).map_err(|error| self.placed(error))
    }

    /// Everything that is wrong in one section.
    pub(crate) fn section_problems<T: DeserializeOwned>(&self, name: &str) -> Vec<SettingsError> {
        self.problems_at::<T>(name, self.node(name))
    }

    /// Entries that are good, and everything that is wrong in the others.
    pub(crate) fn entries_and_problems<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> (BTreeMap<String, T>, Vec<SettingsError>) {
        let (mut good, mut problems) = (BTreeMap::new(), Vec::new());
        let Some(Node::Table(entries)) = self.root.get(name) else {
            return (good, problems);
        };
        for (entry, node) in entries {
            let key = join(name, entry);
            if let Err(error) = check_entry(&key, entry) {
                problems.push(self.placed(error));
            }
            problems.extend(self.problems_at::<T>(&key, node));
            if let Ok(typed) = read::read(&key, node) {
                good.insert(entry.clone(), typed);
            }
        }
        (good, problems)
    }

    /// Reads again and again, each time without what was wrong the time before.
    fn problems_at<T: DeserializeOwned>(&self, name: &str, node: &Node) -> Vec<SettingsError> {
        let mut node = node.clone();
        let mut problems: Vec<SettingsError> = Vec::new();
        while problems.len() < PROBLEMS_MAX
            && let Err(error) = read::read::<T>(name, &node)
        {
            let key = without_file(error.key());
            let seen = problems.iter().any(|problem| problem.key() == error.key());
            problems.push(self.placed(error));
            let below = key.strip_prefix(name).and_then(|key| key.strip_prefix('.'));
            let (Some(below), false) = (below, seen) else {
                break;
            };
            let path: Vec<&str> = below.split('.').collect();
            match default_of(&key) {
                Some(default) => replace(&mut node, &path, Some(default)),
                None => replace(&mut node, &path, None),
            }
        }
        problems.dedup();
        problems
    }

    fn node(&self, name: &str) -> &Node {
        static EMPTY: Node = Node::Table(Table::new());
        self.root.get(name).unwrap_or(&EMPTY)
    }

    /// A section that holds one table per name, such as `apps`. Names are `[a-z0-9_]+`.
    pub fn entries<T: DeserializeOwned>(&self, name: &str) -> Result<BTreeMap<String, T>, SettingsError> {
        let Some(Node::Table(entries)) = self.root.get(name) else {
            return Ok(BTreeMap::new());
        };
        let mut typed = BTreeMap::new();
        for (entry, node) in entries {
            let key = join(name, entry);
            check_entry(&key, entry).map_err(|error| self.placed(error))?;
            let read = read::read(&key, node).map_err(|error| self.placed(error))?;
            typed.insert(entry.clone(), read);
        }
        Ok(typed)
    }

    fn from_layers(
        file_name: &str,
        file_text: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        let mut settings = Settings {
            root: Layer::from_toml("deploy/kefu.toml", REFERENCE)?.table,
            file: None,
            origins: BTreeMap::new(),
            mistakes: Vec::new(),
        };
        if let Some(text) = file_text {
            let layer = Layer::from_toml(file_name, text)?;
            merge(&mut settings.root, layer.table);
            for (key, line) in origin::lines(text) {
                let name = file_name.to_owned();
                settings
                    .origins
                    .insert(without_file(&key), Origin::File { name, line });
            }
            let placed = layer.mistakes.into_iter().map(|error| settings.placed(error));
            settings.mistakes = placed.collect();
        }
        let environment = Environment::read(environment);
        merge(&mut settings.root, environment.well_known);
        merge(&mut settings.root, environment.ours);
        for (key, variable) in environment.variables {
            settings
                .origins
                .insert(without_file(&key), Origin::Variable(variable));
        }
        settings.mistakes.extend(environment.mistakes);
        Ok(settings)
    }

    pub(crate) fn root(&self) -> &Table {
        &self.root
    }

    /// Where the value in force was set.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Reference)
    }
}

fn without_file(key: &str) -> String {
    key.strip_suffix("_file").unwrap_or(key).to_owned()
}

fn check_entry(key: &str, name: &str) -> Result<(), SettingsError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match name.is_empty() || !name.chars().all(is_allowed) {
        true => Err(SettingsError::new(
            key,
            "a name here consists of a-z, 0-9 and _ only",
        )),
        false => Ok(()),
    }
}

/// What the reference has for a key.
fn default_of(key: &str) -> Option<Node> {
    let mut node = Node::Table(Layer::from_toml("deploy/kefu.toml", REFERENCE).ok()?.table);
    for name in key.split('.') {
        let Node::Table(mut table) = node else { return None };
        node = table.remove(name)?;
    }
    Some(node)
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
