//! Users.

use serde_json::{Map, Value, json};

use super::data::{Data, Password, User};
use super::permission::{Check, GroupsFrom, Permission};
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Parameter, boolean, format::split_list, formatted, integer, string},
};

const MODIFY: &[&str] = &["User.Modify"];
const SEE: &[&str] = &["User.Modify", "Sys.Audit"];

/// `userid`, as most user calls have it.
pub(super) fn userid() -> Parameter {
    formatted("pve-userid").max_length(64).named("userid")
}

fn properties() -> Vec<Parameter> {
    vec![
        boolean().optional().named("enable"),
        integer().minimum(0).optional().named("expire"),
        string().max_length(1024).optional().named("firstname"),
        string().max_length(1024).optional().named("lastname"),
        string().format("email-opt").max_length(254).optional().named("email"),
        string().max_length(2048).optional().named("comment"),
        string().pattern("[0-9a-zA-Z!=]{0,4096}").optional().named("keys"),
        formatted("pve-groupid-list").optional().named("groups"),
    ]
}

fn group_rule(privileges: &'static [&'static str], groups: GroupsFrom) -> Check {
    Check::UserInGroup { privileges, groups }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let allocate = |groups| {
        Permission::Check(Check::And(vec![Check::AllocateUserInRealm, group_rule(MODIFY, groups)]))
    };
    vec![
        Endpoint::get("/access/users")
            .protected()
            .parameters([boolean().optional().named("enabled"), boolean().optional().named("full")])
            .handler(list),
        Endpoint::post("/access/users")
            .protected()
            .permission(allocate(GroupsFrom::CreateParameter))
            .parameters([
                userid(),
                string().min_length(8).max_length(64).optional().named("password"),
            ])
            .parameters(properties())
            .handler(create),
        Endpoint::get("/access/users/{userid}")
            .permission(Permission::Check(group_rule(SEE, GroupsFrom::User)))
            .parameters([userid()])
            .handler(read),
        Endpoint::put("/access/users/{userid}")
            .protected()
            .permission(Permission::Check(group_rule(MODIFY, GroupsFrom::UpdateParameter)))
            .parameters([userid(), boolean().optional().requires("groups").named("append")])
            .parameters(properties())
            .handler(update),
        Endpoint::delete("/access/users/{userid}")
            .protected()
            .permission(allocate(GroupsFrom::User))
            .parameters([userid()])
            .handler(delete),
    ]
}

fn no_such_user(userid: &str) -> ApiError {
    ApiError::failure(format!("no such user ('{userid}')"))
}

fn groups_of(data: &Data, userid: &str) -> Vec<String> {
    data.groups
        .iter()
        .filter(|(_, group)| group.users.contains(userid))
        .map(|(name, _)| name.clone())
        .collect()
}

fn shown(user: &User) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("enable".to_owned(), i32::from(user.enable).into());
    entry.insert("expire".to_owned(), user.expire.into());
    let texts = [
        ("firstname", &user.firstname),
        ("lastname", &user.lastname),
        ("comment", &user.comment),
        ("keys", &user.keys),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            entry.insert(name.to_owned(), value.clone().into());
        }
    }
    entry.insert("email".to_owned(), user.email.clone().unwrap_or_default().into());
    entry
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let full = request.boolean("full").unwrap_or(false);
    let enabled = request.boolean("enabled");
    let sees_all = request.may_any("/access/groups", SEE);
    let own = request.caller.identity();
    let groups: Vec<String> = request.state.access.lock().groups.keys().cloned().collect();
    let visible: Vec<String> = groups
        .into_iter()
        .filter(|group| request.may_any(&format!("/access/groups/{group}"), SEE))
        .collect();
    let data = request.state.access.lock();
    let mut found = Vec::new();
    for (name, user) in &data.users {
        let memberships = groups_of(&data, name);
        let shares_group = memberships.iter().any(|group| visible.contains(group));
        if !(sees_all || *name == own || shares_group) {
            continue;
        }
        if enabled.is_some_and(|wanted| wanted != user.enable) {
            continue;
        }
        let mut entry = shown(user);
        if full {
            entry.insert("groups".to_owned(), memberships.join(",").into());
            entry.insert("tokens".to_owned(), token_list(user));
        }
        let realm = name.rsplit_once('@').map_or("", |(_, realm)| realm);
        if let Some(realm) = data.realms.get(realm) {
            entry.insert("realm-type".to_owned(), realm.kind.into());
        }
        entry.insert("userid".to_owned(), name.clone().into());
        found.push(Value::Object(entry));
    }
    Ok(Value::Array(found))
}

