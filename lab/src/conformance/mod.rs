//! `homelab-lab conformance`: does the emulator answer as Proxmox VE does?
//!
//! Scripts drive a fresh emulator through the requests of a recording, and [`compare`] holds its
//! answers against the real ones. Scripts and recording lie outside the project (`$HOMELAB_SHARED`,
//! or the folder `shared` beside the working copy); where they are absent nothing is compared. The
//! share of each section is kept in `conformance.json` and may only rise; what still differs, and
//! why, stands in `conformance-differences.md`. With `--permuted` everything has other names, ids
//! and sizes ([`permutation`]), and the share must be the same.

mod compare;
mod material;
mod permutation;
mod ratchet;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use permutation::Permutation;

use crate::pve::{Config, HostLacks, Server};

/// The scripts in the order of the recording.
const SCRIPTS: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s6"];
/// The real server's delays are shortened by this: nothing is timed.
const PACE: f64 = 0.1;
/// Those of the recording's host.
const CORES: u32 = 2;
/// Runs a script under other names.
const RENAMING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance/permuted.py");

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print each exchange that differs.
    #[arg(short, long)]
    verbose: bool,
    /// Only these sections are printed in detail.
    #[arg(long)]
    section: Vec<String>,
    /// Keep the answers in this file.
    #[arg(long)]
    answers: Option<Utf8PathBuf>,
    /// Compare answers that were kept, without driving an emulator.
    #[arg(long, requires = "answers")]
    only_compare: bool,
    /// Raise the shares in conformance.json to those of this run.
    #[arg(long)]
    record: bool,
    /// Give guests, node, storages and pools other names, guests other VMIDs, memory and disks other
    /// sizes, all by a seed; without one it is drawn. The share must be the recorded one.
    #[arg(long, value_name = "SEED", num_args = 0..=1, conflicts_with = "record")]
    permuted: Option<Option<u64>>,
}

/// Where a run finds and leaves its things.
struct Run<'a> {
    shared: &'a Utf8Path,
    folder: &'a Utf8Path,
    answers: &'a Utf8Path,
    permutation: Option<&'a Permutation>,
}

/// Drives an emulator through the recorded requests and compares.
///
/// # Errors
/// When the emulator or the scripts can't be started.
pub async fn run(arguments: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Some(shared) = material::find() else {
        crate::print::line(format_args!(
            "conformance: skipped, no recording here (wanted: pve/transcripts.jsonl and \
             pve/conformance/ in $HOMELAB_SHARED or in ../shared)"
        ));
        return Ok(ExitCode::SUCCESS);
    };
    let temporary = tempfile::tempdir()?;
    let folder = Utf8PathBuf::try_from(temporary.path().to_owned())?;
    let answers = arguments.answers.clone().unwrap_or_else(|| folder.join("answers.jsonl"));
    let recording = shared.join("pve/transcripts.jsonl");
    let permutation = match arguments.permuted {
        Some(seed) => {
            let seed = seed.unwrap_or_else(rand::random);
            crate::print::line(format_args!(
                "conformance: names, ids and sizes by the seed {seed} (--permuted {seed} for the \
                 same ones)"
            ));
            Some(Permutation::of(seed, &fs_err::read_to_string(&recording)?))
        }
        None => None,
    };
    let permutation = permutation.as_ref();
    if !arguments.only_compare {
        let run = Run { shared: &shared, folder: &folder, answers: &answers, permutation };
        drive(&run).await?;
    }
    let report = compare::compare(&recording, &answers, permutation)?;
    let detailed = |section: &str| {
        arguments.verbose
            && (arguments.section.is_empty()
                || arguments.section.iter().any(|wanted| wanted == section))
    };
    for difference in report.differences.iter().filter(|found| detailed(&found.section)) {
        crate::print::line(difference);
    }
    crate::print::text(&report);
    let lower = match permutation {
        Some(_) => ratchet::other(&report)?,
        None => ratchet::lower(&report)?,
    };
    if arguments.record {
        ratchet::raise(&report)?;
    }
    for line in &lower {
        crate::print::line(line);
    }
    Ok(if lower.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn drive(run: &Run<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let folder = run.folder;
    let served = folder.join("www");
    material::make_served_files(&served, run.permutation.map_or(1, Permutation::disks))?;
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config {
        pace: PACE,
        lacks: HostLacks::RECORDING,
        gate: crate::sim::gate::Gate::default(),
        ..Config::recording(listen, folder.join("data"))
    };
    for node in &mut config.nodes {
        node.cores = CORES;
    }
    if let Some(paper) = &config.paper {
        // The recording's guests had no operating system.
        paper.set_heed_power_button(false);
    }
    let config = match run.permutation {
        Some(permutation) => permutation.config(config),
        None => config,
    };
    let running = Server::start(config).await?;
    let program = std::env::current_exe()?;
    if run.answers.exists() {
        fs_err::remove_file(run.answers)?;
    }
    let answers = std::path::absolute(run.answers)?;
    let words = folder.join("permutation.json");
    for script in SCRIPTS {
        let started = std::time::Instant::now();
        let mut python = tokio::process::Command::new("python3");
        python.arg("-B");
        if let Some(permutation) = run.permutation {
            fs_err::write(&words, permutation.for_scripts(free_port()?).to_string())?;
            python.arg(RENAMING).env("HOMELAB_PERMUTATION", &words);
        }
        let status = python
            .arg(format!("{script}.py"))
            .current_dir(run.shared.join("pve/conformance"))
            .env("PORT", running.address().port().to_string())
            .env("WWW", &served)
            .env("OUT", &answers)
            .env("OUTSIDE", format!("{} outside --", program.display()))
            .stdin(std::process::Stdio::null())
            .status()
            .await?;
        let seconds = started.elapsed().as_secs();
        let end = if status.success() { "" } else { ", ended early" };
        crate::print::say(format_args!("conformance: {script}.py took {seconds} s{end}"));
    }
    Ok(())
}

/// A port for the scripts' web server, so that two runs are not in each other's way.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
