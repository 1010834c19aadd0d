//! The serial console: what the guest's systemd and kernel stand-in print while it boots.

use std::io::{Read, Seek, SeekFrom};

use camino::Utf8Path;

/// How much of a console's end is looked at, in bytes.
const TAIL: u64 = 32 * 1024;

/// The last lines of a console's log, at most `count`, as plain text.
pub(crate) fn last_lines(log: &Utf8Path, count: usize) -> Vec<String> {
    let Ok(mut file) = std::fs::File::open(log) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).is_err()
        || file.read_to_end(&mut bytes).is_err()
    {
        return Vec::new();
    }
    let lines = plain(&String::from_utf8_lossy(&bytes));
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// Lines without colours, cursor movements and overwritten beginnings.
fn plain(text: &str) -> Vec<String> {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' | '\r' | '\t' => clean.push(character),
            other if other.is_control() => {}
            other => clean.push(other),
        }
    }
    clean
        .lines()
        .map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned())
        .filter(|line| !line.trim().is_empty())
        .collect()
}

fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        // A control sequence ends with its first letter (ECMA-48, 5.4).
        Some('[') => {
            for character in characters.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&character) {
                    break;
                }
            }
        }
        // A title ends with a bell or a string terminator.
        Some(']') => {
            for character in characters.by_ref() {
                if character == '\u{7}' || character == '\\' {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_progress_marks_are_not_text() {
        let raw = "\u{1b}[32m  OK  \u{1b}[0m] Started \u{1b}[0;1;39mssh.service\u{1b}[0m\r\n\
                   \u{1b}]0;title\u{7}\r\n[ *** ] waiting\r[  OK  ] done\n";
        assert_eq!(plain(raw), ["  OK  ] Started ssh.service", "[  OK  ] done"]);
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = Utf8Path::from_path(folder.path()).unwrap().join("console.log");
        fs_err::write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(last_lines(&log, 2), ["two", "three"]);
        assert!(last_lines("/nonexistent/console".into(), 2).is_empty());
    }
}
