//! What the Git host does for whom, asked by real `git` and `ssh`.

use std::sync::Arc;

use super::*;
use crate::sim::gate::{Effect, Moment, Ruling, Verdict, Warden};

/// A host on a port of its own, below a folder.
pub(in crate::sim) async fn host(folder: &tempfile::TempDir) -> GitHost {
    let below = Utf8PathBuf::try_from(folder.path().join("git")).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    GitHost::start(Gate::default(), below, address, Wire::default()).await.unwrap()
}

/// Runs a script that finds `git`'s way to the host, with a key; whether it went well, and what it said.
async fn with_key(host: &GitHost, key: &Utf8Path, script: &str) -> (bool, String) {
    let hosts = host.known_hosts();
    let ssh = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \
         -o UserKnownHostsFile={hosts} -i {key}"
    );
    let output = tokio::process::Command::new("sh")
        .args(["-ec", script, "sh", &host.url()])
        .current_dir(&host.folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_SSH_COMMAND", ssh)
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "me")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "me@lan")))
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Makes these files, and no others, the head of the branch.
pub(in crate::sim) async fn push(host: &GitHost, files: &[(&str, &str)]) {
    let tree = host.folder.join("tree");
    let mut folders = vec![tree.join(".git")];
    if folders[0].exists() {
        for entry in tree.read_dir_utf8().unwrap().map(Result::unwrap) {
            if entry.file_name() != ".git" {
                fs_err::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
    for (path, text) in files {
        let file = tree.join(path);
        folders.push(file.parent().unwrap().to_owned());
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }
    let script = "cd tree; test -d .git || git init --quiet -b main .; git add --all; \
                  git commit --quiet --allow-empty -m all; git push --quiet \"$1\" main";
    let (went_well, said) = with_key(host, &host.writer_key(), script).await;
    assert!(went_well, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deploy_key_reads_and_the_writers_writes_and_neither_does_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder).await;
    assert_eq!(host.repository().head(BRANCH).unwrap(), None);
    push(&host, &[("a/b.yaml", "text")]).await;
    let head = host.repository().head(BRANCH).unwrap().unwrap();
    assert_eq!(host.repository().files(&head).await.unwrap()["a/b.yaml"], b"text");
    assert_eq!(host.repository().commits().await.unwrap(), 1);

    let fetch = "git init --quiet read; cd read; git fetch --depth=1 \"$1\" refs/heads/main; \
                 git rev-parse FETCH_HEAD";
    let (went_well, said) = with_key(&host, &host.deploy_key(), fetch).await;
    assert!(went_well && said.contains(&head), "{said}");
    let (went_well, said) =
        with_key(&host, &host.deploy_key(), "git -C tree push \"$1\" main:x").await;
    assert!(!went_well && said.contains("this key may not do that here"), "{said}");
    let shell = format!("$GIT_SSH_COMMAND -p {} git@{} id", host.address.port(), host.address.ip());
    let (went_well, said) = with_key(&host, &host.writer_key(), &shell).await;
    assert!(!went_well && said.contains("this key may not do that here"), "{said}");
    let stranger = made(&host.folder.join("stranger")).await.map(|_| host.folder.join("stranger"));
    let (went_well, said) = with_key(&host, &stranger.unwrap(), "git ls-remote \"$1\"").await;
    assert!(!went_well && said.contains("Permission denied (publickey)"), "{said}");
    assert_eq!(host.repository().references().await.unwrap(), ["refs/heads/main"]);
}

#[tokio::test]
async fn flux_is_told_why_it_is_not_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder).await;
    let key = fs_err::read_to_string(host.deploy_key()).unwrap();
    let (url, known) = (host.url(), host.known_host());
    assert_eq!(host.opens(&url, &key, &known), Ok(()));
    let why = |url: &str, key: &str, known: &str| host.opens(url, key, known).unwrap_err();
    assert!(why(&url, "no key", &known).contains("unable to authenticate"));
    assert!(why(&url, &key, "").contains("knownhosts: key is unknown"));
    assert!(why("ssh://git@elsewhere/x", &key, &known).contains("connection refused"));
}

/// Loses the answer of each fetch.
struct LosesFetches;

impl Warden for LosesFetches {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        let lost = effect.kind == "git upload-pack" && moment == Moment::After;
        Box::pin(async move { if lost { Verdict::Drop } else { Verdict::Pass } })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_passes_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder).await;
    push(&host, &[("a/b.yaml", "text")]).await;
    let list = "git ls-remote \"$1\"";
    assert!(with_key(&host, &host.deploy_key(), list).await.0);
    host.host.gate.set_warden(Some(Arc::new(LosesFetches)));
    let (went_well, said) = with_key(&host, &host.deploy_key(), list).await;
    assert!(!went_well && said.contains("Could not read from remote repository"), "{said}");
    let log = host.host.gate.log();
    let kinds: Vec<(&str, bool)> =
        log.iter().map(|effect| (effect.kind.as_str(), effect.mutating)).collect();
    let fetch = ("git upload-pack", false);
    assert_eq!(kinds, [("git receive-pack", true), fetch, fetch]);
}
