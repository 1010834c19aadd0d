//! API tokens.

use serde_json::{Value, json};

use super::data::{Data, Token};
use super::permission::{Check, GroupsFrom, Permission};
use super::users::userid;
use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Parameter, boolean, format::split_list, formatted, integer, string},
};

fn tokenid() -> Parameter {
    string().pattern(r"[A-Za-z][A-Za-z0-9.\-_]+").named("tokenid")
}

fn settings() -> Vec<Parameter> {
    vec![
        integer().minimum(0).optional().named("expire"),
        boolean().optional().named("privsep"),
        string().optional().named("comment"),
    ]
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let rule = || {
        Permission::Check(Check::Or(vec![
            Check::OwnUser,
            Check::UserInGroup { privileges: &["User.Modify"], groups: GroupsFrom::User },
        ]))
    };
    const ONE: &str = "/access/users/{userid}/token/{tokenid}";
    vec![
        Endpoint::get("/access/users/{userid}/token")
            .permission(rule())
            .parameters([userid()])
            .handler(list),
        Endpoint::get(ONE).permission(rule()).parameters([userid(), tokenid()]).handler(read),
        Endpoint::post(ONE)
            .protected()
            .permission(rule())
            .parameters([userid(), tokenid()])
            .parameters(settings())
            .handler(create),
        Endpoint::put(ONE)
            .protected()
            .permission(rule())
            .parameters([
                userid(),
                tokenid(),
                boolean().optional().named("regenerate"),
                formatted("pve-configid-list").optional().named("delete"),
            ])
            .parameters(settings())
            .handler(update),
        Endpoint::delete(ONE)
            .protected()
            .permission(rule())
            .parameters([userid(), tokenid()])
            .handler(delete),
    ]
}

impl Token {
    /// Without the secret.
    pub(super) fn shown(&self) -> Value {
        let mut entry = json!({ "expire": self.expire, "privsep": i32::from(self.separated) });
        if let Some(comment) = &self.comment {
            entry["comment"] = comment.clone().into();
        }
        entry
    }
}

fn names(request: &Request) -> (String, String) {
    (request.text("userid").unwrap_or_default(), request.text("tokenid").unwrap_or_default())
}

fn find<'a>(data: &'a mut Data, userid: &str, name: &str) -> Result<&'a mut Token, ApiError> {
    let user = data
        .users
        .get_mut(userid)
        .ok_or_else(|| ApiError::failure(format!("no such user ('{userid}')")))?;
    user.tokens
        .get_mut(name)
        .ok_or_else(|| ApiError::failure(format!("no such token '{name}' for user '{userid}'")))
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let userid = request.text("userid").unwrap_or_default();
    let data = request.state.access.lock();
    let user = data
        .users
        .get(&userid)
        .ok_or_else(|| ApiError::failure(format!("no such user ('{userid}')")))?;
    Ok(user
        .tokens
        .iter()
        .map(|(name, token)| {
            let mut entry = token.shown();
            entry["tokenid"] = name.clone().into();
            entry
        })
        .collect())
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let (userid, name) = names(&request);
    Ok(find(&mut request.state.access.lock(), &userid, &name)?.shown())
}

async fn create(request: Request) -> Result<Value, ApiError> {
    let (userid, name) = names(&request);
    let mut data = request.state.access.lock();
    let user = data
        .users
        .get_mut(&userid)
        .ok_or_else(|| ApiError::failure(format!("no such user ('{userid}')")))?;
    if user.tokens.contains_key(&name) {
        return Err(ApiError::parameter("tokenid", "Token already exists."));
    }
    let token = Token {
        secret: uuid::Uuid::new_v4().to_string(),
        expire: request.integer("expire").unwrap_or(0),
        comment: request.text("comment").filter(|comment| !comment.is_empty()),
        separated: request.boolean("privsep").unwrap_or(true),
    };
    let secret = token.secret.clone();
    user.tokens.insert(name.clone(), token);
    user.had_tokens = true;
    // What was given comes back as it was given: strings from a form.
    let mut info = json!({ "privsep": 1 });
    for key in ["privsep", "expire", "comment"] {
        if let Some(given) = request.parameters.get(key).filter(|given| !given.is_null()) {
            info[key] = given.clone();
        }
    }
    Ok(json!({ "full-tokenid": format!("{userid}!{name}"), "info": info, "value": secret }))
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let (userid, name) = names(&request);
    let mut data = request.state.access.lock();
    let token = find(&mut data, &userid, &name)?;
    if let Some(separated) = request.boolean("privsep") {
        token.separated = separated;
    }
    if let Some(expire) = request.integer("expire") {
        token.expire = expire;
    }
    if let Some(comment) = request.text("comment") {
        token.comment = Some(comment).filter(|comment| !comment.is_empty());
    }
    for key in split_list(&request.text("delete").unwrap_or_default()) {
        if key != "comment" {
            let error = ApiError::parameter("delete", format!("unknown option '{key}'"));
            return Err(error.within("updating token info failed"));
        }
        token.comment = None;
    }
    let mut answer = token.shown();
    if request.boolean("regenerate") == Some(true) {
        token.secret = uuid::Uuid::new_v4().to_string();
        answer["value"] = token.secret.clone().into();
        answer["full-tokenid"] = format!("{userid}!{name}").into();
    }
    Ok(answer)
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let (userid, name) = names(&request);
    let mut data = request.state.access.lock();
    find(&mut data, &userid, &name)?;
    if let Some(user) = data.users.get_mut(&userid) {
        user.tokens.shift_remove(&name);
    }
    Ok(Value::Null)
}
