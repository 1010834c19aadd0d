//! An emulated Proxmox VE.
