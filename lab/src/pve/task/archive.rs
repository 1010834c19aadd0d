//! Tasks on disk, one file each, as below `/var/log/pve/tasks`: they outlive the emulator.

use camino::Utf8PathBuf;

use super::{Upid, Worker, worker::Progress};

/// Where the logs are; `None` keeps none.
pub(super) struct Archive {
    pub(super) folder: Option<Utf8PathBuf>,
}

impl Archive {
    fn path(&self, upid: &Upid) -> Option<Utf8PathBuf> {
        Some(self.folder.as_ref()?.join(upid.to_string()))
    }

    /// Writes a task's log as it is now: empty at its beginning, whole at its end.
    pub(super) fn write(&self, worker: &Worker) {
        let Some(path) = self.path(worker.upid()) else { return };
        let mut text = worker.progress().lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        if let Err(error) = fs_err::write(&path, text) {
            tracing::warn!(%error, "cannot keep a task's log");
        }
    }

    pub(super) fn forget(&self, worker: &Worker) {
        if let Some(path) = self.path(worker.upid()) {
            // A log that is gone already is forgotten.
            let _ = fs_err::remove_file(path);
        }
    }

    /// The tasks of earlier runs, in the order of their beginning. One without a last line died
    /// with its run.
    pub(super) fn load(&self) -> Vec<Worker> {
        use std::os::unix::fs::MetadataExt as _;
        let Some(folder) = &self.folder else { return Vec::new() };
        if let Err(error) = fs_err::create_dir_all(folder) {
            tracing::warn!(%error, "cannot make the folder of the tasks' logs");
        }
        let mut found: Vec<(Upid, Worker)> = fs_err::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let upid: Upid = entry.file_name().to_str()?.parse().ok()?;
                let text = fs_err::read_to_string(entry.path()).ok()?;
                let end = entry.metadata().map_or(upid.starttime, |facts| facts.mtime());
                let lines: Vec<String> = text.lines().map(str::to_owned).collect();
                let status = status_of(&lines);
                let progress = Progress::of_the_past(lines, status, end);
                Some((upid.clone(), Worker::ended_before(upid, progress)))
            })
            .collect();
        found.sort_by_key(|(upid, _)| (upid.starttime, upid.pid));
        found.into_iter().map(|(_, worker)| worker).collect()
    }
}

/// The exit status that a log's last lines tell.
fn status_of(lines: &[String]) -> String {
    let last = lines.iter().rposition(|line| line.starts_with("TASK "));
    let Some(at) = last else { return "unexpected status".to_owned() };
    match lines[at].strip_prefix("TASK ERROR: ") {
        Some(first) => {
            let mut status = first.to_owned();
            for line in &lines[at + 1..] {
                status.push(' ');
                status.push_str(line);
            }
            status
        }
        None => lines[at].trim_start_matches("TASK ").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_how_a_task_ended() {
        let status = |lines: &[&str]| {
            status_of(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(status(&["x", "TASK OK"]), "OK");
        assert_eq!(status(&["TASK ERROR: a", "b"]), "a b");
        assert_eq!(status(&["TASK WARNINGS: 2"]), "WARNINGS: 2");
        assert_eq!(status(&["transferred 0.0 B"]), "unexpected status");
        assert_eq!(status(&[]), "unexpected status");
    }
}
