//! Plain tables: columns without frames, on a terminal wrapped to its width.

use std::fmt;

use comfy_table::{ContentArrangement, presets::NOTHING};

/// A table that is printed without the blanks that fill its last column.
pub(crate) struct Table(comfy_table::Table);

/// A table with its header. Into a pipe or a file its lines are as long as they must be; what colours its
/// cells have is left to [`super::output`], which knows whether they are wanted.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .enforce_styling()
        .set_header(header);
    Table(table)
}

impl Table {
    pub(crate) fn add_row(&mut self, row: impl Into<comfy_table::Row>) {
        self.0.add_row(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.trim_fmt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_table_ends_with_blanks() {
        let mut table = table(["A", "B"]);
        table.add_row(["one", "a long value"]);
        table.add_row(["two", "x"]);
        let text = table.to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
