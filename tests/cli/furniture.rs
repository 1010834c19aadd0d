//! What stands in an emulated Proxmox VE before the program comes.

use homelab::commands::role::Scope;
use homelab_lab::pve::{AccessSetup, GuestSetup, RoleSetup, Setup, TokenSetup};

use crate::world::BYSTANDER;

pub(crate) const USER: &str = "homelab@pve";

/// What an administrator types from `homelab init proxmox-role`, and a bystander.
pub(crate) fn setup(without: Option<&str>, token: &str) -> Setup {
    let id = format!("{USER}!{token}");
    let scope = Scope { nodes: ["pve1".to_owned()].into(), ..Scope::placeholders() };
    let roles = scope.roles().into_iter().map(|role| RoleSetup {
        name: role.name.to_owned(),
        privileges: role
            .privileges
            .into_iter()
            .filter(|privilege| Some(*privilege) != without)
            .map(str::to_owned)
            .collect(),
    });
    let access = scope.grants().into_iter().flat_map(|grant| {
        [USER.to_owned(), id.clone()].map(|subject| AccessSetup {
            path: grant.path.clone(),
            subject,
            role: grant.role.to_owned(),
            propagate: true,
        })
    });
    Setup {
        roles: roles.collect(),
        users: vec![USER.to_owned()],
        tokens: vec![TokenSetup {
            user: USER.to_owned(),
            name: token.to_owned(),
            separated: true,
            expire: 0,
        }],
        access: access.collect(),
        pools: vec!["homelab".to_owned()],
        guests: vec![GuestSetup {
            vmid: BYSTANDER,
            name: "gameserver".to_owned(),
            node: None,
            disk_gib: 1,
            running: true,
        }],
    }
}
