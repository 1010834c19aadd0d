//! What each method does to what a path is about.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Kubernetes,
    deletion::{Deleted, Deletion},
    discovery,
    failure::Failure,
    list::list,
    request::{Patching, Request},
    resource::Resource,
    route::{Route, Target},
    store::{Key, State},
    watch::Watch,
};

/// An answer that is no failure.
pub(super) enum Answer {
    Object(StatusCode, Value),
    Text(StatusCode, String),
    Events(Watch),
}

pub(super) type Outcome = Result<Answer, Failure>;

/// Where one object stands.
type Place<'a> = (&'a str, &'a str);

/// Does what is asked for.
pub(super) fn act(kubernetes: &Arc<Kubernetes>, route: &Route, request: &Request) -> Outcome {
    match &route.target {
        Target::Other => other(kubernetes, request),
        Target::Collection { resource, namespace } => {
            if request.method == Method::GET && request.is_set("watch") {
                let resource = Arc::clone(resource);
                let watch = Watch::begin(kubernetes, resource, namespace.clone(), request)?;
                return Ok(Answer::Events(watch));
            }
            let namespace = namespace.as_deref();
            kubernetes.change(|state| collection(state, resource, namespace, request))
        }
        Target::Object { resource, namespace, name, subresource } => {
            let place = (namespace.as_str(), name.as_str());
            kubernetes.change(|state| match subresource.as_str() {
                "" => object(state, resource, place, request),
                "status" if resource.status => status(state, resource, place, request),
                "eviction" if resource.qualified() == "pods" && request.method == Method::POST => {
                    let eviction = request.object()?;
                    let done = state.evict(resource, place, &eviction, request.dry_run())?;
                    Ok(Answer::Object(StatusCode::CREATED, done))
                }
                _ => {
                    let message = "the server could not find the requested resource";
                    Err(Failure::new(404, "NotFound", message))
                }
            })
        }
    }
}

fn other(kubernetes: &Kubernetes, request: &Request) -> Outcome {
    if request.method != Method::GET {
        return Err(Failure::method_not_allowed());
    }
    let text = |text: &str| Ok(Answer::Text(StatusCode::OK, text.to_owned()));
    match request.path.trim_end_matches('/') {
        "/version" => Ok(found(version(&kubernetes.version()))),
        "/healthz" | "/livez" | "/readyz" => text("ok"),
        path => Ok(match discovery::answer(&kubernetes.state(), path) {
            Some(answer) => found(answer),
            None => Answer::Text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        }),
    }
}

fn found(object: Value) -> Answer {
    Answer::Object(StatusCode::OK, object)
}

/// `v1.34.4+k3s1`, in its parts.
fn version(git: &str) -> Value {
    let mut parts = git.trim_start_matches('v').split('.');
    json!({
        "major": parts.next().unwrap_or_default(),
        "minor": parts.next().unwrap_or_default(),
        "gitVersion": git,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

fn collection(
    state: &mut State,
    resource: &Resource,
    namespace: Option<&str>,
    request: &Request,
) -> Outcome {
    match request.method {
        Method::GET => list(state, resource, namespace, request).map(found),
        Method::POST if resource.namespaced == namespace.is_some() => {
            let object = request.object()?;
            let namespace = namespace.unwrap_or_default();
            let made = state.create(resource, namespace, object, &request.write(""))?;
            Ok(Answer::Object(StatusCode::CREATED, made))
        }
        Method::DELETE => {
            let selected = list(state, resource, namespace, request)?;
            let mut deletion = Deletion::read(&request.options()?);
            deletion.dry_run |= request.dry_run();
            for item in selected["items"].as_array().into_iter().flatten() {
                let text = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
                let place = (text("namespace"), text("name"));
                // One that is gone meanwhile went with another.
                match state.delete(resource, place, &deletion) {
                    Err(failure) if failure.code != 404 => return Err(failure),
                    _ => {}
                }
            }
            Ok(found(selected))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn object(state: &mut State, resource: &Resource, place: Place<'_>, request: &Request) -> Outcome {
    match request.method {
        Method::GET => state.shown(resource, &Key::new(resource, place.0, place.1)).map(found),
        Method::PUT => put(state, resource, place, "", request),
        Method::PATCH => patch(state, resource, place, "", request),
        Method::DELETE => {
            let mut deletion = Deletion::read(&request.options()?);
            deletion.dry_run |= request.dry_run();
            if let Ok(grace) = request.query("gracePeriodSeconds").parse() {
                deletion.grace = deletion.grace.or(Some(grace));
            }
            Ok(found(match state.delete(resource, place, &deletion)? {
                Deleted::Ending(object) => object,
                Deleted::Gone(object) => gone(resource, &object),
            }))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn status(state: &mut State, resource: &Resource, place: Place<'_>, request: &Request) -> Outcome {
    match request.method {
        Method::GET => state.shown(resource, &Key::new(resource, place.0, place.1)).map(found),
        Method::PUT => put(state, resource, place, "status", request),
        Method::PATCH => patch(state, resource, place, "status", request),
        _ => Err(Failure::method_not_allowed()),
    }
}

fn put(
    state: &mut State,
    resource: &Resource,
    place: Place<'_>,
    subresource: &str,
    request: &Request,
) -> Outcome {
    let object = request.object()?;
    let unconditional = object["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty);
    if resource.custom && unconditional {
        let why = "Invalid value: 0: must be specified for an update";
        return Err(Failure::invalid(
            (&resource.group, &resource.plural),
            place.1,
            ("FieldValueInvalid", "metadata.resourceVersion", why),
        ));
    }
    let write = request.write(subresource);
    state.alter(resource, place, &write, |_| Ok(object)).map(found)
}

fn patch(
    state: &mut State,
    resource: &Resource,
    place: Place<'_>,
    subresource: &str,
    request: &Request,
) -> Outcome {
    let write = request.write(subresource);
    match request.patch()? {
        Patching::Apply { configuration, force } => {
            let there = state.object(&Key::new(resource, place.0, place.1)).is_some();
            let code = if there { StatusCode::OK } else { StatusCode::CREATED };
            let applied = state.apply(resource, place, configuration, force, &write)?;
            Ok(Answer::Object(code, applied))
        }
        Patching::Other(patch) => {
            state.alter(resource, place, &write, |live| patch.of(resource, live)).map(found)
        }
    }
}

/// What is said of an object that is no more.
fn gone(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({
        "name": object["metadata"]["name"],
        "kind": resource.plural,
        "uid": object["metadata"]["uid"],
    });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
