//! A ready-made auth key and nothing more: who has no API access can still join.

use std::net::Ipv4Addr;

use super::credential::Credential;
use crate::ports::{Capabilities, Device, KeyMark, MintedKey, Tailnet, TailnetError};

/// Hands out the key that was given.
#[derive(Debug)]
pub struct AuthKey {
    key: Credential,
}

const SERVICE: &str = "a bare auth key";

impl AuthKey {
    pub fn new(key: Credential) -> Self {
        Self { key }
    }
}

fn unsupported<T>(what: &str) -> Result<T, TailnetError> {
    Err(TailnetError::Unsupported { service: SERVICE.into(), what: what.into() })
}

impl Tailnet for AuthKey {
    async fn check(&self) -> Result<Capabilities, TailnetError> {
        self.key.get().await?;
        Ok(Capabilities {
            service: SERVICE.into(),
            mint_keys: true,
            list_devices: false,
            set_address: false,
            unchecked: vec![
                "whether the auth key is still valid: only joining with it would tell".into(),
                "whether stale devices hold the nodes' names: a bare key cannot list devices"
                    .into(),
            ],
        })
    }

    async fn devices(&self) -> Result<Vec<Device>, TailnetError> {
        unsupported("list devices")
    }

    async fn mint_key(&self, _tag: &str, _mark: &KeyMark) -> Result<MintedKey, TailnetError> {
        Ok(MintedKey { id: String::new(), secret: self.key.get().await?.clone() })
    }

    async fn marked_key(&self, _mark: &KeyMark) -> Result<Option<String>, TailnetError> {
        Ok(None)
    }

    async fn revoke_key(&self, _id: &str) -> Result<(), TailnetError> {
        // It is the user's own, and may be meant for more than one node.
        Ok(())
    }

    async fn delete_device(&self, _id: &str) -> Result<(), TailnetError> {
        unsupported("delete devices")
    }

    async fn set_address(&self, _id: &str, _address: Ipv4Addr) -> Result<(), TailnetError> {
        unsupported("set a device's address")
    }
}
