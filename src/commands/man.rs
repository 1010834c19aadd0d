//! `homelab man`: the manual's pages, for `man homelab`.

use camino::Utf8PathBuf;
use clap::ValueHint;

use super::session::wants_json;
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    manual,
    render::{self, output},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab man ~/.local/share/man/man1     then: man homelab, man homelab-up
  homelab man pages && man -l pages/homelab-init-proxmox-role.1")]
pub struct Args {
    /// The folder that the pages are written into; it is made where there is none
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Utf8PathBuf,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let unwritten = |error: std::io::Error| {
        Failure::new(Kind::Runtime, "the pages cannot be written").at(&args.folder).because(error)
    };
    fs_err::create_dir_all(&args.folder).map_err(unwritten)?;
    let mut written = Vec::new();
    for page in manual::pages()? {
        let path = args.folder.join(page.file);
        fs_err::write(&path, page.text).map_err(unwritten)?;
        written.push(path);
    }
    match wants_json(global) {
        true => render::document(&written),
        false if global.quiet => Ok(()),
        false => written.iter().try_for_each(output::line),
    }
}
