//! Networks of loopback addresses for worlds that stand side by side, in this process or another.

use std::{fs::File, io};

use rustix::fs::{FlockOperation, flock};

/// Networks that can be claimed without a wish; the next one is what `homelab-lab sim` takes unless told.
const OTHERS: std::ops::Range<u8> = 1..190;

/// The number of a world's network ([`Options::network`](super::world::Options::network)), nobody else's until this
/// is dropped: a lock of the kernel's, which ends with its process.
#[derive(Debug)]
pub struct Claim {
    number: u8,
    /// Whose lock it is.
    _file: File,
}

impl Claim {
    /// Any that is free.
    ///
    /// # Errors
    /// When all are taken.
    pub fn any() -> io::Result<Self> {
        OTHERS
            .into_iter()
            .find_map(|number| Self::take(number).ok())
            .ok_or_else(|| io::Error::other("all networks of loopback addresses are taken"))
    }

    /// That one.
    ///
    /// # Errors
    /// When another world has it.
    pub fn take(number: u8) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("homelab-lab-network-{number}"));
        let file = File::options().create(true).append(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::other(format!(
                "another world stands on network {number}: take another `--network`"
            ))
        })?;
        Ok(Self { number, _file: file })
    }

    pub fn number(&self) -> u8 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_world_at_a_time() {
        let first = Claim::any().unwrap();
        let told = Claim::take(first.number()).unwrap_err().to_string();
        assert!(told.contains("another world stands on network"), "{told}");
        assert_ne!(Claim::any().unwrap().number(), first.number());
    }
}
