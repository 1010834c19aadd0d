//! Git by its own program, which knows every transport and server.

mod child;
mod handed;
mod login;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, time::Duration};

use self::login::Login;
use super::calls::cut;
use crate::ports::{Checkout, Git, GitError, GitSource};

/// How long one call may take; a repository of manifests is small.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How many lines of a complaint are repeated.
const MOST_LINES: usize = 8;

/// The `git` of this computer.
#[derive(Clone, Copy, Debug, Default)]
pub struct GitProgram;

impl Git for GitProgram {
    async fn head(&self, source: &GitSource) -> Result<String, GitError> {
        let login = Login::new(source)?;
        let reference = format!("refs/heads/{}", source.branch);
        let listed =
            run(source, &login, None, &["ls-remote", "--", &source.url, &reference]).await?;
        listed_head(&listed, &reference).ok_or_else(|| no_branch(source))
    }

    async fn read(&self, source: &GitSource, paths: &[String]) -> Result<Checkout, GitError> {
        let login = Login::new(source)?;
        let folder = tempfile::tempdir()?;
        let folder = Some(folder.path());
        run(source, &login, folder, &["init", "--quiet", "--bare", "."]).await?;
        let reference = format!("refs/heads/{}", source.branch);
        let fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", &source.url, &reference];
        run(source, &login, folder, &fetch).await.map_err(|error| match error {
            GitError::Refused { reason, .. } if reason.contains("couldn't find remote ref") => {
                no_branch(source)
            }
            other => other,
        })?;
        let head = run(source, &login, folder, &["rev-parse", "FETCH_HEAD"]).await?;
        let mut files = BTreeMap::new();
        for path in paths {
            let object = format!("FETCH_HEAD:{path}");
            // A file that is not there is no failure; a folder of that name is no file.
            if let Ok(text) = run(source, &login, folder, &["cat-file", "blob", &object]).await {
                files.insert(path.clone(), text);
            }
        }
        Ok(Checkout { head: head.trim().to_owned(), files })
    }
}

/// The commit that a reference is at. What is asked for is a pattern to git: references that merely end with it,
/// as the backups of `git filter-branch` do, are listed, too, and perhaps first.
fn listed_head(listed: &str, reference: &str) -> Option<String> {
    let is_commit = |word: &str| {
        matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    listed
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(commit, name)| *name == reference && is_commit(commit))
        .map(|(commit, _)| commit.to_owned())
}

fn no_branch(source: &GitSource) -> GitError {
    GitError::NoBranch { url: source.url.clone(), branch: source.branch.clone() }
}

/// Runs `git`.
async fn run(
    source: &GitSource,
    login: &Login,
    folder: Option<&Path>,
    words: &[&str],
) -> Result<String, GitError> {
    let command = child::command(login, folder, words);
    let (child, held) = child::start(command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitError::NoGit,
        _ => GitError::Local(error),
    })?;
    let output = tokio::time::timeout(CALL_LIMIT, child.wait_with_output()).await;
    // Whatever is left of it ends with this.
    drop(held);
    let output = output.map_err(|_| GitError::Silent {
        url: source.url.clone(),
        seconds: CALL_LIMIT.as_secs(),
    })??;
    if output.status.code() == Some(child::NOT_FOUND) {
        return Err(GitError::NoGit);
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(GitError::Refused { url: source.url.clone(), reason: complaint(&said) });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What of git's words says why: ssh's line before it, without the advice behind.
fn complaint(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(|line| line.trim().trim_start_matches("fatal: ").trim_start_matches("remote: "))
        .filter(|line| !line.is_empty())
        .take_while(|line| !line.starts_with("Please make sure you have the correct access"))
        .collect();
    // The cause stands last; a server may say much before it.
    let last = &lines[lines.len().saturating_sub(MOST_LINES)..];
    let told: Vec<String> = last.iter().map(|line| cut(line)).collect();
    if told.is_empty() { "git failed and said nothing".to_owned() } else { told.join("; ") }
}
