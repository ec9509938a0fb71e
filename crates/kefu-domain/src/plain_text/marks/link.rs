//! Links and images: `[text](address)` becomes `text (address)`, since a chat shows no hidden address.

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{LinkType, RefDefs};

use super::super::edit::Edit;

/// The links that are open, and what is known of the closed ones.
#[derive(Default)]
pub(super) struct Links {
    open: Vec<Open>,
    /// Where addresses of links stand, in their order.
    pub(super) targets: Vec<Range<usize>>,
    /// Links whose address stands elsewhere: what to put where.
    references: Vec<(Range<usize>, Range<usize>, String)>,
    /// Names that are also used as they are, `[1]`.
    shortcuts: HashSet<String>,
}

struct Open {
    link_type: LinkType,
    id: String,
    label_start: usize,
}

impl Links {
    pub(super) fn open(&mut self, link_type: LinkType, id: &str, label_start: usize) {
        self.open.push(Open {
            link_type,
            id: id.to_owned(),
            label_start,
        });
    }

    /// The changes of the link that was opened last; `label_end` is where its text ends.
    pub(super) fn close(
        &mut self,
        text: &str,
        shadow: &str,
        link: &Range<usize>,
        label_end: usize,
    ) -> Vec<Edit> {
        let Some(open) = self.open.pop() else {
            return Vec::new();
        };
        let label = open.label_start..label_end.max(open.label_start);
        match open.link_type {
            LinkType::Inline => self.inline(text, shadow, link, &label),
            LinkType::Reference | LinkType::Collapsed => {
                self.references.push((link.clone(), label, open.id));
                Vec::new()
            }
            _ => {
                self.shortcuts.insert(open.id.to_lowercase());
                Vec::new()
            }
        }
    }

    fn inline(&mut self, text: &str, shadow: &str, link: &Range<usize>, label: &Range<usize>) -> Vec<Edit> {
        let bracket = label.end + shadow[label.end..link.end].find("](").unwrap_or_default();
        let target = bracket + 2..link.end - 1;
        if !shadow[bracket..].starts_with("](") || target.end < target.start {
            return Vec::new();
        }
        let joined = text[..link.start].ends_with(|before: char| before.is_ascii_alphanumeric());
        // `f[i](j.k)` is code.
        let plausible = |address: &&str| !joined || address.contains(['/', ':']);
        let Some(address) = address(&text[target.clone()]).filter(plausible) else {
            return Vec::new();
        };
        self.targets.push(target);
        vec![
            Edit::remove(link.start..label.start),
            Edit::replace(bracket..link.end, behind(&text[label.start..bracket], address)),
        ]
    }

    /// The changes of links by reference, once all definitions are known.
    pub(super) fn definitions(&self, text: &str, definitions: &RefDefs<'_>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut spans: Vec<Range<usize>> = Vec::new();
        for (link, label, id) in &self.references {
            let Some(definition) = definitions.get(id) else {
                continue;
            };
            let span = definition.span.clone();
            let Some((_, target)) = text[span.clone()].split_once("]:") else {
                continue;
            };
            let Some(address) = address(target) else { continue };
            edits.push(Edit::remove(link.start..label.start));
            edits.push(Edit::replace(
                label.end..link.end,
                behind(&text[label.clone()], address),
            ));
            if !self.shortcuts.contains(&id.to_lowercase()) {
                spans.push(span);
            }
        }
        spans.sort_by_key(|span| span.start);
        spans.dedup();
        edits.extend(
            spans
                .into_iter()
                .map(|span| super::block::whole_lines(text, span)),
        );
        edits
    }
}

/// The address of a target without its title; `None` for words that are none, as in `[注](见下文)`.
fn address(target: &str) -> Option<&str> {
    let target = target.trim();
    let address = match target.strip_prefix('<') {
        Some(rest) => rest.split('>').next().unwrap_or(rest),
        None => target.split_whitespace().next()?,
    };
    address.contains(['/', '.', ':', '#', '@']).then_some(address)
}

/// What stands behind the text of a link.
fn behind(label: &str, address: &str) -> String {
    let label = label.trim();
    let bare = address
        .strip_prefix("mailto:")
        .or_else(|| address.strip_prefix("tel:"))
        .unwrap_or(address);
    let plain = label.trim_matches(['*', '_', '`', '<', '>']);
    if plain == address || plain == bare || !label.is_empty() && address.starts_with('#') {
        String::new()
    } else if label.is_empty() {
        bare.to_owned()
    } else {
        format!(" ({bare})")
    }
}
