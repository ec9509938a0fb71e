//! The marks of Markdown in a text, from the events of the parser: what is cut out, and what stands there instead.

mod block;
mod link;

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::code::{Code, is_within};
use super::edit::{Edit, Edits};
use super::pair::{self, Pair, Places};
use super::{escape, shadow, table, tag};
use crate::address::addresses;
use block::Quotes;
use link::Links;

/// All changes that make plain text of `text`.
pub(super) fn edits(text: &str) -> Edits {
    let addresses = addresses(text);
    let tags = tag::tags(text);
    let (shadow, runs) = shadow::shadow(text, &addresses, &tags);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut events = Parser::new_ext(&shadow, options).into_offset_iter();
    let mut marks = Marks::new(text, &shadow);
    for (event, range) in events.by_ref() {
        marks.read(event, range);
    }
    let mut found = marks.found;
    found
        .edits
        .extend(marks.links.definitions(text, events.reference_definitions()));
    found.edits.extend(marks.quotes.edits(text));
    let places = places(text, &marks.links.targets);
    found
        .edits
        .extend(pair::edits(text, &runs, &marks.pairs, &places));
    let in_table = |at: usize| is_within(&marks.tables, at);
    let around = around_addresses(text, &addresses);
    let outside_code = tag::edits(text, &tags, in_table)
        .into_iter()
        .chain(escape::edits(text))
        .chain(around);
    let code = &found.code;
    found.edits.extend(
        outside_code
            .filter(|edit| !code.holds(edit.range.start))
            .collect::<Vec<Edit>>(),
    );
    found
}

/// `<https://…>`: the brackets are marks.
fn around_addresses(text: &str, addresses: &[Range<usize>]) -> Vec<Edit> {
    addresses
        .iter()
        .filter(|address| text[..address.start].ends_with('<') && text[address.end..].starts_with('>'))
        .flat_map(|address| {
            [
                Edit::remove(address.start - 1..address.start),
                Edit::remove(address.end..address.end + 1),
            ]
        })
        .collect()
}

fn places(text: &str, targets: &[Range<usize>]) -> Places {
    let mut places = Places::default();
    for (at, sign) in text.match_indices(['@', ':', '\n']) {
        let in_target = is_within(targets, at);
        match sign {
            "\n" => places.line_breaks.push(at),
            "@" if !in_target => places.guarded.push(at),
            ":" if !in_target && text[at..].starts_with("://") => places.guarded.push(at),
            _ => {}
        }
    }
    places
}

/// Reads the events; the parser sees `shadow`, the changes are those of `text`.
struct Marks<'a> {
    text: &'a str,
    shadow: &'a str,
    found: Edits,
    pairs: Vec<Pair>,
    links: Links,
    quotes: Quotes,
    tables: Vec<Range<usize>>,
    table: Option<table::Table>,
    /// Where the last piece of text or mark within the open block or link ended.
    inner_end: usize,
    /// The heading that is open, until its first piece.
    heading: Option<Range<usize>>,
    block: Option<block::Fenced>,
}

impl<'a> Marks<'a> {
    fn new(text: &'a str, shadow: &'a str) -> Marks<'a> {
        Marks {
            text,
            shadow,
            found: Edits {
                edits: Vec::new(),
                code: Code::default(),
            },
            pairs: Vec::new(),
            links: Links::default(),
            quotes: Quotes::default(),
            tables: Vec::new(),
            table: None,
            inner_end: 0,
            heading: None,
            block: None,
        }
    }

    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        if let Some(heading) = self
            .heading
            .take_if(|_| !matches!(event, Event::Start(Tag::Heading { .. })))
        {
            self.found
                .edits
                .extend(block::heading_start(self.text, &heading, range.start));
        }
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(_) => {
                if let Some(block) = &mut self.block {
                    block.push(range.clone());
                }
                self.inner_end = range.end;
            }
            Event::Code(_) => {
                let (edits, inner) = block::inline_code(self.text, &range);
                self.found.edits.extend(edits);
                self.found.code.push_inline(inner);
                self.inner_end = range.end;
            }
            Event::Rule => self.found.edits.push(block::whole_lines(self.text, range)),
            Event::TaskListMarker(done) => {
                self.found
                    .edits
                    .push(Edit::replace(range, if done { "☑" } else { "☐" }));
            }
            _ => self.inner_end = range.end,
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { .. } => {
                self.inner_end = range.start;
                self.heading = Some(range);
            }
            Tag::BlockQuote(_) => self.quotes.push(range),
            Tag::CodeBlock(CodeBlockKind::Fenced(_)) => self.block = Some(block::Fenced::new(range)),
            Tag::CodeBlock(CodeBlockKind::Indented) => self.found.code.push_block(range),
            Tag::Item => self.found.edits.extend(block::bullet(self.text, range.start)),
            Tag::Strong | Tag::Strikethrough => self.pair(&range, 2),
            Tag::Emphasis => self.pair(&range, 1),
            Tag::Link { link_type, id, .. } => {
                self.inner_end = range.start + 1;
                self.links.open(link_type, &id, range.start + 1);
            }
            Tag::Image { link_type, id, .. } => {
                self.inner_end = range.start + 2;
                self.links.open(link_type, &id, range.start + 2);
            }
            Tag::Table(_) => {
                self.tables.push(range.clone());
                self.table = Some(table::Table::default());
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.row(range);
                }
            }
            Tag::TableCell => {
                if let Some(table) = &mut self.table {
                    table.cell(range);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Heading(_) => {
                self.found
                    .edits
                    .extend(block::heading_end(self.text, &range, self.inner_end));
            }
            TagEnd::CodeBlock => {
                if let Some(fenced) = self.block.take() {
                    let (edits, inner) = fenced.close(self.text);
                    self.found.edits.extend(edits);
                    self.found.code.push_block(inner);
                }
            }
            TagEnd::Link | TagEnd::Image => {
                let edits = self.links.close(self.text, self.shadow, &range, self.inner_end);
                self.found.edits.extend(edits);
                self.inner_end = range.end;
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.found.edits.extend(table.edits(self.text, range.end));
                }
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.inner_end = range.end,
            _ => {}
        }
    }

    fn pair(&mut self, range: &Range<usize>, signs: usize) {
        self.pairs.push(Pair {
            open: range.start..range.start + signs,
            close: range.end - signs..range.end,
        });
        self.inner_end = range.start + signs;
    }
}
