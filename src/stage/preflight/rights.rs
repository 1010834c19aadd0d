//! What the token may not do, and what it needs no right on because it is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::{site::Site, storage};
use crate::{
    commands::role::{self, Need, Scope},
    inventory::Desired,
    plan::Refusal,
};

/// What is not there, and what is not allowed.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) absent: Vec<Refusal>,
    pub(super) missing: Vec<Refusal>,
}

/// Each privilege that is missing, with its path and the command that grants it. What is not there is
/// told by its name, and nothing is to be granted on it.
pub(super) fn check(desired: &Desired, site: &Site) -> Rights {
    let scope = Scope::of(desired);
    let lacking: Vec<Need> =
        scope.needs().into_iter().filter(|need| !site.has(&need.path, &need.privilege)).collect();
    let mut look = Look {
        desired,
        site,
        scope: &scope,
        lacking: &lacking,
        closed: BTreeSet::new(),
        unfit: BTreeSet::new(),
        commands: BTreeMap::new(),
    };
    let mut absent: Vec<Refusal> = look.pool().into_iter().collect();
    for node in desired.proxmox_nodes() {
        absent.extend(look.storages(&node));
        absent.extend(look.bridge(&node));
    }
    Rights { absent, missing: look.missing() }
}

struct Look<'a> {
    desired: &'a Desired,
    site: &'a Site,
    scope: &'a Scope,
    lacking: &'a [Need],
    /// Paths of what is not there.
    closed: BTreeSet<String>,
    /// Paths of storages that cannot be what a role is for, with that role.
    unfit: BTreeSet<(String, &'static str)>,
    /// The commands told so far, by path and role.
    commands: BTreeMap<(String, &'static str), String>,
}

impl Look<'_> {
    fn pool(&mut self) -> Option<Refusal> {
        let pool = self.desired.proxmox.pool.as_ref().filter(|_| self.site.pool == Some(false))?;
        let path = format!("/pool/{pool}");
        let mut commands = vec![format!("pveum pool add {pool}")];
        commands.extend(self.commands_for(&path));
        self.closed.insert(path);
        Some(Refusal::new(
            format!("pool {pool}"),
            "there is no such pool",
            format!(
                "change `proxmox.pool` in the inventory, or as root on a Proxmox node: {}",
                commands.join(" && ")
            ),
        ))
    }

    /// The storages that a node lacks. One that the token has no right on hides as if it were not there.
    fn storages(&mut self, node: &str) -> Vec<Refusal> {
        let seen: Vec<&str> =
            self.site.storages_of(node).iter().map(|storage| storage.name.as_str()).collect();
        let mut refusals = Vec::new();
        for (name, purposes) in storage::wanted(self.desired, node) {
            let path = format!("/storage/{name}");
            let storages = self.site.storages_of(node);
            if let Some(known) = storages.iter().find(|storage| storage.name == name) {
                let unfit = purposes.iter().filter(|purpose| !purpose.fits(known));
                self.unfit.extend(unfit.map(|purpose| (path.clone(), purpose.role)));
                continue;
            }
            let mut all = self.site.storages.values().flatten();
            let elsewhere = all.any(|storage| storage.name == name);
            let would_see = ["Datastore.Audit", "Datastore.AllocateSpace"]
                .iter()
                .any(|privilege| self.site.has(&path, privilege));
            let place = format!("storage {name} on {node}");
            let change = format!("change {} in the inventory", storage::fields(&purposes));
            if elsewhere || would_see {
                let known = one_of(&seen);
                let message = format!("there is no such storage; there is {known}");
                refusals.push(Refusal::new(place, message, change));
            } else if !seen.is_empty() {
                let message = format!(
                    "there is no such storage, or the token may not see it; it sees {}",
                    one_of(&seen)
                );
                let commands = self.commands_for(&path).join(" && ");
                let hint = format!(
                    "{change}; or, if there is a storage {name}, as root on a Proxmox node: {commands}"
                );
                refusals.push(Refusal::new(place, message, hint));
            } else {
                // A token that sees nothing at all tells nothing of what is there.
                continue;
            }
            if !elsewhere {
                self.closed.insert(path);
            }
        }
        refusals
    }

    fn bridge(&mut self, node: &str) -> Option<Refusal> {
        let bridge = &self.desired.proxmox.bridge;
        if !self.sees_bridges(node) || self.has_bridge(node) {
            return None;
        }
        let known: Vec<&str> =
            self.site.bridges_of(node).iter().map(|known| known.name.as_str()).collect();
        let nodes = self.desired.proxmox_nodes();
        if !nodes.iter().any(|node| self.has_bridge(node)) {
            self.closed.insert(self.bridge_path());
        }
        Some(Refusal::new(
            format!("bridge {bridge} on {node}"),
            format!("there is no such bridge; there is {}", one_of(&known)),
            "change `proxmox.bridge` in the inventory, or make the bridge on the Proxmox node",
        ))
    }

    fn bridge_path(&self) -> String {
        format!("/sdn/zones/localnetwork/{}", self.scope.bridge)
    }

    fn has_bridge(&self, node: &str) -> bool {
        let bridge = &self.desired.proxmox.bridge;
        self.site.bridges_of(node).iter().any(|known| known.name == *bridge)
    }

    /// Whether the inventory's bridge would be in the list of those that the token sees.
    fn sees_bridges(&self, node: &str) -> bool {
        let plain = self.desired.proxmox.vlan.is_none();
        self.site.has(&format!("/nodes/{node}"), "Sys.Audit")
            || (plain && self.site.has(&self.bridge_path(), "SDN.Use"))
    }

    fn missing(&mut self) -> Vec<Refusal> {
        let useful = |need: &&Need| {
            !self.closed.contains(&need.path)
                && !self.unfit.contains(&(need.path.clone(), need.role))
        };
        let lacking: Vec<&Need> = self.lacking.iter().filter(useful).collect();
        let mut refusals = Vec::new();
        for need in lacking {
            let mut message = format!("missing privilege {} ({})", need.privilege, need.why);
            if need.path == self.bridge_path() {
                message.push_str(&self.unseen_bridge());
            }
            let hint = self.command(&need.path, need.role);
            refusals.push(Refusal::new(need.path.clone(), message, hint));
        }
        refusals
    }

    /// That nobody can tell yet whether the bridge is there.
    fn unseen_bridge(&self) -> String {
        let nodes = self.desired.proxmox_nodes();
        let mut unseen =
            nodes.iter().filter(|node| !self.sees_bridges(node) && !self.has_bridge(node));
        unseen.next().map_or_else(String::new, |node| {
            let bridge = &self.desired.proxmox.bridge;
            format!("; whether there is a bridge {bridge} cannot be seen without Sys.Audit on /nodes/{node}")
        })
    }

    /// The commands for all roles that lack something on a path.
    fn commands_for(&mut self, path: &str) -> Vec<String> {
        let mut roles: Vec<&'static str> =
            self.lacking.iter().filter(|need| need.path == path).map(|need| need.role).collect();
        roles.dedup();
        roles.into_iter().map(|role| self.command(path, role)).collect()
    }

    /// The command that gives the token a role on a path; where the role is named for the first time, it
    /// is made whole before.
    fn command(&mut self, path: &str, name: &'static str) -> String {
        if let Some(told) = self.commands.get(&(path.to_owned(), name)) {
            return told.clone();
        }
        let named = self.commands.keys().any(|(_, role)| *role == name);
        let role = self.scope.roles().into_iter().find(|role| role.name == name && !named);
        let make = role.and_then(|role| role::role_command(&role, &self.site.roles));
        let grant = role::grant(path, name, &self.site.token);
        let command = make.into_iter().chain([grant]).collect::<Vec<_>>().join(" && ");
        self.commands.insert((path.to_owned(), name), command.clone());
        command
    }
}

fn one_of(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
