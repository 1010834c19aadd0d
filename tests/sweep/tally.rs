//! What the sweeps count.

use std::io::Write as _;

/// The counts of one sweep. `scripts/sweep` adds them up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kill_points: usize,
    /// Different ones that a run was begun in from a snapshot.
    pub(crate) worlds: usize,
    pub(crate) journal_records: usize,
    pub(crate) faults: usize,
    pub(crate) damaged_journals: usize,
    pub(crate) done_twice: usize,
    /// Worlds made what was wished for after something happened to them.
    pub(crate) walks: usize,
    /// Runs that went well although they were harmed.
    pub(crate) survived: usize,
    pub(crate) duplicates: usize,
    pub(crate) orphans: usize,
    pub(crate) secrets: usize,
    /// Worlds that are not what an undisturbed run makes, runs that failed or ended with the wrong word.
    pub(crate) otherwise: usize,
}

impl Tally {
    fn lines(&self) -> [(&'static str, usize); 12] {
        [
            ("kill points tried", self.kill_points),
            ("died after a journal record", self.journal_records),
            ("different worlds they left", self.worlds),
            ("faults injected", self.faults),
            ("survived in the same run", self.survived),
            ("damaged journals", self.damaged_journals),
            ("done twice", self.done_twice),
            ("worlds and wishes at random", self.walks),
            ("duplicates", self.duplicates),
            ("orphans", self.orphans),
            ("secrets found", self.secrets),
            ("ended otherwise", self.otherwise),
        ]
    }

    /// Prints them, and adds them to the file that `HOMELAB_SWEEP_COUNTS` names.
    pub(crate) fn tell(&self, name: &str) {
        let counted = self.lines().into_iter().filter(|(what, count)| {
            *count > 0 || matches!(*what, "duplicates" | "orphans" | "secrets found")
        });
        let text: Vec<String> = counted.map(|(what, count)| format!("{count} {what}")).collect();
        println!("{name}: {}", text.join(", "));
        if let Ok(path) = std::env::var("HOMELAB_SWEEP_COUNTS") {
            let mut file = fs_err::OpenOptions::new().create(true).append(true).open(path).unwrap();
            for (what, count) in self.lines() {
                writeln!(file, "{what}\t{count}").unwrap();
            }
        }
    }
}
