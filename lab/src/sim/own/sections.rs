//! Every key that an inventory can have, and what becomes of it in a world: so that nothing leads out of the world
//! which nobody thought of. A key that none can have stays, for `homelab` to refuse.

use serde_json::{Map, Value};

/// When a key is the world's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// Where the inventory has it.
    Named,
    /// Where the inventory does not have it.
    Unnamed,
    /// Not at all: another key, which the world has always, says the same.
    Never,
}

/// One section of an inventory.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// What stays as it is; with none it all does.
    kept: &'static [&'static str],
    /// What is the world's own.
    ours: &'static [(&'static str, When)],
    /// What a world has nothing for.
    left: &'static [&'static str],
}

pub(super) const SECTIONS: [Section; 13] = [
    Section { name: "version", kept: &[], ours: &[], left: &[] },
    Section { name: "cluster", kept: &[], ours: &[], left: &[] },
    Section {
        name: "proxmox",
        kept: &["pool", "bridge", "vlan", "storage", "parallel_clones"],
        ours: &[("endpoint", When::Always), ("tls", When::Always), ("token", When::Always)],
        left: &[],
    },
    Section {
        name: "image",
        kept: &["version", "template"],
        ours: &[("url", When::Always), ("sha256", When::Always)],
        left: &[],
    },
    Section {
        name: "access",
        kept: &["user"],
        ours: &[
            ("port", When::Always),
            ("public_keys", When::Always),
            ("public_key_files", When::Never),
            ("private_key", When::Always),
        ],
        left: &["exposure"],
    },
    Section {
        name: "network",
        kept: &["nameservers", "search_domain", "mtu"],
        ours: &[("cidr", When::Always), ("gateway", When::Always)],
        left: &[],
    },
    Section { name: "defaults", kept: &[], ours: &[], left: &[] },
    Section { name: "nodes", kept: &[], ours: &[], left: &[] },
    Section {
        name: "tailnet",
        kept: &["tag", "mtu", "persistent_tun", "guard", "environment", "join_timeout"],
        ours: &[("control", When::Always), ("tailscale", When::Always)],
        left: &["prefixes"],
    },
    Section {
        name: "k3s",
        kept: &[
            "version",
            "cluster_cidr",
            "service_cidr",
            "overlay",
            "tls_sans",
            "disable",
            "secrets_encryption",
            "server_config",
            "agent_config",
        ],
        ours: &[("version", When::Unnamed), ("url", When::Always), ("sha256", When::Always)],
        left: &["images", "datastore_backup"],
    },
    Section {
        name: "longhorn",
        kept: &["version", "replicas", "nodes", "recurring_jobs", "default_class", "trial_image"],
        ours: &[("version", When::Unnamed), ("backup", When::Named)],
        left: &[],
    },
    Section {
        name: "flux",
        kept: &["path", "interval"],
        ours: &[
            ("url", When::Always),
            ("branch", When::Always),
            ("version", When::Always),
            ("components", When::Always),
            ("sha256", When::Always),
            ("known_hosts", When::Always),
            ("known_hosts_file", When::Never),
            ("credentials", When::Always),
        ],
        left: &[],
    },
    // Of the components that can be had through Git a world has these.
    Section {
        name: "gitops",
        kept: &["domain", "tailnet_domain", "email"],
        ours: &[("secrets", When::Named), ("cert_manager", When::Named), ("reloader", When::Named)],
        left: &[
            "chart_mirror",
            "outside",
            "metallb",
            "cloudnative_pg",
            "tailscale_operator",
            "traefik",
            "cloudflared",
            "authentik",
            "monitoring",
            "jellyfin",
            "stalwart",
            "longhorn_ui",
        ],
    },
];

/// The keys of each section that are known here; with none it stays as it is.
#[cfg(test)]
pub(super) fn known() -> Vec<(&'static str, Vec<&'static str>)> {
    let keys = |section: &Section| {
        let ours = section.ours.iter().map(|(key, _)| *key);
        section.kept.iter().chain(section.left).copied().chain(ours).collect()
    };
    SECTIONS.iter().map(|section| (section.name, keys(section))).collect()
}

impl Section {
    fn is_ours(&self, key: &str) -> bool {
        self.ours.iter().any(|(ours, _)| *ours == key)
    }

    /// What becomes of `theirs` in a world that has `ours`; what it has nothing for is added to `left_out`.
    pub(super) fn made(&self, theirs: &Value, ours: &Value, left_out: &mut Vec<String>) -> Value {
        if self.kept.is_empty() {
            return theirs.clone();
        }
        let mut made = Map::new();
        for (key, value) in theirs.as_object().into_iter().flatten() {
            if self.left.contains(&key.as_str()) {
                left_out.push(format!("{}.{key}", self.name));
            } else if !self.is_ours(key) || self.kept.contains(&key.as_str()) {
                made.insert(key.clone(), value.clone());
            }
        }
        for (key, when) in self.ours {
            let named = !theirs[key].is_null();
            let wanted = match when {
                When::Always => true,
                When::Named => named,
                When::Unnamed => !named,
                When::Never => false,
            };
            match &ours[key] {
                // As a bucket in a world without Flux.
                Value::Null if *when == When::Named && named => {
                    left_out.push(format!("{}.{key}", self.name))
                }
                Value::Null => {}
                value if wanted => {
                    made.insert((*key).to_owned(), value.clone());
                }
                _ => {}
            }
        }
        Value::Object(made)
    }
}
