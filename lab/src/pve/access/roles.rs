//! Roles: named sets of privileges.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::data::Role;
use super::permission::all_of;
use super::privilege;
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Parameter, boolean, format::split_list, formatted, string},
};

fn roleid() -> Parameter {
    formatted("pve-roleid").named("roleid")
}

pub(super) fn endpoints(era: u32) -> Vec<Endpoint> {
    let modify = || all_of("/access", &["Sys.Modify"]);
    let privileges =
        || string().checked("pve-priv-list", privilege::format(era)).optional().named("privs");
    vec![
        Endpoint::get("/access/roles").handler(list),
        Endpoint::post("/access/roles")
            .protected()
            .permission(modify())
            .parameters([roleid(), privileges()])
            .handler(create),
        Endpoint::get("/access/roles/{roleid}").parameters([roleid()]).handler(read),
        Endpoint::put("/access/roles/{roleid}")
            .protected()
            .permission(modify())
            .parameters([
                roleid(),
                privileges(),
                boolean().optional().requires("privs").named("append"),
            ])
            .handler(update),
        Endpoint::delete("/access/roles/{roleid}")
            .protected()
            .permission(modify())
            .parameters([roleid()])
            .handler(delete),
    ]
}

fn absent(name: &str) -> ApiError {
    ApiError::failure(format!("role '{name}' does not exist"))
}

fn wanted(request: &Request) -> BTreeSet<String> {
    split_list(&request.text("privs").unwrap_or_default()).map(str::to_owned).collect()
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let data = request.state.access.lock();
    Ok(data
        .roles
        .iter()
        .map(|(name, role)| {
            let privileges: Vec<&str> = role.privileges.iter().map(String::as_str).collect();
            json!({
                "roleid": name,
                "privs": privileges.join(","),
                "special": i32::from(role.special),
            })
        })
        .collect())
}

async fn create(request: Request) -> Result<Value, ApiError> {
    let name = request.text("roleid").unwrap_or_default();
    if name.to_ascii_uppercase().starts_with("PVE") {
        return Err(ApiError::parameter(
            "roleid",
            "cannot use role ID starting with the (case-insensitive) 'PVE' namespace",
        ));
    }
    let mut data = request.state.access.lock();
    if data.roles.contains_key(&name) {
        let error = ApiError::failure(format!("role '{name}' already exists"));
        return Err(error.within("create role failed"));
    }
    data.roles.insert(name, Role { privileges: wanted(&request), special: false });
    Ok(Value::Null)
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let name = request.text("roleid").unwrap_or_default();
    let data = request.state.access.lock();
    let role = data.roles.get(&name).ok_or_else(|| absent(&name))?;
    let privileges: Map<String, Value> =
        role.privileges.iter().map(|name| (name.clone(), 1.into())).collect();
    Ok(Value::Object(privileges))
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let name = request.text("roleid").unwrap_or_default();
    let mut data = request.state.access.lock();
    if data.roles.get(&name).is_some_and(|role| role.special) {
        return Err(ApiError::failure(format!("auto-generated role '{name}' cannot be modified")));
    }
    let role =
        data.roles.get_mut(&name).ok_or_else(|| absent(&name).within("update role failed"))?;
    if request.boolean("append") != Some(true) {
        role.privileges.clear();
    }
    role.privileges.extend(wanted(&request));
    Ok(Value::Null)
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let name = request.text("roleid").unwrap_or_default();
    let mut data = request.state.access.lock();
    if data.roles.get(&name).is_some_and(|role| role.special) {
        return Err(ApiError::failure(format!("auto-generated role '{name}' cannot be deleted")));
    }
    data.roles.remove(&name).ok_or_else(|| absent(&name).within("delete role failed"))?;
    Ok(Value::Null)
}
