//! Gathers faults while a file is checked and converted.

use std::collections::HashSet;

use super::{
    document::Document,
    fault::{Fault, Severity},
    overrides::Origin,
    path::FieldPath,
};

/// The faults and warnings found so far.
pub(crate) struct Report<'a> {
    document: &'a Document,
    /// Fields that were left out for faults already told: what follows from that is not told again.
    dropped: HashSet<FieldPath>,
    /// What they stood in.
    gaps: HashSet<FieldPath>,
    faults: Vec<Fault>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(document: &'a Document, faults: Vec<Fault>, dropped: Vec<FieldPath>) -> Self {
        let above = |path: &FieldPath| path.segments().split_last().map(|(_, above)| above.into());
        let gaps = dropped.iter().filter_map(above).collect();
        Self { document, dropped: dropped.into_iter().collect(), gaps, faults }
    }

    /// Tells a fault of a field, unless it only follows from one already told.
    pub(crate) fn fault(
        &mut self,
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) {
        if !self.is_consequence(path) {
            let fault = self.document.fault(path, message).suggest_if(suggestion.into());
            self.faults.push(fault);
        }
    }

    /// Tells a fault of a field that is sound in itself, though what it stands in may have been left out.
    pub(crate) fn fault_of_sound(
        &mut self,
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) {
        let fault = self.document.fault(path, message).suggest_if(suggestion.into());
        self.faults.push(fault);
    }

    /// Whether a field was left out for a fault of its own.
    pub(crate) fn is_refused(&self, path: &FieldPath) -> bool {
        self.dropped.contains(path)
    }

    /// Tells a fault of a field's name.
    pub(crate) fn fault_of_key(
        &mut self,
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) {
        if !self.is_consequence(path) {
            let place = self.document.key_place(path);
            let fault = Fault::new(&self.document.source, place, message.into()).on(path);
            self.faults.push(fault.suggest_if(suggestion.into()));
        }
    }

    /// Tells a fault of what wins over a field of the file.
    pub(crate) fn fault_outside(
        &mut self,
        origin: &Origin,
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) {
        let fault = Fault::outside(origin, message.into()).on(path);
        self.faults.push(fault.suggest_if(suggestion.into()));
    }

    pub(crate) fn warn(
        &mut self,
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) {
        if !self.is_consequence(path) {
            let fault = self.document.fault(path, message).suggest_if(suggestion.into());
            self.faults.push(fault.warning());
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The line that a field stands on.
    pub(crate) fn line(&self, path: &FieldPath) -> usize {
        self.document.place(path).line
    }

    pub(crate) fn is_written(&self, path: &FieldPath) -> bool {
        self.document.root.find(path).is_some()
    }

    /// Faults, then warnings.
    pub(crate) fn finish(self) -> (Vec<Fault>, Vec<Fault>) {
        self.faults.into_iter().partition(|fault| fault.severity == Severity::Error)
    }

    fn is_consequence(&self, path: &FieldPath) -> bool {
        let segments = path.segments();
        let below_dropped = |length| self.dropped.contains(&FieldPath::from(&segments[..length]));
        self.gaps.contains(path) || (0..=segments.len()).any(below_dropped)
    }
}
