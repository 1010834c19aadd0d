//! The simulated world: an emulated Proxmox VE whose guests are SSH servers in this process.
//!
//! It needs neither root nor another machine. What runs on a guest is run by a real `sh`, below a folder of
//! the guest's own; the programs that it calls there (`systemctl`, `tailscale`, `k3s`, ...) are stand-ins
//! whose state is this process's.
//!
//! * [`gate`]: where everything passes that an operator asks for.
//! * [`kubernetes`]: the Kubernetes API.

pub mod gate;
pub mod kubernetes;
//! * [`tailnet`]: the tailnet's control plane, Headscale's or Tailscale's.

pub mod gate;
pub mod tailnet;
