//! apt, whose packages bring stand-ins.

use std::os::unix::fs::symlink;

use crate::sim::guest::{Answer, Guest};

/// What a package puts on the PATH.
const PROGRAMS: [(&str, &str); 4] = [
    ("nftables", "nft"),
    ("open-iscsi", "iscsiadm"),
    ("nfs-common", "mount.nfs"),
    ("cryptsetup-bin", "cryptsetup"),
];

pub(super) fn call(guest: &Guest, words: &[&str]) -> Answer {
    if !words.contains(&"install") {
        return Answer::default();
    }
    let folder = guest.root().join("usr/sbin");
    for (package, program) in PROGRAMS {
        let place = folder.join(program);
        if words.contains(&package) && !place.exists() {
            // Beside the others there is one program that stands for all of them.
            let any = guest.root().join("usr/bin/systemctl");
            let target = fs_err::read_link(&any);
            if let Err(error) = target.and_then(|target| symlink(target, &place)) {
                return Answer::failed(100, format!("E: {package}: {error}\n"));
            }
        }
    }
    Answer::default()
}
