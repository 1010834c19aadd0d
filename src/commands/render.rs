//! `homelab render`: the scripts that run on the nodes, without their secrets.

use super::session::load;
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    model::NodeName,
    stage::scripts,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The script's name; without it the names are listed
    pub script: Option<String>,
    /// As it would run on this node (default: the first server)
    #[arg(long, value_name = "NODE")]
    pub node: Option<NodeName>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let desired = load(global).await?;
    let node = match &args.node {
        None => desired.first_server(),
        Some(name) => desired.nodes.get(name).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("the inventory names no node `{name}`"))
        })?,
    };
    let scripts = scripts::catalogue(&desired, node)?;
    let Some(wanted) = &args.script else {
        for script in scripts {
            anstream::println!("{}", script.name);
        }
        return Ok(());
    };
    let Some(script) = scripts.iter().find(|script| script.name == wanted) else {
        let names: Vec<&str> = scripts.iter().map(|script| script.name).collect();
        return Err(Failure::new(
            Kind::Usage,
            format!("there is no script `{wanted}`; there is {}", names.join(", ")),
        ));
    };
    for (variable, _) in &script.secrets {
        anstream::println!("{variable}='[redacted]'");
    }
    anstream::print!("{}", script.text);
    Ok(())
}
