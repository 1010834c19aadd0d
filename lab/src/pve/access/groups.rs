//! Groups of users.

use serde_json::{Value, json};

use super::data::Group;
use super::permission::{all_of, any_of};
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Parameter, formatted, string},
};

fn groupid() -> Parameter {
    formatted("pve-groupid").named("groupid")
}

fn comment() -> Parameter {
    string().optional().named("comment")
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let allocate = || all_of("/access/groups", &["Group.Allocate"]);
    vec![
        Endpoint::get("/access/groups").handler(list),
        Endpoint::post("/access/groups")
            .protected()
            .permission(allocate())
            .parameters([groupid(), comment()])
            .handler(create),
        Endpoint::get("/access/groups/{groupid}")
            .permission(any_of("/access/groups", &["Sys.Audit", "Group.Allocate"]))
            .parameters([groupid()])
            .handler(read),
        Endpoint::put("/access/groups/{groupid}")
            .protected()
            .permission(allocate())
            .parameters([groupid(), comment()])
            .handler(update),
        Endpoint::delete("/access/groups/{groupid}")
            .protected()
            .permission(allocate())
            .parameters([groupid()])
            .handler(delete),
    ]
}

fn absent(name: &str) -> ApiError {
    ApiError::failure(format!("group '{name}' does not exist"))
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let groups = request.state.access.lock().groups.clone();
    Ok(groups
        .into_iter()
        .filter(|(name, _)| {
            let privileges = ["User.Modify", "Sys.Audit", "Group.Allocate"];
            request.may_any(&format!("/access/groups/{name}"), &privileges)
        })
        .map(|(name, group)| {
            let users: Vec<String> = group.users.into_iter().collect();
            let mut entry = json!({ "groupid": name, "users": users.join(",") });
            if let Some(comment) = group.comment {
                entry["comment"] = comment.into();
            }
            entry
        })
        .collect())
}

async fn create(request: Request) -> Result<Value, ApiError> {
    let name = request.text("groupid").unwrap_or_default();
    let mut data = request.state.access.lock();
    if data.groups.contains_key(&name) {
        let error = ApiError::failure(format!("group '{name}' already exists"));
        return Err(error.within("create group failed"));
    }
    let group = Group { comment: request.text("comment"), ..Group::default() };
    data.groups.insert(name, group);
    Ok(Value::Null)
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let name = request.text("groupid").unwrap_or_default();
    let data = request.state.access.lock();
    let group = data.groups.get(&name).ok_or_else(|| absent(&name))?;
    let mut entry = json!({ "members": group.users });
    if let Some(comment) = &group.comment {
        entry["comment"] = comment.clone().into();
    }
    Ok(entry)
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let name = request.text("groupid").unwrap_or_default();
    let mut data = request.state.access.lock();
    let group =
        data.groups.get_mut(&name).ok_or_else(|| absent(&name).within("update group failed"))?;
    if let Some(comment) = request.text("comment") {
        group.comment = Some(comment);
    }
    Ok(Value::Null)
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let name = request.text("groupid").unwrap_or_default();
    let mut data = request.state.access.lock();
    data.groups.remove(&name).ok_or_else(|| absent(&name).within("delete group failed"))?;
    for entries in data.acl.values_mut() {
        entries.groups.remove(&name);
    }
    data.acl.retain(|_, entries| !entries.is_empty());
    Ok(Value::Null)
}
