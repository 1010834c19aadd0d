//! `homelab schema`: the JSON schema of the inventory, for editors.

use crate::{
    cli::Global,
    error::Result,
    inventory::schema::{inventory_schema, lock_schema, printed},
    render::output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab schema > schema.json            then, as the inventory's first line:
  # yaml-language-server: $schema=schema.json")]
pub struct Args {
    /// Of the lock file instead
    #[arg(long = "of-lock")]
    pub of_lock: bool,
}

pub(crate) async fn run(_global: &Global, args: Args) -> Result<()> {
    let schema = if args.of_lock { lock_schema() } else { inventory_schema() };
    output::data(printed(&schema))
}
