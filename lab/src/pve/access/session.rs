//! Logging in, passwords, and what a user may do.

use serde_json::{Map, Value, json};

use super::{
    Data, acl,
    permission::{Check, GroupsFrom, Permission},
    privilege, ticket,
};
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::{Caller, Request},
    schema::{boolean, formatted, string},
};

pub(super) fn endpoints(era: u32) -> Vec<Endpoint> {
    let own_or_managed = Check::Or(vec![
        Check::OwnUser,
        Check::And(vec![
            Check::AllocateUserInRealm,
            Check::UserInGroup { privileges: &["User.Modify"], groups: GroupsFrom::User },
        ]),
    ]);
    vec![
        Endpoint::get("/access").handler(index),
        Endpoint::get("/access/ticket")
            .permission(Permission::World)
            .handler(async |_| Ok(Value::Null)),
        Endpoint::post("/access/ticket")
            .permission(Permission::World)
            .protected()
            .without_tokens()
            .parameters([
                string().max_length(64).named("username"),
                formatted("pve-realm").max_length(32).optional().named("realm"),
                string().named("password"),
                string().optional().named("otp"),
                string().optional().requires("privs").max_length(64).named("path"),
                string()
                    .checked("pve-priv-list", privilege::format(era))
                    .optional()
                    .requires("path")
                    .max_length(64)
                    .named("privs"),
                boolean().optional().named("new-format"),
                string().optional().named("tfa-challenge"),
            ])
            .handler(log_in),
        Endpoint::put("/access/password")
            .protected()
            .without_tokens()
            .permission(Permission::Check(own_or_managed))
            .parameters([
                super::users::userid(),
                string().min_length(8).max_length(64).named("password"),
                string().min_length(5).max_length(64).optional().named("confirmation-password"),
            ])
            .handler(change_password),
        Endpoint::get("/access/permissions")
            .parameters([
                string()
                    .pattern(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+(?:![A-Za-z][A-Za-z0-9.\-_]+)?")
                    .optional()
                    .named("userid"),
                string().optional().named("path"),
            ])
            .handler(permissions),
    ]
}

async fn index(_request: Request) -> Result<Value, ApiError> {
    let names =
        ["users", "groups", "roles", "acl", "domains", "openid", "tfa", "ticket", "password"];
    Ok(crate::pve::root::subdirectories(&names))
}

async fn log_in(request: Request) -> Result<Value, ApiError> {
    let state = &request.state;
    let refused = || ApiError::with_status(401, "authentication failure\n");
    let username = request.text("username").unwrap_or_default();
    let password = request.text("password").unwrap_or_default();
    let realm = request.text("realm");
    let user = ticket::log_in(state, &username, realm.as_deref(), &password).ok_or_else(refused)?;
    let caller = Caller::user(&user);
    state.note("root@pam", format!("successful auth for user '{user}'"));
    let mut answer = json!({ "username": user });
    if let (Some(path), Some(privileges)) = (request.text("path"), request.text("privs")) {
        let wanted: Vec<&str> = crate::pve::schema::format::split_list(&privileges).collect();
        state.access.require(&caller, &path, &wanted, false).map_err(|_| refused())?;
    } else {
        answer["ticket"] = ticket::issue(state, &user).into();
        answer["CSRFPreventionToken"] = ticket::issue_csrf(state, &user).into();
    }
    answer["cap"] = capabilities(&state.access.lock(), &caller);
    if let Some(name) = &state.config.cluster_name
        && state.access.require(&caller, "/", &["Sys.Audit"], false).is_ok()
    {
        answer["clustername"] = name.clone().into();
    }
    Ok(answer)
}

/// What the web interface asks: privileges by area, wherever they hold.
fn capabilities(data: &Data, caller: &Caller) -> Value {
    const AREAS: &[&str] = &["vms", "access", "storage", "nodes", "sdn", "dc", "mapping"];
    let mut found: Map<String, Value> =
        AREAS.iter().map(|area| ((*area).to_owned(), json!({}))).collect();
    let required = ["/", "/nodes", "/access/groups", "/vms", "/storage", "/sdn", "/mapping"];
    let paths = required.into_iter().chain(data.acl.keys().map(String::as_str));
    for path in paths {
        let top = path.split('/').nth(1).filter(|part| !part.is_empty()).unwrap_or("dc");
        for privilege in acl::privileges(data, caller, path).into_keys() {
            let areas: &[&str] = match (top, privilege.split('.').next().unwrap_or_default()) {
                ("pool", "VM") => &["vms"],
                ("pool", "Datastore") => &["storage"],
                ("pool", "Permissions") => &["storage", "vms"],
                ("vms", "VM" | "Permissions") => &["vms"],
                ("access", "User" | "Group" | "Permissions") => &["access"],
                ("storage", "Datastore" | "Permissions") => &["storage"],
                ("nodes", "Sys" | "Permissions") => &["nodes"],
                ("sdn" | "dc", "SDN") => &[if top == "dc" { "dc" } else { "sdn" }],
                ("sdn", "Permissions") => &["sdn"],
                ("dc", "Sys") if matches!(privilege.as_str(), "Sys.Audit" | "Sys.Modify") => {
                    &["dc"]
                }
                ("mapping", "Mapping" | "Permissions") => &["mapping"],
                _ => &[],
            };
            for area in areas {
                found[*area][&privilege] = 1.into();
            }
        }
    }
    Value::Object(found)
}

async fn change_password(request: Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let realm = userid.rsplit_once('@').map_or("", |(_, realm)| realm).to_owned();
    if !request.caller.is_root() {
        let confirmed = request.text("confirmation-password").is_some_and(|password| {
            ticket::log_in(&request.state, &request.caller.user, None, &password).is_some()
        });
        if !request.has("confirmation-password") {
            return Err(ApiError::parameter(
                "confirmation-password",
                "password is required to modify user",
            ));
        }
        if !confirmed {
            return Err(ApiError::with_status(401, "authentication failure\n"));
        }
        let own = request.caller.user == userid;
        if !own && (userid == "root@pam" || realm == "pam") {
            return Err(ApiError::forbidden_plainly());
        }
    }
    let password = request.text("password").unwrap_or_default();
    let mut data = request.state.access.lock();
    if !data.realms.contains_key(&realm) {
        return Err(ApiError::failure(format!("auth domain '{realm}' does not exist")));
    }
    let user = data
        .users
        .get_mut(&userid)
        .ok_or_else(|| ApiError::failure(format!("no such user ('{userid}')")))?;
    user.password = Some(super::data::Password::new(&password));
    Ok(Value::Null)
}

async fn permissions(request: Request) -> Result<Value, ApiError> {
    let own = request.caller.identity();
    let wanted = request.text("userid").unwrap_or_else(|| own.clone());
    let subject = Caller::parse(&wanted);
    let owned_token = subject.token.is_some() && subject.user == own;
    if wanted != own && !owned_token {
        request.require("/access", &["Sys.Audit"])?;
    }
    let data = request.state.access.lock();
    let shown = |path: &str| -> Map<String, Value> {
        acl::privileges(&data, &subject, path)
            .into_iter()
            .map(|(name, propagate)| (name, i32::from(propagate).into()))
            .collect()
    };
    if let Some(path) = request.text("path") {
        return Ok(json!({ path.clone(): shown(&path) }));
    }
    let fixed = ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"];
    let mut paths: std::collections::BTreeSet<String> =
        fixed.iter().map(|path| (*path).to_owned()).collect();
    paths.extend(data.acl.keys().cloned());
    for pool in data.pools.values() {
        paths.extend(pool.guests.iter().map(|vmid| format!("/vms/{vmid}")));
        paths.extend(pool.storages.iter().map(|storage| format!("/storage/{storage}")));
    }
    let found: Map<String, Value> = paths
        .into_iter()
        .map(|path| {
            let privileges = shown(&path);
            (path, privileges)
        })
        .filter(|(_, privileges)| !privileges.is_empty())
        .map(|(path, privileges)| (path, Value::Object(privileges)))
        .collect();
    Ok(Value::Object(found))
}
