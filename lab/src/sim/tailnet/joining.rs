//! What tailscaled asks of its control plane, and what `tailscale up` shows of the answer.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use super::{
    model::{Device, Key},
    names,
    plane::{Plane, Release},
    state::Data,
};

/// A machine that wants in.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'a> {
    pub auth_key: &'a str,
    pub hostname: &'a str,
    /// `mkey:...`: stays while the machine keeps its state folder.
    pub machine: &'a str,
    /// `nodekey:...`: tailscaled makes a new one when it was logged out.
    pub node_key: &'a str,
}

/// What a machine is told that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The stable id.
    pub device: String,
    pub address: Ipv4Addr,
    pub address_v6: Ipv6Addr,
    /// Without the domain.
    pub name: String,
    /// With the domain, and without the last dot.
    pub dns_name: String,
    pub tags: Vec<String>,
    /// Whether somebody must approve it yet: `tailscale up` waits for that.
    pub awaits_approval: bool,
    /// Whether it is the device that this machine had before.
    pub kept: bool,
}

/// Why a key lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Unknown,
    Expired,
    Used,
    /// There is no address left.
    Full,
}

/// A refusal, in the control plane's words; `tailscale up` shows them after `backend error: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RegisterError {
    pub reason: Reason,
    text: String,
}

/// Lets a machine in, or does not.
pub(super) fn register(
    data: &mut Data,
    plane: Plane,
    approval: bool,
    now: Timestamp,
    joining: &Joining<'_>,
) -> Result<(Device, bool), RegisterError> {
    let refused = |reason, key: Option<&Key>| {
        Err(RegisterError { reason, text: said(plane, reason, joining.auth_key, key) })
    };
    let Some(key) = data.keys.iter().find(|key| key.secret == joining.auth_key).cloned() else {
        return refused(Reason::Unknown, None);
    };
    let known = data.devices.iter().find(|device| device.machine == joining.machine).cloned();
    // A machine that only starts again shows the key that it came in by: that may be used up since.
    let starts_again = known.as_ref().is_some_and(|device| {
        device.node_key == joining.node_key
            && device.key.as_ref() == Some(&key.id)
            && !device.is_expired(now)
    });
    if !starts_again && key.is_expired(now) {
        return refused(Reason::Expired, Some(&key));
    }
    if !starts_again && !key.reusable && key.used {
        return refused(Reason::Used, Some(&key));
    }
    let kept = known.is_some();
    let mut device = match known {
        Some(device) => device,
        None => match newcomer(data, plane, now, joining) {
            Some(device) => device,
            None => return refused(Reason::Full, Some(&key)),
        },
    };
    let other_name = device.hostname != joining.hostname && !device.renamed;
    if !kept || other_name {
        let others = data.devices.iter().filter(|other| other.id != device.id);
        let taken: Vec<&str> = others.map(|other| other.name.as_str()).collect();
        device.name = names::given(plane, joining.hostname, &taken);
    }
    device.hostname = joining.hostname.to_owned();
    device.node_key = joining.node_key.to_owned();
    device.last_seen = now;
    if !starts_again {
        admit(&mut device, plane, approval, now, &key);
    }
    match data.devices.iter_mut().find(|other| other.id == device.id) {
        Some(place) => *place = device.clone(),
        None => data.devices.push(device.clone()),
    }
    if let Some(key) = data.key(&key.id) {
        key.used = true;
    }
    Ok((device, kept))
}

/// What a key gives the device that comes in by it.
fn admit(device: &mut Device, plane: Plane, approval: bool, now: Timestamp, key: &Key) {
    let tagged = !key.tags.is_empty();
    device.tags.clone_from(&key.tags);
    device.user = match plane {
        Plane::Headscale(release) if release >= Release::V0_28 && tagged => None,
        _ => key.user,
    };
    device.ephemeral = key.ephemeral;
    device.key = Some(key.id.clone());
    device.authorized = device.authorized || key.preauthorized || !approval;
    // Devices with tags have no person to log in again (Tailscale's documentation of tags).
    device.key_expiry_disabled = tagged && plane == Plane::Tailscale;
    device.expires = plane.device_expiry(now);
}

fn newcomer(
    data: &mut Data,
    plane: Plane,
    now: Timestamp,
    joining: &Joining<'_>,
) -> Option<Device> {
    let taken: Vec<Ipv4Addr> = data.devices.iter().map(|device| device.ipv4).collect();
    let (ipv4, ipv6) = data.addresses.next(plane, joining.machine, &taken)?;
    let (id, legacy_id) = data.device_ids(plane);
    Some(Device {
        id,
        legacy_id,
        machine: joining.machine.to_owned(),
        node_key: String::new(),
        hostname: joining.hostname.to_owned(),
        name: String::new(),
        renamed: false,
        ipv4,
        ipv6,
        tags: Vec::new(),
        user: None,
        online: false,
        last_seen: now,
        created: now,
        expires: None,
        key_expiry_disabled: false,
        ephemeral: false,
        authorized: false,
        key: None,
    })
}

/// The words of a refusal: Headscale's `hscontrol/auth.go` and `hscontrol/types/preauth_key.go`; Tailscale's as
/// issues 9715 and 17047 of tailscale/tailscale and 1780 of juanfont/headscale quote them.
fn said(plane: Plane, reason: Reason, shown: &str, key: Option<&Key>) -> String {
    let text = match (plane, reason) {
        (Plane::Headscale(_), Reason::Expired) => "authkey expired",
        (Plane::Headscale(_), Reason::Used) => "authkey already used",
        (Plane::Headscale(Release::V0_26 | Release::V0_27), Reason::Unknown) => {
            "handling register with auth key: AuthKey not found"
        }
        (Plane::Headscale(Release::V0_28), Reason::Unknown) => {
            "handling register with auth key: auth-key not found"
        }
        (Plane::Headscale(Release::V0_29), Reason::Unknown) => "invalid pre auth key",
        (Plane::Headscale(_), Reason::Full) => {
            "handling register with auth key: allocating IPs: allocating IPv4 address: failed to allocate IP"
        }
        (Plane::Tailscale, Reason::Unknown) if shown.starts_with("tskey-") => {
            "invalid key: API key does not exist"
        }
        (Plane::Tailscale, Reason::Unknown) => "invalid key: unable to validate API key",
        (Plane::Tailscale, Reason::Full) => "no address left",
        (Plane::Tailscale, Reason::Expired | Reason::Used) => {
            let id = key.map(|key| key.id.as_str()).unwrap_or_default();
            return format!("invalid key: API key {id} not valid");
        }
    };
    text.to_owned()
}
