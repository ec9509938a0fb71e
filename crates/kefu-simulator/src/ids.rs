//! Repeatable randomness: ids, opaque texts and chances, all from a seed.

/// One step of splitmix64: spreads neighbouring numbers over the whole range.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a: a stable number for a name.
pub(crate) fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    })
}

/// A seeded source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(mix(seed))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// From 0 to `end - 1`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// True with the probability `p` of 0 to 1.
    pub(crate) fn hits(&mut self, p: f64) -> bool {
        // 53 bits are what a double holds exactly.
        let fraction = (self.number() >> 11) as f64 / (1u64 << 53) as f64;
        fraction < p
    }

    /// `digits` letters and digits.
    pub(crate) fn text(&mut self, digits: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut text = String::with_capacity(digits);
        while text.len() < digits {
            let mut number = self.number();
            // Ten digits of base 62 fit into 64 bits with room to spare.
            for _ in 0..10.min(digits - text.len()) {
                text.push(char::from(ALPHABET[(number % 62) as usize]));
                number /= 62;
            }
        }
        text
    }
}
