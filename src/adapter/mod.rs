//! The real outside world behind the ports.

pub mod artifact;
mod calls;
pub mod cloudflare;
pub mod git;
pub mod git_host;
pub mod kube;
pub mod outside;
pub mod proxmox;
pub mod publishers;
mod s3;
pub mod ssh;
pub mod tailnet;
mod world;

pub use world::RealWorld;
