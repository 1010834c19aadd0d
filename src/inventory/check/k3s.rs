//! The free keys of k3s's configuration that are not free.

use crate::inventory::{
    file::{InventoryFile, OverlayFile},
    path::FieldPath,
    report::Report,
};

/// Keys of `config.yaml` that the program writes, and where they are said instead.
const OWN: &[(&str, &str)] = &[
    ("token", "it is made by the program"),
    ("token-file", "it is made by the program"),
    ("agent-token", "it is made by the program"),
    ("agent-token-file", "it is made by the program"),
    ("server", "the first server of `nodes` is it"),
    ("cluster-init", "the first server of `nodes` makes the cluster"),
    ("cluster-reset", "it is no setting that stays"),
    ("node-name", "it is the node's name under `nodes`"),
    ("with-node-id", "the node's name is the one under `nodes`"),
    ("node-ip", "it follows from `k3s.overlay`"),
    ("node-external-ip", "it follows from `k3s.overlay`"),
    ("advertise-address", "it follows from `k3s.overlay`"),
    ("bind-address", "it follows from `access.exposure`"),
    ("https-listen-port", "the API's port is 6443"),
    ("flannel-iface", "it follows from `k3s.overlay`"),
    ("flannel-backend", "it is vxlan: the remedies on the node are made for it"),
    ("flannel-conf", "it is the program's: the remedies on the node are made for it"),
    ("flannel-external-ip", "it follows from `k3s.overlay`"),
    ("vpn-auth", "the program joins the tailnet itself"),
    ("vpn-auth-file", "the program joins the tailnet itself"),
    ("cluster-cidr", "say it with `k3s.cluster_cidr`"),
    ("service-cidr", "say it with `k3s.service_cidr`"),
    ("cluster-dns", "it is the tenth address of `k3s.service_cidr`"),
    ("tls-san", "say it with `k3s.tls_sans`"),
    ("disable", "say it with `k3s.disable`"),
    ("secrets-encryption", "say it with `k3s.secrets_encryption`"),
    ("node-label", "say it with the node's `labels`"),
    ("node-taint", "say it with the node's `taints`"),
    ("data-dir", "the program's scripts know only /var/lib/rancher/k3s"),
    ("write-kubeconfig", "`homelab kubeconfig` fetches it"),
    ("write-kubeconfig-mode", "it stays readable by root alone"),
    ("write-kubeconfig-group", "it stays readable by root alone"),
    ("docker", "the images stand in containerd"),
    ("container-runtime-endpoint", "the images stand in k3s's own containerd"),
];

/// The first patch of each minor release with which Flannel makes its device again after tailscaled
/// was restarted (TS-08).
const KEEPS_ITS_ROUTES: [(u32, u32); 4] = [(33, 13), (34, 9), (35, 6), (36, 2)];

/// Warns of a k3s that loses the overlay with each restart of tailscaled.
fn old_release(file: &InventoryFile, report: &mut Report<'_>) {
    let Some(version) = file.k3s.version.as_deref() else { return };
    if file.k3s.overlay != OverlayFile::Tailscale {
        return;
    }
    let numbers = version.strip_prefix("v1.").and_then(|rest| rest.split('+').next());
    let Some((minor, patch)) = numbers.and_then(|numbers| numbers.split_once('.')) else { return };
    let (Ok(minor), Ok(patch)) = (minor.parse::<u32>(), patch.parse::<u32>()) else { return };
    // Releases before the first of the list were never mended; those after the last always were.
    let first = KEEPS_ITS_ROUTES.iter().find(|(known, _)| *known >= minor);
    let Some((known, least)) = first else { return };
    if (minor, patch) < (*known, *least) {
        report.warn(
            &FieldPath::dotted("k3s.version"),
            format!("with {version} the pods' network breaks whenever tailscaled restarts (TS-08)"),
            format!("write `v1.{known}.{least}+k3s1` or later, then run `homelab lock`"),
        );
    }
}

pub(super) fn check(file: &InventoryFile, report: &mut Report<'_>) {
    old_release(file, report);
    let sections =
        [("server_config", &file.k3s.server_config), ("agent_config", &file.k3s.agent_config)];
    for (section, config) in sections {
        let path = FieldPath::dotted("k3s").key(section);
        for key in config.keys() {
            // `tls-san+` appends to a list.
            let plain = key.trim_end_matches('+');
            if let Some((_, why)) = OWN.iter().find(|(own, _)| *own == plain) {
                report.fault_of_key(
                    &path.key(key),
                    format!("`{plain}` of k3s's configuration is the program's own"),
                    (*why).to_owned(),
                );
            } else if plain.contains('_') {
                report.fault_of_key(
                    &path.key(key),
                    format!("`{key}` is no key of k3s: they are written with `-`"),
                    format!("write `{}`", key.replace('_', "-")),
                );
            }
        }
    }
    let mut seen = Vec::new();
    for (index, component) in file.k3s.disable.iter().enumerate() {
        if seen.contains(component) {
            report.warn(
                &FieldPath::dotted("k3s.disable").index(index),
                format!("`{}` stands here a second time", component.name()),
                None,
            );
        }
        seen.push(*component);
    }
}
