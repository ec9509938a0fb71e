//! A message stream and its cursors: opaque, unordered as text, bound to the stream and the run.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use crate::ids::{mix, number_of};

/// Messages one stream keeps; the oldest go first.
const MESSAGES_MAX: usize = 200_000;
/// Three days of history (doc 94699).
const HISTORY_MS: i64 = 3 * 24 * 3_600_000;
/// The low bits of a cursor's content tell several cursors at one position apart.
const VARIANT_BITS: u32 = 16;

/// One message or event as `sync_msg` shows it.
#[derive(Debug)]
pub struct Entry {
    pub at_ms: i64,
    pub json: Box<RawValue>,
}

/// Where a cursor points; `variant` lets the cursor change while the position does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: u64,
    pub(super) variant: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    key: u64,
    run: u32,
    /// Position of the oldest message kept.
    first: u64,
    entries: VecDeque<Arc<Entry>>,
    /// Pages handed out that had something to carry.
    pub(super) pages: u64,
}

/// What a cursor turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    At(Place),
    /// A cursor of this stream from another run of the simulator, which forgot what WeCom would remember.
    OtherRun,
    Unknown,
}

impl Stream {
    pub(super) fn new(name: &str, run: &str) -> Stream {
        Stream {
            key: mix(number_of(name)),
            run: number_of(run) as u32,
            first: 0,
            entries: VecDeque::new(),
            pages: 0,
        }
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        if self.entries.len() == MESSAGES_MAX {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Position of the oldest message of the last three days.
    pub(super) fn earliest(&self, now: i64) -> u64 {
        let horizon = now - HISTORY_MS;
        self.first + self.entries.partition_point(|entry| entry.at_ms < horizon) as u64
    }

    /// Up to `count` messages from a position on.
    pub(super) fn slice(&self, from: u64, count: usize) -> Vec<Arc<Entry>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = skip.saturating_add(count).min(self.entries.len());
        if end <= skip {
            Vec::new()
        } else {
            self.entries.range(skip..end).cloned().collect()
        }
    }

    pub(super) fn cursor(&self, place: Place) -> String {
        let variant = place.variant & ((1 << VARIANT_BITS) - 1);
        let content = shuffle((place.position << VARIANT_BITS) | variant, self.key);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&content.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.run.to_be_bytes());
        bytes[12..].copy_from_slice(&self.check(content, self.run).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read(&self, cursor: &str) -> Read {
        let Some(bytes) = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        else {
            return Read::Unknown;
        };
        let (content, rest) = bytes.split_at(8);
        let content = u64::from_be_bytes(content.try_into().expect("split at 8"));
        let run = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
        let check = u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]);
        if check != self.check(content, run) {
            return Read::Unknown;
        }
        if run != self.run {
            return Read::OtherRun;
        }
        let content = unshuffle(content, self.key);
        let place = Place {
            position: content >> VARIANT_BITS,
            variant: content & ((1 << VARIANT_BITS) - 1),
        };
        if self.end() < place.position {
            Read::Unknown
        } else {
            Read::At(place)
        }
    }

    fn check(&self, content: u64, run: u32) -> u32 {
        mix(self.key ^ content ^ mix(u64::from(run))) as u32
    }
}

/// A keyed permutation (four Feistel rounds): neighbouring positions give unrelated cursors.
fn shuffle(value: u64, key: u64) -> u64 {
    let (mut left, mut right) = ((value >> 32) as u32, value as u32);
    for round in 0..4 {
        (left, right) = (right, left ^ scramble(right, key, round));
    }
    (u64::from(left) << 32) | u64::from(right)
}

fn unshuffle(value: u64, key: u64) -> u64 {
    let (mut left, mut right) = ((value >> 32) as u32, value as u32);
    for round in (0..4).rev() {
        (left, right) = (right ^ scramble(left, key, round), left);
    }
    (u64::from(left) << 32) | u64::from(right)
}

fn scramble(half: u32, key: u64, round: u64) -> u32 {
    mix(key.wrapping_add(round) ^ u64::from(half)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(run: &str) -> Stream {
        let mut stream = Stream::new("wk1", run);
        for at_ms in 0..100 {
            let json = RawValue::from_string("1".to_owned()).unwrap();
            stream.push(Arc::new(Entry { at_ms, json }));
        }
        stream
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_and_fits_64_bytes() {
        let stream = stream("a");
        for position in 0..=100 {
            let place = Place {
                position,
                variant: position % 3,
            };
            let cursor = stream.cursor(place);
            assert!(cursor.len() <= 64);
            assert_eq!(stream.read(&cursor), Read::At(place));
        }
    }

    #[test]
    fn cursors_are_not_ordered_as_text() {
        let stream = stream("a");
        let cursors: Vec<String> = (0..100)
            .map(|position| stream.cursor(Place { position, variant: 0 }))
            .collect();
        assert!(!cursors.is_sorted());
        assert!(!cursors.iter().rev().is_sorted());
    }

    #[test]
    fn foreign_and_invented_cursors_are_told_apart() {
        let (stream, later) = (stream("a"), stream("b"));
        let cursor = stream.cursor(Place {
            position: 3,
            variant: 0,
        });
        assert_eq!(later.read(&cursor), Read::OtherRun);
        assert_eq!(Stream::new("wk2", "a").read(&cursor), Read::Unknown);
        assert_eq!(stream.read("4gw7MepFLfgF2VC5npb"), Read::Unknown);
    }
}
