//! Every object against its schema, closed: a field that the schema does not know is a fault, as it is for
//! Flux's server-side apply.

use std::{collections::BTreeMap, path::Path};

use k8s_openapi::api::{apps, core, networking, policy};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    shared,
    site::{Object, Site},
};

#[test]
fn every_custom_resource_fits_its_schema_and_has_no_field_beyond_it() {
    let Some(folder) = shared::folder("crds") else { return };
    let mut validators = BTreeMap::new();
    let sites = Site::variants();
    let mut checked = 0;
    for object in sites.iter().flat_map(|site| &site.objects) {
        let api = object.text("/apiVersion");
        let Some((group, version)) = api.split_once('/').filter(|(group, _)| is_custom(group))
        else {
            continue;
        };
        let key = (api.to_owned(), object.kind().to_owned());
        let validator = validators.entry(key).or_insert_with(|| {
            let schema = schema(&folder, group, version, object.kind());
            jsonschema::validator_for(&schema).unwrap()
        });
        let faults: Vec<String> = validator
            .iter_errors(&object.value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{} ({})", object.path, object.name());
        checked += 1;
    }
    assert!(checked > 120, "{checked} objects");
    eprintln!("{checked} custom resources of {} kinds fit", validators.len());
}

/// The other kinds are Kubernetes' own, and kustomize's.
fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with("k8s.io") && group != "kustomize.config.k8s.io"
}

fn schema(folder: &Path, group: &str, version: &str, kind: &str) -> Value {
    // A plural begins as its kind does, but for a last `y`.
    let begin = format!("{group}_{}", kind[..kind.len() - 1].to_lowercase());
    let definition = walk(folder)
        .into_iter()
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin))
        })
        .map(|path| fs_err::read_to_string(path).unwrap())
        .map(|text| serde_saphyr::from_str::<Value>(&text).unwrap())
        .find(|definition| definition["spec"]["names"]["kind"] == kind)
        .unwrap_or_else(|| panic!("no schema of {group} {kind}"));
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let found = versions.iter().find(|one| one["name"] == version);
    let found = found.unwrap_or_else(|| panic!("{group} {kind} has no version {version}"));
    assert_eq!(found["served"], true, "{group}/{version} {kind} is not served");
    let mut schema = found["schema"]["openAPIV3Schema"].clone();
    close(&mut schema);
    // An object's metadata is Kubernetes' own.
    schema["properties"]["metadata"] = json!({"type": "object"});
    for own in ["apiVersion", "kind"] {
        schema["properties"][own] = json!({"type": "string"});
    }
    schema
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let folders = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter(|path| path.is_dir())
        .flat_map(|path| fs_err::read_dir(path).unwrap().map(|entry| entry.unwrap().path()))
        .collect()
}

/// What a structural schema leaves open, the API server prunes and Flux refuses.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let preserves =
                object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            let is_object = object.get("type") == Some(&json!("object"));
            if is_object && !preserves && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".into(), json!(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_object_of_kubernetes_own_has_no_field_that_kubernetes_does_not_know() {
    let sites = Site::variants();
    let mut checked = 0;
    for object in sites.iter().flat_map(|site| &site.objects) {
        let known = match (object.text("/apiVersion"), object.kind()) {
            ("v1", "Namespace") => unchanged::<core::v1::Namespace>(object),
            ("v1", "Secret") => unchanged::<core::v1::Secret>(object),
            ("v1", "ConfigMap") => unchanged::<core::v1::ConfigMap>(object),
            ("v1", "Service") => unchanged::<core::v1::Service>(object),
            ("v1", "PersistentVolumeClaim") => unchanged::<core::v1::PersistentVolumeClaim>(object),
            ("apps/v1", "Deployment") => unchanged::<apps::v1::Deployment>(object),
            ("networking.k8s.io/v1", "Ingress") => unchanged::<networking::v1::Ingress>(object),
            ("policy/v1", "PodDisruptionBudget") => {
                unchanged::<policy::v1::PodDisruptionBudget>(object)
            }
            ("kustomize.config.k8s.io/v1beta1", "Kustomization") => continue,
            (api, _) if api.split_once('/').is_some_and(|(group, _)| is_custom(group)) => continue,
            (api, kind) => panic!("{}: nobody checks {api} {kind}", object.path),
        };
        assert_eq!(known, object.value, "{}: a field was not known", object.path);
        checked += 1;
    }
    assert!(checked > 80, "{checked} objects");
}

/// The object as its type understands it: what it does not know is gone.
fn unchanged<T: Serialize + DeserializeOwned>(object: &Object) -> Value {
    let typed: T = serde_json::from_value(object.value.clone())
        .unwrap_or_else(|error| panic!("{}: {error}", object.path));
    serde_json::to_value(typed).unwrap()
}

#[test]
fn a_release_names_its_chart_in_one_way_and_is_never_uninstalled_by_a_failure() {
    for release in Site::whole().of_kind("HelmRelease") {
        assert!(release.value["spec"]["chart"].is_object(), "{}", release.path);
        assert!(release.value["spec"].get("chartRef").is_none(), "{}", release.path);
        for action in ["install", "upgrade"] {
            let strategy = release.text(&format!("/spec/{action}/strategy/name"));
            assert_eq!(strategy, "RetryOnFailure", "{}", release.path);
        }
        assert!(!release.text("/spec/chart/spec/version").is_empty(), "{}", release.path);
        assert_eq!(release.text("/spec/releaseName"), release.name());
    }
}
