//! `/nodes/{node}/tasks`.

use serde_json::{Map, Value, json};

use super::{Upid, Worker};
use crate::pve::{
    endpoint::{Answer, Download, Endpoint},
    error::ApiError,
    request::Request,
    schema::{boolean, formatted, integer, node, one_of, string},
};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let upid = || string().named("upid");
    vec![
        Endpoint::get("/cluster/tasks").handler(recent),
        Endpoint::get("/nodes/{node}/tasks")
            .proxied()
            .parameters([
                node(),
                boolean().optional().named("errors"),
                integer().minimum(0).optional().named("limit"),
                integer().optional().named("since"),
                one_of(["archive", "active", "all"]).optional().named("source"),
                integer().minimum(0).optional().named("start"),
                formatted("pve-task-status-type-list").optional().named("statusfilter"),
                string().optional().named("typefilter"),
                integer().optional().named("until"),
                string().optional().named("userfilter"),
                integer()
                    .format("pve-vmid")
                    .minimum(100)
                    .maximum(999_999_999)
                    .optional()
                    .named("vmid"),
            ])
            .handler(list),
        Endpoint::get("/nodes/{node}/tasks/{upid}").parameters([node(), upid()]).handler(index),
        Endpoint::get("/nodes/{node}/tasks/{upid}/status")
            .protected()
            .proxied()
            .parameters([node(), upid()])
            .handler(status),
        Endpoint::get("/nodes/{node}/tasks/{upid}/log")
            .protected()
            .proxied()
            .parameters([
                node(),
                upid(),
                integer().minimum(0).optional().named("start"),
                integer().minimum(0).optional().named("limit"),
                boolean().optional().named("download"),
            ])
            .handler(log),
        Endpoint::delete("/nodes/{node}/tasks/{upid}")
            .protected()
            .proxied()
            .parameters([node(), upid()])
            .handler(stop),
    ]
}

async fn index(_: Request) -> Result<Value, ApiError> {
    Ok(json!([{ "name": "log" }, { "name": "status" }]))
}

/// The worker that the path names; its owner or an auditor of the node may see it.
fn find(request: &Request) -> Result<(Upid, Option<Worker>), ApiError> {
    let upid: Upid =
        request.text("upid").unwrap_or_default().parse().map_err(
            |error: super::upid::NotAUpid| ApiError::parameter("upid", error.to_string()),
        )?;
    if upid.user != request.caller.identity() && upid.user_and_token().0 != request.caller.user {
        request.require(&format!("/nodes/{}", upid.node), &["Sys.Audit"])?;
    }
    let worker = request.state.tasks.find(&upid);
    Ok((upid, worker))
}

fn known(worker: Option<Worker>) -> Result<Worker, ApiError> {
    worker.ok_or_else(|| ApiError::parameter("upid", "no such task"))
}

/// What list and status share.
fn facts(upid: &Upid) -> Map<String, Value> {
    let (user, token) = upid.user_and_token();
    let mut answer = Map::new();
    answer.insert("upid".to_owned(), json!(upid.to_string()));
    answer.insert("node".to_owned(), json!(upid.node));
    answer.insert("pid".to_owned(), json!(upid.pid));
    answer.insert("pstart".to_owned(), json!(upid.pstart));
    answer.insert("starttime".to_owned(), json!(upid.starttime));
    answer.insert("type".to_owned(), json!(upid.kind));
    answer.insert("id".to_owned(), json!(upid.id));
    answer.insert("user".to_owned(), json!(user));
    if let Some(token) = token {
        answer.insert("tokenid".to_owned(), json!(token));
    }
    answer
}

async fn status(request: Request) -> Result<Value, ApiError> {
    let (upid, worker) = find(&request)?;
    let worker = known(worker)?;
    let mut answer = facts(&upid);
    match worker.status() {
        Some(status) => {
            answer.insert("status".to_owned(), json!("stopped"));
            answer.insert("exitstatus".to_owned(), json!(status));
        }
        None => {
            answer.insert("status".to_owned(), json!("running"));
        }
    }
    Ok(Value::Object(answer))
}

/// How many lines a log answers where nobody says.
const LINES: usize = 50;

async fn log(request: Request) -> Result<Answer, ApiError> {
    let (upid, worker) = find(&request)?;
    let download = request.boolean("download").unwrap_or(false);
    if download && (request.has("start") || request.has("limit")) {
        let text = "'download' cannot be used together with 'start' or 'limit' parameters";
        return Err(ApiError::failure(text));
    }
    let lines = match worker {
        Some(worker) => worker.progress().lines,
        None => vec!["unable to open file - No such file or directory".to_owned()],
    };
    if download {
        let began = jiff::Timestamp::from_second(upid.starttime).unwrap_or_default();
        let name = format!("task-{}-{}-{began}.log", upid.node, upid.kind);
        return Ok(Download { name, text: lines.join("\n") + "\n" }.into());
    }
    let lines = if lines.is_empty() { vec!["no content".to_owned()] } else { lines };
    let number = |name: &str| request.integer(name).and_then(|value| usize::try_from(value).ok());
    let (start, limit) = (number("start").unwrap_or(0), number("limit").unwrap_or(LINES));
    let limit = if limit == 0 { usize::MAX } else { limit };
    let total = lines.len();
    let shown: Vec<Value> = lines
        .into_iter()
        .enumerate()
        .skip(start)
        .take(limit)
        .map(|(index, line)| json!({ "n": index + 1, "t": line }))
        .collect();
    Ok(Answer::from(Value::Array(shown)).with("total", total))
}

