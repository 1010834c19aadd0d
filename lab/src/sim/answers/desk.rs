//! Where a script is played: its guest, and its own words.

use camino::Utf8PathBuf;

use super::{UNKNOWN, sent::Sent};
use crate::sim::guest::{Answer, Guest};

/// Below the guest's root, as scripts set their PATH.
const PATH: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

/// A guest and the script that is played on it.
pub(super) struct Desk<'a> {
    pub(super) guest: &'a Guest,
    pub(super) script: &'a Sent,
}

impl<'a> Desk<'a> {
    pub(super) fn new(guest: &'a Guest, script: &'a Sent) -> Self {
        Self { guest, script }
    }

    /// Where a path of the guest's is.
    pub(super) fn place(&self, path: &str) -> Utf8PathBuf {
        self.guest.root().join(path.trim_start_matches('/'))
    }

    /// `command -v`, among what a guest has beside a plain shell's programs.
    pub(super) fn has_program(&self, name: &str) -> bool {
        PATH.iter().any(|folder| self.guest.root().join(folder).join(name).exists())
    }

    /// What a program leaves.
    pub(super) fn run(&self, words: &[&str]) -> Answer {
        let Some((program, arguments)) = words.split_first() else { return Answer::default() };
        if !self.has_program(program) {
            return Answer::failed(127, format!("sh: {program}: not found\n"));
        }
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        self.guest.call(program, &arguments)
    }

    /// What a program prints; where it fails, the script ends as it does.
    pub(super) fn must(&self, words: &[&str]) -> Result<String, Answer> {
        let answer = self.run(words);
        if answer.status == 0 { Ok(answer.stdout) } else { Err(answer) }
    }

    pub(super) fn holds(&self, words: &[&str]) -> bool {
        self.run(words).status == 0
    }

    /// A file's text; nothing where it cannot be read.
    pub(super) fn text(&self, path: &str) -> String {
        fs_err::read_to_string(self.place(path)).unwrap_or_default()
    }

    /// The first line of a file, nothing where it cannot be read.
    pub(super) fn first_line(&self, path: &str) -> String {
        self.text(path).lines().next().unwrap_or_default().to_owned()
    }

    /// Something that is rendered into the script.
    pub(super) fn known<T>(&self, found: Option<T>, what: &str) -> Result<T, Answer> {
        found.ok_or_else(|| {
            let comment = self.script.comment();
            Answer::failed(
                UNKNOWN,
                format!(
                    "homelab-lab: the script `{comment}` is no longer as lab/src/sim/answers knows it: it has no {what}\n"
                ),
            )
        })
    }
}

/// `fail` of `templates/lib/head.sh`.
pub(super) fn fail(why: impl std::fmt::Display) -> Answer {
    Answer::failed(1, format!("{why}\n"))
}

impl From<std::io::Error> for Answer {
    fn from(error: std::io::Error) -> Self {
        fail(error)
    }
}
