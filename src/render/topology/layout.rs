//! Where the blocks of a diagram stand: columns from left to right, each block right of all that lead to it.

mod label;

use std::collections::BTreeMap;

use serde::Serialize;

use self::label::Labels;
#[cfg(test)]
pub(super) use self::label::{area, overlap};
use crate::topology::{Arrow, Diagram};

/// Sizes in pixels.
const NARROWEST: u32 = 180;
const WIDEST: u32 = 330;
const TITLE: u32 = 34;
const LINE: u32 = 18;
const LEAST_BETWEEN_COLUMNS: u32 = 84;
const BETWEEN_ROWS: u32 = 24;
const MARGIN: u32 = 12;
/// What stands beside a title and beside a line: the mark, and room at both ends.
const BESIDE_TITLE: u32 = 40;
const BESIDE_LINE: u32 = 24;

/// A letter's width in a hundredth of a pixel, in the widest of the fonts that browsers take.
#[derive(Clone, Copy)]
pub(super) struct Letter(u32);
const OF_TITLE: Letter = Letter(930);
const OF_LINE: Letter = Letter(730);
pub(super) const OF_LABEL: Letter = Letter(670);

impl Letter {
    pub(super) fn width(self, text: &str) -> u32 {
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        letters.saturating_mul(self.0).div_ceil(100)
    }

    fn fit(self, room: u32) -> usize {
        (room * 100 / self.0) as usize
    }
}

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
    let last = columns.iter().max().copied().unwrap_or(0);
    let labels = diagram.arrows.iter().map(|arrow| OF_LABEL.width(&arrow.label) + MARGIN);
    let between = labels.max().unwrap_or(0).max(LEAST_BETWEEN_COLUMNS);
    let in_column = |wanted: usize| {
        diagram
            .blocks
            .iter()
            .zip(&columns)
            .filter_map(move |(block, column)| (*column == wanted).then_some(block))
    };
    let mut left = MARGIN;
    let mut places: Vec<(u32, u32)> = Vec::new();
    for column in 0..=last {
        let widths = in_column(column).flat_map(|block| {
            let lines = block.lines.iter().map(|line| OF_LINE.width(line) + BESIDE_LINE);
            lines.chain([OF_TITLE.width(&block.title) + BESIDE_TITLE])
        });
        let width = widths.max().unwrap_or(0).clamp(NARROWEST, WIDEST);
        places.push((left, width));
        left += width + between;
    }
    let heights: BTreeMap<usize, u32> = (0..=last)
        .map(|column| {
            let tall = in_column(column).map(|block| height(block.lines.len()) + BETWEEN_ROWS);
            (column, MARGIN + tall.sum::<u32>())
        })
        .collect();
    let tallest = heights.values().copied().max().unwrap_or(0);
    // Each column is centred.
    let mut next: BTreeMap<usize, u32> =
        heights.iter().map(|(column, height)| (*column, MARGIN + (tallest - height) / 2)).collect();
    let boxes: Vec<Placed> = diagram
        .blocks
        .iter()
        .zip(&columns)
        .map(|(block, column)| {
            let (x, width) = places[*column];
            let y = next[column];
            let height = height(block.lines.len());
            next.insert(*column, y + height + BETWEEN_ROWS);
            let lines = block.lines.iter().zip(1..);
            Placed {
                x,
                y,
                width,
                height,
                title: shortened(&block.title, OF_TITLE.fit(width - BESIDE_TITLE)),
                lines: lines
                    .map(|(text, index)| Text {
                        y: y + TITLE - 10 + index * LINE,
                        text: shortened(text, OF_LINE.fit(width - BESIDE_LINE)),
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
    let lines = lines(diagram, &boxes, between);
    Picture { width: left - between + MARGIN, height: tallest + MARGIN, boxes, lines }
}

fn lines(diagram: &Diagram, boxes: &[Placed], between: u32) -> Vec<Line> {
    let place = |id: &str| {
        let index = diagram.blocks.iter().position(|block| block.id == id)?;
        boxes.get(index)
    };
    let mut labels = Labels::new(boxes, between);
    let arrows = diagram.arrows.iter();
    arrows
        .filter_map(|Arrow { from, to, label }| {
            let (from, to) = (place(from)?, place(to)?);
            let begin = (from.x + from.width, from.y + from.height / 2);
            let end = (to.x, to.y + to.height / 2);
            let bend = between / 2;
            let (x, y) = labels.place(label, begin, end);
            let curve = format!(
                "M{},{} C{},{} {},{} {},{}",
                begin.0,
                begin.1,
                begin.0 + bend,
                begin.1,
                end.0.saturating_sub(bend),
                end.1,
                end.0,
                end.1
            );
            Some(Line { curve, label: label.clone(), x, y })
        })
        .collect()
}

const fn height(lines: usize) -> u32 {
    TITLE + lines as u32 * LINE + if lines == 0 { 0 } else { 6 }
}

/// A block's column is the length of the longest way to it; one that nothing leads to stands just left of what it
/// leads to, so that its arrow passes behind no other block. Arrows that lead in a circle are followed no further
/// than there are blocks.
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
    for block in 0..columns.len() {
        let nearest =
            arrows.iter().filter(|(from, _)| *from == block).map(|(_, to)| columns[*to]).min();
        if let Some(nearest) = nearest
            && !arrows.iter().any(|(_, to)| *to == block)
        {
            columns[block] = nearest.saturating_sub(1);
        }
    }
    columns
}

fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}
