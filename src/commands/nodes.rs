//! Nodes named on the command line.

use crate::{
    engine::{Run, run::no_machine},
    error::{Failure, Kind, Result},
    inventory::{Desired, desired::Node},
    model::NodeName,
    observe,
    plan::observed::MachineSight,
    ports::World,
};

/// The node of that name.
///
/// # Errors
/// [`Kind::Usage`] with the names that there are, the one that was probably meant first.
pub(super) fn known_node<'a>(desired: &'a Desired, name: &NodeName) -> Result<&'a Node> {
    desired.nodes.get(name).ok_or_else(|| {
        let names = || desired.nodes.keys().map(NodeName::as_str);
        let failure = Failure::new(Kind::Usage, format!("the inventory names no node `{name}`"));
        match crate::inventory::closest(name.as_str(), names()) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => {
                let all: Vec<&str> = names().collect();
                failure.hint(format!("there is {}", all.join(", ")))
            }
        }
    })
}

/// Whether the inventory knows all of them.
pub(super) fn known_nodes(desired: &Desired, names: &[NodeName]) -> Result<()> {
    names.iter().try_for_each(|name| known_node(desired, name).map(drop))
}

/// Makes sure that a node's VM is ours, at this moment; from here on its host key is known.
///
/// # Errors
/// As [`no_machine`] where there is none.
pub(super) async fn proved<W: World>(run: &Run<W>, node: &NodeName) -> Result<()> {
    match observe::machine(run, node).await? {
        MachineSight::Ours(_) => Ok(()),
        _ => Err(no_machine(node)),
    }
}
