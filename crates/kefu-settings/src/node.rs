//! The tree that the layers are merged in. Nothing here prints a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::SettingsError;

pub(crate) type Table = BTreeMap<String, Node>;

#[derive(Clone)]
pub(crate) enum Node {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// The value stands in this file, which is read only when somebody asks for the key.
    File(PathBuf),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    pub(crate) fn from_toml(value: toml::Value) -> Node {
        match value {
            toml::Value::String(text) => Node::Text(text),
            toml::Value::Integer(number) => Node::Integer(number),
            toml::Value::Float(number) => Node::Float(number),
            toml::Value::Boolean(flag) => Node::Boolean(flag),
            toml::Value::Datetime(time) => Node::Text(time.to_string()),
            toml::Value::Array(values) => Node::List(values.into_iter().map(Node::from_toml).collect()),
            toml::Value::Table(table) => Node::Table(table_from_toml(table)),
        }
    }
}

pub(crate) fn table_from_toml(table: toml::Table) -> Table {
    table
        .into_iter()
        .map(|(name, value)| (name, Node::from_toml(value)))
        .collect()
}

/// Lays `over` on top of `base`: tables are merged, everything else is replaced.
pub(crate) fn merge(base: &mut Table, over: Table) {
    for (name, node) in over {
        match (base.get_mut(&name), node) {
            (Some(Node::Table(below)), Node::Table(above)) => merge(below, above),
            (_, node) => {
                base.insert(name, node);
            }
        }
    }
}

/// Sets the value at a path of names, making tables on the way and replacing what is no table.
pub(crate) fn insert(table: &mut Table, path: &[&str], node: Node) {
    match path {
        [] => (),
        [name] => {
            table.insert((*name).to_owned(), node);
        }
        [name, rest @ ..] => {
            let below = table
                .entry((*name).to_owned())
                .or_insert_with(|| Node::Table(Table::new()));
            if !matches!(below, Node::Table(_)) {
                *below = Node::Table(Table::new());
            }
            if let Node::Table(below) = below {
                insert(below, rest, node);
            }
        }
    }
}

/// Replaces or removes what stands at a path of names.
pub(crate) fn replace(node: &mut Node, path: &[&str], by: Option<Node>) {
    let (Node::Table(table), [name, rest @ ..]) = (node, path) else {
        return;
    };
    match (rest, by) {
        ([], Some(by)) => {
            table.insert((*name).to_owned(), by);
        }
        ([], None) => {
            table.remove(*name);
        }
        (rest, by) => {
            if let Some(below) = table.get_mut(*name) {
                replace(below, rest, by);
            }
        }
    }
}

/// Turns every `<key>_file = "path"` of one layer into `<key>` with the promise to read that file. What cannot be
/// such a promise is left out and told.
pub(crate) fn promise_files(table: &mut Table, prefix: &str) -> Vec<SettingsError> {
    let mut mistakes = Vec::new();
    let names: Vec<String> = table
        .keys()
        .filter(|name| name.ends_with("_file"))
        .cloned()
        .collect();
    for name in names {
        let key = join(prefix, &name);
        let target = name.strip_suffix("_file").unwrap_or(&name).to_owned();
        let promise = table.remove(&name);
        if table.contains_key(&target) {
            let other = join(prefix, &target);
            let problem = format!("`{other}` is set as well; set only one of them");
            mistakes.push(SettingsError::new(key, problem));
            continue;
        }
        match promise {
            Some(Node::Text(path)) if !path.is_empty() => {
                table.insert(target, Node::File(path.into()));
            }
            Some(Node::Table(_)) => {
                let problem = "is a table, and a name that ends in _file is that of a value in a file; take another name";
                mistakes.push(SettingsError::new(key, problem));
            }
            _ => mistakes.push(SettingsError::new(key, "must be the path of a file")),
        }
    }
    for (name, node) in table {
        if let Node::Table(below) = node {
            mistakes.extend(promise_files(below, &join(prefix, name)));
        }
    }
    mistakes
}

pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
