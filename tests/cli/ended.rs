//! What a run of the program left: exit code and text.

use std::fmt;

use tokio::process::Child;

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The run as it was, where it should have ended well.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// What it printed, where it should have ended with this exit code.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self}");
        self.err
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exit {:?}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }
}

/// What a person's Ctrl-C or a service manager does.
pub(crate) fn terminate(child: &Child) {
    signal(child, "-TERM");
}

/// What a terminal does that is closed: its shell sends it, and the kernel does.
pub(crate) fn hang_up(child: &Child) {
    signal(child, "-HUP");
    signal(child, "-HUP");
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().expect("it still runs").to_string();
    let status = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(status.success());
}
