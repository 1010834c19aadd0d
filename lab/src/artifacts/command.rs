//! `homelab-lab artifacts`: builds or lists what the lab is made of.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Artifact, ArtifactError, Cache, Name};

/// Build what the lab needs, or say what is there.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Which ones; all that a lab takes when none is named.
    names: Vec<Name>,
    /// Those of a lab with GitOps, too.
    #[arg(long)]
    gitops: bool,
    /// Only say what is cached, build nothing.
    #[arg(long)]
    list: bool,
}

/// Prints a line an artifact: hit or miss, sha256, path.
pub fn run(arguments: &Arguments) -> ExitCode {
    match print(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::print::say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print(arguments: &Arguments) -> Result<(), ArtifactError> {
    let cache = Cache::open()?;
    for name in chosen(arguments) {
        let artifact = if arguments.list { cache.look(name)? } else { Some(cache.ensure(name)?) };
        crate::print::line(line(name, artifact.as_ref()));
    }
    Ok(())
}

/// A list is of all that there is; what is built unasked is what every lab takes.
fn chosen(arguments: &Arguments) -> Vec<Name> {
    let all = || Name::value_variants().iter().copied();
    match arguments.names.as_slice() {
        [] if arguments.gitops || arguments.list => all().collect(),
        [] => all().filter(|name| !name.is_for_gitops()).collect(),
        names => names.to_vec(),
    }
}

fn line(name: Name, artifact: Option<&Artifact>) -> String {
    match artifact {
        Some(found) => {
            let what = if found.hit { "hit" } else { "miss" };
            format!("{name:<15} {what:<5} {:<14} {} {}", found.version, found.sha256, found.path)
        }
        None => format!("{name:<15} {:<5}", "miss"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[Name], gitops: bool, list: bool) -> Vec<Name> {
        chosen(&Arguments { names: names.to_vec(), gitops, list })
    }

    #[test]
    fn what_only_gitops_takes_is_listed_and_not_built_unasked() {
        assert!(!of(&[], false, false).contains(&Name::FluxImages));
        assert!(of(&[], false, false).contains(&Name::K3s));
        assert!(of(&[], false, true).contains(&Name::FluxImages));
        assert!(of(&[], true, false).contains(&Name::Versitygw));
        assert_eq!(of(&[Name::FluxComponents], false, false), [Name::FluxComponents]);
    }
}
