//! `homelab init proxmox-role`: the least that Proxmox has to allow, as commands and as data.
//!
//! One role a purpose, each granted on the narrowest path that lasts. A path a guest (`/vms/101`) does
//! not: Proxmox removes its ACLs together with the guest, so guests are reached by their pool or, without
//! one, by `/vms`. A token with privilege separation has what both it and its user have (PVE-09), so
//! every grant names both. Sources: the permission checks of `pve-manager`, `qemu-server` and
//! `pve-storage`, Proxmox VE 8 and 9; PVE-10, PVE-11.

pub mod assumption;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{inventory::Desired, script::quote, secret::Secret};

/// The token that the commands make when no other is named.
pub const DEFAULT_TOKEN: &str = "homelab@pve!homelab";
/// The pool that a new inventory names, and that the commands make where there is no inventory.
pub const DEFAULT_POOL: &str = "homelab";

/// One privilege that is needed on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// An ACL path: `/storage/local`.
    pub path: String,
    pub privilege: String,
    /// What for, in a few words.
    pub why: String,
    /// The role of ours that brings it there.
    pub role: &'static str,
}

/// What a role is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Guests,
    Disks,
    Images,
    Seeds,
    Node,
    Bridge,
}

/// A role of ours, as `pveum role add` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: &'static str,
    pub privileges: Vec<&'static str>,
}

/// A role granted on a path, to user and token alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub path: String,
    pub role: &'static str,
}

type Privileges = &'static [(&'static str, &'static str)];

impl Purpose {
    const ALL: [Self; 6] =
        [Self::Guests, Self::Disks, Self::Images, Self::Seeds, Self::Node, Self::Bridge];

    const fn role(self) -> &'static str {
        match self {
            Self::Guests => "HomelabGuests",
            Self::Disks => "HomelabDisks",
            Self::Images => "HomelabImages",
            Self::Seeds => "HomelabSeeds",
            Self::Node => "HomelabNode",
            Self::Bridge => "HomelabBridge",
        }
    }

    /// Each privilege and what it is for. The same on 8 and 9: what 9 dropped (`VM.Monitor`) and what it
    /// brought (`VM.GuestAgent.*`) is for things that homelab does not do.
    const fn privileges(self) -> Privileges {
        match self {
            Self::Guests => &[
                ("VM.Allocate", "make and delete guests and the template"),
                ("VM.Audit", "read configurations and states"),
                ("VM.Clone", "clone the template"),
                ("VM.Config.CDROM", "attach the seed and take it out"),
                ("VM.Config.CPU", "set cores and CPU type"),
                ("VM.Config.Disk", "add and grow disks"),
                ("VM.Config.HWType", "set SMBIOS UUID, SCSI controller and serial console"),
                ("VM.Config.Memory", "set memory"),
                ("VM.Config.Network", "set the network interface"),
                ("VM.Config.Options", "set name, description, tags and start at boot"),
                ("VM.PowerMgmt", "start, stop and reboot"),
            ],
            Self::Disks => &[
                ("Datastore.AllocateSpace", "make the guests' disks"),
                ("Datastore.Audit", "see free space and content types"),
            ],
            Self::Images => &[
                ("Datastore.AllocateTemplate", "fetch the cloud image"),
                ("Datastore.Audit", "see and import the cloud image"),
            ],
            Self::Seeds => &[
                ("Datastore.Allocate", "delete seeds; reaches every volume on this storage"),
                ("Datastore.AllocateTemplate", "upload seeds"),
                ("Datastore.Audit", "see and attach seeds"),
            ],
            Self::Node => &[
                ("Sys.AccessNetwork", "let the node fetch the cloud image"),
                ("Sys.Audit", "see capacity and running tasks"),
            ],
            Self::Bridge => &[("SDN.Use", "attach guests to the bridge")],
        }
    }
}

/// The places that a cluster touches on the Proxmox side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub pool: Option<String>,
    pub disk_storages: BTreeSet<String>,
    pub image_storage: String,
    pub seed_storage: String,
    pub nodes: BTreeSet<String>,
    /// Bridge, or bridge and VLAN tag: `vmbr0`, `vmbr0/7`.
    pub bridge: String,
    /// Whether a Proxmox node fetches the image by itself.
    pub downloads: bool,
}

