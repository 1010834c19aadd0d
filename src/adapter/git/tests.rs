use std::process::Command;

use base64::Engine;
use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;

use super::*;
use crate::{
    adapter::tailnet::scripted::{Answer, Scripted},
    damage::{cases, damaged},
    error::{Failure, Kind},
    ports::GitLogin,
    secret::Secret,
};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

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

/// Git in a repository of [`repository`].
fn git(folder: &tempfile::TempDir, words: &[&str]) {
    let identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
    let mut command = Command::new("git");
    command.current_dir(folder.path()).args(identity).args(words);
    assert!(command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success());
}

#[tokio::test]
async fn a_branch_whose_name_ends_like_the_one_asked_for_is_another() {
    let Some((folder, source)) = repository() else { return };
    let head = GitProgram.head(&source).await.unwrap();
    git(&folder, &["checkout", "--quiet", "-b", "a/refs/heads/main"]);
    git(&folder, &["commit", "--quiet", "--allow-empty", "--message", "two"]);
    assert_eq!(GitProgram.head(&source).await.unwrap(), head);
}

#[tokio::test]
async fn every_file_at_the_head_is_shown_whatever_the_repository_says_of_it() {
    let Some((folder, source)) = repository() else { return };
    let place = folder.path();
    fs_err::write(place.join("same.yaml"), "kind: List\n").unwrap();
    fs_err::write(place.join("large"), vec![7; 17 << 20]).unwrap();
    fs_err::write(place.join(".gitattributes"), "* export-ignore -diff\n").unwrap();
    std::os::unix::fs::symlink("same.yaml", place.join("link")).unwrap();
    git(&folder, &["add", "--all"]);
    git(&folder, &["commit", "--quiet", "--message", "two"]);
    let mut seen = BTreeMap::new();
    let see = &mut |name: &str, file: &crate::sample::Sample| {
        seen.insert(name.to_owned(), (file.is_whole(), file.head().len()));
    };
    GitProgram.each_file(&source, see).await.unwrap();
    let wanted = [
        (".gitattributes", (true, 22)),
        ("clusters/lab/apps.yaml", (true, 11)),
        ("large", (false, 1 << 20)),
        ("same.yaml", (true, 11)),
    ];
    assert_eq!(seen, wanted.map(|(name, found)| (name.to_owned(), found)).into());
}

#[tokio::test]
async fn a_web_page_is_no_repository_without_branches() {
    let page = || Answer::Say("200 OK", "content-type: text/html\r\n", "<html>login</html>".into());
    let server = Scripted::start((0..20).map(|_| page()).collect()).await;
    for read in [false, true] {
        let source = GitSource { access: None, ..with_token(&server, "") };
        let error = match read {
            false => GitProgram.head(&source).await.unwrap_err(),
            true => GitProgram.read(&source, &[]).await.unwrap_err(),
        };
        assert!(matches!(error, GitError::NoServer { .. }), "{error}");
        let failure = Failure::from(error);
        assert!(failure.hints.iter().any(|hint| hint.contains("flux.url")), "{failure:?}");
    }
}

