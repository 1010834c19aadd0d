//! `homelab lock`: pins versions and sha256 from the publishers' own checksum files.

use std::{io::Write, sync::Arc};

use camino::Utf8Path;

use super::session::{options, wants_json};
use crate::{
    adapter::publishers::Publishers,
    cli::Global,
    error::{Effect, Failure, Kind, Result},
    inventory::{
        self, LockFile, Pins,
        pin::{self, Pinned, Pinning},
        versions::{self, Packaging, Settled},
    },
    named_file, render,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab lock                            pins what is not pinned yet
  homelab lock --update                   takes a new hash for what was pinned before")]
pub struct Args {
    /// Take a new hash for a version or URL that was pinned to another
    #[arg(long)]
    pub update: bool,
    /// Where a publisher states no hash, pin what is served now
    #[arg(long)]
    pub trust_download: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let options = options(global, Pins::Optional)?;
    let path = options.lock_path();
    named_file::is_replaceable(&path).map_err(|error| {
        Failure::new(Kind::Usage, "the lock file can't be written there")
            .at(&path)
            .because(error)
            .hint("name another with --lock FILE")
    })?;
    let unpinned = inventory::load::load_unpinned(&options)?;
    let policy = pin::Policy { update: args.update, trust_download: args.trust_download };
    let publishers = Arc::new(Publishers);
    if !unpinned.lock_faults.is_empty() && !global.quiet {
        for fault in unpinned.lock_faults {
            render::output::say(render::fault(&fault.warning()));
        }
        let text = format_args!("{path} pins nothing as it is: all of it is pinned anew");
        render::output::say(text);
    }
    let pinning = pin::pin(&unpinned.file, &unpinned.lock, policy, &publishers).await?;
    let Pinning { mut lock, pinned, failure } = pinning;
    if pinned.is_empty()
        && let Some(failure) = failure
    {
        return Err(failure.hint("nothing was written"));
    }
    let settled = versions::settle(&unpinned.file, &unpinned.lock, args.update);
    for one in &settled {
        let pins = match one.release.packaging {
            Packaging::Chart => &mut lock.charts,
            Packaging::Image => &mut lock.containers,
        };
        pins.insert(one.release.name.to_owned(), one.version.clone());
    }
    write(&path, &lock)?;
    tell(global, &pinned, &settled)?;
    match failure {
        None => Ok(()),
        Some(failure) => Err(failure.effect(Effect::Partial).hint(format!(
            "{path} has what could be pinned; run `homelab lock` again for the rest"
        ))),
    }
}

fn write(path: &Utf8Path, lock: &LockFile) -> Result<()> {
    let text = serde_saphyr::to_string(lock).map_err(|error| {
        Failure::new(Kind::Runtime, format!("the lock file cannot be written: {error}")).at(path)
    })?;
    let folder = path.parent().filter(|folder| *folder != "").unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(
        file,
        "# Written by `homelab lock`. Belongs in version control.\n{}",
        text.trim_end()
    )?;
    // It holds nothing that is secret, and others may work from the same checkout.
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn tell(global: &Global, pinned: &[Pinned], settled: &[Settled]) -> Result<()> {
    if wants_json(global) {
        return render::document(&documented(pinned, settled));
    }
    if global.quiet {
        return Ok(());
    }
    if pinned.is_empty() && settled.is_empty() {
        // A person who waited for something to come of it is told that nothing had to.
        render::output::say("nothing to pin: the inventory names each version with its sha256");
        return Ok(());
    }
    for one in pinned {
        let mark = if one.changed { "pinned" } else { "as before" };
        render::output::line(format_args!(
            "{} {} {} ({mark}; {})",
            one.artifact, one.version, one.sha256, one.source
        ))?;
    }
    for one in settled {
        let mark = if one.changed { "pinned" } else { "as before" };
        let text = format_args!("{} {} ({mark}; {})", one.release.name, one.version, one.source);
        render::output::line(text)?;
    }
    Ok(())
}

/// Charts and images stand behind the artifacts, with a version and no hash.
fn documented(pinned: &[Pinned], settled: &[Settled]) -> Vec<serde_json::Value> {
    let artifacts = pinned.iter().map(|one| serde_json::json!(one));
    let versions = settled.iter().map(|one| {
        serde_json::json!({
            "artifact": one.release.name,
            "version": one.version,
            "source": one.source,
            "changed": one.changed,
        })
    });
    artifacts.chain(versions).collect()
}
