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
    let mut topology = if args.offline {
        topology(&load(global, Pins::Optional)?, &[])
    } else {
        looked_at(global).await?
    };
    if wants_json(global) {
        return render::document(&topology);
    }
    complete(&mut topology, render::program::name());
    render::output::data(match args.drawn {
        Drawn::Markdown => render::topology::markdown(&topology),
        Drawn::Mermaid => render::topology::mermaid(&topology),
        Drawn::Html => render::topology::page(&topology, jiff::Timestamp::now())?,
    })
}

/// What a person reads can be typed as it stands.
fn complete(topology: &mut Topology, call: &str) {
    let blocks = topology.diagrams.iter_mut().flat_map(|diagram| &mut diagram.blocks);
    for cause in blocks.flat_map(|block| &mut block.causes) {
        *cause = render::program::completed_for(cause, call);
    }
}

/// What fails is drawn, and ends nothing: `homelab verify` is there for that.
async fn looked_at(global: &Global) -> Result<Topology> {
    let session = Session::look(global, Pins::Optional).await?;
    let checks = Box::pin(verify::all(&session.run)).await;
    let drawn = checks.map(|checks| topology(&session.run.desired, &checks));
    session.close(drawn).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::check::{Check, expect};

    #[test]
    fn the_next_step_of_a_block_names_the_inventory_as_those_of_verify_do() {
        let finding = expect(false, "it is not there", "`homelab up` makes it");
        let check = Check::of("edge/tunnel", None, "the tunnel is connected", finding);
        let mut drawn = topology(&crate::topology::tests::example(), &[check]);
        complete(&mut drawn, "homelab -c lab.yaml");
        let causes: Vec<&String> = drawn
            .diagrams
            .iter()
            .flat_map(|diagram| &diagram.blocks)
            .flat_map(|block| &block.causes)
            .collect();
        assert_eq!(
            causes,
            ["the tunnel is connected: it is not there; next: `homelab -c lab.yaml up` makes it"]
        );
    }
}
