//! `homelab lock`: pins versions and sha256 from the publishers' own checksum files.

use std::{io::Write, sync::Arc};

use super::session::{options, wants_json};
use crate::{
    adapter::publishers::Publishers,
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::{
        self, Pins, pin,
        versions::{self, Packaging, Settled},
    },
    render,
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
    let options = options(global, Pins::Optional);
    let unpinned = inventory::load::load_unpinned(&options)?;
    let policy = pin::Policy { update: args.update, trust_download: args.trust_download };
    let publishers = Arc::new(Publishers);
    let (mut lock, pinned) = pin::pin(&unpinned.file, &unpinned.lock, policy, &publishers).await?;
    let settled = versions::settle(&unpinned.file, &unpinned.lock, args.update);
    for one in &settled {
        let pins = match one.release.packaging {
            Packaging::Chart => &mut lock.charts,
            Packaging::Image => &mut lock.containers,
        };
        pins.insert(one.release.name.to_owned(), one.version.clone());
    }
    let path = options.lock_path();
    let text = serde_saphyr::to_string(&lock).map_err(|error| {
        Failure::new(Kind::Runtime, format!("the lock file cannot be written: {error}")).at(&path)
    })?;
    let folder = path.parent().filter(|folder| *folder != "").unwrap_or(camino::Utf8Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(
        file,
        "# Written by `homelab lock`. Belongs in version control.\n{}",
        text.trim_end()
    )?;
    // It holds nothing that is secret, and others may work from the same checkout.
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    if wants_json(global) {
        return render::document(&documented(&pinned, &settled));
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
fn documented(pinned: &[pin::Pinned], settled: &[Settled]) -> Vec<serde_json::Value> {
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
