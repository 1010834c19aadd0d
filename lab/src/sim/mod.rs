//! The simulated world: an emulated Proxmox VE whose guests are SSH servers in this process.
//!
//! It needs neither root nor another machine. What runs on a guest is run by a real `sh`, below a folder of
//! the guest's own; the programs that it calls there (`systemctl`, `tailscale`, `k3s`, ...) are stand-ins
//! whose state is this process's. In a world of hundreds of guests there is no `sh`: [`answers`].
//!
//! * [`world`]: all of it together, and the inventory that fits it; [`picture`]: what is in it.
//! * [`gate`]: where everything passes that an operator asks for.
//! * [`hypervisor`]: guests that run; [`guest`]: one of them, and what its programs do; [`ssh`]: its sshd;
//!   [`tools`]: how its scripts reach its programs; [`answers`]: how they are answered without either.
//! * [`kubernetes`]: the cluster's API; [`cluster`]: what the guests tell it.
//! * [`tailnet`]: the control plane.
//! * `gitops`, with [`git`]: the Git host; `bucket`: where backups go; [`flux`]: who reads it in the cluster; [`workloads`], [`operators`]: who else acts there.
//! * `accidents`: what befalls it past its operator.
//! * [`snapshot`]: a world as a value, to go on from again.
//! * [`claim`]: a network of its own.
//! * [`outside`], [`roads`]: what guests reach outside of themselves.
//! * [`wire`]: how far away from all of it the operator is.
//! * [`own`]: somebody's own inventory in it.
//! * [`files`]: where k3s, Tailscale and the image come from.
//! * [`command`]: a command in a world of its own, where it finds what `furnishing` puts there; [`rehearsal`]: where things go wrong in it as a script says.

mod accidents;
pub mod answers;
mod bucket;
pub mod claim;
pub mod cluster;
pub mod command;
pub mod files;
pub mod flux;
mod furnishing;
pub mod gate;
pub mod git;
mod gitops;
pub mod guest;
mod handwritten;
pub mod hypervisor;
pub mod kubernetes;
pub mod operators;
pub mod outside;
pub mod own;
pub mod picture;
pub mod rehearsal;
pub mod roads;
pub mod snapshot;
pub mod ssh;
pub mod tailnet;
pub mod tools;
pub mod wire;
pub mod workloads;
pub mod world;
