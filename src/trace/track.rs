//! Tracks: one for each node and one for the cluster, and further ones beside it while things run side by side.
//!
//! What is part of something lies on its track; what overlaps with it and is no part of it does not. So the
//! spans of a track nest, as those who draw them want it.

/// What a span is known by.
pub(super) type SpanId = u64;

/// All tracks, in the order in which they were first needed.
#[derive(Debug, Default)]
pub(super) struct Tracks(Vec<Track>);

#[derive(Debug)]
struct Track {
    /// The node; `None` for the cluster.
    node: Option<String>,
    /// What is open on it, each part of the one before it.
    open: Vec<SpanId>,
}

/// Where a span lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub track: usize,
    /// The track is a new one.
    pub new: bool,
}

impl Tracks {
    /// Opens a span of a node (of the cluster) that is part of another.
    pub(super) fn open(&mut self, id: SpanId, node: Option<&str>, parent: Option<SpanId>) -> Place {
        let fits = |track: &Track| {
            track.node.as_deref() == node
                && track.open.last().is_none_or(|last| Some(*last) == parent)
        };
        // Beside what it is part of, if that can be.
        let beside = |track: &Track| fits(track) && !track.open.is_empty();
        let found = self.0.iter().position(beside).or_else(|| self.0.iter().position(fits));
        let (track, new) = match found {
            Some(track) => (track, false),
            None => {
                self.0.push(Track { node: node.map(str::to_owned), open: Vec::new() });
                (self.0.len() - 1, true)
            }
        };
        self.0[track].open.push(id);
        Place { track, new }
    }

    /// Closes a span. A whole stays open as long as any of its parts: `tracing` sees to that.
    pub(super) fn close(&mut self, id: SpanId) {
        for track in &mut self.0 {
            track.open.retain(|open| *open != id);
        }
    }

    /// A track's name, and its number among those of the same node, from 1.
    pub(super) fn name(&self, track: usize) -> (Option<&str>, usize) {
        let node = self.0[track].node.as_deref();
        let number = self.0[..=track].iter().filter(|other| other.node.as_deref() == node).count();
        (node, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_on_the_track_of_their_whole_and_what_overlaps_beside_it() {
        let mut tracks = Tracks::default();
        let mut open = |id, node, parent| tracks.open(id, node, parent).track;
        assert_eq!(open(1, Some("a"), None), 0);
        assert_eq!(open(2, Some("a"), Some(1)), 0, "a part");
        assert_eq!(open(3, Some("a"), Some(1)), 1, "another part at the same time");
        assert_eq!(open(4, Some("a"), Some(3)), 1, "a part of that");
        assert_eq!(open(5, None, None), 2, "the cluster's");
        assert_eq!(open(6, Some("b"), Some(5)), 3, "on a node, for the cluster");
        assert_eq!(tracks.name(1), (Some("a"), 2));
        tracks.close(2);
        assert_eq!(tracks.open(7, Some("a"), Some(1)), Place { track: 0, new: false });
        tracks.close(7);
        tracks.close(1);
        assert_eq!(tracks.open(8, Some("a"), None), Place { track: 0, new: false });
    }
}
