//! `homelab schema`: the JSON schema of the inventory, for editors.

use crate::{
    cli::Global,
    error::Result,
    inventory::schema::{inventory_schema, lock_schema, printed},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of the lock file instead
    #[arg(long = "of-lock")]
    pub of_lock: bool,
}

pub(crate) async fn run(_global: &Global, args: Args) -> Result<()> {
    let schema = if args.of_lock { lock_schema() } else { inventory_schema() };
    anstream::print!("{}", printed(&schema));
    Ok(())
}
