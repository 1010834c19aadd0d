//! `homelab render`: the scripts that run on the nodes, without their secrets.

use clap_complete::ArgValueCandidates;

use super::{
    nodes::known_node,
    session::{load, wants_json},
};
use crate::{
    cli::Global,
    completion::candidates,
    error::{Failure, Kind, Result},
    inventory::{Desired, Pins, closest, desired::Artifact},
    model::NodeName,
    render::{self, output},
    stage::scripts,
};

/// Stands in a script for what `homelab lock` has not pinned yet.
const UNPINNED: &str = "<pinned by homelab lock>";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab render                          the scripts' names
  homelab render install-k3s --node k3s-agent-1
  homelab render probe | shellcheck -")]
pub struct Args {
    /// The script's name; without it the names are listed
    #[arg(add = ArgValueCandidates::new(candidates::scripts))]
    pub script: Option<String>,
    /// As it would run on this node (default: the first server)
    #[arg(long, value_name = "NODE", add = ArgValueCandidates::new(candidates::nodes))]
    pub node: Option<NodeName>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let mut desired = load(global, Pins::Warned)?;
    show_what_is_unpinned(&mut desired);
    let node = match &args.node {
        None => desired.first_server(),
        Some(name) => known_node(&desired, name)?,
    };
    let scripts = scripts::catalogue(&desired, node)?;
    let names: Vec<&str> = scripts.iter().map(|script| script.name).collect();
    let Some(wanted) = &args.script else {
        return match wants_json(global) {
            true => render::document(&names),
            false => names.iter().try_for_each(output::line),
        };
    };
    let Some(script) = scripts.iter().find(|script| script.name == wanted) else {
        let failure = Failure::new(Kind::Usage, format!("there is no script `{wanted}`"));
        return Err(match closest(wanted, names.iter().copied()) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint(format!("there is {}", names.join(", "))),
        });
    };
    if wants_json(global) {
        let secrets: Vec<&str> = script.secrets.iter().map(|(name, _)| *name).collect();
        return render::document(&serde_json::json!({
            "name": script.name,
            "node": node.name,
            "secrets": secrets,
            "text": script.text,
        }));
    }
    for (variable, _) in &script.secrets {
        output::line(format_args!("{variable}='[redacted]'"))?;
    }
    output::data(&script.text)
}

fn show_what_is_unpinned(desired: &mut Desired) {
    let show = |artifact: &mut Artifact| {
        for text in [&mut artifact.version, &mut artifact.url, &mut artifact.sha256] {
            if text.is_empty() {
                UNPINNED.clone_into(text);
            }
        }
    };
    show(&mut desired.tailnet.tailscale);
    show(&mut desired.k3s.binary);
    desired.k3s.images.iter_mut().for_each(show);
}