async fn stop(request: Request) -> Result<Value, ApiError> {
    let (upid, worker) = find(&request)?;
    if upid.user != request.caller.identity() {
        request.require(&format!("/nodes/{}", upid.node), &["Sys.Modify"])?;
    }
    let worker = known(worker)?;
    if worker.status().is_none() {
        worker.interrupt();
        let patience = request.state.clock.patience(std::time::Duration::from_secs(5));
        // A worker that is slow to go is left to it.
        let _ = tokio::time::timeout(patience, worker.ended()).await;
    }
    Ok(Value::Null)
}

async fn list(request: Request) -> Result<Answer, ApiError> {
    let node = request.node();
    let auditor = request.may(&format!("/nodes/{node}"), &["Sys.Audit"]);
    let source = request.text("source").unwrap_or_else(|| "archive".to_owned());
    let mut found: Vec<Value> = request
        .state
        .tasks
        .youngest_first()
        .into_iter()
        .filter(|worker| worker.upid().node == node)
        .filter(|worker| auditor || worker.upid().user == request.caller.identity())
        .filter(|worker| match source.as_str() {
            "active" => worker.status().is_none(),
            "all" => true,
            _ => worker.status().is_some(),
        })
        .filter(|worker| wanted(&request, worker))
        .map(|worker| item(&worker))
        .collect();
    let total = found.len();
    let number = |name: &str| request.integer(name).and_then(|value| usize::try_from(value).ok());
    let start = number("start").unwrap_or(0).min(total);
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(LINES);
    let shown: Vec<Value> = found.drain(start..total.min(start + limit)).collect();
    Ok(Answer::from(Value::Array(shown)).with("total", total))
}

/// How many finished tasks the cluster's list shows.
const RECENT: usize = 25;

/// `/cluster/tasks`: what runs, and what ended last, on all nodes.
async fn recent(request: Request) -> Result<Value, ApiError> {
    let auditor = |node: &str| request.may(&format!("/nodes/{node}"), &["Sys.Audit"]);
    let (ended, running): (Vec<Worker>, Vec<Worker>) = request
        .state
        .tasks
        .youngest_first()
        .into_iter()
        .filter(|worker| {
            worker.upid().user == request.caller.identity() || auditor(&worker.upid().node)
        })
        .partition(|worker| worker.status().is_some());
    let shown = running.iter().chain(ended.iter().take(RECENT)).map(|worker| {
        let mut fields = facts(worker.upid());
        fields.shift_remove("pid");
        fields.shift_remove("pstart");
        let saved = match worker.status() {
            Some(status) => {
                fields.insert("status".to_owned(), json!(status));
                fields.insert("endtime".to_owned(), json!(worker.end_time()));
                "1"
            }
            None => "0",
        };
        fields.insert("saved".to_owned(), json!(saved));
        Value::Object(fields)
    });
    Ok(shown.collect())
}

/// A task as lists show it.
fn item(worker: &Worker) -> Value {
    let mut answer = facts(worker.upid());
    match worker.status() {
        Some(status) => {
            answer.insert("status".to_owned(), json!(status));
            answer.insert("endtime".to_owned(), json!(worker.end_time()));
        }
        None => {
            answer.insert("status".to_owned(), json!("RUNNING"));
            answer.insert("saved".to_owned(), json!("0"));
        }
    }
    Value::Object(answer)
}

fn wanted(request: &Request, worker: &Worker) -> bool {
    let upid = worker.upid();
    let status = worker.status();
    let sort = match status.as_deref() {
        None => "unknown",
        Some("OK") => "ok",
        Some(text) if text.starts_with("WARNINGS: ") => "warning",
        Some(_) => "error",
    };
    let errors = request.boolean("errors").unwrap_or(false);
    let filter = request.text("statusfilter");
    let listed = |list: &str| crate::pve::schema::format::split_list(list).any(|one| one == sort);
    (!errors || sort == "error")
        && filter.is_none_or(|list| listed(&list))
        && request.text("typefilter").is_none_or(|kind| upid.kind == kind)
        && request
            .text("userfilter")
            .is_none_or(|part| upid.user.to_lowercase().contains(&part.to_lowercase()))
        && request.text("vmid").is_none_or(|vmid| upid.id == vmid)
        && request.integer("since").is_none_or(|since| upid.starttime >= since)
        && request.integer("until").is_none_or(|until| upid.starttime <= until)
}
