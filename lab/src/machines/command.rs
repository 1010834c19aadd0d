//! Programs of the host that the lab leans on (`ip`, `losetup`, `mount`, ...), run to their end.

use std::process::{ExitStatus, Stdio};

use thiserror::Error;
use tokio::process::Command;

/// A program that could not be run, or ended badly.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error("can't run `{line}`: {source}")]
    NotRun { line: String, source: std::io::Error },
    #[error("`{line}` ended with {status}: {output}")]
    Failed { line: String, status: ExitStatus, output: String },
}

/// Runs a program without input and returns what it printed.
///
/// # Errors
/// The program is missing, or its exit status is not zero; the error carries both its streams.
pub(crate) async fn run<A: AsRef<str>>(
    program: &str,
    arguments: &[A],
) -> Result<String, CommandError> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let line = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(&arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| CommandError::NotRun { line: line(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(CommandError::Failed {
        line: line(),
        status: output.status,
        output: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}
