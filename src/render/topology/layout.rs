//! Where the blocks of a diagram stand: columns from left to right, each block right of all that lead to it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::topology::{Arrow, Diagram};

/// Sizes in pixels.
const WIDTH: u32 = 204;
const TITLE: u32 = 34;
const LINE: u32 = 18;
const BETWEEN_COLUMNS: u32 = 84;
const BETWEEN_ROWS: u32 = 24;
const MARGIN: u32 = 12;
/// What fits into a block's width.
const LETTERS: usize = 28;

/// A diagram as a picture.
#[derive(Serialize)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) boxes: Vec<Placed>,
    pub(super) lines: Vec<Line>,
}

/// A block's place.
#[derive(Serialize)]
pub(super) struct Placed {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) title: String,
    pub(super) lines: Vec<Text>,
    pub(super) mark: &'static str,
    pub(super) health: &'static str,
    /// All of it, for who points at it.
    pub(super) whole: String,
}

#[derive(Serialize)]
pub(super) struct Text {
    pub(super) y: u32,
    pub(super) text: String,
}

/// An arrow as a curve.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) curve: String,
    pub(super) label: String,
    pub(super) x: u32,
    pub(super) y: u32,
}

pub(super) fn picture(diagram: &Diagram) -> Picture {
    let columns = columns(diagram);
    let mut heights: BTreeMap<usize, u32> = BTreeMap::new();
    for (block, column) in diagram.blocks.iter().zip(&columns) {
        *heights.entry(*column).or_insert(MARGIN) += height(block.lines.len()) + BETWEEN_ROWS;
    }
    let tallest = heights.values().copied().max().unwrap_or(0);
    // Each column is centred.
    let mut next: BTreeMap<usize, u32> =
        heights.iter().map(|(column, height)| (*column, MARGIN + (tallest - height) / 2)).collect();
    let boxes: Vec<Placed> = diagram
        .blocks
        .iter()
        .zip(&columns)
        .map(|(block, column)| {
            let x = MARGIN + u32::try_from(*column).unwrap_or(0) * (WIDTH + BETWEEN_COLUMNS);
            let y = next[column];
            let height = height(block.lines.len());
            next.insert(*column, y + height + BETWEEN_ROWS);
            let lines = block.lines.iter().zip(1..);
            Placed {
                x,
                y,
                width: WIDTH,
                height,
                title: shortened(&block.title),
                lines: lines
                    .map(|(text, index)| Text {
                        y: y + TITLE - 10 + index * LINE,
                        text: shortened(text),
                    })
                    .collect(),
                mark: block.health.mark(),
                health: block.health.name(),
                whole: [std::slice::from_ref(&block.title), &block.lines, &block.causes]
                    .concat()
                    .join("\n"),
            }
        })
        .collect();
    let place = |id: &str| {
        let index = diagram.blocks.iter().position(|block| block.id == id)?;
        boxes.get(index)
    };
    let lines = diagram
        .arrows
        .iter()
        .filter_map(|Arrow { from, to, label }| Some(line(place(from)?, place(to)?, label)))
        .collect();
    let last = columns.iter().max().copied().unwrap_or(0);
    let width = 2 * MARGIN + WIDTH + u32::try_from(last).unwrap_or(0) * (WIDTH + BETWEEN_COLUMNS);
    Picture { width, height: tallest + MARGIN, boxes, lines }
}

const fn height(lines: usize) -> u32 {
    TITLE + lines as u32 * LINE + if lines == 0 { 0 } else { 6 }
}

/// A block's column is the length of the longest way to it. Arrows that lead in a circle are followed no
/// further than there are blocks.
fn columns(diagram: &Diagram) -> Vec<usize> {
    let index = |id: &str| diagram.blocks.iter().position(|block| block.id == id);
    let arrows: Vec<(usize, usize)> = diagram
        .arrows
        .iter()
        .filter_map(|arrow| Some((index(&arrow.from)?, index(&arrow.to)?)))
        .collect();
    let mut columns = vec![0; diagram.blocks.len()];
    for _ in 0..diagram.blocks.len() {
        for (from, to) in &arrows {
            let behind = (columns[*from] + 1).min(diagram.blocks.len());
            columns[*to] = columns[*to].max(behind);
        }
    }
    columns
}

fn line(from: &Placed, to: &Placed, label: &str) -> Line {
    let (x1, y1) = (from.x + from.width, from.y + from.height / 2);
    let (x2, y2) = (to.x, to.y + to.height / 2);
    let bend = BETWEEN_COLUMNS / 2;
    Line {
        curve: format!("M{x1},{y1} C{},{y1} {},{y2} {x2},{y2}", x1 + bend, x2.saturating_sub(bend)),
        label: label.to_owned(),
        x: x2.saturating_sub(BETWEEN_COLUMNS / 2),
        // Labels of arrows that end at one block stand apart where those begin apart.
        y: u32::midpoint(u32::midpoint(y1, y2), y2).saturating_sub(5),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}
