//! The journal's file: every record is on the disk before what it announces happens.

use std::io::{Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};

use super::{Record, RunState};
use crate::{
    error::{Failure, Kind, Result},
    named_file,
};

/// Beyond this many lines a journal is rewritten as one snapshot when it is opened.
const COMPACT_AT: usize = 2_000;

/// An open journal and the state that it folds to.
#[derive(Debug)]
pub struct Journal {
    path: Utf8PathBuf,
    file: File,
    state: RunState,
}

/// What was found when a journal was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines that are no record: 1-based numbers.
    pub unreadable: Vec<usize>,
    /// The last line was cut short, as a crash does.
    pub torn: bool,
}

impl Journal {
    /// Opens or creates the journal of a state folder. A torn last line is cut off and unreadable lines
    /// are passed over: the world is the truth, and what they knew is observed again.
    pub fn open(folder: &Utf8Path) -> Result<(Self, Damage)> {
        let path = folder.join("journal.jsonl");
        let text = bytes(&path)?.unwrap_or_default();
        let (state, damage, lines) = fold(&text)
            .map_err(|illegal| Failure::new(Kind::Runtime, illegal.to_string()).at(&path))?;
        if damage.torn || lines > COMPACT_AT {
            rewrite(&path, &text, &state, lines > COMPACT_AT)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        private(&mut options);
        let file = options.open(&path).map_err(|error| {
            Failure::new(Kind::Runtime, "the journal can't be written")
                .at(&path)
                .because(error)
                .hint("the state folder must be writable; XDG_STATE_HOME can name another place")
        })?;
        sync_folder(folder)?;
        Ok((Self { path, file, state }, damage))
    }

    /// Reads the state without opening for writing.
    pub fn read(folder: &Utf8Path) -> Result<RunState> {
        let path = folder.join("journal.jsonl");
        let Some(bytes) = bytes(&path)? else { return Ok(RunState::default()) };
        fold(&bytes)
            .map(|(state, _, _)| state)
            .map_err(|illegal| Failure::new(Kind::Runtime, illegal.to_string()).at(&path))
    }

    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Appends a record and waits until the disk has it.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        // Asked before it is written, and folded after it: a full disk leaves file and state as they were.
        self.state
            .admits(record)
            .map_err(|illegal| Failure::new(Kind::Runtime, illegal.to_string()).at(&self.path))?;
        let mut line = serde_json::to_vec(record)
            .map_err(|error| Failure::new(Kind::Runtime, error.to_string()).at(&self.path))?;
        line.push(b'\n');
        let before = self.file.metadata()?.len();
        // One write call: a reader, or a crash, sees the whole line or a torn last one.
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // What a full disk took of it would spoil the next record, too.
            let _ = self.file.set_len(before);
            return Err(Failure::new(Kind::Runtime, "the journal can't be written")
                .at(&self.path)
                .because(error)
                .hint(
                    "what was done since is observed again by the next run, once there is room",
                ));
        }
        self.state = std::mem::take(&mut self.state)
            .next(record)
            .map_err(|illegal| Failure::new(Kind::Runtime, illegal.to_string()).at(&self.path))?;
        Ok(())
    }
}

/// What the file holds; `None` where there is none. A pipe or a device would be read for ever.
fn bytes(path: &Utf8Path) -> Result<Option<Vec<u8>>> {
    let read = named_file::open(path).and_then(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match named_file::led_to(path) {
            // A new one would come to be elsewhere, or nowhere.
            Some(target) => Err(Failure::new(
                Kind::Runtime,
                format!("the journal is a link to `{target}`, where nothing is"),
            )
            .at(path)
            .hint("bring back what it leads to, as by mounting a disk")
            .hint("or delete the link: a new journal is made, and what the old one knew is observed again")),
            None => Ok(None),
        },
        Err(error) => Err(Failure::new(Kind::Runtime, "the journal can't be read")
            .at(path)
            .because(error)
            .hint("move it away: what it knew is observed again")),
    }
}

pub(super) fn fold(bytes: &[u8]) -> Result<(RunState, Damage, usize), super::state::IllegalRecord> {
    let mut state = RunState::default();
    let mut damage =
        Damage { torn: !bytes.is_empty() && !bytes.ends_with(b"\n"), unreadable: vec![] };
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What follows the last newline is nothing, or torn.
    lines.pop();
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => state = state.next(&record)?,
            Err(_) => damage.unreadable.push(index + 1),
        }
    }
    Ok((state, damage, lines.len()))
}

