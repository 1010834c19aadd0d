//! Partitions and file systems. The root file system is ext4 on `/dev/sda1`; there is no second disk that a
//! script could find, since device nodes need root.

use crate::sim::guest::{Answer, Guest, folder};

const BLOCK: u64 = 4096;

pub(super) fn call(guest: &Guest, program: &str, words: &[&str]) -> Answer {
    match program {
        "findmnt" if words.contains(&"FSTYPE") => Answer::said("ext4\n"),
        "findmnt" if words.contains(&"FSTYPE,MAJ:MIN") => Answer::said("ext4   8:1\n"),
        "dumpe2fs" => {
            let blocks = guest.state().filesystem_bytes / BLOCK;
            Answer::said(format!(
                "Block count:              {blocks}\nBlock size:               {BLOCK}\n"
            ))
        }
        "stat" => usage(guest, words),
        "growpart" => grow_partition(guest),
        "resize2fs" => {
            let mut state = guest.state();
            state.filesystem_bytes = state.partition_bytes;
            Answer::default()
        }
        // blkid's word for a device without a known file system.
        "blkid" => Answer::failed(2, ""),
        "lsblk" => Answer::default(),
        _ => Answer::failed(1, ""),
    }
}

/// `stat -f -c FORMAT PLACE`: four fifths of it are free, and an inode for every four blocks.
fn usage(guest: &Guest, words: &[&str]) -> Answer {
    let [_, _, format, ..] = words else { return Answer::failed(1, "stat: missing operand\n") };
    let blocks = guest.state().filesystem_bytes / BLOCK;
    let (free, inodes) = (blocks / 5 * 4, blocks / 4);
    let values =
        [("%S", BLOCK), ("%a", free), ("%b", blocks), ("%c", inodes), ("%d", inodes / 5 * 4)];
    let said = values.iter().fold((*format).to_owned(), |said, (letter, value)| {
        said.replace(letter, &value.to_string())
    });
    Answer::said(said + "\n")
}

/// growpart ends with 1 when there is nothing to grow.
fn grow_partition(guest: &Guest) -> Answer {
    let mut state = guest.state();
    if state.partition_bytes == state.hardware.disk_bytes {
        return Answer {
            status: 1,
            stdout: "NOCHANGE: partition 1 could only be grown by 0\n".into(),
            ..Answer::default()
        };
    }
    state.partition_bytes = state.hardware.disk_bytes;
    match folder::disks(guest.root(), &state) {
        Ok(()) => Answer::said("CHANGED: partition=1\n"),
        Err(error) => Answer::failed(2, format!("{error}\n")),
    }
}
