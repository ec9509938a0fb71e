//! A list for people: columns under each other, with a line that names them.

use std::io;

use super::line;

/// Between two columns.
const GAP: &str = "  ";

/// Rows of one list. What is last in a row may be long: nothing stands behind it.
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    /// Lines below the row, in front of the next one.
    below: Option<String>,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<&'static str>>) -> Table {
        Table {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// One cell a column.
    pub(crate) fn push(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(Row {
            cells: cells.into(),
            below: None,
        });
    }

    /// Lines below the last row.
    pub(crate) fn push_below(&mut self, text: String) {
        if let Some(row) = self.rows.last_mut() {
            row.below = Some(text);
        }
    }

    /// On stdout. Without rows nothing is written, not even the names.
    pub(crate) fn print(&self, header: bool) -> io::Result<()> {
        match self.rows.is_empty() {
            true => Ok(()),
            false => line(self.text(header).trim_end_matches('\n')),
        }
    }

    fn text(&self, header: bool) -> String {
        let names: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let mut widths = vec![0; self.columns.len()];
        let rows = self.rows.iter().map(|row| &row.cells);
        for cells in rows.chain(header.then_some(&names)) {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        if header {
            text.push_str(&aligned(&names, &widths));
        }
        for row in &self.rows {
            text.push_str(&aligned(&row.cells, &widths));
            if let Some(below) = &row.below {
                text.push_str(below);
                text.push('\n');
            }
        }
        text
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("{cell:<width$}"))
        .collect();
    let mut line = padded.join(GAP);
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "KIND", "ERROR"]);
        table.push([
            "7".to_owned(),
            "kf.turn".to_owned(),
            "too long a story".to_owned(),
        ]);
        table.push_below("    said".to_owned());
        table.push(["12".to_owned(), "客服".to_owned(), "-".to_owned()]);
        table
    }

    #[test]
    fn columns_stand_under_their_names() {
        let expected = "ID  KIND     ERROR\n7   kf.turn  too long a story\n    said\n12  客服       -\n";
        assert_eq!(table().text(true), expected);
    }

    #[test]
    fn names_can_be_left_out() {
        let expected = "7   kf.turn  too long a story\n    said\n12  客服       -\n";
        assert_eq!(table().text(false), expected);
    }
}
