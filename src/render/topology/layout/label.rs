//! Where an arrow's label stands: beside its curve, on no block and on no other label.

use super::{OF_LABEL, Placed};

const HEIGHT: u32 = 14;
/// From a curve's beginning to its end, in eighths, in the order in which places are tried.
const PLACES: [u32; 7] = [4, 6, 2, 5, 3, 7, 1];

/// A rectangle: left, top, right, bottom.
pub(in super::super) type Area = (u32, u32, u32, u32);

pub(super) struct Labels {
    taken: Vec<Area>,
    between: u32,
}

/// What a label covers; its text is centred at x, and stands on y.
pub(in super::super) fn area(label: &str, (x, y): (u32, u32)) -> Area {
    let half = OF_LABEL.width(label) / 2;
    (x.saturating_sub(half), y.saturating_sub(HEIGHT - 3), x + half, y + 3)
}

pub(in super::super) const fn overlap(one: Area, other: Area) -> bool {
    one.0 < other.2 && other.0 < one.2 && one.1 < other.3 && other.1 < one.3
}

impl Labels {
    pub(super) fn new(boxes: &[Placed], between: u32) -> Self {
        let taken = boxes.iter().map(|it| (it.x, it.y, it.x + it.width, it.y + it.height));
        Self { taken: taken.collect(), between }
    }

    /// A place before the end of an arrow, or after its beginning where arrows that end together leave none.
    pub(super) fn place(&mut self, label: &str, begin: (u32, u32), end: (u32, u32)) -> (u32, u32) {
        let x = [end.0.saturating_sub(self.between / 2), begin.0 + self.between / 2];
        let y = |eighths: u32| ((8 - eighths) * begin.1 + eighths * end.1) / 8;
        if label.is_empty() {
            return (x[0], y(4));
        }
        // Above its curve where that is level, else on it, else further up or down.
        let shifts = |y: u32| [y.saturating_sub(5), y + 12, y.saturating_sub(19), y + 26];
        let places = PLACES.iter().flat_map(|&eighths| {
            x.into_iter().flat_map(move |x| shifts(y(eighths)).map(move |y| (x, y)))
        });
        let mut places = places.peekable();
        let first = places.peek().copied().unwrap_or((x[0], y(4)));
        let is_free = |place: &(u32, u32)| {
            !self.taken.iter().any(|taken| overlap(*taken, area(label, *place)))
        };
        let place = places.find(is_free).unwrap_or(first);
        self.taken.push(area(label, place));
        place
    }
}
