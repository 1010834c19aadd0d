//! The GitOps tree: what runs in the cluster, as files that Flux reads from Git.
//!
//! ```text
//! Desired, Given -> component::* -> Part (a folder of manifests, and what it waits for) -> Tree
//! Tree -> seal (secrets found, made or kept; SOPS) -> files -> compare with a folder -> write
//! ```
//!
//! Rendering is pure: the same inventory gives the same tree. Secrets are plans in it until [`seal`]
//! encrypts them, and an unchanged secret keeps its ciphertext.

pub mod age_key;
pub mod ciphertext;
pub mod compare;
mod component;
pub mod deploy_key;
mod given;
mod outdated;
mod overview;
mod part;
pub mod record;
pub mod repository;
pub mod rules;
pub mod seal;
pub mod secret;
pub mod sops;
mod template;
mod tree;

pub(crate) use self::component::cloudflared as tunnel;
pub use self::{
    given::Given,
    outdated::outdated,
    overview::{PrivateWay, RULES, Route, private_ways, routes, rules},
    tree::{File, Tree, tree},
};
