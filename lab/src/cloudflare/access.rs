//! Who asks, and what the token may do.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    answer::{Error, error},
    request::Request,
    state::Data,
};

/// A token's right; an edit right includes reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    #[serde(rename = "tunnel:read")]
    TunnelRead,
    #[serde(rename = "tunnel:edit")]
    TunnelEdit,
    #[serde(rename = "dns:read")]
    DnsRead,
    #[serde(rename = "dns:edit")]
    DnsEdit,
    #[serde(rename = "zone:read")]
    ZoneRead,
}

impl Permission {
    /// What `homelab` asks for.
    pub const ENOUGH: [Self; 3] = [Self::TunnelEdit, Self::DnsEdit, Self::ZoneRead];
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) permissions: Vec<Permission>,
}

impl Token {
    pub(crate) fn may(&self, wanted: Permission) -> bool {
        let by = |permission| self.permissions.contains(&permission);
        by(wanted)
            || match wanted {
                Permission::TunnelRead => by(Permission::TunnelEdit),
                Permission::DnsRead => by(Permission::DnsEdit),
                Permission::TunnelEdit | Permission::DnsEdit | Permission::ZoneRead => false,
            }
    }

    /// Refuses, as the API does for tunnels and records: it does not say what is missing.
    pub(crate) fn require(&self, wanted: Permission) -> Result<(), Error> {
        match self.may(wanted) {
            true => Ok(()),
            false => Err(error(StatusCode::FORBIDDEN, 10000, "Authentication error")),
        }
    }
}

/// Finds the token of a request.
pub(crate) fn token(data: &Data, request: &Request) -> Result<Token, Error> {
    let Some(header) = &request.authorization else {
        return Err(error(
            StatusCode::BAD_REQUEST,
            9106,
            "Missing X-Auth-Key, X-Auth-Email or Authorization headers",
        ));
    };
    let value = header.strip_prefix("Bearer ").unwrap_or_default();
    let sound = value.len() >= 40
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !sound {
        let refused = error(StatusCode::BAD_REQUEST, 6003, "Invalid request headers");
        return Err(refused.because(6111, "Invalid format for Authorization header"));
    }
    let found = data.tokens.iter().find(|token| token.value == value);
    found.cloned().ok_or_else(|| error(StatusCode::FORBIDDEN, 9109, "Invalid access token"))
}
