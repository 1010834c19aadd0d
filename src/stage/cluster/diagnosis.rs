//! What k3s's journal says, and what it means.

use crate::{
    error::{Effect, Failure, Kind},
    inventory::desired::Node,
};

/// A known trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What the journal's line contains.
    pub text: &'static str,
    pub meaning: &'static str,
    pub next: &'static str,
    /// Waiting does not help.
    pub is_final: bool,
}

/// The surest first; the texts are k3s's own.
const KNOWN: &[Diagnosis] = &[
    Diagnosis {
        text: "Node password rejected",
        meaning: "the server knows another machine by this node's name (K3S-04)",
        next: "if that machine is gone, delete its Node object and the Secret kube-system/NODE.node-password.k3s, then run `homelab up`",
        is_final: true,
    },
    Diagnosis {
        text: "token CA hash does not match",
        meaning: "the server has another authority than the token was made by: it was set up anew (K3S-03)",
        next: "run `homelab up` again: the token is read from the server anew",
        is_final: true,
    },
    Diagnosis {
        text: "is a not a member of the etcd cluster",
        meaning: "the server's address differs from the one that etcd knows it by (K3S-02)",
        next: "give the node its recorded tailnet address back, or follow the cluster-reset procedure",
        is_final: true,
    },
    Diagnosis {
        text: "critical configuration value mismatch",
        meaning: "this server's settings differ from the cluster's where all must agree",
        next: "compare cluster-cidr, service-cidr, disable and secrets-encryption of the servers",
        is_final: true,
    },
    Diagnosis {
        text: "bootstrap data already found and encrypted with different token",
        meaning: "the database was made with another server token (K3S-09)",
        next: "bring the old token back to /var/lib/rancher/k3s/server/token",
        is_final: true,
    },
    Diagnosis {
        text: "failed to decrypt bootstrap data",
        meaning: "the database was made with another server token (K3S-09)",
        next: "bring the old token back to /var/lib/rancher/k3s/server/token",
        is_final: true,
    },
    Diagnosis {
        text: "certificate signed by unknown authority",
        meaning: "this node keeps the authority of an earlier cluster (K3S-10)",
        next: "run `homelab up` again: it puts the old authority aside",
        is_final: true,
    },
    Diagnosis {
        text: "certificate has expired or is not yet valid",
        meaning: "the clocks of this node and the server disagree (CI-09)",
        next: "see `timedatectl` on both",
        is_final: false,
    },
    Diagnosis {
        text: "unable to find interface",
        meaning: "the interface that Flannel is to use is not there (K3S-01)",
        next: "see `systemctl status homelab-tun tailscaled` on the node",
        is_final: false,
    },
    Diagnosis {
        text: "homelab: tailscale0 did not get",
        meaning: "the node does not have its tailnet address or MTU (K3S-01)",
        next: "see `tailscale status` and `journalctl -u tailscaled` on the node",
        is_final: false,
    },
    Diagnosis {
        text: "server is not ready",
        meaning: "the server cannot be reached over the tailnet, or is not ready",
        next: "check that the tailnet's policy lets nodes reach each other on tcp 6443 (TS-06), and `systemctl status k3s` on the server",
        is_final: false,
    },
    Diagnosis {
        text: "no space left on device",
        meaning: "a disk is full",
        next: "see `df -h` on the node; a larger `disk` in the inventory grows it in place",
        is_final: false,
    },
    Diagnosis {
        text: "address already in use",
        meaning: "another program has one of k3s's ports",
        next: "see `ss -lptn` on the node",
        is_final: false,
    },
];

/// Looks for a known trouble in the last lines of k3s's journal; the latest counts.
pub fn diagnose(journal: &str) -> Option<Diagnosis> {
    journal
        .lines()
        .rev()
        .find_map(|line| KNOWN.iter().find(|known| line.contains(known.text)))
        .copied()
}

impl Diagnosis {
    pub(crate) fn failure(&self, node: &Node) -> Failure {
        Failure::new(
            Kind::Kubernetes,
            format!("k3s does not start: {} (`{}`)", self.meaning, self.text),
        )
        .at(&node.name)
        .effect(Effect::Partial)
        .hint(self.next.replace("NODE", node.name.as_str()))
    }
}