#[tokio::test]
async fn git_is_held_to_its_memory_its_files_and_what_it_may_say() {
    let Some((_folder, source)) = repository() else { return };
    let login = Login::new(&source).unwrap();
    let shell = |script: &str| format!("alias.ask=!{script}");
    let limits = shell("ulimit -d; ulimit -f; echo $HOME");
    let said = run(&source, &login, None, &["-c", &limits, "ask"]).await.unwrap();
    assert_eq!(said, "1048576\n2097152\n/dev/null\n");
    let endless = shell("yes");
    let error = run(&source, &login, None, &["-c", &endless, "ask"]).await.unwrap_err();
    assert!(error.to_string().contains("more than 16 MiB"), "{error}");
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn only_the_branch_that_was_asked_for_has_a_head(listed in prop_oneof![
        "\\PC{0,60}",
        damaged(format!("{HEAD}\trefs/backup/refs/heads/main\n{HEAD}\trefs/heads/main\n{HEAD}\trefs/heads/main2\n")),
    ]) {
        let head = listed_head(&listed, "refs/heads/main");
        let line = format!("{}\trefs/heads/main", head.as_deref().unwrap_or(HEAD));
        prop_assert_eq!(head.is_some(), listed.lines().any(|listed| listed == line));
        prop_assert!(head.is_none_or(|head| head.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}

#[test]
fn a_reference_that_ends_with_the_branch_is_not_the_branch() {
    let other = "f".repeat(40);
    let listed = format!("{other}\trefs/backup/refs/heads/main\n{HEAD}\trefs/heads/main\n");
    assert_eq!(listed_head(&listed, "refs/heads/main").as_deref(), Some(HEAD));
    assert_eq!(listed_head(&listed[..70], "refs/heads/main"), None);
    assert_eq!(listed_head("<html>\trefs/heads/main\n", "refs/heads/main"), None);
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

fn with_token(server: &Scripted, token: &str) -> GitSource {
    GitSource {
        url: format!("{}/me/homelab", server.endpoint),
        branch: "main".into(),
        access: Some(GitLogin::Token(Secret::new(token))),
        known_hosts: Vec::new(),
    }
}

fn asks_for_a_login() -> Answer {
    Answer::Say("401 Unauthorized", "www-authenticate: Basic realm=\"git\"\r\n", String::new())
}

#[tokio::test]
async fn a_token_is_for_the_host_of_the_url_and_goes_along_with_no_redirect() {
    let elsewhere = Scripted::start(vec![asks_for_a_login(), asks_for_a_login()]).await;
    let location = format!("location: {}/me/homelab/info/refs\r\n", elsewhere.endpoint).leak();
    let here = Scripted::start(vec![Answer::Say("302 Found", location, String::new())]).await;
    let error = GitProgram.head(&with_token(&here, "not-to-be-told")).await.unwrap_err();
    assert_eq!(elsewhere.lines(), [""; 0], "{error}");
    let failure = Failure::from(error);
    assert!(failure.hints.iter().any(|hint| hint.contains("leads elsewhere")), "{failure:?}");

    let here = Scripted::start(vec![asks_for_a_login(), asks_for_a_login()]).await;
    let error = GitProgram.head(&with_token(&here, "not-to-be-told")).await.unwrap_err();
    assert!(!error.to_string().contains("not-to-be-told"), "{error}");
    let wanted = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode("git:not-to-be-told"));
    assert_eq!(here.requests()[1].authorization.as_deref(), Some(&*wanted));
}

/// A server that takes every request and never answers; what it was asked by.
async fn mute() -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (endpoint, task)
}

/// The processes whose command line holds a text.
fn processes(text: &str) -> usize {
    let folders = fs_err::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|folder| fs_err::read(folder.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_process_and_no_secret_behind() {
    let (endpoint, _task) = mute().await;
    let token = "a-token-that-is-in-no-file";
    let source = GitSource {
        url: format!("{endpoint}/me/homelab"),
        branch: "main".into(),
        access: Some(GitLogin::Token(Secret::new(token))),
        known_hosts: Vec::new(),
    };
    let call = tokio::spawn(async move { GitProgram.head(&source).await });
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while processes(&endpoint) < 2 {
        assert!(std::time::Instant::now() < deadline, "git has not begun");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let folders = fs_err::read_dir(std::env::temp_dir()).unwrap().flatten();
    let kept = folders.filter_map(|folder| fs_err::read(folder.path().join("token")).ok());
    assert_eq!(kept.filter(|bytes| bytes == token.as_bytes()).count(), 0, "it is in a file");
    assert_eq!(processes(token), 0, "it is in a command line");
    call.abort();
    while processes(&endpoint) > 0 {
        assert!(std::time::Instant::now() < deadline, "git goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
