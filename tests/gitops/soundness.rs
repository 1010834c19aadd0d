//! What must hold of any tree, whatever is on.

use std::collections::{BTreeMap, BTreeSet};

use homelab::gitops::File;
use serde_json::Value;

use crate::site::{Object, Site};

#[test]
fn the_whole_tree_is_sound() {
    Site::variants().iter().for_each(check);
}

/// Everything that must hold of any tree.
pub(crate) fn check(site: &Site) {
    images_have_tags(site);
    claims_have_a_class(site);
    parts_wait_for_parts_that_are_there(site);
    folders_list_their_files(site);
    namespaces_are_there(site);
    sources_are_there(site);
    secrets_are_there(site);
    objects_are_there_once(site);
}

fn images_have_tags(site: &Site) {
    for object in &site.objects {
        each(&object.value, &mut |key, value| {
            if let ("image", Some(image)) = (key, value.as_str()) {
                let tag = image.rsplit('/').next().unwrap_or_default().split_once(':');
                let tag = tag.unwrap_or_else(|| panic!("{}: {image} has no tag", object.path)).1;
                assert!(!tag.is_empty() && tag != "latest", "{}: {image}", object.path);
            }
        });
    }
}

fn claims_have_a_class(site: &Site) {
    for claim in site.of_kind("PersistentVolumeClaim") {
        assert_eq!(claim.text("/spec/storageClassName"), "longhorn", "{}", claim.path);
        assert_eq!(
            claim.value["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"], "disabled",
            "{}",
            claim.path
        );
    }
    for cluster in site.of_kind("Cluster") {
        assert_eq!(cluster.text("/spec/storage/storageClass"), "longhorn", "{}", cluster.path);
    }
    for release in site.of_kind("HelmRelease") {
        // A size in a chart's values without a class beside it is a claim without a class.
        each_mapping(&release.value["spec"]["values"], &mut |mapping| {
            let claims = mapping.contains_key("accessModes");
            assert!(!claims || mapping["storageClassName"] == "longhorn", "{}", release.path);
        });
    }
    let keeps = site.of_kind("PersistentVolumeClaim").chain(site.of_kind("Cluster")).count() > 0;
    assert!(!keeps || site.of_kind("HelmRelease").any(|release| release.name() == "longhorn"));
}

fn parts_wait_for_parts_that_are_there(site: &Site) {
    let parts: BTreeMap<&str, BTreeSet<&str>> = site
        .of_kind("Kustomization")
        .filter(|part| part.text("/apiVersion").starts_with("kustomize.toolkit"))
        .map(|part| {
            let after = part.value["spec"]["dependsOn"].as_array().into_iter().flatten();
            (part.name(), after.map(|one| one["name"].as_str().unwrap()).collect())
        })
        .collect();
    for (name, after) in &parts {
        for other in after {
            assert!(parts.contains_key(other), "{name} waits for {other}, which is not there");
        }
    }
    // What waits for nothing that is left can go; in a circle nothing can.
    let mut left = parts;
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, after)| after.iter().all(|other| !left.contains_key(other)))
            .map(|(name, _)| *name)
            .collect();
        assert!(!free.is_empty(), "these wait for each other: {:?}", left.keys());
        for name in free {
            left.remove(name);
        }
    }
    for part in site.of_kind("Kustomization") {
        let path = part.text("/spec/path").trim_start_matches("./");
        if part.name() == "flux-system" || path.is_empty() {
            continue;
        }
        assert_eq!(part.value["spec"]["wait"], true, "{}", part.name());
        assert!(
            site.tree.files.contains_key(&format!("{path}/kustomization.yaml")),
            "{} has no folder {path}",
            part.name()
        );
        let sealed = site.tree.secrets().any(|(file, _)| file.starts_with(&format!("{path}/")));
        assert_eq!(part.value["spec"].get("decryption").is_some(), sealed, "{}", part.name());
    }
}

