//! The check of a node's root file system: what fills it takes the datastore, images and logs down with it, while the
//! node is still Ready.

use super::check::{Check, Finding};
use crate::{
    model::NodeName,
    plan::{Room, probe::HostProbe},
};

/// Whether there is room for more.
pub(super) fn check(node: &NodeName, probe: &HostProbe) -> Check {
    let title = "its root file system has room";
    let Some(room) = Room::of(&probe.root_disk) else {
        return Check::skipped("machine/room", node.clone(), title, "the node did not tell");
    };
    let finding: Finding = match room.lack() {
        None => Ok(room.words()),
        Some(lack) => Err((lack, next(node))),
    };
    Check::of("machine/room", node.clone(), title, finding)
}

fn next(node: &NodeName) -> String {
    format!(
        "`homelab ssh {node} -- sudo du -xhd2 /var` shows what fills it, `homelab ssh {node} -- sudo k3s crictl rmi --prune` \
         deletes images that nobody runs; a larger `disk` in the inventory grows it in place"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::room::tests::disk, stage::check::CheckState};

    #[test]
    fn a_full_root_file_system_fails_and_says_what_to_do() {
        let node: NodeName = "k3s-agent-1".parse().unwrap();
        let of = |mebibytes| {
            let probe = HostProbe { root_disk: disk(mebibytes, 970), ..HostProbe::default() };
            check(&node, &probe)
        };
        assert!(!of(4096).has_failed());
        let CheckState::Failed { cause, next } = of(0).state else { panic!("it passed") };
        assert!(cause.starts_with("0.0 GiB of 20.0 GiB are free (0 %)"), "{cause}");
        assert!(next.contains("`homelab ssh k3s-agent-1 -- sudo du"), "{next}");
        assert!(matches!(check(&node, &HostProbe::default()).state, CheckState::Skipped { .. }));
    }
}
