//! What a change of each field costs: one table, and a test that finds every field of the schema in it.

use serde::Serialize;

/// What has to happen when a field changes, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It is changed where it is; nothing stops.
    InPlace,
    /// A service on the node is restarted.
    Restart,
    /// The guest is drained and rebooted, or stopped and started.
    Reboot,
    /// The guest is made anew.
    Replace,
    /// It can't be changed in a cluster that exists.
    Immutable,
}

impl Class {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InPlace => "in place",
            Self::Restart => "restart",
            Self::Reboot => "reboot",
            Self::Replace => "replace",
            Self::Immutable => "immutable",
        }
    }
}

/// The class of a field; `*` stands for a free key, as in `nodes.*.cores`. `None` for what is no field.
pub fn class_of(field: &str) -> Option<Class> {
    TABLE.iter().find(|(name, _)| *name == field).map(|(_, class)| *class)
}

use Class::{Immutable, InPlace, Reboot, Replace, Restart};

/// Every field of the inventory.
pub(crate) const TABLE: &[(&str, Class)] = &[
    // Format and identity.
    ("version", InPlace),
    ("cluster.name", Immutable),
    ("cluster.id", Immutable),
    // How Proxmox is reached costs the guests nothing.
    ("proxmox.endpoint", InPlace),
    ("proxmox.tls", InPlace),
    ("proxmox.tls.ca_file", InPlace),
    ("proxmox.tls.fingerprints", InPlace),
    ("proxmox.token", InPlace),
    ("proxmox.pool", InPlace),
    ("proxmox.parallel_clones", InPlace),
    // A guest's hardware and where it lies.
    ("proxmox.bridge", Reboot),
    ("proxmox.vlan", Reboot),
    ("proxmox.storage.disks", Replace),
    ("proxmox.storage.image", InPlace),
    ("proxmox.storage.seeds", InPlace),
    // A new image is taken by guests that are made anew; those that exist keep theirs.
    ("image.version", Replace),
    ("image.url", InPlace),
    ("image.sha256", Replace),
    ("image.template", InPlace),
    // Access is part of the seed, but for what the program itself uses.
    ("access.user", Replace),
    ("access.public_keys", InPlace),
    ("access.public_key_files", InPlace),
    ("access.private_key", InPlace),
    ("access.port", Restart),
    ("access.exposure", InPlace),
    // Static addresses come with the seed.
    ("network.cidr", Replace),
    ("network.gateway", Replace),
    ("network.nameservers", Replace),
    ("network.search_domain", Replace),
    ("network.mtu", Replace),
    // The same as the nodes' own.
    ("defaults.proxmox_node", Replace),
    ("defaults.cores", Reboot),
    ("defaults.memory", Reboot),
    ("defaults.disk", InPlace),
    ("defaults.cpu_type", Reboot),
    ("defaults.on_boot", InPlace),
    ("defaults.tags", InPlace),
    ("defaults.labels", Restart),
    // The nodes. A disk grows where it is and never shrinks.
    ("nodes.*.role", Replace),
    ("nodes.*.vmid", Replace),
    ("nodes.*.address", Replace),
    ("nodes.*.proxmox_node", Replace),
    ("nodes.*.cores", Reboot),
    ("nodes.*.memory", Reboot),
    ("nodes.*.disk", InPlace),
    ("nodes.*.storage_disk.size", InPlace),
    ("nodes.*.storage_disk.storage", Replace),
    ("nodes.*.mtu", Replace),
    ("nodes.*.cpu_type", Reboot),
    ("nodes.*.on_boot", InPlace),
    ("nodes.*.tags", InPlace),
    ("nodes.*.labels", Restart),
    ("nodes.*.taints", Restart),
    // Whose tailnet it is gives the nodes their addresses, and those are the cluster's.
    ("tailnet.control.tailscale.api", InPlace),
    ("tailnet.control.tailscale.tailnet", Immutable),
    ("tailnet.control.tailscale.oauth.client_id", InPlace),
    ("tailnet.control.tailscale.oauth.client_secret", InPlace),
    ("tailnet.control.tailscale.api_key", InPlace),
    ("tailnet.control.headscale.login_server", Immutable),
    ("tailnet.control.headscale.api_key", InPlace),
    ("tailnet.control.headscale.user", InPlace),
    ("tailnet.control.auth_key.login_server", Immutable),
    ("tailnet.control.auth_key.key", InPlace),
    ("tailnet.tag", InPlace),
    ("tailnet.prefixes", Restart),
    ("tailnet.join_timeout", InPlace),
    // tailscaled is restarted for these.
    ("tailnet.tailscale.version", Restart),
    ("tailnet.tailscale.url", InPlace),
    ("tailnet.tailscale.sha256", Restart),
    ("tailnet.mtu", Restart),
    ("tailnet.persistent_tun", Restart),
    ("tailnet.guard", InPlace),
    ("tailnet.environment", Restart),
    // A changed k3s is refused for now; what a cluster is made with stays.
    ("k3s.version", Immutable),
    ("k3s.url", InPlace),
    ("k3s.sha256", Immutable),
    ("k3s.images.url", InPlace),
    ("k3s.images.sha256", Restart),
    ("k3s.cluster_cidr", Immutable),
    ("k3s.service_cidr", Immutable),
    ("k3s.overlay", Restart),
    ("k3s.tls_sans", Restart),
    ("k3s.disable", Restart),
    ("k3s.secrets_encryption", Immutable),
    ("k3s.datastore_backup.url", Restart),
    ("k3s.datastore_backup.ca_file", Restart),
    ("k3s.datastore_backup.bucket", Restart),
    ("k3s.datastore_backup.region", Restart),
    ("k3s.datastore_backup.prefix", Restart),
    ("k3s.datastore_backup.credentials.access_key_id", Restart),
    ("k3s.datastore_backup.credentials.secret_access_key", Restart),
    ("k3s.datastore_backup.schedule", Restart),
    ("k3s.datastore_backup.retain", Restart),
    ("k3s.server_config", Restart),
    ("k3s.agent_config", Restart),
    // What runs in the cluster changes by itself.
    ("longhorn.replicas", InPlace),
    ("longhorn.nodes", InPlace),
    ("longhorn.backup.url", InPlace),
    ("longhorn.backup.bucket", InPlace),
    ("longhorn.backup.region", InPlace),
    ("longhorn.backup.prefix", InPlace),
    ("longhorn.backup.credentials.access_key_id", InPlace),
    ("longhorn.backup.credentials.secret_access_key", InPlace),
    ("longhorn.recurring_jobs.*.task", InPlace),
    ("longhorn.recurring_jobs.*.cron", InPlace),
    ("longhorn.recurring_jobs.*.retain", InPlace),
    ("longhorn.recurring_jobs.*.groups", InPlace),
    ("longhorn.default_class", InPlace),
    ("longhorn.trial_image", InPlace),
    ("flux.url", InPlace),
    ("flux.branch", InPlace),
    ("flux.path", InPlace),
    ("flux.interval", InPlace),
    ("flux.known_hosts", InPlace),
    ("flux.known_hosts_file", InPlace),
    ("flux.credentials.deploy_key", InPlace),
    ("flux.credentials.token", InPlace),
    ("longhorn.version", InPlace),
    ("flux.version", InPlace),
    ("flux.components", InPlace),
    ("flux.sha256", InPlace),
    // The tree is rendered anew, and Flux carries it out.
    ("gitops.domain", InPlace),
    ("gitops.tailnet_domain", InPlace),
    ("gitops.email", InPlace),
    ("gitops.secrets", InPlace),
    ("gitops.secrets.sops.identity", InPlace),
    ("gitops.secrets.sops.recipients", InPlace),
    ("gitops.chart_mirror", InPlace),
    ("gitops.outside.edge", InPlace),
    ("gitops.outside.ca_file", InPlace),
    ("gitops.cert_manager.version", InPlace),
    ("gitops.cert_manager.cloudflare_api_token", InPlace),
    ("gitops.metallb.version", InPlace),
    ("gitops.metallb.addresses", InPlace),
    ("gitops.cloudnative_pg.version", InPlace),
    ("gitops.cloudnative_pg.plugin_version", InPlace),
    ("gitops.cloudnative_pg.backup.url", InPlace),
    ("gitops.cloudnative_pg.backup.bucket", InPlace),
    ("gitops.cloudnative_pg.backup.region", InPlace),
    ("gitops.cloudnative_pg.backup.prefix", InPlace),
    ("gitops.cloudnative_pg.backup.retention_days", InPlace),
    ("gitops.cloudnative_pg.backup.credentials.access_key_id", InPlace),
    ("gitops.cloudnative_pg.backup.credentials.secret_access_key", InPlace),
    ("gitops.tailscale_operator.version", InPlace),
    ("gitops.tailscale_operator.oauth.client_id", InPlace),
    ("gitops.tailscale_operator.oauth.client_secret", InPlace),
    ("gitops.tailscale_operator.login_server", InPlace),
    ("gitops.tailscale_operator.tag", InPlace),
    ("gitops.tailscale_operator.proxy_tag", InPlace),
    ("gitops.traefik.trusted_networks", InPlace),
    ("gitops.cloudflared.version", InPlace),
    ("gitops.cloudflared.tunnel_token", InPlace),
    // Another account gets a tunnel of its own; the former one stays, and is named.
    ("gitops.cloudflared.cloudflare.account_id", InPlace),
    ("gitops.cloudflared.cloudflare.api_token", InPlace),
    ("gitops.cloudflared.cloudflare.zone", InPlace),
    ("gitops.cloudflared.cloudflare.endpoint", InPlace),
    ("gitops.cloudflared.cloudflare.ca_file", InPlace),
    ("gitops.cloudflared.replicas", InPlace),
    ("gitops.authentik.version", InPlace),
    ("gitops.authentik.host", InPlace),
    ("gitops.authentik.database_size", InPlace),
    ("gitops.monitoring.version", InPlace),
    ("gitops.monitoring.grafana_size", InPlace),
    ("gitops.monitoring.prometheus_size", Immutable),
    ("gitops.monitoring.retention", InPlace),
    ("gitops.monitoring.ways", InPlace),
    ("gitops.jellyfin.version", InPlace),
    ("gitops.jellyfin.config_size", InPlace),
    ("gitops.jellyfin.library_size", InPlace),
    ("gitops.jellyfin.ways", InPlace),
    ("gitops.jellyfin.forward_auth", InPlace),
    ("gitops.stalwart.version", InPlace),
    ("gitops.stalwart.size", InPlace),
    ("gitops.stalwart.address", InPlace),
    ("gitops.longhorn_ui.host", InPlace),
    ("gitops.reloader.version", InPlace),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inventory::schema;

    #[test]
    fn every_field_of_the_schema_has_a_class_and_every_class_a_field() {
        let fields: BTreeSet<String> =
            schema::leaves(&schema::inventory_schema()).into_iter().collect();
        let classified: BTreeSet<String> =
            TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(fields, classified);
        assert_eq!(classified.len(), TABLE.len(), "a field stands twice in the table");
        assert!(fields.contains("nodes.*.cores"), "the walk goes below free keys");
        assert!(fields.contains("tailnet.control.headscale.api_key"), "and into choices");
    }

    #[test]
    fn a_node_and_its_defaults_have_the_same_classes() {
        for (name, class) in TABLE {
            if let Some(field) = name.strip_prefix("defaults.") {
                assert_eq!(class_of(&format!("nodes.*.{field}")), Some(*class), "{field}");
            }
        }
    }
}