impl Scope {
    pub fn of(desired: &Desired) -> Self {
        let site = &desired.proxmox;
        let mut disk_storages = BTreeSet::from([site.disk_storage.clone()]);
        let with_disk = |node: &&crate::inventory::desired::Node| node.storage_disk_bytes.is_some();
        disk_storages.extend(
            desired.nodes.values().filter(with_disk).map(|node| node.storage_disk_storage.clone()),
        );
        Self {
            pool: site.pool.clone(),
            disk_storages,
            image_storage: site.image_storage.clone(),
            seed_storage: site.seed_storage.clone(),
            nodes: desired.nodes.values().map(|node| node.proxmox_node.clone()).collect(),
            bridge: match site.vlan {
                Some(tag) => format!("{}/{tag}", site.bridge),
                None => site.bridge.clone(),
            },
            downloads: !desired.image.artifact.url.starts_with("file:"),
        }
    }

    /// Proxmox's own default names, for who has no inventory yet.
    pub fn placeholders() -> Self {
        Self {
            pool: Some(DEFAULT_POOL.into()),
            disk_storages: BTreeSet::from(["local-lvm".into()]),
            image_storage: "local".into(),
            seed_storage: "local".into(),
            nodes: BTreeSet::from(["pve".into()]),
            bridge: "vmbr0".into(),
            downloads: true,
        }
    }

    fn paths(&self, purpose: Purpose) -> Vec<String> {
        let storage = |name: &String| format!("/storage/{name}");
        match purpose {
            Purpose::Guests => {
                vec![self.pool.as_ref().map_or("/vms".into(), |pool| format!("/pool/{pool}"))]
            }
            Purpose::Disks => self.disk_storages.iter().map(storage).collect(),
            Purpose::Images => vec![storage(&self.image_storage)],
            Purpose::Seeds => vec![storage(&self.seed_storage)],
            Purpose::Node => self.nodes.iter().map(|node| format!("/nodes/{node}")).collect(),
            Purpose::Bridge => vec![format!("/sdn/zones/localnetwork/{}", self.bridge)],
        }
    }

    fn privileges(&self, purpose: Purpose) -> impl Iterator<Item = (&'static str, &'static str)> {
        let downloads = self.downloads;
        let needed = move |privilege: &str| downloads || privilege != "Sys.AccessNetwork";
        purpose.privileges().iter().copied().filter(move |(privilege, _)| needed(privilege))
    }

    /// The roles, each with what it allows.
    pub fn roles(&self) -> Vec<Role> {
        Purpose::ALL
            .into_iter()
            .map(|purpose| Role {
                name: purpose.role(),
                privileges: self.privileges(purpose).map(|(privilege, _)| privilege).collect(),
            })
            .collect()
    }

    /// The roles' places.
    pub fn grants(&self) -> Vec<Grant> {
        let grant = |purpose: Purpose| {
            self.paths(purpose).into_iter().map(move |path| Grant { path, role: purpose.role() })
        };
        Purpose::ALL.into_iter().flat_map(grant).collect()
    }

    /// Every privilege with its path, each pair once.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::new();
        for purpose in Purpose::ALL {
            for path in self.paths(purpose) {
                for (privilege, why) in self.privileges(purpose) {
                    let known = needs
                        .iter_mut()
                        .find(|need| need.path == path && need.privilege == privilege);
                    match known {
                        Some(need) => write!(need.why, "; {why}").expect("a String takes any text"),
                        None => needs.push(Need {
                            path: path.clone(),
                            privilege: privilege.into(),
                            why: why.into(),
                            role: purpose.role(),
                        }),
                    }
                }
            }
        }
        needs
    }
}

/// What the token needs, for the preflight: the same of Proxmox VE 8 and 9.
pub fn required_privileges(desired: &Desired) -> Vec<Need> {
    Scope::of(desired).needs()
}

/// Roles as Proxmox knows them, each with its privileges.
pub type KnownRoles = BTreeMap<String, BTreeSet<String>>;

/// The command that makes a role of ours whole, where it is not: `None` where it is.
pub fn role_command(role: &Role, known: &KnownRoles) -> Option<String> {
    let Some(held) = known.get(role.name) else {
        return Some(format!("pveum role add {} --privs {}", role.name, word(&role.privileges)));
    };
    let lacking: Vec<&str> =
        role.privileges.iter().copied().filter(|name| !held.contains(*name)).collect();
    let append =
        || format!("pveum role modify {} --append 1 --privs {}", role.name, word(&lacking));
    (!lacking.is_empty()).then(append)
}

/// Names as one word for a shell.
fn word(names: &[&str]) -> String {
    match names {
        [name] => (*name).to_owned(),
        names => quote(&names.join(" ")),
    }
}

