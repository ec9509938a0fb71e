use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::{DEPTH_MAX, FIELDS_MAX, Field, NAME_BYTES_MAX, ParseError};

/// Reads a JSON object: order and repeated names are kept, an array becomes siblings of one name.
pub(super) fn parse(text: &str) -> Result<Vec<Field>, ParseError> {
    let limits = Limits {
        fields: Cell::new(0),
        broken: Cell::new(None),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let node = Seed {
        limits: &limits,
        depth: 1,
    }
    .deserialize(&mut json)
    .and_then(|node| json.end().map(|()| node));
    match (node, limits.broken.take()) {
        (_, Some(limit)) => Err(limit),
        (Ok(Node::Object(fields)), None) => Ok(fields),
        (Ok(_), None) => Err(ParseError::UnknownFormat),
        (Err(error), None) => Err(ParseError::MalformedJson {
            line: error.line(),
            column: error.column(),
        }),
    }
}

enum Node {
    Text(String),
    Array(Vec<Node>),
    Object(Vec<Field>),
}

/// Counts over the whole text; a broken limit is remembered because serde's error is only text.
struct Limits {
    fields: Cell<usize>,
    broken: Cell<Option<ParseError>>,
}

impl Limits {
    fn count<E: Error>(&self) -> Result<(), E> {
        self.fields.set(self.fields.get() + 1);
        match self.fields.get() > FIELDS_MAX {
            true => Err(self.refuse(ParseError::TooManyFields)),
            false => Ok(()),
        }
    }

    fn refuse<E: Error>(&self, limit: ParseError) -> E {
        self.broken.set(Some(limit));
        E::custom("limit")
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    limits: &'a Limits,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth > DEPTH_MAX {
            return Err(self.limits.refuse(ParseError::TooDeep));
        }
        Ok(Seed {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Text(String::new()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(inner)? {
            self.limits.count()?;
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            self.limits.count()?;
            if NAME_BYTES_MAX < name.len() {
                return Err(self.limits.refuse(ParseError::NameTooLong));
            }
            spread(&mut fields, name, members.next_value_seed(inner)?);
        }
        Ok(Node::Object(fields))
    }
}

fn spread(fields: &mut Vec<Field>, name: String, node: Node) {
    match node {
        Node::Text(text) => fields.push(Field {
            name,
            text,
            children: Vec::new(),
        }),
        Node::Object(children) => fields.push(Field {
            name,
            text: String::new(),
            children,
        }),
        Node::Array(nodes) => {
            for node in nodes {
                spread(fields, name.clone(), node);
            }
        }
    }
}