/// Replaces the file, atomically, by its whole lines or by one snapshot.
fn rewrite(path: &Utf8Path, text: &[u8], state: &RunState, compact: bool) -> Result<()> {
    let folder = path.parent().expect("the journal lies in a folder");
    let mut replacement = tempfile::NamedTempFile::new_in(folder)?;
    if compact {
        let record = Record::Snapshot { state: Box::new(state.clone()) };
        serde_json::to_writer(&mut replacement, &record).map_err(std::io::Error::from)?;
        replacement.write_all(b"\n")?;
    } else {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        replacement.write_all(&text[..whole])?;
    }
    replacement.as_file().sync_all()?;
    replacement.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

fn sync_folder(folder: &Utf8Path) -> Result<()> {
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn private(options: &mut OpenOptions) {
    use fs_err::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepId;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn started(step: &str) -> Record {
        Record::StepStarted { step: StepId(step.into()) }
    }

    #[test]
    fn what_was_appended_is_there_when_it_is_opened_again() {
        let (_guard, path) = folder();
        let (mut journal, damage) = Journal::open(&path).unwrap();
        assert_eq!(damage, Damage::default());
        journal.append(&started("a")).unwrap();
        let state = journal.state().clone();
        drop(journal);
        let (again, _) = Journal::open(&path).unwrap();
        assert_eq!(again.state(), &state);
        assert_eq!(Journal::read(&path).unwrap(), state);
    }

    /// The child of the test below: it may write so many bytes to a file.
    #[test]
    #[ignore = "limits the size of its process's files"]
    fn appends_until_the_disk_is_full() {
        let path = Utf8PathBuf::from(std::env::var("HOMELAB_TEST_FOLDER").unwrap());
        let (mut journal, _) = Journal::open(&path).unwrap();
        let full = (0..1000).find_map(|number| journal.append(&started(&number.to_string())).err());
        assert!(full.is_some());
    }

    #[test]
    fn what_a_full_disk_took_of_a_record_is_taken_back() {
        let (_guard, path) = folder();
        // A block is 512 or 1024 bytes, and no whole number of records.
        let limited = r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact --ignored "$1""#;
        let child = std::process::Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .arg("journal::file::tests::appends_until_the_disk_is_full")
            .env("HOMELAB_TEST_FOLDER", &path)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let text = fs_err::read(path.join("journal.jsonl")).unwrap();
        assert!(text.len() > 400 && text.ends_with(b"\n"), "{} bytes", text.len());
        assert_eq!(fold(&text).unwrap().1, Damage::default());
    }

    #[test]
    fn a_journal_cut_at_any_byte_opens_and_takes_further_records() {
        let (_guard, path) = folder();
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&started("a")).unwrap();
        journal.append(&started("b")).unwrap();
        drop(journal);
        let whole = fs_err::read(path.join("journal.jsonl")).unwrap();
        for length in 0..=whole.len() {
            fs_err::write(path.join("journal.jsonl"), &whole[..length]).unwrap();
            let (mut journal, damage) = Journal::open(&path).unwrap();
            assert!(damage.unreadable.is_empty(), "cut at {length}");
            journal.append(&started("c")).unwrap();
            drop(journal);
            let (again, damage) = Journal::open(&path).unwrap();
            assert_eq!(damage, Damage::default(), "cut at {length}");
            assert!(again.state().open_steps.contains(&StepId("c".into())));
        }
    }

    #[test]
    fn a_garbage_line_is_named_and_the_rest_still_counts() {
        let (_guard, path) = folder();
        let line = serde_json::to_string(&started("b")).unwrap();
        fs_err::write(path.join("journal.jsonl"), format!("garbage\n{line}\n")).unwrap();
        let (journal, damage) = Journal::open(&path).unwrap();
        assert_eq!(damage.unreadable, [1]);
        assert!(journal.state().open_steps.contains(&StepId("b".into())));
    }

    #[test]
    fn a_record_that_could_not_be_written_leaves_the_state_as_it_was() {
        let (_guard, path) = folder();
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&started("a")).unwrap();
        let state = journal.state().clone();
        // A device that is always full.
        journal.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        journal.append(&started("b")).unwrap_err();
        assert_eq!(journal.state(), &state);
    }

    #[test]
    fn a_journal_that_is_no_file_is_refused_at_once() {
        let (_guard, path) = folder();
        let journal = path.join("journal.jsonl");
        fs_err::os::unix::fs::symlink("/dev/zero", &journal).unwrap();
        for failure in [Journal::open(&path).unwrap_err(), Journal::read(&path).unwrap_err()] {
            assert_eq!(failure.place.as_deref(), Some(journal.as_str()));
            let told = failure.chain().join("; ");
            let why =
                format!("the journal can't be read; `{journal}` is a device, not a regular file");
            assert_eq!(told, why);
            assert_eq!(failure.hints.len(), 1);
        }
    }

    #[test]
    fn a_journal_that_is_a_link_to_nothing_is_refused_with_where_it_leads() {
        let (_guard, path) = folder();
        let journal = path.join("journal.jsonl");
        // On a disk that is not mounted, say.
        fs_err::os::unix::fs::symlink("/nowhere/journal.jsonl", &journal).unwrap();
        for failure in [Journal::open(&path).unwrap_err(), Journal::read(&path).unwrap_err()] {
            assert_eq!(failure.place.as_deref(), Some(journal.as_str()));
            insta::allow_duplicates! {
                insta::assert_snapshot!(failure.message, @"the journal is a link to `/nowhere/journal.jsonl`, where nothing is");
                insta::assert_snapshot!(failure.hints.join("\n"), @"
                bring back what it leads to, as by mounting a disk
                or delete the link: a new journal is made, and what the old one knew is observed again
                ");
            }
        }
    }

    #[test]
    fn the_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_guard, path) = folder();
        let _journal = Journal::open(&path).unwrap();
        let mode = fs_err::metadata(path.join("journal.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
