//! The real outside world behind the ports.

pub mod artifact;
pub mod kube;
pub mod proxmox;
pub mod ssh;
pub mod tailnet;
