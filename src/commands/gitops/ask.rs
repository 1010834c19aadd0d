//! Whose word counts where a file was edited: said on the command line, or asked on the terminal.

use std::{
    collections::BTreeSet,
    io::{BufRead, IsTerminal, Write},
};

use camino::Utf8Path;

use crate::{
    error::{Failure, Kind, Result},
    gitops::compare::Change,
    render::program,
};

/// The files to be overwritten; the other edited ones are kept.
pub(super) type Overwritten = BTreeSet<String>;

/// Decides about every edited file, before anything is written.
///
/// # Errors
///
/// [`Kind::Refused`] with all of them where nobody can be asked; [`Kind::Usage`] when the command line names
/// what is not edited; [`Kind::Interrupted`] when the answer is to stop.
pub(super) fn decide(
    folder: &Utf8Path,
    changes: &[Change],
    overwrite: &[String],
    keep: &[String],
) -> Result<Overwritten> {
    let edited: Vec<&Change> = changes.iter().filter(|change| change.state.is_theirs()).collect();
    for path in overwrite.iter().chain(keep) {
        if !changes.iter().any(|change| change.path == *path) {
            return Err(Failure::new(Kind::Usage, format!("homelab renders no file `{path}`"))
                .hint(format!(
                    "write the path from the folder's root, as {} prints it",
                    diff(folder)
                )));
        }
    }
    if let Some(path) = overwrite.iter().find(|path| keep.contains(path)) {
        return Err(Failure::new(
            Kind::Usage,
            format!("`{path}` can't be both kept and overwritten"),
        ));
    }
    let mut overwritten: Overwritten = overwrite.iter().cloned().collect();
    let open: Vec<&Change> = edited
        .into_iter()
        .filter(|change| !overwritten.contains(&change.path) && !keep.contains(&change.path))
        .collect();
    if open.is_empty() {
        return Ok(overwritten);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused(folder, &open));
    }
    for change in open {
        if ask(change)? {
            overwritten.insert(change.path.clone());
        }
    }
    Ok(overwritten)
}

/// The command that shows what stands against what.
fn diff(folder: &Utf8Path) -> String {
    format!("`homelab gitops diff {}`", program::word(folder.as_str()))
}

fn refused(folder: &Utf8Path, open: &[&Change]) -> Failure {
    let files: Vec<String> =
        open.iter().map(|change| format!("{} ({})", change.path, change.state.name())).collect();
    let count = open.len();
    let what = if count == 1 { "file was edited" } else { "files were edited" };
    Failure::new(
        Kind::Refused,
        format!("{count} {what} and would be overwritten; nothing was written"),
    )
    .because(files.join("\n"))
    .hint(format!("look at {}, then give --overwrite PATH or --keep PATH for each", diff(folder)))
}

/// Whether to overwrite.
fn ask(change: &Change) -> Result<bool> {
    anstream::eprintln!("\n{} ({}):\n{}", change.path, change.state.name(), change.diff);
    loop {
        anstream::eprint!("[o]verwrite it, [k]eep it, or [s]top with nothing written? ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        let ended = std::io::stdin().lock().read_line(&mut answer)? == 0;
        match answer.trim().to_lowercase().as_str() {
            "o" | "overwrite" => return Ok(true),
            "k" | "keep" => return Ok(false),
            "s" | "stop" => {}
            _ if !ended => continue,
            _ => {}
        }
        return Err(Failure::new(Kind::Interrupted, "stopped; nothing was written"));
    }
}
