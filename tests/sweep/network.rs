//! Loopback addresses for worlds that stand side by side, in this process or another.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

/// The number of a world's network ([`homelab_lab::sim::world::Options::network`]), nobody else's until this
/// is dropped.
pub(crate) struct Claim {
    number: u8,
    /// Whose lock it is.
    _file: File,
}

impl Claim {
    pub(crate) fn new() -> Self {
        // The last one is what `homelab-lab sim` takes unless told.
        for number in 1..190 {
            let path = std::env::temp_dir().join(format!("homelab-sweep-network-{number}"));
            let file = File::options().create(true).append(true).open(path).unwrap();
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Self { number, _file: file };
            }
        }
        panic!("all networks of loopback are taken");
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }
}