/// The id of a token (`user@realm!name`), which is no secret.
pub fn token_id(token: &Secret) -> Option<String> {
    let (id, _) = token.expose().trim().split_once('=')?;
    is_token_id(id).then(|| id.to_owned())
}

/// Whether a text is a token's id: `user@realm!name`.
pub fn is_token_id(text: &str) -> bool {
    let sound = |part: &str, more: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !part.is_empty() && part.chars().all(allowed)
    };
    text.split_once('!').is_some_and(|(user, name)| {
        let known = user.rsplit_once('@');
        known.is_some_and(|(user, realm)| sound(user, "-_.@+") && sound(realm, "-_."))
            && sound(name, "-_.")
    })
}

/// Roles and grants as data.
pub fn document(scope: &Scope, token: &str) -> serde_json::Value {
    let user = token.split_once('!').map_or(token, |(user, _)| user);
    let roles: Vec<_> = scope
        .roles()
        .into_iter()
        .map(|role| serde_json::json!({ "name": role.name, "privileges": role.privileges }))
        .collect();
    let grants: Vec<_> = scope
        .grants()
        .into_iter()
        .map(|grant| serde_json::json!({ "path": grant.path, "role": grant.role, "subjects": [user, token] }))
        .collect();
    serde_json::json!({
        "user": user, "token": token, "pool": scope.pool, "roles": roles, "grants": grants,
    })
}

/// The command that grants a role on a path to a token (`user@realm!name`) and its user, to run as root
/// on a Proxmox node.
pub fn grant(path: &str, role: &str, token: &str) -> String {
    let user = token.split_once('!').map_or(token, |(user, _)| user);
    format!("pveum acl modify {path} --users {user} --tokens {} --roles {role}", quote(token))
}

/// The commands in order, with what they are for, fit to be pasted into a root shell on a Proxmox node.
///
/// `major` is the version of Proxmox VE, 8 or 9.
pub fn text(scope: &Scope, major: u32, token: &str) -> String {
    let (user, name) = token.split_once('!').unwrap_or((token, "homelab"));
    let mut lines = vec![
        format!(
            "# What homelab needs of Proxmox VE {major}, and no more. As root on a Proxmox node, once:"
        ),
        String::new(),
        "# Who it is. The last command prints the token's secret, once: keep it.".into(),
        format!("pveum user add {user} --comment 'homelab provisioning'"),
    ];
    if let Some(pool) = &scope.pool {
        lines.push(format!("pveum pool add {pool} --comment 'guests of homelab'"));
    }
    lines.push(format!("pveum user token add {user} {name} --privsep 1"));
    lines.extend([String::new(), "# What it may do, a role a purpose.".into()]);
    for role in scope.roles() {
        let privileges = role.privileges.join(" ");
        lines.push(format!("pveum role add {} --privs {}", role.name, quote(&privileges)));
    }
    lines.extend([
        String::new(),
        "# And where. User and token both: a token with privilege separation has what both have."
            .into(),
    ]);
    for place in scope.grants() {
        lines.push(grant(&place.path, place.role, token));
    }
    lines.push(String::new());
    lines.extend(remarks(scope, major).into_iter().map(|remark| format!("# {remark}")));
    lines.join("\n") + "\n"
}

/// What a careful administrator would ask.
fn remarks(scope: &Scope, major: u32) -> Vec<String> {
    let seeds = &scope.seed_storage;
    let mut remarks = vec![
        format!(
            "Datastore.Allocate on /storage/{seeds} is wide: with it every volume there can be deleted, backups"
        ),
        "too. Proxmox knows nothing narrower for deleting an ISO. A directory storage of its own avoids it:"
            .into(),
        "  pvesm add dir homelab-seeds --path /var/lib/homelab-seeds --content iso".into(),
        "and in the inventory `proxmox.storage.seeds: homelab-seeds`.".into(),
    ];
    if seeds == &scope.image_storage || scope.disk_storages.contains(seeds) {
        remarks.push(format!("Here `{seeds}` is shared with other content, so this matters."));
    }
    if seeds != &scope.image_storage {
        remarks.push(format!(
            "`homelab destroy --all` deletes the cloud image, too; that needs Datastore.Allocate on /storage/{}.",
            scope.image_storage
        ));
    }
    if scope.pool.is_none() {
        remarks.push("Without `proxmox.pool` the grant on /vms reaches every guest; with a pool, only its members.".into());
    }
    if major <= 8 {
        remarks.push(
            "Storages need the content type `import` for the image: Proxmox VE 8.4 or newer."
                .into(),
        );
    }
    remarks
}

#[cfg(test)]
mod tests;
