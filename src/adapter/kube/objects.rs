//! Objects of any kind.

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, TypeMeta},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde_json::{Value, json};

use super::{
    cluster::{FIELD_MANAGER, KubeCluster},
    failure::code,
};
use crate::ports::{ClusterError, ObjectKind, Objects};

impl Objects for KubeCluster {
    async fn list(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let api = self.api(kind, namespace);
        let name = format!("list {}", kind.plural);
        let parameters = ListParams::default();
        let listed = self.reads(&name).run_opt(api.list(&parameters)).await?;
        Ok(listed.into_iter().flat_map(|list| list.items).map(|object| json!(object)).collect())
    }

    async fn get(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ClusterError> {
        let api = self.api(kind, Some(namespace).filter(|namespace| !namespace.is_empty()));
        let call = format!("read {} {namespace}/{name}", kind.kind);
        Ok(self.reads(&call).run_opt(api.get(name)).await?.map(|object| json!(object)))
    }

    async fn apply(&self, object: &Value) -> Result<(), ClusterError> {
        let types: Option<TypeMeta> = serde_json::from_value(object.clone()).ok();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str();
        let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or("an object without a kind");
        let call = format!("apply {kind} {place}{name}");
        let types = types.and_then(|types| GroupVersionKind::try_from(types).ok());
        let Some(types) = types.filter(|_| !name.is_empty()) else {
            return Err(ClusterError::Refused {
                call,
                status: 400,
                message: "it is no object: apiVersion, kind or name is missing".into(),
                effect: crate::error::Effect::None,
            });
        };
        let (resource, capabilities) =
            self.reads(&call).run(discovered(self.client(), &types)).await?;
        let api: Api<DynamicObject> = match (capabilities, namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client().clone(), namespace, &resource)
            }
            (Scope::Namespaced, None) => {
                Api::namespaced_with(self.client().clone(), "default", &resource)
            }
            (Scope::Cluster, _) => Api::all_with(self.client().clone(), &resource),
        };
        let parameters = PatchParams::apply(FIELD_MANAGER);
        let patch = Patch::Apply(object);
        self.changes(&call).run(api.patch(name, &parameters, &patch)).await.map(drop)
    }

    async fn delete(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> Result<(), ClusterError> {
        let api = self.api(kind, Some(namespace).filter(|namespace| !namespace.is_empty()));
        let call = format!("delete {} {namespace}/{name}", kind.kind);
        let parameters = DeleteParams::background();
        self.changes(&call).run_opt(api.delete(name, &parameters)).await.map(drop)
    }

    async fn annotate(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
        annotations: &[(&str, &str)],
    ) -> Result<(), ClusterError> {
        let api = self.api(kind, Some(namespace));
        let call = format!("annotate {} {namespace}/{name}", kind.kind);
        let annotations: serde_json::Map<String, Value> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        self.changes(&call).run(api.patch(name, &parameters, &patch)).await.map(drop)
    }
}

impl KubeCluster {
    fn api(&self, kind: ObjectKind, namespace: Option<&str>) -> Api<DynamicObject> {
        let types = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&types, kind.plural);
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client().clone(), namespace, &resource),
            None => Api::all_with(self.client().clone(), &resource),
        }
    }
}

/// How the API serves a kind. A group or kind that is not served is answered like an object that is not
/// there.
async fn discovered(
    client: &Client,
    types: &GroupVersionKind,
) -> Result<(ApiResource, Scope), kube::Error> {
    match pinned_kind(client, types).await {
        Ok((resource, capabilities)) => Ok((resource, capabilities.scope)),
        Err(kube::Error::Discovery(error)) => Err(not_served(error.to_string())),
        Err(error) if code(&error) == Some(404) => Err(not_served(format!(
            "no matches for kind {} in {}",
            types.kind,
            types.api_version()
        ))),
        Err(error) => Err(error),
    }
}

fn not_served(message: String) -> kube::Error {
    kube::Error::Api(kube::core::Status::failure(&message, "NotFound").with_code(404).boxed())
}
