//! From access control lists to privileges.

use std::collections::BTreeMap;

use super::data::{Data, Entries, Grants};
use super::privilege;
use crate::pve::request::Caller;

const NO_ACCESS: &str = "NoAccess";

/// Privileges by name, each with whether it holds below the path too.
pub(crate) type Privileges = BTreeMap<String, bool>;

/// The privileges of a caller on a path; `root@pam` has all of them.
///
/// A token with separated privileges has at most those of its user.
pub(crate) fn privileges(data: &Data, caller: &Caller, path: &str) -> Privileges {
    let owner_is_root = caller.user == "root@pam";
    match &caller.token {
        None if owner_is_root => everything(data),
        None => granted(data, caller, path),
        Some(token) => {
            let Some(info) = data.users.get(&caller.user).and_then(|user| user.tokens.get(token))
            else {
                return Privileges::new();
            };
            let owner = Caller::user(&caller.user);
            if !info.separated {
                return privileges(data, &owner, path);
            }
            let own = granted(data, caller, path);
            if owner_is_root {
                return own;
            }
            let allowed = granted(data, &owner, path);
            own.into_iter()
                .filter_map(|(name, propagate)| {
                    allowed.get(&name).map(|both| (name, propagate && *both))
                })
                .collect()
        }
    }
}

fn everything(data: &Data) -> Privileges {
    privilege::all(data.era).map(|name| (name.to_owned(), true)).collect()
}

fn granted(data: &Data, caller: &Caller, path: &str) -> Privileges {
    let mut roles = roles(data, caller, path);
    if let Some(inherited) = pool_roles(data, caller, path)
        && !roles.contains_key(NO_ACCESS)
    {
        if inherited.contains_key(NO_ACCESS) {
            roles = Grants::from([(NO_ACCESS.to_owned(), false)]);
        } else {
            for role in inherited.into_keys() {
                roles.entry(role).or_insert(false);
            }
        }
    }
    let mut privileges = Privileges::new();
    for (role, propagate) in roles {
        for name in data.roles.get(&role).into_iter().flat_map(|role| &role.privileges) {
            *privileges.entry(name.clone()).or_insert(false) |= propagate;
        }
    }
    privileges
}

/// The roles that the pool of a guest or a storage lends to it.
fn pool_roles(data: &Data, caller: &Caller, path: &str) -> Option<Grants> {
    let mut found = Grants::new();
    for (name, pool) in &data.pools {
        let member = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "vms", vmid] => vmid.parse().is_ok_and(|vmid| pool.guests.contains(&vmid)),
            ["", "storage", storage] => pool.storages.contains(*storage),
            _ => false,
        };
        if member {
            found.extend(roles(data, caller, &format!("/pool/{name}")));
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The roles that the lists give at a path. Entries deeper down replace those above, a user's
/// own replace those of groups, and `NoAccess` cancels the rest.
pub(crate) fn roles(data: &Data, caller: &Caller, path: &str) -> Grants {
    let mut current = Grants::new();
    for (prefix, last) in prefixes(path) {
        let Some(entries) = data.acl.get(&prefix) else { continue };
        if let Some(effective) = effective(data, caller, entries, last) {
            current = effective;
        }
    }
    match current.get(NO_ACCESS) {
        Some(propagate) => Grants::from([(NO_ACCESS.to_owned(), *propagate)]),
        None => current,
    }
}

fn effective(data: &Data, caller: &Caller, entries: &Entries, last: bool) -> Option<Grants> {
    let select = |grants: &Grants| -> Option<Grants> {
        let chosen: Grants = grants
            .iter()
            .filter(|(_, propagate)| last || **propagate)
            .map(|(role, propagate)| (role.clone(), *propagate))
            .collect();
        (!chosen.is_empty()).then_some(chosen)
    };
    if caller.token.is_some() {
        return entries.tokens.get(&caller.identity()).and_then(select);
    }
    if let Some(own) = entries.users.get(&caller.user).and_then(select) {
        return Some(own);
    }
    let mut merged = Grants::new();
    for (group, grants) in &entries.groups {
        let member = data.groups.get(group).is_some_and(|group| group.users.contains(&caller.user));
        if member && let Some(chosen) = select(grants) {
            merged.extend(chosen);
        }
    }
    (!merged.is_empty()).then_some(merged)
}

/// `/`, `/vms`, `/vms/100`, each with whether it is the path itself.
fn prefixes(path: &str) -> Vec<(String, bool)> {
    let mut found = vec![("/".to_owned(), path == "/")];
    let mut prefix = String::new();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        prefix.push('/');
        prefix.push_str(part);
        found.push((prefix.clone(), index + 1 == parts.len()));
    }
    found
}