/// A user who never had a token has none; who lost the last one has an empty list.
fn token_list(user: &User) -> Value {
    if user.tokens.is_empty() && !user.had_tokens {
        return Value::Null;
    }
    let mut names: Vec<&String> = user.tokens.keys().collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let mut entry = user.tokens[name].shown();
            entry["tokenid"] = name.clone().into();
            entry
        })
        .collect()
}

async fn create(request: Request) -> Result<Value, ApiError> {
    do_create(&request).map_err(|error| error.within("create user failed"))
}

fn do_create(request: &Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let realm = userid.rsplit_once('@').map_or("", |(_, realm)| realm);
    let mut data = request.state.access.lock();
    if data.users.contains_key(&userid) {
        return Err(ApiError::failure(format!("user '{userid}' already exists")));
    }
    let mut user = User { enable: true, ..User::default() };
    if let Some(password) = request.text("password") {
        if !data.realms.contains_key(realm) {
            return Err(ApiError::failure(format!("auth domain '{realm}' does not exist")));
        }
        user.password = Some(Password::new(&password));
    }
    apply(request, &mut user);
    let groups = request.text("groups").unwrap_or_default();
    join_groups(&mut data, &userid, &groups)?;
    data.users.insert(userid, user);
    Ok(Value::Null)
}

fn apply(request: &Request, user: &mut User) {
    if let Some(enable) = request.boolean("enable") {
        user.enable = enable;
    }
    if let Some(expire) = request.integer("expire") {
        user.expire = expire;
    }
    for (name, field) in [
        ("firstname", &mut user.firstname),
        ("lastname", &mut user.lastname),
        ("email", &mut user.email),
        ("comment", &mut user.comment),
        ("keys", &mut user.keys),
    ] {
        if let Some(text) = request.text(name) {
            *field = Some(text);
        }
    }
}

fn join_groups(data: &mut Data, userid: &str, groups: &str) -> Result<(), ApiError> {
    for name in split_list(groups) {
        let group = data
            .groups
            .get_mut(name)
            .ok_or_else(|| ApiError::failure(format!("no such group '{name}'")))?;
        group.users.insert(userid.to_owned());
    }
    Ok(())
}

fn leave_groups(data: &mut Data, userid: &str) {
    for group in data.groups.values_mut() {
        group.users.remove(userid);
    }
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let data = request.state.access.lock();
    let user = data.users.get(&userid).ok_or_else(|| no_such_user(&userid))?;
    let mut entry = shown(user);
    entry.insert("groups".to_owned(), json!(groups_of(&data, &userid)));
    let tokens = if user.tokens.is_empty() && !user.had_tokens {
        Value::Null
    } else {
        user.tokens.iter().map(|(name, token)| (name.clone(), token.shown())).collect()
    };
    entry.insert("tokens".to_owned(), tokens);
    Ok(Value::Object(entry))
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let mut data = request.state.access.lock();
    let failed = |error: ApiError| error.within("update user failed");
    let mut user = data.users.get(&userid).cloned().ok_or_else(|| failed(no_such_user(&userid)))?;
    apply(&request, &mut user);
    if let Some(groups) = request.text("groups") {
        if request.boolean("append") != Some(true) {
            leave_groups(&mut data, &userid);
        }
        join_groups(&mut data, &userid, &groups).map_err(failed)?;
    }
    data.users.insert(userid, user);
    Ok(Value::Null)
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let mut data = request.state.access.lock();
    data.users.remove(&userid);
    leave_groups(&mut data, &userid);
    let tokens = format!("{userid}!");
    for entries in data.acl.values_mut() {
        entries.users.remove(&userid);
        entries.tokens.retain(|name, _| !name.starts_with(&tokens));
    }
    data.acl.retain(|_, entries| !entries.is_empty());
    Ok(Value::Null)
}
