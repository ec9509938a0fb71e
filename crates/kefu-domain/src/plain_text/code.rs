//! Where code stands in a text. Nothing in it is changed.

use std::ops::Range;

/// Whether one of `spans`, which stand in their order, holds a place.
pub(super) fn is_within(spans: &[Range<usize>], at: usize) -> bool {
    let next = spans.partition_point(|span| span.end <= at);
    spans.get(next).is_some_and(|span| span.start <= at)
}

/// Spans of code in their order.
#[derive(Debug, Default)]
pub(super) struct Code {
    blocks: Vec<Range<usize>>,
    inline: Vec<Range<usize>>,
}

impl Code {
    pub(super) fn push_block(&mut self, range: Range<usize>) {
        self.blocks.push(range);
    }

    pub(super) fn push_inline(&mut self, range: Range<usize>) {
        self.inline.push(range);
    }

    pub(super) fn holds(&self, at: usize) -> bool {
        is_within(&self.blocks, at) || is_within(&self.inline, at)
    }

    /// Blocks of code that touch a range.
    pub(super) fn blocks_within(&self, range: Range<usize>) -> impl Iterator<Item = &Range<usize>> {
        let first = self.blocks.partition_point(|block| block.end <= range.start);
        self.blocks[first..]
            .iter()
            .take_while(move |block| block.start < range.end)
    }
}
