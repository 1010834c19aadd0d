//! The git server, S3 and the mirror of a lab with GitOps, as their clients find them. They need root
//! and such a lab:
//!
//! ```sh
//! cargo run -p homelab-lab -- real --gitops -- cargo test -p homelab-lab --test gitops -- --ignored
//! ```

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this inside `homelab-lab real --gitops`")
    })
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

/// The `ssh` that knows the server and has one key.
fn ssh(key: &str) -> String {
    format!(
        "ssh -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
         -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null",
        setting(key),
        setting("HOMELAB_LAB_KNOWN_HOSTS")
    )
}

fn git(key: &str, folder: &Utf8Path, arguments: &[&str]) -> Result<String, String> {
    let identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"];
    let mut command = Command::new("git");
    output(
        command.env("GIT_SSH_COMMAND", ssh(key)).current_dir(folder).args(identity).args(arguments),
    )
}

const OPERATOR: &str = "HOMELAB_LAB_GIT_KEY";
const DEPLOY: &str = "HOMELAB_LAB_DEPLOY_KEY";

#[test]
#[ignore = "needs root and a lab with GitOps: run it inside `homelab-lab real --gitops`"]
fn what_the_operator_pushes_the_deploy_key_reads_and_cannot_change() {
    let url = setting("HOMELAB_LAB_GIT_URL");
    let (_keep, path) = folder();
    git(OPERATOR, &path, &["clone", "--quiet", &url, "written"]).unwrap();
    let written = path.join("written");
    fs_err::write(written.join("hello"), "world").unwrap();
    git(OPERATOR, &written, &["add", "hello"]).unwrap();
    git(OPERATOR, &written, &["commit", "--quiet", "-m", "Say hello"]).unwrap();
    git(OPERATOR, &written, &["push", "--quiet", "origin", "HEAD:main"]).unwrap();

    git(DEPLOY, &path, &["clone", "--quiet", &url, "read"]).unwrap();
    let read = path.join("read");
    assert_eq!(fs_err::read_to_string(read.join("hello")).unwrap(), "world");
    assert_eq!(git(DEPLOY, &read, &["branch", "--show-current"]).unwrap(), "main");
    git(DEPLOY, &read, &["commit", "--quiet", "--allow-empty", "-m", "Intrude"]).unwrap();
    let refused = git(DEPLOY, &read, &["push", "origin", "HEAD:main"]).unwrap_err();
    assert!(refused.contains("this key may read /homelab.git and do nothing else"), "{refused}");
}

#[test]
#[ignore = "needs root and a lab with GitOps: run it inside `homelab-lab real --gitops`"]
fn neither_key_opens_a_shell_nor_a_way_elsewhere() {
    for key in [OPERATOR, DEPLOY] {
        let login = ssh(key) + " -p 2222 git@10.79.0.1";
        let run = |rest: &str| output(Command::new("sh").args(["-c", &format!("{login} {rest}")]));
        let refused = run("id").unwrap_err();
        assert!(refused.contains("and do nothing else"), "{refused}");
        let refused = run("-W 10.79.0.1:8006").unwrap_err();
        assert!(refused.contains("administratively prohibited"), "{refused}");
    }
}

#[test]
#[ignore = "needs root and a lab with GitOps: run it inside `homelab-lab real --gitops`"]
fn an_object_is_kept_for_who_has_the_key() {
    let (_keep, path) = folder();
    let file = path.join("object");
    fs_err::write(&file, "kept").unwrap();
    let url = format!("{}/{}/a/b", setting("HOMELAB_LAB_S3_URL"), setting("HOMELAB_LAB_S3_BUCKET"));
    let curl = |secret: &str, rest: &[&str]| {
        let user = format!("{}:{secret}", setting("AWS_ACCESS_KEY_ID"));
        let scope = format!("aws:amz:{}:s3", setting("AWS_REGION"));
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "--aws-sigv4", &scope, "--user", &user]);
        output(command.args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]).args(rest).arg(&url))
    };
    let secret = setting("AWS_SECRET_ACCESS_KEY");
    curl(&secret, &["-T", file.as_str()]).unwrap();
    assert_eq!(curl(&secret, &[]).unwrap(), "kept");
    let refused = curl("wrong", &[]).unwrap_err();
    assert!(refused.contains("SignatureDoesNotMatch"), "{refused}");
    let refused = output(Command::new("curl").args(["-sS", "--fail-with-body", &url])).unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
}

#[test]
#[ignore = "needs root and a lab with GitOps: run it inside `homelab-lab real --gitops`"]
fn the_manifests_that_the_lock_pins_are_served() {
    let lock = fs_err::read_to_string(setting("HOMELAB_LOCK")).unwrap();
    let (_, flux) = lock.split_once("\nflux:\n").unwrap();
    let value = |name: &str| flux.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
    let served = Command::new("curl").args(["-sSf", value("url: ")]).output().unwrap();
    assert!(served.status.success());
    assert_eq!(hex::encode(Sha256::digest(&served.stdout)), value("sha256: "));
    let text = String::from_utf8(served.stdout).unwrap();
    assert!(text.contains("image: ghcr.io/fluxcd/source-controller:v"), "{}", text.len());
}
