//! `homelab config show`: the effective configuration, and where each value comes from.

use super::session::{options, wants_json};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::{self, Pins, effective},
    render,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab config show
  homelab config show --origin            which of flag, environment, file, lock, default won")]
pub struct Args {
    /// Show which of flag, environment, file, lock and default won for each field
    #[arg(long)]
    pub origin: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let options = options(global, Pins::Optional)?;
    let loaded = inventory::load(&options)?;
    if args.origin {
        let settings = effective::effective(&loaded, &options.overrides);
        if wants_json(global) {
            return render::document(&settings);
        }
        let mut table = render::table(["FIELD", "VALUE", "ORIGIN"]);
        for setting in settings {
            let value = match setting.value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            table.add_row([setting.field, value, setting.origin.to_string()]);
        }
        return render::output::line(table);
    }
    let file = effective::shown_file(&loaded, &options.overrides);
    if wants_json(global) {
        return render::document(&file);
    }
    let text = serde_saphyr::to_string(&file).map_err(|error| {
        Failure::new(Kind::Runtime, format!("the configuration cannot be printed: {error}"))
    })?;
    render::output::data(text)
}
