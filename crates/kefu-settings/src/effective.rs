//! Every value in force, where it was set, and nothing that is secret.

use crate::node::{Node, Table, join};
use crate::place::absolute;
use crate::{Origin, Settings, reference};

/// Ends of keys whose values are secrets.
const SECRET: [&str; 4] = ["secret", "token", "encoding_aes_key", "api_key"];
const MASK: &str = "[set]";

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub key: String,
    pub value: Shown,
    pub origin: Origin,
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Value(String),
    /// There is one, and it is nobody's business.
    Secret,
    /// It stands in this file.
    File(String),
}

impl Settings {
    /// In the order of the reference.
    pub fn effective(&self) -> Vec<Effective> {
        let mut values = Vec::new();
        walk(self, self.root(), "", &mut values);
        let place = |value: &Effective| {
            let known = reference::keys().iter().position(|key| *key == value.key);
            let section = value.key.split('.').next().unwrap_or_default();
            let section = crate::SECTIONS.iter().position(|name| *name == section);
            (section, known, value.key.clone())
        };
        values.sort_by_key(place);
        values
    }
}

fn walk(settings: &Settings, table: &Table, prefix: &str, values: &mut Vec<Effective>) {
    for (name, node) in table {
        let key = join(prefix, name);
        if let Node::Table(below) = node {
            walk(settings, below, &key, values);
            continue;
        }
        values.push(Effective {
            value: shown(&key, node),
            origin: settings.origin(&key),
            key,
        });
    }
}

fn shown(key: &str, node: &Node) -> Shown {
    let name = key.rsplit('.').next().unwrap_or_default();
    let text = match node {
        Node::File(path) => return Shown::File(absolute(path).display().to_string()),
        // What is no key may be a secret's, with a slip of the finger.
        Node::Text(text) if !text.is_empty() && (SECRET.contains(&name) || !reference::is_known(key)) => {
            return Shown::Secret;
        }
        Node::Text(text) => without_password(text),
        Node::Integer(number) => number.to_string(),
        Node::Float(number) => number.to_string(),
        Node::Boolean(flag) => flag.to_string(),
        Node::List(_) | Node::Table(_) => "a list".to_owned(),
    };
    Shown::Value(text)
}

/// An address without the password before its host and those among its parameters.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // A password may hold a slash that nobody has written as %2F: the last sign counts.
    let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let address = match address.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{user}:{MASK}@{host}")
        }
        None => address.to_owned(),
    };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    };
    let parameters: Vec<String> = parameters.split('&').map(parameter).collect();
    let mark = if rest.contains('?') { "?" } else { "" };
    format!("{scheme}://{address}{mark}{}", parameters.join("&"))
}

fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    ["pass", "secret", "token", "key"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_host_and_loses_its_passwords() {
        for (text, expected) in [
            ("amqp://u:hush@mq:5672/v", "amqp://u:[set]@mq:5672/v"),
            ("amqp://u:hu/sh@mq/v", "amqp://u:[set]@mq/v"),
            ("redis://:hush@r/0", "redis://:[set]@r/0"),
            (
                "postgres://db/kefu?user=u&password=hush&sslmode=require",
                "postgres://db/kefu?user=u&password=[set]&sslmode=require",
            ),
            (
                "https://m.example/v1?api-key=hush",
                "https://m.example/v1?api-key=[set]",
            ),
            ("https://m.example/v1", "https://m.example/v1"),
            ("sqlite:kefu-data/kefu.db", "sqlite:kefu-data/kefu.db"),
        ] {
            assert_eq!(without_password(text), expected);
        }
    }

    #[test]
    fn values_have_their_layer_and_secrets_stay_hidden() {
        let file = "[ai]\nbase_url = \"https://m/v1\"\napi_key = \"sk-secret\"\n[apps.default]\nsecret_file = \"/run/s\"\nsecrt = \"hunter2\"\n";
        let environment = [
            ("KEFU_QUEUE__PREFIX".to_owned(), "shop".to_owned()),
            (
                "DATABASE_URL".to_owned(),
                "postgres://kefu:hunter2@db:5432/kefu".to_owned(),
            ),
        ];
        let settings = Settings::from_sources(Some(file), environment).unwrap();
        let values = settings.effective();
        let of = |key: &str| values.iter().find(|value| value.key == key).unwrap();
        assert_eq!(
            of("queue.prefix").origin,
            Origin::Variable("KEFU_QUEUE__PREFIX".to_owned())
        );
        assert_eq!(of("ai.base_url").origin.to_string(), "kefu.toml, line 2");
        assert_eq!(of("ai.api_key").value, Shown::Secret);
        assert_eq!(of("apps.default.secret").value, Shown::File("/run/s".to_owned()));
        assert_eq!(
            of("database.url").value,
            Shown::Value("postgres://kefu:[set]@db:5432/kefu".to_owned())
        );
        assert_eq!(
            (&of("worker.slots.high").value, &of("worker.slots.high").origin),
            (&Shown::Value("16".to_owned()), &Origin::Reference)
        );
        let text = format!("{values:?}");
        assert!(!text.contains("hunter2") && !text.contains("sk-secret"));
        assert!(
            values.iter().position(|value| value.key == "queue.url")
                < values.iter().position(|value| value.key == "log.level")
        );
    }
}
