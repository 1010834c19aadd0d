//! The privileges that Proxmox VE knows, and the roles that come with it.

use std::collections::{BTreeMap, BTreeSet};

use super::data::Role;

/// A privilege, who gets it by default, and since and until which major version it exists.
struct Privilege {
    name: &'static str,
    class: Class,
    since: u32,
    until: u32,
}

/// Where a privilege stands in `create_priv_groups`: root's alone, an administrator's, a user's,
/// an auditor's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Root,
    Admin,
    User,
    Audit,
}

const fn privilege(name: &'static str, class: Class) -> Privilege {
    Privilege { name, class, since: 0, until: u32::MAX }
}

const fn since_nine(name: &'static str, class: Class) -> Privilege {
    Privilege { name, class, since: 9, until: u32::MAX }
}

const PRIVILEGES: &[Privilege] = &[
    privilege("Datastore.Allocate", Class::Admin),
    privilege("Datastore.AllocateSpace", Class::User),
    privilege("Datastore.AllocateTemplate", Class::Admin),
    privilege("Datastore.Audit", Class::Audit),
    privilege("Group.Allocate", Class::Admin),
    privilege("Mapping.Audit", Class::Audit),
    privilege("Mapping.Modify", Class::Root),
    privilege("Mapping.Use", Class::User),
    privilege("Permissions.Modify", Class::Root),
    privilege("Pool.Allocate", Class::Admin),
    privilege("Pool.Audit", Class::Audit),
    privilege("Realm.Allocate", Class::Root),
    privilege("Realm.AllocateUser", Class::Admin),
    privilege("SDN.Allocate", Class::Admin),
    privilege("SDN.Audit", Class::Audit),
    privilege("SDN.Use", Class::User),
    privilege("Sys.AccessNetwork", Class::Root),
    privilege("Sys.Audit", Class::Audit),
    privilege("Sys.Console", Class::Admin),
    privilege("Sys.Incoming", Class::Root),
    privilege("Sys.Modify", Class::Root),
    privilege("Sys.PowerMgmt", Class::Root),
    privilege("Sys.Syslog", Class::Admin),
    privilege("User.Modify", Class::Admin),
    privilege("VM.Allocate", Class::Admin),
    privilege("VM.Audit", Class::Audit),
    privilege("VM.Backup", Class::User),
    privilege("VM.Clone", Class::Admin),
    privilege("VM.Config.CDROM", Class::User),
    privilege("VM.Config.CPU", Class::Admin),
    privilege("VM.Config.Cloudinit", Class::User),
    privilege("VM.Config.Disk", Class::Admin),
    privilege("VM.Config.HWType", Class::Admin),
    privilege("VM.Config.Memory", Class::Admin),
    privilege("VM.Config.Network", Class::Admin),
    privilege("VM.Config.Options", Class::Admin),
    privilege("VM.Console", Class::User),
    since_nine("VM.GuestAgent.Audit", Class::Audit),
    since_nine("VM.GuestAgent.FileRead", Class::User),
    since_nine("VM.GuestAgent.FileSystemMgmt", Class::User),
    since_nine("VM.GuestAgent.FileWrite", Class::User),
    since_nine("VM.GuestAgent.Unrestricted", Class::Admin),
    privilege("VM.Migrate", Class::Admin),
    Privilege { name: "VM.Monitor", class: Class::Admin, since: 0, until: 9 },
    privilege("VM.PowerMgmt", Class::User),
    since_nine("VM.Replicate", Class::Admin),
    privilege("VM.Snapshot", Class::Admin),
    privilege("VM.Snapshot.Rollback", Class::Admin),
];

fn of_era(era: u32) -> impl Iterator<Item = &'static Privilege> {
    PRIVILEGES.iter().filter(move |entry| entry.since <= era && era < entry.until)
}

/// All privileges of a major version, in the order of their names.
pub(crate) fn all(era: u32) -> impl Iterator<Item = &'static str> {
    of_era(era).map(|entry| entry.name)
}

/// The check of the format `pve-priv` in a major version.
pub(crate) fn format(era: u32) -> fn(&str) -> Result<(), String> {
    if era < 9 { |name| check(name, 8) } else { |name| check(name, 9) }
}

fn check(name: &str, era: u32) -> Result<(), String> {
    if all(era).any(|known| known == name) {
        Ok(())
    } else {
        Err(format!("invalid privilege '{name}'"))
    }
}

/// `PVEVMAdmin` and its like.
pub(crate) fn special_roles(era: u32) -> BTreeMap<String, Role> {
    let select = |wanted: &dyn Fn(&Privilege) -> bool| -> BTreeSet<String> {
        of_era(era).filter(|entry| wanted(entry)).map(|entry| entry.name.to_owned()).collect()
    };
    let group = |prefix: &'static str, classes: &'static [Class]| {
        select(&|entry| entry.name.starts_with(prefix) && classes.contains(&entry.class))
    };
    const ADMIN: &[Class] = &[Class::Admin, Class::User, Class::Audit];
    const USER: &[Class] = &[Class::User, Class::Audit];
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mapping_admin = select(&|entry| entry.name.starts_with("Mapping."));
    let roles: Vec<(&str, BTreeSet<String>)> = vec![
        ("Administrator", select(&|_| true)),
        ("NoAccess", BTreeSet::new()),
        ("PVEAdmin", select(&|entry| entry.class != Class::Root)),
        ("PVEAuditor", select(&|entry| entry.class == Class::Audit)),
        ("PVEDatastoreAdmin", group("Datastore.", ADMIN)),
        ("PVEDatastoreUser", group("Datastore.", USER)),
        ("PVEMappingAdmin", mapping_admin),
        ("PVEMappingUser", group("Mapping.", USER)),
        ("PVEPoolAdmin", group("Pool.", ADMIN)),
        ("PVEPoolUser", group("Pool.", USER)),
        ("PVESDNAdmin", group("SDN.", ADMIN)),
        ("PVESDNUser", group("SDN.", USER)),
        ("PVESysAdmin", group("Sys.", ADMIN)),
        ("PVETemplateUser", named(&["VM.Audit", "VM.Clone"])),
        ("PVEUserAdmin", named(&["Group.Allocate", "Realm.AllocateUser", "User.Modify"])),
        ("PVEVMAdmin", group("VM.", ADMIN)),
        ("PVEVMUser", group("VM.", USER)),
    ];
    roles
        .into_iter()
        .map(|(name, privileges)| (name.to_owned(), Role { privileges, special: true }))
        .collect()
}
