//! `homelab-lab artifacts`: builds or lists what the lab is made of.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Artifact, ArtifactError, Cache, Name};

/// Build what the lab needs, or say what is there.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Which ones; all of them when none is named.
    names: Vec<Name>,
    /// Only say what is cached, build nothing.
    #[arg(long)]
    list: bool,
}

/// Prints a line an artifact: hit or miss, sha256, path.
pub fn run(arguments: &Arguments) -> ExitCode {
    match print(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(arguments: &Arguments) -> Result<(), ArtifactError> {
    let names = match arguments.names.as_slice() {
        [] => Name::value_variants(),
        names => names,
    };
    let cache = Cache::open()?;
    for name in names {
        let artifact = if arguments.list { cache.look(*name)? } else { Some(cache.ensure(*name)?) };
        println!("{}", line(*name, artifact.as_ref()));
    }
    Ok(())
}

fn line(name: Name, artifact: Option<&Artifact>) -> String {
    match artifact {
        Some(found) => {
            let what = if found.hit { "hit" } else { "miss" };
            format!("{name:<11} {what:<5} {:<14} {} {}", found.version, found.sha256, found.path)
        }
        None => format!("{name:<11} {:<5}", "miss"),
    }
}
