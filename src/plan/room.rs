//! Whether a root file system has room, by what kubelet goes by. Pure.
//!
//! k3s has kubelet evict pods below 5 % of bytes (`--eviction-hard` of its own), kubelet's own default is 10 % of bytes
//! and 5 % of inodes, and from 85 % of use on it deletes images that nobody runs. A node that is as good as full goes on
//! to be Ready for minutes, while the datastore, images and logs on it fail.

use super::probe::RootDisk;

/// Less of it is as good as none.
const LEAST_BYTES_PERCENT: u64 = 10;
const LEAST_INODES_PERCENT: u64 = 5;
const GIBIBYTE: f64 = (1_u64 << 30) as f64;

/// What is left on a root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    bytes: u64,
    available_bytes: u64,
    /// All and free ones, where they are counted.
    inodes: Option<(u64, u64)>,
}

impl Room {
    /// `None` where the node did not tell.
    pub fn of(disk: &RootDisk) -> Option<Self> {
        let inodes = disk.inodes.filter(|all| *all > 0).zip(disk.free_inodes);
        let bytes = disk.usable_bytes.filter(|bytes| *bytes > 0)?;
        Some(Self { bytes, available_bytes: disk.available_bytes?, inodes })
    }

    /// `2.1 GiB of 19.5 GiB are free (11 %), 97 % of its inodes`.
    pub fn words(&self) -> String {
        let gibibytes = |bytes: u64| format!("{:.1} GiB", bytes as f64 / GIBIBYTE);
        let (free, all) = (gibibytes(self.available_bytes), gibibytes(self.bytes));
        let of_bytes = percent(self.available_bytes, self.bytes);
        let of_inodes = match self.inodes {
            Some((all, free)) => format!(", {} % of its inodes", percent(free, all)),
            None => String::new(),
        };
        format!("{free} of {all} are free ({of_bytes} %){of_inodes}")
    }

    /// What of it there is too little of; `None` when there is enough.
    pub fn lack(&self) -> Option<String> {
        let short_of_bytes = percent(self.available_bytes, self.bytes) < LEAST_BYTES_PERCENT;
        let short_of_inodes =
            self.inodes.is_some_and(|(all, free)| percent(free, all) < LEAST_INODES_PERCENT);
        let least = match (short_of_bytes, short_of_inodes) {
            (true, _) => format!("{LEAST_BYTES_PERCENT} % should be: k3s evicts pods below 5 %"),
            (false, true) => format!("{LEAST_INODES_PERCENT} % of the inodes should be"),
            (false, false) => return None,
        };
        Some(format!("{}; {least}", self.words()))
    }
}

/// Rounded down, so that what is too little never looks like enough.
fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 20 GiB with as much left.
    pub(crate) fn disk(available_mebibytes: u64, free_inodes: u64) -> RootDisk {
        RootDisk {
            usable_bytes: Some(20 << 30),
            available_bytes: Some(available_mebibytes << 20),
            inodes: Some(1000),
            free_inodes: Some(free_inodes),
            ..RootDisk::default()
        }
    }

    #[test]
    fn a_file_system_lacks_room_below_a_tenth_of_its_bytes_or_a_twentieth_of_its_inodes() {
        let lack = |mebibytes, inodes| Room::of(&disk(mebibytes, inodes)).unwrap().lack();
        assert_eq!(lack(2048, 50), None);
        assert_eq!(
            lack(0, 970).unwrap(),
            "0.0 GiB of 20.0 GiB are free (0 %), 97 % of its inodes; 10 % should be: k3s evicts pods below 5 %"
        );
        assert!(lack(2047, 970).unwrap().contains("(9 %)"), "rounded down");
        assert_eq!(
            lack(19 * 1024, 49).unwrap(),
            "19.0 GiB of 20.0 GiB are free (95 %), 4 % of its inodes; 5 % of the inodes should be"
        );
        let endless = RootDisk { inodes: Some(0), free_inodes: Some(0), ..disk(19 * 1024, 0) };
        assert_eq!(Room::of(&endless).unwrap().lack(), None, "btrfs counts none");
        assert_eq!(Room::of(&RootDisk::default()), None);
    }
}
