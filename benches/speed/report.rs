//! What was measured: a table to read, and numbers.

use serde_json::{Map, Value, json};

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) measured: String,
    pub(crate) floor: String,
    pub(crate) ratio: String,
    pub(crate) goal: String,
}

pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    numbers: Value,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), notes: Vec::new(), numbers: json!({}) }
    }

    /// Told at once, too: the whole takes long.
    pub(crate) fn row(&mut self, row: Row) {
        eprintln!("{}: {} {}", row.name, row.measured, row.ratio);
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn number(&mut self, path: &[&str], number: f64) {
        let mut place = &mut self.numbers;
        for name in path {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[*name];
        }
        *place = json!((number * 1000.0).round() / 1000.0);
    }

    pub(crate) fn json(&self) -> String {
        format!("{:#}\n", self.numbers)
    }

    /// As Markdown.
    pub(crate) fn print(&self) {
        println!("| What | Measured | Floor | Ratio | Goal |\n|---|---|---|---|---|");
        for Row { name, measured, floor, ratio, goal } in &self.rows {
            println!("| {name} | {measured} | {floor} | {ratio} | {goal} |");
        }
        for note in &self.notes {
            println!("\n{note}");
        }
    }
}
