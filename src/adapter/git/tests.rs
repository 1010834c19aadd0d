use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::error::{Failure, Kind};

/// A repository on this disk with one commit on `main`.
fn repository() -> Option<(tempfile::TempDir, GitSource)> {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
        let mut command = Command::new("git");
        command.current_dir(&path).args(identity).args(words);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").output()
    };
    if git(&["init", "--quiet", "--initial-branch=main"]).is_err() {
        eprintln!("skipped: git is not installed");
        return None;
    }
    fs_err::create_dir_all(path.join("clusters/lab")).unwrap();
    fs_err::write(path.join("clusters/lab/apps.yaml"), "kind: List\n").unwrap();
    for words in [&["add", "--all"][..], &["commit", "--quiet", "--message", "one"]] {
        assert!(git(words).unwrap().status.success());
    }
    let source = source(&path);
    Some((folder, source))
}

fn source(path: &Utf8Path) -> GitSource {
    GitSource {
        url: format!("file://{path}"),
        branch: "main".into(),
        access: None,
        known_hosts: Vec::new(),
    }
}

#[tokio::test]
async fn files_are_read_at_the_head_of_the_branch() {
    let Some((_folder, source)) = repository() else { return };
    let head = GitProgram.head(&source).await.unwrap();
    assert_eq!(head.len(), 40);
    let paths = ["clusters/lab/apps.yaml", "clusters/lab", "missing"].map(str::to_owned);
    let checkout = GitProgram.read(&source, &paths).await.unwrap();
    assert_eq!(checkout.head, head);
    let files = BTreeMap::from([("clusters/lab/apps.yaml".to_owned(), "kind: List\n".to_owned())]);
    assert_eq!(checkout.files, files);
}

#[tokio::test]
async fn a_branch_or_repository_that_is_not_there_is_told() {
    let Some((_folder, source)) = repository() else { return };
    let other = GitSource { branch: "other".into(), ..source.clone() };
    for error in [
        GitProgram.head(&other).await.unwrap_err(),
        GitProgram.read(&other, &[]).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, GitError::NoBranch { .. }), "{error}");
    }
    let nowhere = GitSource { url: format!("{}-not", source.url), ..source };
    let failure = Failure::from(GitProgram.head(&nowhere).await.unwrap_err());
    assert_eq!(failure.kind, Kind::Git);
    assert!(failure.message.contains("does not appear to be a git repository"), "{failure}");
}

#[test]
fn the_complaint_is_what_says_why() {
    let said = "me@git.lan: Permission denied (publickey).\n\
                fatal: Could not read from remote repository.\n\n\
                Please make sure you have the correct access rights\nand the repository exists.\n";
    assert_eq!(
        complaint(said),
        "me@git.lan: Permission denied (publickey).; Could not read from remote repository."
    );
}
