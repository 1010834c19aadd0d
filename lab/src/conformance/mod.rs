//! `homelab-lab conformance`: does the emulator answer as Proxmox VE does?
//!
//! Scripts drive a fresh emulator through the requests of a recording, and [`compare`] holds its
//! answers against the real ones. Scripts and recording lie outside the project (`$HOMELAB_SHARED`,
//! or the folder `shared` beside the working copy); where they are absent nothing is compared. The
//! share of each section is kept in `conformance.json` and may only rise; what still differs, and
//! why, stands in `conformance-differences.md`.

mod compare;
mod material;
mod ratchet;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use crate::pve::{Config, HostLacks, Server};

/// The scripts in the order of the recording.
const SCRIPTS: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s6"];
/// The real server's delays are shortened by this: nothing is timed.
const PACE: f64 = 0.1;

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
    if !arguments.only_compare {
        drive(&shared, &folder, &answers).await?;
    }
    let recording = shared.join("pve/transcripts.jsonl");
    let report = compare::compare(&recording, &answers)?;
    let detailed = |section: &str| {
        arguments.verbose
            && (arguments.section.is_empty()
                || arguments.section.iter().any(|wanted| wanted == section))
    };
    for difference in report.differences.iter().filter(|found| detailed(&found.section)) {
        crate::print::line(difference);
    }
    crate::print::text(&report);
    let lower = ratchet::lower(&report)?;
    if arguments.record {
        ratchet::raise(&report)?;
    }
    for line in &lower {
        crate::print::line(line);
    }
    Ok(if lower.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn drive(
    shared: &Utf8Path,
    folder: &Utf8Path,
    answers: &Utf8Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let served = folder.join("www");
    material::make_served_files(&served)?;
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        pace: PACE,
        lacks: HostLacks::RECORDING,
        gate: crate::sim::gate::Gate::default(),
        ..Config::recording(listen, folder.join("data"))
    };
    if let Some(paper) = &config.paper {
        // The recording's guests had no operating system.
        paper.set_heed_power_button(false);
    }
    let running = Server::start(config).await?;
    let program = std::env::current_exe()?;
    if answers.exists() {
        fs_err::remove_file(answers)?;
    }
    let answers = std::path::absolute(answers)?;
    for script in SCRIPTS {
        let started = std::time::Instant::now();
        let status = tokio::process::Command::new("python3")
            .arg("-B")
            .arg(format!("{script}.py"))
            .current_dir(shared.join("pve/conformance"))
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
