//! From files to objects: lists of resources, and folders without one, as `kustomize build` and Flux's own generator
//! read them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::git::Files;

/// What says which files of a folder count.
const LIST: &str = "kustomization.yaml";
/// What of such a list is understood.
const UNDERSTOOD: [&str; 3] = ["apiVersion", "kind", "resources"];

/// One object, and the file that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Built {
    pub(super) path: String,
    pub(super) object: Value,
}

/// The objects of a folder of a commit, in the order of its files.
///
/// # Errors
/// Why Flux could not build it, in its own words where they are known.
pub(super) fn build(files: &Files, folder: &str) -> Result<Vec<Built>, String> {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    let mut built = Vec::new();
    let mut seen = BTreeSet::new();
    add_folder(files, folder, &mut seen, &mut built)?;
    Ok(built)
}

fn add_folder(
    files: &Files,
    folder: &str,
    seen: &mut BTreeSet<String>,
    built: &mut Vec<Built>,
) -> Result<(), String> {
    let below = |path: &str| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
    let names: Vec<String> = files.keys().filter_map(|path| below(path)).collect();
    if names.is_empty() {
        return Err(format!(
            "kustomization path not found: stat {folder}: no such file or directory"
        ));
    }
    if let Some(list) = files.get(&format!("{folder}/{LIST}")) {
        return add_listed(files, folder, list, seen, built);
    }
    // Without a list: every manifest, and each folder below that has one by its own.
    let listed: Vec<&str> =
        names.iter().filter_map(|name| name.strip_suffix(LIST)?.strip_suffix('/')).collect();
    for inner in &listed {
        add_folder(files, &format!("{folder}/{inner}"), seen, built)?;
    }
    let is_in = |name: &str, inner: &str| {
        name.strip_prefix(inner).is_some_and(|rest| rest.starts_with('/'))
    };
    for name in names.iter().filter(|name| !listed.iter().any(|inner| is_in(name, inner))) {
        if name.ends_with(".yaml") || name.ends_with(".yml") {
            add_file(files, &format!("{folder}/{name}"), seen, built)?;
        }
    }
    Ok(())
}

fn add_listed(
    files: &Files,
    folder: &str,
    list: &[u8],
    seen: &mut BTreeSet<String>,
    built: &mut Vec<Built>,
) -> Result<(), String> {
    let list = one(list).map_err(|why| format!("{folder}/{LIST}: {why}"))?;
    let fields = list.as_object().into_iter().flatten();
    if let Some((name, _)) = fields.into_iter().find(|(name, _)| !UNDERSTOOD.contains(&&***name)) {
        return Err(format!("{folder}/{LIST}: `{name}` is not simulated"));
    }
    for name in list["resources"].as_array().into_iter().flatten() {
        let path = joined(folder, name.as_str().unwrap_or_default());
        if files.contains_key(&path) {
            add_file(files, &path, seen, built)?;
        } else {
            add_folder(files, &path, seen, built)
                .map_err(|why| format!("accumulating resources from '{path}': {why}"))?;
        }
    }
    Ok(())
}

/// A path as it is seen from a folder.
fn joined(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn add_file(
    files: &Files,
    path: &str,
    seen: &mut BTreeSet<String>,
    built: &mut Vec<Built>,
) -> Result<(), String> {
    if !seen.insert(path.to_owned()) {
        return Err(format!("{path} is listed twice"));
    }
    let text = String::from_utf8_lossy(files.get(path).map(Vec::as_slice).unwrap_or_default());
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| format!("{path}: {error}"))?;
    for object in objects.into_iter().filter(Value::is_object) {
        if object["kind"].as_str().is_none_or(str::is_empty) {
            return Err(format!("{path}: an object has no kind"));
        }
        built.push(Built { path: path.to_owned(), object });
    }
    Ok(())
}

fn one(bytes: &[u8]) -> Result<Value, String> {
    serde_saphyr::from_str(&String::from_utf8_lossy(bytes)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        texts.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec())).collect()
    }

    fn names(files: &Files, folder: &str) -> Vec<String> {
        let built = build(files, folder).unwrap();
        built.iter().map(|one| one.object["metadata"]["name"].as_str().unwrap().into()).collect()
    }

    fn map(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
    }

    #[test]
    fn a_list_names_what_counts_and_a_folder_without_one_counts_whole() {
        let (one, two, three) = (map("one"), map("two"), map("three"));
        let both = format!("{two}---\n{three}");
        let files = files(&[
            ("clusters/x/own/a.yaml", &one),
            ("clusters/x/own/kustomization.yaml", "resources: [a.yaml]"),
            ("clusters/x/own/b.yaml", &map("unlisted")),
            ("clusters/x/free.yaml", &both),
            ("clusters/xy/other.yaml", &map("elsewhere")),
            ("clusters/x/README.md", "no object"),
        ]);
        assert_eq!(names(&files, "./clusters/x"), ["one", "two", "three"]);
        assert_eq!(names(&files, "clusters/xy"), ["elsewhere"]);
    }

    #[test]
    fn what_cannot_be_built_says_why() {
        let files = files(&[
            ("lost/kustomization.yaml", "resources: [gone.yaml]"),
            ("patched/kustomization.yaml", "resources: []\npatches: []"),
            ("broken/a.yaml", "a: ["),
        ]);
        let why = |folder| build(&files, folder).unwrap_err();
        assert!(why("lost").contains("gone.yaml: no such file or directory"), "{}", why("lost"));
        assert!(why("nowhere").starts_with("kustomization path not found"), "{}", why("nowhere"));
        assert!(why("patched").contains("`patches` is not simulated"), "{}", why("patched"));
        assert!(why("broken").starts_with("broken/a.yaml: "), "{}", why("broken"));
    }
}
