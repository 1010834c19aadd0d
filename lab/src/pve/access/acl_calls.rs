//! The access control list as the API shows and changes it.

use serde_json::{Value, json};

use super::acl;
use super::data::{Data, Grants};
use super::permission::{Check, Permission};
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{
        boolean,
        format::{matches, split_list},
        formatted, string,
    },
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/access/acl").handler(list),
        Endpoint::put("/access/acl")
            .protected()
            .permission(Permission::Check(Check::ModifyPermissions))
            .parameters([
                boolean().optional().named("propagate"),
                string().named("path"),
                formatted("pve-userid-list").optional().named("users"),
                formatted("pve-groupid-list").optional().named("groups"),
                formatted("pve-tokenid-list").optional().named("tokens"),
                formatted("pve-roleid-list").named("roles"),
                boolean().optional().named("delete"),
            ])
            .handler(update),
    ]
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let audit = request.may("/access", &["Sys.Audit"]);
    let all = request.state.access.lock().acl.clone();
    let mut found = Vec::new();
    for (path, entries) in all {
        if !audit && request.state.access.require_modify(&request.caller, &path).is_err() {
            continue;
        }
        let kinds =
            [("user", &entries.users), ("group", &entries.groups), ("token", &entries.tokens)];
        for (kind, subjects) in kinds {
            for (subject, grants) in subjects {
                for (role, propagate) in grants {
                    found.push(json!({
                        "path": path,
                        "type": kind,
                        "ugid": subject,
                        "roleid": role,
                        "propagate": i32::from(*propagate),
                    }));
                }
            }
        }
    }
    Ok(Value::Array(found))
}

/// A path without doubled or trailing slashes; `None` for characters that no path has.
fn normalise(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = format!("/{}", parts.join("/"));
    matches(r"[A-Za-z0-9.\-_/]+", &path).then_some(path)
}

/// Whether Proxmox knows objects at such a path.
fn is_known(path: &str) -> bool {
    const NAME: &str = r"[A-Za-z0-9.\-_]+";
    let patterns = [
        "/".to_owned(),
        "/access(?:/groups|/realm)?".to_owned(),
        format!("/access/(?:groups|realm)/{NAME}"),
        format!("/(?:nodes|storage)(?:/{NAME})?"),
        format!("/pool(?:/{NAME}){{0,3}}"),
        "/sdn(?:/(?:controllers|dns|fabrics|ipams|prefix-lists|route-maps)(?:/[A-Za-z0-9_-]+)?)?"
            .to_owned(),
        format!("/sdn/zones(?:/{NAME}){{0,2}}"),
        format!("/sdn/zones/{NAME}/{NAME}/[1-9][0-9]{{0,3}}"),
        "/vms(?:/[1-9][0-9]{2,})?".to_owned(),
        format!("/mapping(?:/{NAME}){{0,2}}"),
    ];
    patterns.iter().any(|pattern| matches(pattern, path))
}

async fn update(request: Request) -> Result<Value, ApiError> {
    const SUBJECTS: [&str; 3] = ["users", "groups", "tokens"];
    let given = |name: &str| request.text(name).filter(|text| !text.is_empty());
    if SUBJECTS.iter().all(|name| given(name).is_none()) {
        let text = "either 'users', 'groups' or 'tokens' is required.";
        return Err(ApiError::parameters(SUBJECTS.map(|name| (name.to_owned(), text.to_owned()))));
    }
    let asked = request.text("path").unwrap_or_default();
    let delete = request.boolean("delete").unwrap_or(false);
    let path = normalise(&asked)
        .filter(|path| delete || is_known(path))
        .ok_or_else(|| ApiError::parameter("path", format!("invalid ACL path '{asked}'")))?;
    apply(&request, &path, delete).map_err(|error| error.within("ACL update failed"))?;
    Ok(Value::Null)
}

fn apply(request: &Request, path: &str, delete: bool) -> Result<(), ApiError> {
    let propagate = request.boolean("propagate").unwrap_or(true);
    let mut data = request.state.access.lock();
    let mut changed = data.clone();
    let roles = request.text("roles").unwrap_or_default();
    for role in split_list(&roles) {
        if !data.roles.contains_key(role) {
            return Err(ApiError::failure(format!("role '{role}' does not exist")));
        }
        may_hand_out(request, &data, path, role, propagate, delete)?;
        let lists = ["groups", "users", "tokens"];
        for list in lists {
            let subjects = request.text(list).unwrap_or_default();
            for subject in split_list(&subjects) {
                subject_exists(&data, list, subject)?;
                let entries = changed.acl.entry(path.to_owned()).or_default();
                let subjects = match list {
                    "groups" => &mut entries.groups,
                    "users" => &mut entries.users,
                    _ => &mut entries.tokens,
                };
                let grants: &mut Grants = subjects.entry(subject.to_owned()).or_default();
                if delete {
                    grants.remove(role);
                } else {
                    grants.insert(role.to_owned(), propagate);
                }
                subjects.retain(|_, grants| !grants.is_empty());
            }
        }
    }
    changed.acl.retain(|_, entries| !entries.is_empty());
    *data = changed;
    Ok(())
}

/// Who may not modify permissions hands out no more than what he has.
fn may_hand_out(
    request: &Request,
    data: &Data,
    path: &str,
    role: &str,
    propagate: bool,
    delete: bool,
) -> Result<(), ApiError> {
    let own = acl::privileges(data, &request.caller, path);
    if own.contains_key("Permissions.Modify") {
        return Ok(());
    }
    let verb = if delete { "remove" } else { "add" };
    let refuse =
        |why: &str| Err(ApiError::parameter("role", format!("Cannot {verb} role '{role}'{why}")));
    for privilege in data.roles.get(role).into_iter().flat_map(|role| &role.privileges) {
        match own.get(privilege) {
            None => {
                return refuse(" - requires 'Permissions.Modify' or superset of privileges.");
            }
            Some(own) if propagate && !own && !delete => {
                return refuse(
                    " with propagation - requires 'Permissions.Modify' or propagated superset \
                     of privileges.",
                );
            }
            Some(_) => {}
        }
    }
    if role == "NoAccess" {
        return refuse(" - requires 'Permissions.Modify'");
    }
    Ok(())
}

fn subject_exists(data: &Data, list: &str, subject: &str) -> Result<(), ApiError> {
    match list {
        "groups" if !data.groups.contains_key(subject) => {
            Err(ApiError::failure(format!("group '{subject}' does not exist")))
        }
        "users" if !data.users.contains_key(subject) => {
            Err(ApiError::failure(format!("user '{subject}' does not exist")))
        }
        "tokens" => {
            let (user, token) = subject.split_once('!').unwrap_or((subject, ""));
            let Some(known) = data.users.get(user) else {
                return Err(ApiError::failure(format!("no such user ('{user}')")));
            };
            if known.tokens.contains_key(token) {
                Ok(())
            } else {
                let text = format!("no such token '{token}' for user '{user}'");
                Err(ApiError::failure(text))
            }
        }
        _ => Ok(()),
    }
}
