//! The worlds that homelab is tested in.
//!
//! Nothing here is linked into the `homelab` binary, and nothing here uses its code: what agrees with
//! the product must agree because both hold to the real thing.
//!
//! * [`pve`]: an emulated Proxmox VE: HTTPS, users, storages, tasks, virtual machines.
//! * [`cloudflare`]: a stand-in for Cloudflare's API of tunnels and DNS records.
//! * [`conformance`]: holds the emulator against a recording of the real thing.
//! * [`hypervisor`]: the seam between the emulator and whatever runs its guests.
//! * [`machines`]: guests as real Debian machines under systemd-nspawn.
//! * [`sim`]: the simulated world, which needs neither root nor another machine.
//! * [`world`]: network namespaces, Headscale, DNS, packages and mirrors around those machines.
//! * [`print`]: stdout and stderr, which may take nothing.
//! * [`artifacts`]: what the lab must build before it can start, cached by version and recipe.

pub mod artifacts;
pub mod cloudflare;
pub mod conformance;
pub mod hypervisor;
pub mod machines;
pub mod outside;
pub mod print;
pub mod pve;
pub mod sim;
pub mod world;
