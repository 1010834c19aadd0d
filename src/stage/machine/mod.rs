//! The machines stage: guests of ours, of the asked size, reachable by the key we know.
//!
//! * [`make`]: seed and clone, over lost replies and crashes.
//! * [`configure`]: hardware, seed and disks; reboot and drain where they are needed.
//! * [`edit`], [`reseed`]: what stands up to changes in between, and to a seed that vanished.
//! * [`drain`]: a node emptied before it is rebooted.
//! * [`start`]; [`power`] where high availability switches it.
//! * [`finish`]: first contact: cloud-init out of the way, host key rotated, seed gone, disk grown.

mod configure;
mod drain;
mod edit;
mod finish;
mod make;
pub(super) mod power;
mod reseed;
mod rotate;
mod seed;
mod start;

pub use configure::configure;
pub use finish::finish;
pub use make::make;
pub use seed::delete_all as delete_seeds;
pub use start::{restart, start};

use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    model::NodeName,
    observe,
    plan::observed::{Machine, MachineSight},
    ports::World,
};

/// The guest of a node, proved to be ours at this moment.
///
/// # Errors
/// [`Kind::Refused`] when it is not, or not there.
pub async fn proved<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Machine> {
    match observe::machine(&context.run, node).await? {
        MachineSight::Ours(machine) => Ok(*machine),
        MachineSight::Absent => Err(Failure::new(Kind::Refused, "its VM is gone")
            .at(node)
            .hint("run `homelab up` again: it plans from what is there")),
        MachineSight::HalfMade { .. } => {
            Err(Failure::new(Kind::Refused, "its VM is still being made").at(node))
        }
        MachineSight::Foreign(stranger) => {
            let message = format!("its VMID is taken by {stranger}");
            Err(Failure::new(Kind::Refused, message).at(node))
        }
    }
}
