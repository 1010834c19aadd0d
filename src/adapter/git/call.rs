//! One call of git: how long it may take, how much of what it says is kept, and what of it says why.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{CALL_LIMIT, child, login::Login};
use crate::{
    adapter::calls::cut,
    named_file::DOCUMENT,
    ports::{GitError, GitSource},
};

/// How many lines of a complaint are repeated.
const MOST_LINES: usize = 8;
/// How much of it is kept: a server may say as much as it likes.
const COMPLAINT: usize = 64 << 10;

/// What a call said, on each of its streams.
pub(super) struct Said {
    pub(super) output: String,
    pub(super) complaint: String,
}

/// Runs `git`; its output.
pub(super) async fn run(
    source: &GitSource,
    login: &Login,
    folder: Option<&Path>,
    words: &[&str],
) -> Result<String, GitError> {
    said(source, login, folder, words, &[]).await.map(|said| said.output)
}

/// Runs `git`, with variables beside the usual ones.
pub(super) async fn said(
    source: &GitSource,
    login: &Login,
    folder: Option<&Path>,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Result<Said, GitError> {
    let mut output = Vec::new();
    let mut command = child::command(login, folder, words);
    command.envs(variables.iter().copied());
    let complaint = with(source, command, async |stdout| {
        stdout.take(DOCUMENT + 1).read_to_end(&mut output).await?;
        if output.len() as u64 > DOCUMENT { Err(endless(source)) } else { Ok(()) }
    })
    .await?;
    Ok(Said { output: String::from_utf8_lossy(&output).into_owned(), complaint })
}

/// Runs `git` while its output is read; what else it said.
pub(super) async fn with(
    source: &GitSource,
    command: tokio::process::Command,
    read: impl AsyncFnOnce(&mut tokio::process::ChildStdout) -> Result<(), GitError>,
) -> Result<String, GitError> {
    let (mut child, held) = child::start(command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitError::NoGit,
        _ => GitError::Local(error),
    })?;
    let (mut stdout, mut stderr) = match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), Some(stderr)) => (stdout, stderr),
        _ => return Err(std::io::Error::other("git has no streams").into()),
    };
    let whole = async {
        let read = async {
            let read = read(&mut stdout).await;
            // Whoever writes on is to end.
            drop(stdout);
            read
        };
        let (read, complaint) = tokio::try_join!(read, async { Ok(end(&mut stderr).await?) })?;
        Ok::<_, GitError>((read, complaint, child.wait().await?))
    };
    let ended = tokio::time::timeout(CALL_LIMIT, whole).await;
    // Whatever is left of it ends with this.
    drop(held);
    let ((), said, status) = ended.map_err(|_| GitError::Silent {
        url: source.url.clone(),
        seconds: CALL_LIMIT.as_secs(),
    })??;
    if status.code() == Some(child::NOT_FOUND) {
        return Err(GitError::NoGit);
    }
    if !status.success() {
        return Err(GitError::Refused { url: source.url.clone(), reason: complaint(&said) });
    }
    Ok(said)
}

/// The end of what a stream says: the cause stands last.
async fn end(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let (mut kept, mut part) = (Vec::new(), vec![0; 8 << 10]);
    loop {
        match stream.read(&mut part).await? {
            0 => return Ok(String::from_utf8_lossy(&kept).into_owned()),
            length => kept.extend_from_slice(&part[..length]),
        }
        if kept.len() > 2 * COMPLAINT {
            kept.drain(..kept.len() - COMPLAINT);
        }
    }
}

/// What answers says more than any repository of manifests.
fn endless(source: &GitSource) -> GitError {
    let reason = format!("it says more than {} MiB, and no end of it is seen", DOCUMENT >> 20);
    GitError::Refused { url: source.url.clone(), reason }
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test]
    async fn of_much_that_is_said_the_end_is_kept() {
        let said = format!("{}fatal: the cause\n", "y\n".repeat(1 << 20));
        let kept = end(&mut said.as_bytes()).await.unwrap();
        assert!(kept.len() <= 2 * COMPLAINT && kept.ends_with("fatal: the cause\n"));
    }
}
