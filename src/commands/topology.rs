//! `homelab topology`: the cluster drawn, from the inventory and from its state.

use super::session::{Session, load, wants_json};
use crate::{
    cli::Global,
    error::Result,
    inventory::Pins,
    render,
    stage::verify,
    topology::{Topology, topology},
};

/// What a topology can be printed as, beside JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drawn {
    #[default]
    Markdown,
    Mermaid,
    Html,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab topology -o html > topology.html    a page, with the health of each block
  homelab topology > topology.md              Markdown with Mermaid, as Git hosts show it
  homelab topology --offline                  from the inventory alone; nobody is asked
  homelab topology -o json                    blocks, arrows, and why a block is ill")]
pub struct Args {
    /// Of `-o md|mermaid|html`.
    #[arg(skip)]
    pub(crate) drawn: Drawn,
    /// Draw the inventory, and ask nobody how it is
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let topology = if args.offline {
        topology(&load(global, Pins::Optional)?, &[])
    } else {
        looked_at(global).await?
    };
    if wants_json(global) {
        return render::document(&topology);
    }
    render::output::data(match args.drawn {
        Drawn::Markdown => render::topology::markdown(&topology),
        Drawn::Mermaid => render::topology::mermaid(&topology),
        Drawn::Html => render::topology::page(&topology, jiff::Timestamp::now())?,
    })
}

/// What fails is drawn, and ends nothing: `homelab verify` is there for that.
async fn looked_at(global: &Global) -> Result<Topology> {
    let session = Session::look(global, Pins::Optional).await?;
    let checks = Box::pin(verify::all(&session.run)).await;
    let drawn = checks.map(|checks| topology(&session.run.desired, &checks));
    session.close(drawn).await
}
