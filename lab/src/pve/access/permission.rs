//! The permission that a call is declared with, and its check.

use crate::pve::{error::ApiError, request::Request};

/// Who may make a call, decided before its parameters are checked. Handlers check more where the
/// real ones do.
#[derive(Clone, Debug)]
pub(crate) enum Permission {
    /// Nobody needs to be logged in.
    World,
    /// Any user.
    All,
    Check(Check),
}

#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// Privileges on a path template such as `/vms/{vmid}`.
    Privileges {
        path: &'static str,
        privileges: &'static [&'static str],
        any: bool,
    },
    And(Vec<Self>),
    Or(Vec<Self>),
    /// The parameter `userid` is the caller.
    OwnUser,
    /// `Realm.AllocateUser` on the realm of the parameter `userid`.
    AllocateUserInRealm,
    /// The privileges on `/access/groups`, or on a group of the user's (or of the parameter
    /// `groups`, when the call creates or updates users).
    UserInGroup {
        privileges: &'static [&'static str],
        groups: GroupsFrom,
    },
    /// May modify permissions at the path in the parameter `path`.
    ModifyPermissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupsFrom {
    User,
    CreateParameter,
    UpdateParameter,
}

/// All of the privileges on a path template.
pub(crate) fn all_of(path: &'static str, privileges: &'static [&'static str]) -> Permission {
    Permission::Check(Check::Privileges { path, privileges, any: false })
}

/// Any of the privileges on a path template.
pub(crate) fn any_of(path: &'static str, privileges: &'static [&'static str]) -> Permission {
    Permission::Check(Check::Privileges { path, privileges, any: true })
}

/// Checks an authenticated request against its call's permission.
///
/// # Errors
/// 403, or 500 for a user that doesn't exist.
pub(crate) fn check(permission: &Permission, request: &Request) -> Result<(), ApiError> {
    match permission {
        Permission::World | Permission::All => Ok(()),
        _ if request.caller.is_root() => Ok(()),
        Permission::Check(rule) => evaluate(rule, request),
    }
}

fn evaluate(check: &Check, request: &Request) -> Result<(), ApiError> {
    match check {
        Check::Privileges { path, privileges, any } => {
            let path = fill(path, request);
            request.state.access.require(&request.caller, &path, privileges, *any)
        }
        Check::And(parts) => parts.iter().try_for_each(|part| evaluate(part, request)),
        Check::Or(parts) => {
            if parts.iter().any(|part| evaluate(part, request).is_ok()) {
                Ok(())
            } else {
                Err(ApiError::forbidden_plainly())
            }
        }
        Check::OwnUser => {
            let userid = userid(request);
            require_user(request, &userid)?;
            if request.caller.identity() == userid {
                Ok(())
            } else {
                Err(ApiError::forbidden_plainly())
            }
        }
        Check::AllocateUserInRealm => {
            let userid = userid(request);
            let realm = userid.rsplit_once('@').map_or("", |(_, realm)| realm);
            request.require(&format!("/access/realm/{realm}"), &["Realm.AllocateUser"])
        }
        Check::UserInGroup { privileges, groups } => user_in_group(request, privileges, *groups),
        Check::ModifyPermissions => {
            let path = request.text("path").unwrap_or_default();
            request.state.access.require_modify(&request.caller, &path)
        }
    }
}

fn userid(request: &Request) -> String {
    request.text("userid").unwrap_or_default()
}

fn require_user(request: &Request, userid: &str) -> Result<(), ApiError> {
    if request.state.access.lock().users.contains_key(userid) {
        Ok(())
    } else {
        Err(ApiError::failure(format!("no such user ('{userid}')")))
    }
}

fn user_in_group(request: &Request, privileges: &[&str], from: GroupsFrom) -> Result<(), ApiError> {
    let userid = userid(request);
    if from != GroupsFrom::CreateParameter {
        require_user(request, &userid)?;
    }
    if request.may_any("/access/groups", privileges) {
        return Ok(());
    }
    let all: Vec<(String, bool)> = {
        let data = request.state.access.lock();
        data.groups
            .iter()
            .map(|(name, group)| (name.clone(), group.users.contains(&userid)))
            .collect()
    };
    let mine = |name: &str| request.may_any(&format!("/access/groups/{name}"), privileges);
    let member = all.iter().any(|(name, member)| *member && mine(name));
    if from != GroupsFrom::CreateParameter && !member {
        return Err(ApiError::forbidden_plainly());
    }
    if from == GroupsFrom::User {
        return Ok(());
    }
    let asked = request.text("groups").unwrap_or_default();
    let asked: Vec<&str> = crate::pve::schema::format::split_list(&asked).collect();
    if asked.is_empty() && from == GroupsFrom::CreateParameter {
        return Err(ApiError::forbidden(format!("/access/groups, {}", privileges.join("|"))));
    }
    match asked.iter().find(|name| !mine(name)) {
        Some(name) => {
            Err(ApiError::forbidden(format!("/access/groups/{name}, {}", privileges.join("|"))))
        }
        None => Ok(()),
    }
}

/// Fills a path template from the request's parameters.
fn fill(template: &str, request: &Request) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        path.push_str(before);
        path.push_str(&request.text(name).unwrap_or_default());
        rest = after;
    }
    path.push_str(rest);
    path
}
