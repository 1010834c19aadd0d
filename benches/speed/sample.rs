//! Several measurements of one thing.

use std::fmt;

/// Sorted.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    fn at(&self, part: f64) -> f64 {
        let place = part * (self.0.len() - 1) as f64;
        self.0[place.round() as usize]
    }
}

/// The median, and between what half of them lie.
impl fmt::Display for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.at(0.25), self.at(0.75));
        write!(formatter, "{:.2} ({low:.2} to {high:.2})", self.median())
    }
}
