//! Journals after a crash, a bad disk, or an editor: what can be read counts, what cannot is named.

use camino::Utf8PathBuf;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    Journal, Record, RunState,
    every_record::records,
    file::{self, Damage},
};
use crate::damage::{cases, damaged};

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn with(bytes: &[u8]) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        this.write(bytes);
        this
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().to_owned()).unwrap()
    }

    fn write(&self, bytes: &[u8]) {
        fs_err::write(self.path().join("journal.jsonl"), bytes).unwrap();
    }

    fn open(&self) -> (Journal, Damage) {
        Journal::open(&self.path()).unwrap()
    }
}

fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
}

fn fold(records: &[Record]) -> RunState {
    records.iter().try_fold(RunState::default(), RunState::next).unwrap()
}

/// What the lines that are records fold to, and which are none; nothing where one must not follow the others.
fn fold_of_the_readable(text: &str) -> Option<(RunState, Vec<usize>)> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut unreadable = Vec::new();
    let mut state = RunState::default();
    if text.contains('\n') {
        for (index, line) in whole.split('\n').enumerate() {
            match serde_json::from_str::<Record>(line) {
                Ok(record) => state = state.next(&record).ok()?,
                Err(_) => unreadable.push(index + 1),
            }
        }
    }
    Some((state, unreadable))
}

#[test]
fn every_prefix_of_a_journal_folds_to_a_state_that_its_lines_hold() {
    let records = records();
    let lines = lines(&records);
    for count in 0..=records.len() {
        let folder = Folder::with(lines[..count].concat().as_bytes());
        let (journal, damage) = folder.open();
        assert_eq!(damage, Damage::default(), "{count} lines");
        assert_eq!(journal.state(), &fold(&records[..count]), "{count} lines");
    }
}

#[test]
fn a_journal_cut_at_any_byte_is_what_its_whole_lines_say() {
    let records = records();
    let text = lines(&records).concat();
    let mut expected = RunState::default();
    let mut whole = records.iter();
    let folder = Folder::with(b"");
    for length in 0..=text.len() {
        let kept = &text.as_bytes()[..length];
        if kept.ends_with(b"\n") {
            expected = expected.next(whole.next().unwrap()).unwrap();
        }
        let torn = !kept.is_empty() && !kept.ends_with(b"\n");
        let damage = Damage { unreadable: vec![], torn };
        let (state, found, _) = file::fold(kept).unwrap();
        assert_eq!((&state, &found), (&expected, &damage), "cut at {length}");
        // Opening waits for the disk: at some of the places, and at both sides of every newline.
        let at_an_end = kept.ends_with(b"\n") || text.as_bytes().get(length) == Some(&b'\n');
        if at_an_end || length % 97 == 0 {
            folder.write(kept);
            let (journal, found) = folder.open();
            assert_eq!((journal.state(), found), (&expected, damage), "cut at {length}");
            drop(journal);
            assert_eq!(folder.open().1, Damage::default(), "cut at {length}, opened again");
        }
    }
    assert_eq!(whole.next(), None);
}

#[test]
fn compaction_keeps_what_the_lines_said() {
    let records = records();
    // Up to the first drop: every part of the state holds something.
    let dropped = records.iter().position(|record| matches!(record, Record::NameDropped { .. }));
    let full = &records[..dropped.unwrap()];
    let rounds = 2_100 / full.len() + 1;
    let text = lines(full).concat().repeat(rounds);
    let folder = Folder::with(text.as_bytes());
    let expected = fold(&vec![full.to_vec(); rounds].concat());
    let empty = serde_json::to_value(RunState::default()).unwrap();
    let said = serde_json::to_value(&expected).unwrap();
    // Keys that led to a device are forgotten with its join, and the steps of a run with the next one.
    let may_be_empty = [
        "spent_keys",
        "former_keys",
        "open_steps",
        "open_tasks",
        "volumes",
        "keys",
        "intended_keys",
    ];
    for (part, value) in said.as_object().unwrap() {
        assert!(may_be_empty.contains(&part.as_str()) || *value != empty[part], "{part} is empty");
    }
    let (journal, damage) = folder.open();
    assert_eq!(damage, Damage::default());
    assert_eq!(journal.state(), &expected);
    drop(journal);
    let compacted = fs_err::read_to_string(folder.path().join("journal.jsonl")).unwrap();
    assert_eq!(compacted.lines().count(), 1);
    assert_eq!(folder.open().0.state(), &expected);
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn damage_is_named_and_all_else_still_counts(text in damaged(lines(&records()).concat())) {
        let folder = Folder::with(text.as_bytes());
        let Some((expected, unreadable)) = fold_of_the_readable(&text) else {
            // A digit more makes it a newer version's.
            Journal::open(&folder.path()).unwrap_err();
            return Ok(());
        };
        let (mut journal, damage) = folder.open();
        prop_assert_eq!(&damage.unreadable, &unreadable);
        prop_assert_eq!(damage.torn, !text.is_empty() && !text.ends_with('\n'));
        prop_assert_eq!(journal.state(), &expected);
        // It goes on.
        let next = Record::TunnelMade { id: "after".into() };
        journal.append(&next).unwrap();
        drop(journal);
        let (again, _) = folder.open();
        prop_assert_eq!(again.state(), &expected.next(&next).unwrap());
    }

    #[test]
    fn any_order_of_any_records_folds(order in vec(any::<Index>(), 0..60)) {
        let all = records();
        let chosen: Vec<Record> = order.iter().map(|at| at.get(&all).clone()).collect();
        let folder = Folder::with(lines(&chosen).concat().as_bytes());
        let (journal, damage) = folder.open();
        prop_assert_eq!(damage, Damage::default());
        // A snapshot of it is the same state.
        let state = Box::new(journal.state().clone());
        let line = serde_json::to_string(&Record::Snapshot { state }).unwrap();
        let Record::Snapshot { state } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        prop_assert_eq!(&*state, journal.state());
    }

    #[test]
    fn bytes_that_are_no_journal_are_passed_over(bytes in vec(any::<u8>(), 0..300)) {
        let folder = Folder::with(&bytes);
        let (journal, damage) = folder.open();
        prop_assert_eq!(journal.state(), &RunState::default());
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        prop_assert_eq!(damage.unreadable.len(), lines);
    }
}
