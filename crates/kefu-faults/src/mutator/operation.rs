//! One damage.

use std::ops::Range;

use super::nasty::{BYTES, LONG, NUMBERS, TEXTS, VALUES};
use super::span;

/// Largest text that is damaged further; what grew beyond is left as it is.
const BYTES_MAX: usize = 256 * 1024;

/// Every how many-th nasty text is one of the long ones: they cost the most.
const LONG_EVERY: u32 = 24;

/// Four free numbers that say what is done where; any four do something, and small ones do something small.
pub(super) struct Operation {
    kind: u32,
    at: u32,
    length: u32,
    pick: u32,
}

impl Operation {
    pub(super) fn of([kind, at, length, pick]: [u32; 4]) -> Operation {
        Operation {
            kind,
            at,
            length,
            pick,
        }
    }

    pub(super) fn apply(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        if bytes.is_empty() || BYTES_MAX < bytes.len() {
            return;
        }
        let point = self.point(bytes);
        match self.kind % 20 {
            0 => bytes[point] ^= 1 << (self.pick % 8),
            1 => bytes[point] = self.pick.to_le_bytes()[0],
            2 => put(bytes, point, &self.pick.to_le_bytes()),
            3 => drop(bytes.drain(self.slice(bytes))),
            4 => {
                let copy = bytes[self.slice(bytes)].to_vec();
                put(bytes, index(self.pick, bytes.len()), &copy);
            }
            5 => self.swap(bytes),
            6 => bytes.truncate(point),
            7 => self.splice(bytes, corpus),
            8..=10 => self.replace(bytes, span::numbers(bytes), pick(NUMBERS, self.pick).as_bytes()),
            11..=13 => self.replace(bytes, span::texts(bytes), &self.text()),
            14..=16 => {
                let values = span::members(bytes).into_iter().map(|(_, value)| value).collect();
                self.replace(bytes, values, pick(VALUES, self.pick).as_bytes());
            }
            17 => self.repeat(bytes),
            18 => put(bytes, point, pick(BYTES, self.pick)),
            _ => put(bytes, point, &self.text()),
        }
    }

    fn text(&self) -> Vec<u8> {
        match self.pick % LONG_EVERY {
            0 => {
                let (text, times) = pick(LONG, self.pick / LONG_EVERY);
                text.repeat(times).into_bytes()
            }
            _ => pick(TEXTS, self.pick / LONG_EVERY).as_bytes().to_vec(),
        }
    }

    fn point(&self, bytes: &[u8]) -> usize {
        index(self.at, bytes.len())
    }

    /// Mostly a short one.
    fn slice(&self, bytes: &[u8]) -> Range<usize> {
        let from = self.point(bytes);
        let longest = match self.length % 4 {
            0..=2 => 8.min(bytes.len() - from),
            _ => bytes.len() - from,
        };
        from..from + 1 + index(self.length / 4, longest)
    }

    fn swap(&self, bytes: &mut [u8]) {
        let (one, two) = (self.point(bytes), index(self.pick, bytes.len()));
        let (one, two) = (one.min(two), one.max(two));
        let longest = (two - one).min(bytes.len() - two);
        if 0 < longest {
            let length = 1 + index(self.length, longest);
            let (head, tail) = bytes.split_at_mut(two);
            head[one..one + length].swap_with_slice(&mut tail[..length]);
        }
    }

    /// The head of this text with the tail of another sample.
    fn splice(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let other = &corpus[index(self.pick, corpus.len())];
        bytes.truncate(self.point(bytes));
        bytes.extend_from_slice(&other[index(self.length, other.len())..]);
    }

    fn replace(&self, bytes: &mut Vec<u8>, spans: Vec<Range<usize>>, with: &[u8]) {
        if !spans.is_empty() {
            let span = spans[index(self.at, spans.len())].clone();
            bytes.splice(span, with.iter().copied());
        }
    }

    /// A member or an element stands twice, the second time where it stood or among others.
    fn repeat(&self, bytes: &mut Vec<u8>) {
        let members: Vec<_> = span::members(bytes)
            .into_iter()
            .map(|(member, _)| member)
            .collect();
        let (spans, between) = match (bytes[0], members.is_empty()) {
            (b'<', _) | (_, true) => (span::elements(bytes), &b""[..]),
            (_, false) => (members, &b","[..]),
        };
        if spans.is_empty() {
            return;
        }
        let span = spans[index(self.at, spans.len())].clone();
        let to = match self.length % 2 {
            0 => span.start,
            _ => spans[index(self.pick, spans.len())].start,
        };
        // Fields of a query stand apart by a sign of their own.
        let between = match bytes[span.clone()].contains(&b'=') && between.is_empty() && bytes[0] != b'<' {
            true => b"&",
            false => between,
        };
        let copy = [&bytes[span], between].concat();
        put(bytes, to, &copy);
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}

fn pick<T: Copy>(list: &[T], number: u32) -> T {
    list[index(number, list.len())]
}

/// Any number as an index, or 0 where there is nothing to choose from.
pub(super) fn index(number: u32, length: usize) -> usize {
    usize::try_from(number).unwrap_or(0) % length.max(1)
}
