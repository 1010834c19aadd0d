//! The Kubernetes API, through a server that is connected by SSH.
//!
//! Owns: the way there ([`connection`]), what is read of nodes, and the few changes that provisioning
//! makes. Never does: force a field that somebody else owns, follow a kubeconfig to other programs,
//! files or hosts.

mod cluster;
mod connection;
mod drain;
mod failure;
pub mod forward;
mod labels;
mod node;
mod objects;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

pub use cluster::KubeCluster;

use super::ssh::SshHost;
use crate::{
    ports::{ClusterAccess, ClusterError, Host},
    secret::Secret,
};

/// Opens the Kubernetes API through any kind of host.
#[derive(Debug)]
pub struct KubeAccess<H = SshHost>(PhantomData<fn() -> H>);

impl<H> Default for KubeAccess<H> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<H: Host> ClusterAccess for KubeAccess<H> {
    type Host = H;
    type Cluster = KubeCluster;

    async fn open(&self, server: &H, kubeconfig: &Secret) -> Result<KubeCluster, ClusterError> {
        let client = connection::open(server, kubeconfig).await?;
        Ok(KubeCluster::new(client, server.node().clone()))
    }
}
