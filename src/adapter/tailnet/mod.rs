//! The tailnet's control plane behind one type: Tailscale's API, Headscale's, or a ready-made key.

mod auth_key;
mod call;
mod credential;
mod headscale;
#[cfg(test)]
pub(crate) mod scripted;
mod tailscale;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

pub use auth_key::AuthKey;
pub use headscale::Headscale;
pub use tailscale::Tailscale;

use self::credential::Credential;
use crate::{
    error::Failure,
    inventory::desired::{TailnetControl, TailscaleCredentials},
    ports::{Capabilities, Device, KeyMark, MintedKey, Tailnet, TailnetError},
};

/// The control plane that an inventory names.
#[derive(Debug)]
pub enum AnyTailnet {
    Tailscale(Tailscale),
    Headscale(Headscale),
    AuthKey(AuthKey),
}

impl AnyTailnet {
    /// Nothing is contacted and no secret is resolved before the first call.
    pub fn new(control: &TailnetControl) -> Result<Self, Failure> {
        Ok(match control {
            TailnetControl::Tailscale { api, tailnet, credentials } => {
                let credentials = match credentials {
                    TailscaleCredentials::OAuth { client_id, client_secret } => {
                        tailscale::Access::oauth(client_id, Credential::new(client_secret))
                    }
                    TailscaleCredentials::ApiKey(key) => {
                        tailscale::Access::Key(Credential::new(key))
                    }
                };
                Self::Tailscale(Tailscale::new(api, tailnet, credentials)?)
            }
            TailnetControl::Headscale { login_server, api_key, user } => {
                Self::Headscale(Headscale::new(login_server, Credential::new(api_key), user)?)
            }
            TailnetControl::AuthKey { key, .. } => {
                Self::AuthKey(AuthKey::new(Credential::new(key)))
            }
        })
    }
}

/// Hands a call on to whichever there is.
macro_rules! each {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Self::Tailscale($inner) => $call.await,
            Self::Headscale($inner) => $call.await,
            Self::AuthKey($inner) => $call.await,
        }
    };
}

impl Tailnet for AnyTailnet {
    async fn check(&self) -> Result<Capabilities, TailnetError> {
        each!(self, tailnet => tailnet.check())
    }

    async fn devices(&self) -> Result<Vec<Device>, TailnetError> {
        each!(self, tailnet => tailnet.devices())
    }

    async fn mint_key(&self, tag: &str, mark: &KeyMark) -> Result<MintedKey, TailnetError> {
        each!(self, tailnet => tailnet.mint_key(tag, mark))
    }

    async fn marked_key(&self, mark: &KeyMark) -> Result<Option<String>, TailnetError> {
        each!(self, tailnet => tailnet.marked_key(mark))
    }

    async fn revoke_key(&self, id: &str) -> Result<(), TailnetError> {
        each!(self, tailnet => tailnet.revoke_key(id))
    }

    async fn delete_device(&self, id: &str) -> Result<(), TailnetError> {
        each!(self, tailnet => tailnet.delete_device(id))
    }

    async fn set_address(&self, id: &str, address: Ipv4Addr) -> Result<(), TailnetError> {
        each!(self, tailnet => tailnet.set_address(id, address))
    }
}

/// A time as control planes write it; their zero, an empty text and nothing are all "none".
fn time(text: Option<&str>) -> Option<jiff::Timestamp> {
    let time: jiff::Timestamp = text?.parse().ok()?;
    (time > jiff::Timestamp::UNIX_EPOCH).then_some(time)
}
