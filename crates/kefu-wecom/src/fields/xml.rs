use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::{DEPTH_MAX, FIELDS_MAX, Field, NAME_BYTES_MAX, ParseError};

pub(super) fn parse(text: &str) -> Result<Vec<Field>, ParseError> {
    let mut reader = Reader::from_str(text);
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event().map_err(|_| ParseError::MalformedXml {
            byte: reader.error_position(),
        })?;
        match event {
            Event::Start(start) => tree.open(start.name().as_ref())?,
            Event::Empty(start) => {
                tree.open(start.name().as_ref())?;
                tree.close();
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.text(&text)?,
            Event::CData(cdata) => tree.cdata(&cdata)?,
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(ParseError::Doctype),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => {
                // The reader itself does not mind a text that ends inside an element.
                return tree.finish().ok_or(ParseError::MalformedXml {
                    byte: reader.buffer_position(),
                });
            }
        }
    }
}

/// `&lt;` and its kind, and `&#20320;`; never a look-up of anything declared elsewhere.
fn resolve(reference: &BytesRef<'_>) -> Result<String, ParseError> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => match resolve_xml_entity(reference) {
            Some(text) => Ok(text.to_owned()),
            None => Err(ParseError::ForeignEntity),
        },
        Err(_) => Err(ParseError::ForeignEntity),
    }
}

/// The open elements, outermost first, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Field>,
    fields: usize,
}

#[derive(Default)]
struct Element {
    field: Field,
    has_cdata: bool,
}

impl Tree {
    fn open(&mut self, name: &str) -> Result<(), ParseError> {
        if self.root.is_some() {
            return Err(ParseError::TrailingContent);
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(ParseError::TooManyFields);
        }
        if NAME_BYTES_MAX < name.len() {
            return Err(ParseError::NameTooLong);
        }
        let field = Field {
            name: name.to_owned(),
            ..Field::default()
        };
        self.open.push(Element {
            field,
            has_cdata: false,
        });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), ParseError> {
        let blank = text.trim_ascii().is_empty();
        match self.open.last_mut() {
            // White space around CDATA is layout (seen in a suite_ticket), not content.
            Some(element) if blank && element.has_cdata => Ok(()),
            Some(element) => {
                element.field.text.push_str(text);
                Ok(())
            }
            None if blank => Ok(()),
            None if self.root.is_some() => Err(ParseError::TrailingContent),
            None => Err(ParseError::UnknownFormat),
        }
    }

    fn cdata(&mut self, text: &str) -> Result<(), ParseError> {
        let Some(element) = self.open.last_mut() else {
            return Err(ParseError::TrailingContent);
        };
        if !element.has_cdata {
            element.has_cdata = true;
            if element.field.text.trim_ascii().is_empty() {
                element.field.text.clear();
            }
        }
        element.field.text.push_str(text);
        Ok(())
    }

    /// The reader has matched the names, so the innermost element is the one that ends.
    fn close(&mut self) {
        let Some(Element { mut field, has_cdata }) = self.open.pop() else {
            return;
        };
        if !has_cdata {
            field.text = field.text.trim_ascii().to_owned();
        }
        match self.open.last_mut() {
            Some(parent) => parent.field.children.push(field),
            None => self.root = Some(field),
        }
    }

    fn finish(self) -> Option<Vec<Field>> {
        let Tree { open, root, .. } = self;
        root.filter(|_| open.is_empty()).map(|root| root.children)
    }
}
