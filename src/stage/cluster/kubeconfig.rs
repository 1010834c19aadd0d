//! Kubeconfigs: k3s writes one for 127.0.0.1 in which everything is called `default` (K3S-19).

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Map, Value, json};

use crate::{
    error::{Failure, Kind, Result},
    secret::Secret,
};

/// For the tailnet: the server's address, and cluster, user and context called after the cluster.
pub fn portable_kubeconfig(kubeconfig: &Secret, cluster: &str, server: Ipv4Addr) -> Result<Secret> {
    renamed(kubeconfig, cluster, &format!("https://{server}:6443"), None)
}

/// For a forwarded port of this machine. The certificate names 127.0.0.1, so it is checked as ever.
pub fn local_kubeconfig(kubeconfig: &Secret, cluster: &str, address: SocketAddr) -> Result<Secret> {
    renamed(kubeconfig, cluster, &format!("https://{address}"), Some("127.0.0.1"))
}

fn renamed(
    kubeconfig: &Secret,
    name: &str,
    server: &str,
    server_name: Option<&str>,
) -> Result<Secret> {
    let mut document = parse(kubeconfig.expose(), "the server's kubeconfig")?;
    for (list, inner) in [("clusters", "cluster"), ("users", "user"), ("contexts", "context")] {
        let entry = document
            .get_mut(list)
            .and_then(|list| list.get_mut(0))
            .and_then(Value::as_object_mut)
            .ok_or_else(|| unreadable("the server's kubeconfig", &format!("no {list} in it")))?;
        entry.insert("name".into(), json!(name));
        let entry = entry.entry(inner).or_insert(Value::Null);
        if entry.is_null() {
            *entry = json!({});
        }
        let inner = entry.as_object_mut().ok_or_else(|| {
            unreadable("the server's kubeconfig", &format!("its {inner} is no mapping"))
        })?;
        if list == "clusters" {
            inner.insert("server".into(), json!(server));
            if let Some(server_name) = server_name {
                inner.insert("tls-server-name".into(), json!(server_name));
            }
        }
        if list == "contexts" {
            inner.insert("cluster".into(), json!(name));
            inner.insert("user".into(), json!(name));
        }
    }
    document.insert("current-context".into(), json!(name));
    Ok(Secret::document(print(&document)?))
}

/// `existing` with the entries of `added` in it: those of the same name are replaced, all others kept, and
/// the current context stays unless there was none.
pub fn merge_kubeconfig(existing: &str, added: &str) -> Result<String> {
    let added = parse(added, "the new kubeconfig")?;
    if existing.trim().is_empty() {
        return print(&added);
    }
    let mut merged = parse(existing, "your kubeconfig")?;
    for list in ["clusters", "users", "contexts"] {
        let entries = added.get(list).and_then(Value::as_array).into_iter().flatten();
        let known = merged.entry(list).or_insert_with(|| json!([]));
        if known.is_null() {
            *known = json!([]);
        }
        let known = known
            .as_array_mut()
            .ok_or_else(|| unreadable("your kubeconfig", &format!("{list} is no list")))?;
        for entry in entries {
            known.retain(|other| other.get("name") != entry.get("name"));
            known.push(entry.clone());
        }
    }
    let has_context =
        merged.get("current-context").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if !has_context {
        merged.insert("current-context".into(), added.get("current-context").cloned().into());
    }
    print(&merged)
}

fn parse(text: &str, what: &str) -> Result<Map<String, Value>> {
    // The parser's own message may quote the text, which holds a key.
    serde_saphyr::from_str::<Map<String, Value>>(text)
        .map_err(|_| unreadable(what, "it is no YAML mapping"))
}

fn print(document: &Map<String, Value>) -> Result<String> {
    serde_saphyr::to_string(document)
        .map_err(|_| unreadable("the kubeconfig", "it cannot be written as YAML"))
}

fn unreadable(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Kubernetes, format!("{what} cannot be read: {why}"))
}
