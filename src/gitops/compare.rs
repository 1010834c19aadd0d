//! A rendered tree and a folder: what is new, outdated, edited, obsolete. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use similar::TextDiff;

use super::record::{TreeRecord, digest};

/// How a file of the tree and one of the folder stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Both are the same.
    Same,
    /// It is not in the folder yet.
    New,
    /// It is as it was rendered last, and is rendered otherwise now.
    Outdated,
    /// It was edited, and nothing newer is rendered: it stays.
    Kept,
    /// It was edited or put there, and is rendered otherwise now.
    Edited,
    /// It was deleted from the folder, and is rendered otherwise now.
    Deleted,
    /// It was deleted from the folder, and nothing newer is rendered: it stays so.
    Dropped,
    /// It is as it was rendered last, and is not rendered any more.
    Obsolete,
    /// It was edited, and is not rendered any more.
    EditedObsolete,
}

impl State {
    /// Whether somebody's own work would be lost.
    pub const fn is_theirs(self) -> bool {
        matches!(self, Self::Edited | Self::Deleted | Self::EditedObsolete)
    }

    /// Whether there is nothing to do.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Same | Self::Kept | Self::Dropped)
    }

    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::New => "new",
            Self::Outdated => "outdated",
            Self::Kept => "edited, and kept",
            Self::Edited => "edited",
            Self::Deleted => "deleted here",
            Self::Dropped => "deleted here, and left so",
            Self::Obsolete => "no longer wanted",
            Self::EditedObsolete => "edited, and no longer wanted",
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub path: String,
    pub state: State,
    /// The unified diff from the folder's file to the rendered one; empty where they agree.
    pub diff: String,
}

/// Every file of the tree, the record and the folder.
pub fn compare(
    rendered: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
    record: &TreeRecord,
) -> Vec<Change> {
    let paths: BTreeSet<&String> = rendered.keys().chain(record.files.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (theirs, ours) = (found.get(path), rendered.get(path));
            let state = state(theirs, ours, record.files.get(path))?;
            let texts = (theirs.map_or("", String::as_str), ours.map_or("", String::as_str));
            Some(Change { path: path.clone(), state, diff: unified(path, texts) })
        })
        .collect()
}

fn state(
    found: Option<&String>,
    rendered: Option<&String>,
    known: Option<&String>,
) -> Option<State> {
    let is_known = |text: &String| known == Some(&digest(text));
    Some(match (found, rendered) {
        (Some(found), Some(rendered)) if found == rendered => State::Same,
        (Some(found), Some(_)) if is_known(found) => State::Outdated,
        (Some(_), Some(rendered)) if is_known(rendered) => State::Kept,
        (Some(_), Some(_)) => State::Edited,
        (None, Some(_)) if known.is_none() => State::New,
        (None, Some(rendered)) if is_known(rendered) => State::Dropped,
        (None, Some(_)) => State::Deleted,
        (Some(found), None) if is_known(found) => State::Obsolete,
        (Some(_), None) => State::EditedObsolete,
        (None, None) => return None,
    })
}

fn unified(path: &str, (from, to): (&str, &str)) -> String {
    if from == to {
        return String::new();
    }
    let (old, new) = (format!("a/{path}"), format!("b/{path}"));
    let header = (
        if from.is_empty() { "/dev/null" } else { &old },
        if to.is_empty() { "/dev/null" } else { &new },
    );
    TextDiff::from_lines(from, to)
        .unified_diff()
        .context_radius(3)
        .header(header.0, header.1)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(
        found: &[(&str, &str)],
        rendered: &[(&str, &str)],
        known: &[(&str, &str)],
    ) -> Vec<State> {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let mut record = TreeRecord::new("2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap());
        record.files = map(known).into_iter().map(|(path, text)| (path, digest(&text))).collect();
        let changes = compare(&map(rendered), &map(found), &record);
        changes.into_iter().map(|change| change.state).collect()
    }

    #[test]
    fn an_edited_file_is_told_from_an_outdated_one() {
        let of = |found: &str, rendered: &str, known: &str| {
            states(&[("a", found)], &[("a", rendered)], &[("a", known)])
        };
        assert_eq!(of("1", "1", "1"), [State::Same]);
        assert_eq!(of("1", "2", "1"), [State::Outdated]);
        assert_eq!(of("mine", "1", "1"), [State::Kept]);
        assert_eq!(of("mine", "2", "1"), [State::Edited]);
        assert_eq!(of("2", "2", "1"), [State::Same], "edited to what is rendered now");
    }

    #[test]
    fn what_was_there_before_the_first_rendering_is_somebodys() {
        assert_eq!(states(&[("a", "mine")], &[("a", "1")], &[]), [State::Edited]);
        assert_eq!(states(&[], &[("a", "1")], &[]), [State::New]);
        assert_eq!(states(&[("other", "x")], &[], &[]), [], "other files are not looked at");
    }

    #[test]
    fn what_is_no_longer_rendered_goes_unless_it_was_edited() {
        assert_eq!(states(&[("a", "1")], &[], &[("a", "1")]), [State::Obsolete]);
        assert_eq!(states(&[("a", "mine")], &[], &[("a", "1")]), [State::EditedObsolete]);
        assert_eq!(states(&[], &[], &[("a", "1")]), []);
        assert_eq!(states(&[], &[("a", "1")], &[("a", "1")]), [State::Dropped]);
        assert_eq!(states(&[], &[("a", "2")], &[("a", "1")]), [State::Deleted]);
    }

    #[test]
    fn a_difference_is_shown_as_a_unified_diff() {
        let changes = unified("a.yaml", ("one\ntwo\n", "one\n2\n"));
        assert_eq!(changes, "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
    }
}