/// A file that a folder's kustomization.yaml does not list is not applied.
fn folders_list_their_files(site: &Site) {
    for (path, file) in &site.tree.files {
        let (Some(folder), File::Text(text)) = (path.strip_suffix("kustomization.yaml"), file)
        else {
            continue;
        };
        let value: Value = serde_saphyr::from_str(text).unwrap();
        let listed: BTreeSet<String> = value["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| format!("{folder}{}", name.as_str().unwrap()))
            .collect();
        let there: BTreeSet<String> = site
            .tree
            .files
            .keys()
            .filter(|other| other.starts_with(folder) && *other != path)
            .cloned()
            .collect();
        assert_eq!(listed, there, "{path}");
    }
}

fn namespaces_are_there(site: &Site) {
    let made: BTreeMap<&str, &Object> =
        site.of_kind("Namespace").map(|object| (object.name(), object)).collect();
    for object in &site.objects {
        let namespace = object.namespace();
        let is_given = ["", "kube-system", "flux-system"].contains(&namespace);
        assert!(
            is_given || made.contains_key(namespace),
            "{}: no namespace {namespace}",
            object.path
        );
    }
    for (name, namespace) in made {
        let level = &namespace.value["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        let known = ["privileged", "baseline", "restricted"].iter().any(|one| level == one);
        assert!(known || name == "flux-system", "{}: {level}", namespace.path);
    }
}

fn sources_are_there(site: &Site) {
    for release in site.of_kind("HelmRelease") {
        let source = release.text("/spec/chart/spec/sourceRef/name");
        site.object("HelmRepository", "flux-system", source);
    }
}

fn secrets_are_there(site: &Site) {
    let plans = site.plans();
    for object in &site.objects {
        for (name, key) in references(object) {
            let namespace = match object.kind() {
                // cert-manager reads them in its own namespace.
                "ClusterIssuer" => "cert-manager",
                _ => object.namespace(),
            };
            // Outside of Git on purpose; made by an operator.
            let made = site.desired.gitops.as_ref().is_some_and(|one| one.cloudflare().is_some());
            let given = (namespace == "flux-system"
                && ["flux-system", "sops-age"].contains(&&*name))
                || (made && (namespace, &*name) == ("cloudflared", "tunnel-token"))
                || site.of_kind("Cluster").any(|one| {
                    one.namespace() == namespace && format!("{}-app", one.name()) == name
                });
            if given {
                continue;
            }
            let plan = plans.get(&(namespace.to_owned(), name.clone()));
            let plan = plan.unwrap_or_else(|| {
                panic!("{}: nobody makes Secret {namespace}/{name}", object.path)
            });
            let has = |key: &str| plan.values.iter().any(|(known, _)| *known == key);
            assert!(key.as_deref().is_none_or(has), "{}: {name} has no key {key:?}", object.path);
        }
    }
}

/// The Secrets that an object refers to, with the key where there is one.
fn references(object: &Object) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    each(&object.value, &mut |key, value| {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match key {
            "secretKeyRef" | "apiTokenSecretRef" | "accessKeyId" | "secretAccessKey" | "region"
            | "secretRef" => found.extend(text("name").map(|name| (name, text("key")))),
            "credentialSecret" | "existingSecret" | "secretName" => {
                found.extend(value.as_str().map(|name| (name.to_owned(), None)));
            }
            _ => {}
        }
    });
    found
}

fn objects_are_there_once(site: &Site) {
    let mut seen = BTreeSet::new();
    for object in site.objects.iter().filter(|object| !object.name().is_empty()) {
        let id = (object.kind(), object.namespace(), object.name());
        assert!(seen.insert(id), "{}: {id:?} is there twice", object.path);
    }
}

/// Every field below a value.
pub(crate) fn each(value: &Value, tell: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                tell(key, value);
                each(value, tell);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, tell)),
        _ => {}
    }
}

fn each_mapping(value: &Value, tell: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(entries) => {
            tell(entries);
            entries.values().for_each(|value| each_mapping(value, tell));
        }
        Value::Array(items) => items.iter().for_each(|item| each_mapping(item, tell)),
        _ => {}
    }
}

#[test]
fn what_is_broken_is_found() {
    for break_it in [
        |site: &mut Site| site.objects.retain(|object| object.name() != "tunnel-token"),
        |site: &mut Site| site.objects.retain(|object| object.kind() != "Namespace"),
        |site: &mut Site| site.objects.retain(|object| object.kind() != "HelmRepository"),
        |site: &mut Site| site.objects.retain(|object| object.name() != "sources"),
        |site: &mut Site| {
            let found = site.objects.iter_mut().find(|object| object.kind() == "Deployment");
            found.unwrap().value["spec"]["template"]["spec"]["containers"][0]["image"] =
                "docker.io/library/nginx".into();
        },
        |site: &mut Site| {
            let found = site.objects.iter_mut().find(|one| one.kind() == "PersistentVolumeClaim");
            found.unwrap().value["spec"].as_object_mut().unwrap().shift_remove("storageClassName");
        },
    ] {
        let mut site = Site::whole();
        break_it(&mut site);
        site.tree.files.retain(|path, _| {
            !path.ends_with("tunnel-token.sops.yaml")
                || site.objects.iter().any(|object| object.name() == "tunnel-token")
        });
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&site)));
        assert!(found.is_err(), "a broken tree passed");
    }
}
