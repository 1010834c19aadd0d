//! Plain tables: columns without frames, on a terminal wrapped to its width.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};

/// A table with its header. Into a pipe or a file its lines are as long as they must be; what colours its
/// cells have is left to [`super::output`], which knows whether they are wanted.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .enforce_styling()
        .set_header(header);
    table
}
