//! The file: a JSON array that is whole after every entry, so that a kill leaves what can be opened.

use std::os::unix::fs::FileExt;

use camino::Utf8Path;
use fs_err::OpenOptions;
use serde_json::Value;

use crate::{
    error::{Failure, Kind, Result},
    named_file, private_file,
};

/// What every file of ours begins with.
const BEGIN: &str =
    "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"homelab\"}}";
const END: &str = "\n]\n";

/// An open file, which is as long as it says.
#[derive(Debug)]
pub(super) struct TraceFile {
    file: fs_err::File,
    length: u64,
    /// What it did not take.
    broken: Option<std::io::Error>,
}

impl TraceFile {
    /// A new file, or in the place of an older one of ours. Nothing else is overwritten.
    ///
    /// # Errors
    /// [`Kind::Refused`] for what is no such file; those of the operating system.
    pub(super) fn create(path: &Utf8Path) -> Result<Self> {
        replaceable(path)?;
        let text = format!("{BEGIN}{END}");
        let opened = private_file::replace(path, &text)
            .and_then(|()| OpenOptions::new().write(true).open(path));
        let file = opened.map_err(|error| {
            Failure::new(Kind::Runtime, "the trace can't be written").at(path).because(error)
        })?;
        Ok(Self { file, length: text.len() as u64, broken: None })
    }

    /// Puts an entry behind the last one. After the first that the disk did not take none is.
    pub(super) fn add(&mut self, entry: &Value) {
        if self.broken.is_some() {
            return;
        }
        let text = format!(",\n{entry}{END}");
        let at = self.length - END.len() as u64;
        match self.file.file().write_all_at(text.as_bytes(), at) {
            Ok(()) => self.length = at + text.len() as u64,
            Err(error) => self.broken = Some(error),
        }
    }

    /// What it did not take, told once.
    pub(super) fn broken(&mut self) -> Option<Failure> {
        let error = self.broken.take()?;
        Some(
            Failure::new(Kind::Runtime, "the trace is not whole")
                .at(self.file.path().display())
                .because(error)
                .hint("the run itself went on as if nobody had asked for one"),
        )
    }
}

fn replaceable(path: &Utf8Path) -> Result<()> {
    let refused = |failure: Failure| {
        failure.at(path).hint("name a file that is not there yet, or an older trace")
    };
    match named_file::open(path).and_then(|file| {
        let mut begin = vec![0; BEGIN.len()];
        let read = file.file().read_at(&mut begin, 0)?;
        begin.truncate(read);
        Ok(begin)
    }) {
        Ok(begin) if begin.is_empty() || begin == BEGIN.as_bytes() => Ok(()),
        Ok(_) => Err(refused(Failure::new(
            Kind::Refused,
            "it is no trace of homelab's, and is not overwritten by one",
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let failure = Failure::new(Kind::Refused, "it is not overwritten by a trace");
            Err(refused(failure.because(error)))
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_file_is_whole_after_every_entry_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("up.json")).unwrap();
        let mut file = TraceFile::create(&path).unwrap();
        let entries = || -> Vec<Value> {
            serde_json::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap()
        };
        assert_eq!(entries().len(), 1);
        for count in 2..5 {
            file.add(&json!({"name": "x"}));
            assert_eq!(entries().len(), count);
        }
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        TraceFile::create(&path).unwrap();
        assert_eq!(entries().len(), 1, "an older one is replaced");
    }

    #[test]
    fn what_is_no_trace_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("homelab.yaml")).unwrap();
        fs_err::write(&path, "version: 1\n").unwrap();
        let failure = TraceFile::create(&path).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "version: 1\n");
    }

    #[test]
    fn a_disk_that_is_full_is_told_once_and_harms_nothing() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut file = TraceFile { file: full, length: 10, broken: None };
        file.add(&json!({}));
        file.add(&json!({}));
        assert_eq!(file.broken().unwrap().message, "the trace is not whole");
        assert!(file.broken().is_none());
    }
}
