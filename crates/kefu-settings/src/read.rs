//! Reads a tree into a typed section, and knows at every step which key it is at.
//!
//! Text becomes a number or a flag where the type asks for one, because the environment has only text; a number
//! becomes text where the type asks for text, so that an id of digits needs no quotes.

use std::io::Read;
use std::path::Path;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::SettingsError;
use crate::node::{Node, Table, join};
use crate::place::{Unusable, absolute};
use crate::problem::Problem;

/// A secret in a file is a line; more is a mistake in the path.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn read<T: DeserializeOwned>(key: &str, node: &Node) -> Result<T, SettingsError> {
    T::deserialize(Reader {
        key: key.to_owned(),
        node,
    })
    .map_err(|problem| problem.finish(key))
}

struct Reader<'a> {
    key: String,
    node: &'a Node,
}

impl Reader<'_> {
    /// The value as text, read from its file if that is where it stands.
    fn text(&self) -> Result<String, Problem> {
        match self.node {
            Node::Text(text) => Ok(text.clone()),
            Node::Integer(number) => Ok(number.to_string()),
            Node::File(path) => read_value(path).map_err(|what| Problem {
                key: Some(format!("{}_file", self.key)),
                ..Problem::new(what)
            }),
            Node::List(_) => Err(Problem::new(
                "expected text, found a list; write one text with commas, such as \"人工,转人工\"".to_owned(),
            )),
            other => Err(de::Error::invalid_type(unexpected(other), &"text")),
        }
    }

    fn number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Problem> {
        match self.node {
            Node::Integer(number) => visitor.visit_i64(*number),
            Node::Float(number) => visitor.visit_f64(*number),
            Node::Text(_) | Node::File(_) => {
                let text = self.text()?;
                let trimmed = text.trim();
                if let Ok(number) = trimmed.parse::<i64>() {
                    return visitor.visit_i64(number);
                }
                match trimmed.parse::<f64>() {
                    Ok(number) if number.is_finite() => visitor.visit_f64(number),
                    _ => Err(de::Error::invalid_type(self.found(&text), &visitor)),
                }
            }
            other => Err(de::Error::invalid_type(unexpected(other), &visitor)),
        }
    }

    /// What stands in a file is not repeated in an error.
    fn found<'t>(&self, text: &'t str) -> Unexpected<'t> {
        match self.node {
            Node::File(_) => Unexpected::Other("the contents of the file"),
            _ => Unexpected::Str(text),
        }
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Problem> {
        match self.node {
            Node::Text(_) | Node::File(_) => visitor.visit_string(self.text()?),
            Node::Integer(number) => visitor.visit_i64(*number),
            Node::Float(number) => visitor.visit_f64(*number),
            Node::Boolean(flag) => visitor.visit_bool(*flag),
            Node::List(nodes) => visitor.visit_seq(List {
                key: &self.key,
                nodes: nodes.iter().enumerate(),
            }),
            Node::Table(table) => visitor.visit_map(Entries::new(&self.key, table)),
        }
    }

    fn flag<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Problem> {
        match self.node {
            Node::Boolean(flag) => visitor.visit_bool(*flag),
            Node::Text(_) | Node::File(_) => {
                let text = self.text()?;
                match text.trim() {
                    "true" => visitor.visit_bool(true),
                    "false" => visitor.visit_bool(false),
                    _ => Err(de::Error::invalid_type(self.found(&text), &"true or false")),
                }
            }
            other => Err(de::Error::invalid_type(unexpected(other), &"true or false")),
        }
    }
}

macro_rules! read_with {
    ($how:ident: $($method:ident),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.$how(visitor).map_err(|problem| problem.at(&self.key))
        })+
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Problem;

    read_with!(any: deserialize_any, deserialize_seq, deserialize_map, deserialize_unit);
    read_with!(flag: deserialize_bool);
    read_with!(number: deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128,
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128,
        deserialize_f32, deserialize_f64);

    /// Not even looked at: whoever leaves a key to others may not be allowed to read its file.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let accepted = self.text().and_then(|text| visitor.visit_string(text));
        accepted.map_err(|problem| match self.node {
            // The error may quote what it does not accept, and what stands in a file may be a secret.
            Node::File(_) if problem.key.is_none() => {
                Problem::new("the contents of its file are not accepted here".to_owned()).at(&self.key)
            }
            _ => problem.at(&self.key),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.node {
            Node::Table(_) => self.deserialize_any(visitor),
            other => {
                let problem: Problem = de::Error::invalid_type(unexpected(other), &"a section with keys");
                Err(problem.at(&self.key))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let text = self.text().map_err(|problem| problem.at(&self.key))?;
        let variant: StrDeserializer<'_, Problem> = text.trim().into_deserializer();
        visitor
            .visit_enum(variant)
            .map_err(|problem| problem.at(&self.key))
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

struct Entries<'a> {
    key: &'a str,
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    next: Option<(String, &'a Node)>,
}

impl<'a> Entries<'a> {
    fn new(key: &'a str, table: &'a Table) -> Entries<'a> {
        Entries {
            key,
            entries: table.iter(),
            next: None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((name, node)) = self.entries.next() else {
            return Ok(None);
        };
        let key = join(self.key, name);
        let name: StrDeserializer<'_, Problem> = name.as_str().into_deserializer();
        let read = seed.deserialize(name).map_err(|problem| problem.at(&key))?;
        self.next = Some((key, node));
        Ok(Some(read))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let (key, node) = self
            .next
            .take()
            .ok_or_else(|| Problem::new("value without a key".to_owned()))?;
        // Some readers (`with = …`) report after the reader of the value is gone.
        seed.deserialize(Reader {
            key: key.clone(),
            node,
        })
        .map_err(|problem| problem.at(&key))
    }
}

struct List<'a> {
    key: &'a str,
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for List<'_> {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        let Some((index, node)) = self.nodes.next() else {
            return Ok(None);
        };
        seed.deserialize(Reader {
            key: format!("{}[{index}]", self.key),
            node,
        })
        .map(Some)
    }
}

fn unexpected(node: &Node) -> Unexpected<'_> {
    match node {
        Node::Text(text) => Unexpected::Str(text),
        Node::Integer(number) => Unexpected::Signed(*number),
        Node::Float(number) => Unexpected::Float(*number),
        Node::Boolean(flag) => Unexpected::Bool(*flag),
        Node::File(_) => Unexpected::Other("the contents of a file"),
        Node::List(_) => Unexpected::Other("a list"),
        Node::Table(_) => Unexpected::Other("a section"),
    }
}

/// The file's text without its trailing newline, and without the byte order mark that editors of Windows put first.
fn read_value(path: &Path) -> Result<String, String> {
    let cannot = |error| Unusable::new("read", path, error).to_string();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut text = String::new();
    file.take(VALUE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > VALUE_BYTES_MAX {
        let path = absolute(path);
        return Err(format!(
            "cannot read {}: more than {VALUE_BYTES_MAX} bytes",
            path.display()
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let trimmed = text.strip_suffix('\n').unwrap_or(text);
    Ok(trimmed.strip_suffix('\r').unwrap_or(trimmed).to_owned())
}
