//! Git by its own program, which knows every transport and server.

mod call;
mod child;
mod folder;
mod handed;
mod login;
#[cfg(test)]
mod tests;
mod whole;

use std::{collections::BTreeMap, time::Duration};

use self::{call::run, folder::Folder, login::Login};
use crate::ports::{Checkout, Git, GitError, GitSource};

/// How long one call may take; a repository of manifests is small.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// The `git` of this computer.
#[derive(Clone, Copy, Debug, Default)]
pub struct GitProgram;

impl Git for GitProgram {
    async fn head(&self, source: &GitSource) -> Result<String, GitError> {
        let login = Login::new(source)?;
        let reference = format!("refs/heads/{}", source.branch);
        let words = ["ls-remote", "--", &source.url, &reference];
        let listed = run(source, &login, None, &words).await?;
        match listed_head(&listed, &reference) {
            Some(head) => Ok(head),
            None => Err(no_branch(source, &login).await),
        }
    }

    async fn read(&self, source: &GitSource, paths: &[String]) -> Result<Checkout, GitError> {
        let Fetched { login, folder } = fetched(source).await?;
        let folder = Some(folder.path());
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

/// The head of a branch, in a folder of its own.
struct Fetched {
    login: Login,
    folder: Folder,
}

async fn fetched(source: &GitSource) -> Result<Fetched, GitError> {
    let login = Login::new(source)?;
    let folder = Folder::new()?;
    let place = Some(folder.path());
    run(source, &login, place, &["init", "--quiet", "--bare", "."]).await?;
    let reference = format!("refs/heads/{}", source.branch);
    let fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", &source.url, &reference];
    match run(source, &login, place, &fetch).await {
        Ok(_) => Ok(Fetched { login, folder }),
        Err(GitError::Refused { reason, .. }) if reason.contains("couldn't find remote ref") => {
            Err(no_branch(source, &login).await)
        }
        Err(other) => Err(other),
    }
}

/// Why a branch is not there: a web page in the place of a repository has none either, and git takes it for a
/// repository without branches. What speaks Git is seen by its packets.
async fn no_branch(source: &GitSource, login: &Login) -> GitError {
    let url = source.url.clone();
    if url.starts_with("http") {
        let words = ["ls-remote", "--", &source.url];
        let traced = call::said(source, login, None, &words, &[("GIT_TRACE_PACKET", "1")]).await;
        if traced.is_ok_and(|said| said.output.is_empty() && !said.complaint.contains("packet:")) {
            return GitError::NoServer { url };
        }
    }
    GitError::NoBranch { url, branch: source.branch.clone() }
}
