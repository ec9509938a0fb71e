/// Everything the simulation leaves to chance. Written out, so that a seed means the same run for ever.
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x6B65_6675,
        }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// From 0 to `count` - 1; 0 of nothing.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % (count.max(1) as u64)) as usize
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn hits(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// A whole number of `from..to`.
    pub(super) fn within(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(1) as usize) as i64
    }
}
