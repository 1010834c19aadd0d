//! What runs in the cluster: Longhorn and Flux.

use super::folder::why_unclean;
use crate::inventory::{
    file::{GitCredentials, InventoryFile, JobTask, LonghornFile, NodeFile, RoleFile},
    git_host,
    path::FieldPath,
    report::Report,
    shape::closest,
};

/// The nodes that hold copies of volumes: those that are named, all agents, or all where there are no agents.
pub(super) fn storage_nodes<'a>(
    file: &'a InventoryFile,
    longhorn: &'a LonghornFile,
) -> impl Iterator<Item = (&'a String, &'a NodeFile)> {
    let agents = file.nodes.values().any(|node| node.role == RoleFile::Agent);
    file.nodes.iter().filter(move |(name, node)| match longhorn.nodes.as_slice() {
        [] => !agents || node.role == RoleFile::Agent,
        named => named.contains(name),
    })
}

pub(super) fn longhorn(file: &InventoryFile, report: &mut Report<'_>) {
    let Some(longhorn) = &file.longhorn else { return };
    let section = FieldPath::dotted("longhorn");
    for (index, name) in longhorn.nodes.iter().enumerate() {
        if !file.nodes.contains_key(name) {
            let known = file.nodes.keys().map(String::as_str);
            report.fault(
                &section.key("nodes").index(index),
                format!("there is no node `{name}`"),
                closest(name, known).map(|name| format!("did you mean `{name}`?")),
            );
        }
    }
    let holders = match longhorn.nodes.len() {
        0 => storage_nodes(file, longhorn).count(),
        named => named,
    };
    if longhorn.replicas as usize > holders {
        let path = section.key("replicas");
        let path = if report.is_written(&path) { path } else { section.clone() };
        report.fault(
            &path,
            format!(
                "{} replicas on {holders} storage nodes: each replica is on another node, so volumes \
                 would stay degraded",
                longhorn.replicas
            ),
            format!("write `replicas: {holders}`, or name more `nodes`"),
        );
    }
    for (name, job) in &longhorn.recurring_jobs {
        if matches!(job.task, JobTask::Backup | JobTask::SystemBackup) && longhorn.backup.is_none()
        {
            report.fault(
                &section.key("recurring_jobs").key(name).key("task"),
                format!("the job `{name}` makes backups, and there is no `backup` target"),
                "write `backup` with `bucket`, `region` and `credentials`".to_owned(),
            );
        }
    }
    for name in longhorn.recurring_jobs.keys().filter(|name| name.len() > 40) {
        report.fault_of_key(
            &section.key("recurring_jobs").key(name),
            format!("`{name}` has {} characters: Longhorn cuts a job's name at 40", name.len()),
            None,
        );
    }
    if longhorn.default_class
        && !file.k3s.disable.iter().any(|component| component.name() == "local-storage")
    {
        report.warn(
            &section,
            "two StorageClasses would be the default: Longhorn's and k3s's `local-path`",
            "add `local-storage` to `k3s.disable`, or write `default_class: false`".to_owned(),
        );
    }
}

pub(super) fn flux(file: &InventoryFile, report: &mut Report<'_>) {
    let Some(flux) = &file.flux else { return };
    let section = FieldPath::dotted("flux");
    let leaves = flux.path.starts_with('/') || flux.path.split('/').any(|part| part == "..");
    let why = if leaves { Some("leaves the repository") } else { why_unclean(&flux.path) };
    if let Some(why) = why {
        report.fault(
            &section.key("path"),
            format!("`{}` {why}", flux.path),
            "write a path from the repository's root, such as `clusters/homelab`".to_owned(),
        );
    }
    let refused = |character: char| {
        character.is_whitespace() || character.is_control() || "~^:?*[\\".contains(character)
    };
    if flux.branch.contains(refused) || flux.branch.contains("..") || flux.branch.starts_with('-') {
        report.fault(
            &section.key("branch"),
            format!("`{}` is no branch's name", flux.branch),
            None,
        );
    }
    let ssh = flux.url.starts_with("ssh://");
    if let Some(name) = git_host::known_as(&flux.url)
        && flux.known_hosts.is_empty()
        && flux.known_hosts_file.is_none()
        && git_host::published(&flux.url).is_none()
    {
        let scanned = match name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((host, port)) => format!("-p {port} {host}"),
            None => name.clone(),
        };
        report.fault(
            &section.key("url"),
            format!("the SSH host key of `{name}` is not known"),
            format!(
                "write `known_hosts_file`, or `known_hosts` with the lines of `ssh-keyscan {scanned}`, once compared with what \
                 the host itself shows"
            ),
        );
    }
    match &flux.credentials {
        Some(GitCredentials::DeployKey(_)) if !ssh => report.fault(
            &section.key("credentials"),
            "a deploy key opens `ssh://` URLs alone",
            "write the URL as `ssh://git@HOST/PATH`, or use `token`".to_owned(),
        ),
        Some(GitCredentials::Token(_)) if ssh => report.fault(
            &section.key("credentials"),
            "a token opens `https://` URLs alone",
            "write the URL as `https://HOST/PATH`, or use `deploy_key`".to_owned(),
        ),
        Some(GitCredentials::Token(_)) if flux.url.starts_with("http://") => report.fault(
            &section.key("url"),
            "the token would go to this server in clear text",
            "write `https://`".to_owned(),
        ),
        None if ssh => report.fault(
            &section,
            "an `ssh://` repository needs `credentials`",
            "write `credentials: {deploy_key: {file: PATH}}`; a read-only key is enough".to_owned(),
        ),
        _ => {}
    }
}
