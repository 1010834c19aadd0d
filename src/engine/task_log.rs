//! What the log of a running task tells: how far it has come, and its last line.

/// How much of a log was read, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct TaskLog {
    known: usize,
    percent: Option<u64>,
}

/// What is new.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    /// The last line that is no progress.
    pub(super) line: Option<String>,
    pub(super) percent: Option<u64>,
}

impl TaskLog {
    /// How many lines were read.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// Takes the lines that came since.
    pub(super) fn read(&mut self, lines: Vec<String>) -> News {
        // Proxmox has this in the place of an empty log.
        let empty = self.known == 0 && lines.len() == 1 && lines[0] == "no content";
        if empty {
            return News { line: None, percent: None };
        }
        self.known += lines.len();
        let percent = lines.iter().rev().find_map(|line| percent(line));
        let told = |line: &&String| !line.trim().is_empty() && self::percent(line).is_none();
        let line = lines.iter().rev().find(told).map(|line| line.trim().to_owned());
        let percent = percent.filter(|percent| self.percent != Some(*percent));
        self.percent = percent.or(self.percent);
        News { line, percent }
    }
}

/// The percentage in a line of `qemu-img` (`transferred 1.2 GiB of 8.0 GiB (15.25%)`) or of `wget`
/// (`  3072K .......... .......... .......... ..........  4% 11.3M 26s`).
fn percent(line: &str) -> Option<u64> {
    let (before, _) = line.rsplit_once('%')?;
    let number = |character: char| character.is_ascii_digit() || character == '.';
    let digits = before.trim_end_matches(number).len();
    let value: f64 = before[digits..].trim_start_matches('.').parse().ok()?;
    // A percentage is small: nothing is lost.
    (0.0..=100.0).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_last_percentage_is_told_once_and_other_lines_as_they_are() {
        let mut log = TaskLog::default();
        let news = log.read(lines(&[
            "create full clone of drive scsi0 (local-lvm:base-9000-disk-0)",
            "transferred 0.0 B of 8.0 GiB (0.00%)",
            "transferred 1.2 GiB of 8.0 GiB (15.25%)",
        ]));
        assert_eq!(log.known(), 3);
        assert_eq!(news.percent, Some(15));
        assert!(news.line.unwrap().starts_with("create full clone"));
        let news = log.read(lines(&["transferred 1.2 GiB of 8.0 GiB (15.90%)"]));
        assert_eq!(news, News { line: None, percent: None });
        assert_eq!(log.read(vec![]), News { line: None, percent: None });
        assert_eq!(log.known(), 4);
    }

    #[test]
    fn wgets_lines_are_progress_and_an_empty_log_is_nothing() {
        let mut log = TaskLog::default();
        assert_eq!(log.read(lines(&["no content"])), News { line: None, percent: None });
        assert_eq!(log.known(), 0);
        let news =
            log.read(lines(&["  3072K .......... .......... .......... ..........  4% 11.3M 26s"]));
        assert_eq!(news, News { line: None, percent: Some(4) });
        assert_eq!(percent("100% done"), Some(100));
        assert_eq!(percent("a%"), None);
        assert_eq!(percent("nothing of it"), None);
    }
}
