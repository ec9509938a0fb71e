//! Tables: each row becomes a line, its cells joined by ` | `; the line of dashes goes.

use std::ops::Range;

use super::edit::Edit;

const JOINT: &str = " | ";

/// Rows as the parser reports them, the head first.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

struct Row {
    range: Range<usize>,
    cells: Vec<Range<usize>>,
}

impl Table {
    pub(super) fn row(&mut self, range: Range<usize>) {
        self.rows.push(Row {
            range,
            cells: Vec::new(),
        });
    }

    pub(super) fn cell(&mut self, range: Range<usize>) {
        if let Some(row) = self.rows.last_mut() {
            row.cells.push(range);
        }
    }

    pub(super) fn edits(self, text: &str, end: usize) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self.rows.iter().flat_map(|row| row.edits(text)).collect();
        if let Some(head) = self.rows.first() {
            let body = self.rows.get(1).map_or(end, |row| row.range.start);
            edits.push(Edit::remove(head.range.end..body.max(head.range.end)));
        }
        edits
    }
}

impl Row {
    fn edits(&self, text: &str) -> Vec<Edit> {
        let line_end = self.range.start + text[self.range.clone()].trim_end_matches('\n').len();
        let mut cells: Vec<Range<usize>> = self
            .cells
            .iter()
            .filter(|cell| cell.end <= line_end)
            .map(|cell| trimmed(text, cell))
            .collect();
        while cells.last().is_some_and(|cell| cell.is_empty()) {
            cells.pop();
        }
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
            return Vec::new();
        };
        let mut edits = vec![Edit::remove(self.range.start..first.start)];
        for pair in cells.windows(2) {
            edits.push(Edit::replace(pair[0].end..pair[1].start, JOINT));
        }
        // A row with more cells than the head has keeps them as they stand.
        let rest = &text[last.end..line_end];
        if rest.trim_matches(['|', ' ', '\t']).is_empty() {
            edits.push(Edit::remove(last.end..line_end));
        }
        edits.extend(escaped_bars(text, self.range.start..line_end));
        edits
    }
}

fn trimmed(text: &str, cell: &Range<usize>) -> Range<usize> {
    let inner = &text[cell.clone()];
    let start = cell.start + inner.len() - inner.trim_start().len();
    start..start + inner.trim().len()
}

/// `\|` stands for a bar within a cell.
fn escaped_bars(text: &str, row: Range<usize>) -> impl Iterator<Item = Edit> {
    let start = row.start;
    text[row]
        .match_indices("\\|")
        .map(move |(at, _)| Edit::remove(start + at..start + at + 1))
}
