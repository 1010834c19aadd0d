//! From a path to what it is about.

use std::sync::Arc;

use super::{request::Request, resource::Resource, store::State};
use crate::sim::gate::{Effect, System};

/// What a path is about.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Discovery, health, version; or nothing.
    Other,
    Collection {
        resource: Arc<Resource>,
        namespace: Option<String>,
    },
    /// The subresource is empty for the object itself.
    Object {
        resource: Arc<Resource>,
        namespace: String,
        name: String,
        subresource: String,
    },
}

/// A path as it is understood, and as the gate is told of it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) target: Target,
    pattern: String,
    about: String,
}

impl Route {
    pub(super) fn of(state: &State, path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let found = match parts.as_slice() {
            ["api", version, rest @ ..] => below(state, ("", version), rest),
            ["apis", group, version, rest @ ..] => below(state, (group, version), rest),
            _ => None,
        };
        found.unwrap_or_else(|| Self {
            target: Target::Other,
            pattern: path.to_owned(),
            about: String::new(),
        })
    }

    /// `PATCH /api/v1/nodes/{name}` about `nodes/k3s-server`; with a namespace `pods/{namespace}/{name}`, and for a
    /// whole collection `pods` or `pods/{namespace}`.
    pub(super) fn effect(&self, request: &Request) -> Effect {
        Effect {
            system: System::Kubernetes,
            kind: format!("{} {}", request.method, self.pattern),
            about: self.about.clone(),
            mutating: request.mutates(),
        }
    }
}

fn below(state: &State, (group, version): (&str, &str), rest: &[&str]) -> Option<Route> {
    let resource = |plural: &str| state.resource(group, version, plural);
    let (resource, namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] if resource(plural).is_some() => {
            (resource(plural).filter(|it| it.namespaced)?, Some((*namespace).to_owned()), rest)
        }
        [plural, rest @ ..] => (resource(plural)?, None, rest),
        [] => return None,
    };
    let root = resource.root();
    let place = if namespace.is_some() { "/namespaces/{namespace}" } else { "" };
    let plural = resource.plural.clone();
    let inside = namespace.as_ref().map(|namespace| format!("/{namespace}")).unwrap_or_default();
    match rest {
        [] => Some(Route {
            target: Target::Collection { resource, namespace },
            pattern: format!("{root}{place}/{plural}"),
            about: format!("{plural}{inside}"),
        }),
        [name, subresource @ ..] if subresource.len() < 2 => {
            if resource.namespaced && namespace.is_none() {
                return None;
            }
            let subresource = subresource.first().copied().unwrap_or_default().to_owned();
            let end =
                if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
            Some(Route {
                target: Target::Object {
                    resource,
                    namespace: namespace.unwrap_or_default(),
                    name: (*name).to_owned(),
                    subresource,
                },
                pattern: format!("{root}{place}/{plural}/{{name}}{end}"),
                about: format!("{plural}{inside}/{name}"),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::*;

    #[test]
    fn the_gate_is_told_paths_without_names_and_what_they_are_about() {
        let state = State::new();
        for (path, kind, about) in [
            ("/api/v1/nodes/k3s-server", "PATCH /api/v1/nodes/{name}", "nodes/k3s-server"),
            ("/api/v1/namespaces/apps", "PATCH /api/v1/namespaces/{name}", "namespaces/apps"),
            (
                "/apis/apps/v1/namespaces/flux-system/deployments/web/status",
                "PATCH /apis/apps/v1/namespaces/{namespace}/deployments/{name}/status",
                "deployments/flux-system/web",
            ),
            ("/api/v1/pods", "PATCH /api/v1/pods", "pods"),
            ("/readyz", "PATCH /readyz", ""),
        ] {
            let uri: Uri = path.parse().unwrap();
            let request = Request::new(Method::PATCH, &uri, &HeaderMap::new(), Vec::new());
            let effect = Route::of(&state, path).effect(&request);
            assert_eq!((effect.kind.as_str(), effect.about.as_str()), (kind, about));
            assert!(effect.mutating);
        }
    }
}
