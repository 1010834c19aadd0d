//! Pinned artifacts on their way to a node: fetched by the node itself where it can, pushed otherwise.

use std::time::Duration;

use camino::Utf8Path;
use serde_json::json;

use super::run::run;
use crate::{
    error::{Effect, Failure, Kind, Result},
    inventory::desired::Artifact,
    ports::{Host, RemoteFile},
    script::Script,
    template,
};

/// How an artifact came to be on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Present,
    Fetched,
    Pushed,
}

/// Where the node keeps it until it is installed.
pub(crate) fn cached_path(artifact: &Artifact) -> String {
    format!("/var/cache/homelab/{}", artifact.sha256)
}

pub(crate) fn fetch_script(artifact: &Artifact) -> Result<Script> {
    let context = json!({ "sha256": artifact.sha256, "url": artifact.url });
    Ok(template::script("fetch-artifact.sh", context)?.timeout(Duration::from_secs(900)))
}

/// Has the node fetch an artifact; `None` when it cannot reach the place that it comes from.
pub async fn fetch(host: &impl Host, artifact: &Artifact) -> Result<Option<Delivery>> {
    match run(host, &fetch_script(artifact)?).await?.trim() {
        "present" => Ok(Some(Delivery::Present)),
        "fetched" => Ok(Some(Delivery::Fetched)),
        _ => Ok(None),
    }
}

/// Brings an artifact to a node; `local` is our own copy of it, pushed when the node cannot fetch it.
pub async fn deliver(
    host: &impl Host,
    artifact: &Artifact,
    local: Option<&Utf8Path>,
) -> Result<Delivery> {
    if let Some(delivery) = fetch(host, artifact).await? {
        return Ok(delivery);
    }
    let Some(local) = local else {
        return Err(Failure::new(
            Kind::Unreachable,
            format!("cannot fetch {} and there is no local copy of it to push", artifact.url),
        )
        .at(host.node())
        .effect(Effect::None)
        .hint("give the node a way to the URL, or put a mirror into the inventory"));
    };
    push(host, artifact, local).await?;
    Ok(Delivery::Pushed)
}

/// Pushes our own copy of an artifact to a node.
pub async fn push(host: &impl Host, artifact: &Artifact, local: &Utf8Path) -> Result<()> {
    let file = RemoteFile {
        local: local.to_owned(),
        remote: cached_path(artifact),
        mode: 0o600,
        sha256: artifact.sha256.clone(),
    };
    host.write(&file).await.map_err(Failure::from)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use sha2::{Digest, Sha256};
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::adapter::artifact::tests::dropping::Dropping;

    /// Runs the script as a node with its files in `root` would; what it printed.
    async fn fetched(root: &Utf8Path, url: String, sha256: String) -> String {
        let artifact = Artifact { version: "1".into(), url, sha256 };
        let script = fetch_script(&artifact).unwrap();
        let mut child = tokio::process::Command::new("/bin/sh")
            .arg("-s")
            .env("HOMELAB_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = script.standard_input();
        child.stdin.take().unwrap().write_all(input.expose().as_bytes()).await.unwrap();
        String::from_utf8(child.wait_with_output().await.unwrap().stdout).unwrap()
    }

    #[tokio::test]
    async fn a_node_goes_on_where_its_download_broke_and_begins_anew_where_the_file_is_another() {
        if std::process::Command::new("curl").arg("--version").output().is_err() {
            eprintln!("SKIPPED: curl is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        let sha256 = hex::encode(Sha256::digest(&content));
        let cached = root.join("var/cache/homelab").join(&sha256);
        let server = Dropping::start(content.clone(), &[100_000], "\"one\"").await;
        assert_eq!(fetched(root, server.url(), sha256.clone()).await, "fetched\n");
        assert!(fs_err::read(&cached).unwrap() == content);
        let ranges = server.ranges();
        assert!(matches!(ranges[..], [None, Some(1..)]), "{ranges:?}");
        assert_eq!(fetched(root, server.url(), sha256.clone()).await, "present\n");
        for (version, part) in
            [("\"another\"", 200_000), ("\"one\"", 200_000), ("\"one\"", 400_000)]
        {
            fs_err::remove_file(&cached).unwrap();
            fs_err::write(format!("{cached}.part"), vec![0; part]).unwrap();
            fs_err::write(format!("{cached}.version"), format!("{version}\n")).unwrap();
            assert_eq!(fetched(root, server.url(), sha256.clone()).await, "fetched\n");
            assert!(fs_err::read(&cached).unwrap() == content, "{version} {part}");
        }
        assert_eq!(cached.parent().unwrap().read_dir_utf8().unwrap().count(), 1);
    }
}
