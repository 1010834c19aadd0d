//! The GitOps tree, rendered from whole inventories: shapes, references and paths; its Secrets; the commands.
//!
//! Schemas of custom resources and values of charts are not part of this repository: they are looked for
//! where HOMELAB_SHARED says, or in `../shared`, and what needs them is skipped, with a line, where they
//! are not there. The official `sops` and `kustomize` are asked where HOMELAB_TEST_SOPS and
//! HOMELAB_TEST_KUSTOMIZE name them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod charts;
mod commands;
mod faults;
mod forgetting;
mod forms;
mod kustomize;
mod outdated;
mod outside;
mod paths;
mod rotation;
mod schemas;
mod secrets;
mod shared;
mod site;
mod sops;
mod soundness;
mod subsets;
mod world;
