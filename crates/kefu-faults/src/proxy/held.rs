//! What one direction of a connection has read and not forwarded yet.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::faults::Faults;

/// Bytes on the way; then the sender has to wait.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Chunks on the way, for senders of tiny ones; then the sender has to wait.
const CHUNKS_MAX: usize = 16 * 1024;

pub(super) struct Held {
    chunks: VecDeque<Chunk>,
    /// Of the first chunk, how many bytes have gone.
    sent: usize,
    sent_at: Option<Instant>,
    bytes: usize,
    is_ended: bool,
    dice: Dice,
}

struct Chunk {
    /// Empty: the sender has ended.
    bytes: Box<[u8]>,
    arrived: Instant,
    draw: Draw,
}

/// Drawn when the chunk arrives; what they mean is decided when it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Draw {
    jitter: f64,
    luck: f64,
}

/// What goes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next<'a> {
    Piece(&'a [u8]),
    Reset,
    End,
}

impl Held {
    /// `direction` numbers the directions of all connections.
    pub(super) fn new(direction: u64) -> Held {
        Held {
            chunks: VecDeque::new(),
            sent: 0,
            sent_at: None,
            bytes: 0,
            is_ended: false,
            dice: Dice::new(direction),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_ended && self.bytes < BYTES_MAX && self.chunks.len() < CHUNKS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// No bytes: the sender has ended.
    pub(super) fn push(&mut self, bytes: &[u8], faults: &Faults, now: Instant) {
        self.is_ended = bytes.is_empty();
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk {
            bytes: bytes.into(),
            arrived: now,
            draw: self.dice.draw(faults.seed),
        });
    }

    /// What goes next, and when; a time that has passed means now.
    pub(super) fn next(&self, faults: &Faults) -> Option<(Instant, Next<'_>)> {
        let chunk = self.chunks.front()?;
        let mut due = chunk.arrived + faults.latency + faults.jitter.mul_f64(chunk.draw.jitter);
        if let (Some(_), Some(sent_at)) = (faults.slice, self.sent_at) {
            due = due.max(sent_at + faults.slice_pause);
        }
        let left = &chunk.bytes[self.sent..];
        let length = faults
            .slice
            .map_or(left.len(), |slice| slice.get().min(left.len()));
        let next = match left {
            [] => Next::End,
            _ if self.sent == 0 && chunk.draw.luck < faults.reset => Next::Reset,
            _ => Next::Piece(&left[..length]),
        };
        Some((due, next))
    }

    /// So many bytes of the first chunk have gone.
    pub(super) fn forward(&mut self, length: usize, now: Instant) {
        self.sent += length;
        self.sent_at = Some(now);
        if self
            .chunks
            .front()
            .is_some_and(|chunk| chunk.bytes.len() <= self.sent)
        {
            self.chunks.pop_front();
            self.bytes -= self.sent;
            self.sent = 0;
        }
    }
}

struct Dice {
    direction: u64,
    seed: u64,
    rng: StdRng,
}

impl Dice {
    fn new(direction: u64) -> Dice {
        Dice {
            direction,
            seed: 0,
            rng: rng(0, direction),
        }
    }

    /// Both values lie in `0.0..1.0`. Another seed starts another sequence.
    fn draw(&mut self, seed: u64) -> Draw {
        if seed != self.seed {
            self.seed = seed;
            self.rng = rng(seed, self.direction);
        }
        Draw {
            jitter: self.rng.random(),
            luck: self.rng.random(),
        }
    }
}

fn rng(seed: u64, direction: u64) -> StdRng {
    // An odd factor with well mixed bits keeps neighbouring seeds and directions apart.
    StdRng::seed_from_u64(seed ^ (direction + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn chunks_wait_side_by_side_and_keep_their_order() {
        let faults = Faults {
            latency: 100 * MS,
            jitter: 50 * MS,
            ..Faults::default()
        };
        let start = Instant::now();
        let mut held = Held::new(0);
        for (after, bytes) in [(0, b"a"), (1, b"b"), (2, b"c")] {
            held.push(bytes, &faults, start + after * MS);
        }
        for (after, bytes) in [(0, b"a"), (1, b"b"), (2, b"c")] {
            let (due, next) = held.next(&faults).unwrap();
            let waited = due - (start + after * MS);
            assert!((100 * MS..150 * MS).contains(&waited), "{waited:?}");
            assert_eq!(next, Next::Piece(bytes));
            // Without faults it would go at once, whatever there was when it arrived.
            assert_eq!(held.next(&Faults::default()).unwrap().0, start + after * MS);
            held.forward(1, due);
        }
        assert!(held.is_empty() && held.bytes == 0);
    }

    #[test]
    fn pieces_have_the_length_and_the_pause_that_were_asked_for() {
        let faults = Faults {
            slice: NonZeroUsize::new(4),
            slice_pause: 7 * MS,
            ..Faults::default()
        };
        let start = Instant::now();
        let mut held = Held::new(0);
        held.push(b"abcdefghij", &faults, start);
        held.push(b"", &faults, start);
        for (after, expected) in [(0, &b"abcd"[..]), (7, b"efgh"), (14, b"ij")] {
            let (due, next) = held.next(&faults).unwrap();
            assert_eq!((due, next), (start + after * MS, Next::Piece(expected)));
            held.forward(expected.len(), due);
        }
        assert_eq!(held.next(&faults).unwrap().1, Next::End);
        assert!(!held.has_room());
    }

    #[test]
    fn draws_depend_on_seed_and_direction_only() {
        let draws = |seed, direction| {
            let mut dice = Dice::new(direction);
            [dice.draw(seed), dice.draw(seed), dice.draw(seed)]
        };
        assert_eq!(draws(7, 3), draws(7, 3));
        assert_ne!(draws(7, 3), draws(8, 3));
        assert_ne!(draws(7, 3), draws(7, 4));
    }

    #[test]
    fn resets_come_as_often_as_asked_for() {
        let faults = Faults {
            reset: 0.25,
            seed: 1,
            ..Faults::default()
        };
        let now = Instant::now();
        let mut held = Held::new(0);
        let mut resets = 0;
        for _ in 0..10_000 {
            held.push(b"x", &faults, now);
            resets += u32::from(held.next(&faults).unwrap().1 == Next::Reset);
            assert_eq!(held.next(&Faults::default()).unwrap().1, Next::Piece(b"x"));
            held.forward(1, now);
        }
        assert!((2_200..2_800).contains(&resets), "{resets}");
    }

    #[test]
    fn what_is_on_the_way_is_bounded_in_bytes_and_in_chunks() {
        let now = Instant::now();
        for (size, expected) in [(1, CHUNKS_MAX), (64 * 1024, BYTES_MAX / (64 * 1024))] {
            let mut held = Held::new(0);
            let bytes = vec![0; size];
            let mut count = 0;
            while held.has_room() {
                held.push(&bytes, &Faults::default(), now);
                count += 1;
            }
            assert_eq!(count, expected);
        }
    }
}
