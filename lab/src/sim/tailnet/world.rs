//! The tailnet as the world sees it: what its guests' tailscaled does, and what a test does or asks past
//! the API.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{
    joining::{self, Joining, RegisterError, Registration},
    model::{Device, Key, NewKey, User},
    plane::Plane,
    state::{Data, hex},
    tailscale::access::{Client, Token},
};
use crate::sim::gate::Gate;

/// Tells the world's time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a tailnet is like.
#[derive(Clone)]
pub struct Settings {
    pub plane: Plane,
    pub clock: Clock,
    /// What follows a device's name; Tailscale calls the tailnet by it, too.
    pub domain: String,
    /// The policy's tags, and the tags whose holders may give each.
    pub tag_owners: BTreeMap<String, Vec<String>>,
    /// Whether a device whose key was not preauthorised must be approved; Tailscale's alone.
    pub approval: bool,
}

impl Settings {
    /// A tailnet by the computer's clock, whose policy knows `tag:k3s` and `tag:k8s-operator`.
    pub fn new(plane: Plane) -> Self {
        let owned = |tag: &str| (tag.to_owned(), vec![tag.to_owned()]);
        Self {
            plane,
            clock: Arc::new(Timestamp::now),
            domain: match plane {
                Plane::Headscale(_) => "lab.internal".to_owned(),
                Plane::Tailscale => "tail1234.ts.net".to_owned(),
            },
            tag_owners: BTreeMap::from([owned("tag:k3s"), owned("tag:k8s-operator")]),
            approval: false,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plane, clock: _, domain, tag_owners, approval } = self;
        let mut text = formatter.debug_struct("Settings");
        text.field("plane", plane).field("domain", domain);
        text.field("tag_owners", tag_owners).field("approval", approval).finish_non_exhaustive()
    }
}

/// A client that is let into Tailscale's API by OAuth.
#[derive(Clone, Debug)]
pub struct OauthClient {
    pub id: String,
    pub secret: String,
}

/// What a control plane remembers.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Memory {
    data: Data,
    passed: u32,
}

/// A control plane.
pub struct Tailnet {
    pub(super) gate: Gate,
    pub(super) settings: Settings,
    /// Seconds that it is later here than by the world's clock.
    passed: AtomicU32,
    data: Mutex<Data>,
}

impl fmt::Debug for Tailnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tailnet").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tailnet {
    /// An empty tailnet, whose API calls pass `gate`.
    pub fn new(gate: Gate, settings: Settings) -> Arc<Self> {
        Arc::new(Self { gate, settings, passed: AtomicU32::new(0), data: Mutex::default() })
    }

    pub fn plane(&self) -> Plane {
        self.settings.plane
    }

    /// The world's time, and what was let pass here.
    pub fn now(&self) -> Timestamp {
        let passed = Duration::from_secs(self.passed.load(Ordering::SeqCst).into());
        let now = (self.settings.clock)();
        now.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Time passes here alone, so that what lives for a while is seen to end.
    pub fn let_pass(&self, seconds: u32) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Everything, without what went by itself since.
    pub(super) fn lock(&self) -> MutexGuard<'_, Data> {
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        data.sweep(self.now());
        data
    }

    /// All that is remembered, with the time that was let pass here.
    pub(in crate::sim) fn memory(&self) -> Memory {
        Memory { data: self.lock().clone(), passed: self.passed.load(Ordering::SeqCst) }
    }

    /// Remembers this and nothing else.
    pub(in crate::sim) fn remember(&self, memory: &Memory) {
        *self.lock() = memory.data.clone();
        self.passed.store(memory.passed, Ordering::SeqCst);
    }

    /// A user of Headscale's, by `headscale users create`.
    pub fn add_user(&self, name: &str) -> User {
        let mut data = self.lock();
        let id = data.users.last().map_or(1, |user| user.id + 1);
        let user = User { id, name: name.to_owned(), created: self.now() };
        data.users.push(user.clone());
        user
    }

    /// What lets a client into the API: a key of Headscale's, or a person's access token of Tailscale's, which
    /// may do everything.
    pub fn issue_api_key(&self) -> String {
        let mut data = self.lock();
        match self.plane() {
            Plane::Headscale(release) => {
                let key = match release.names_keys_by_id() {
                    true => format!("hskey-api-{}-{}", hex(12), hex(64)),
                    false => format!("{}.{}", hex(7), hex(32)),
                };
                data.api_keys.push(key.clone());
                key
            }
            Plane::Tailscale => {
                let secret = format!("tskey-api-{}-{}", data.stable_id('k'), hex(32));
                data.tokens.push(Token::of_a_person(&secret));
                secret
            }
        }
    }

    /// An OAuth client of Tailscale's with these scopes and tags: `auth_keys`, `devices:core`, `all`.
    pub fn issue_oauth_client(&self, scopes: &[&str], tags: &[&str]) -> OauthClient {
        let mut data = self.lock();
        let id = data.stable_id('k');
        let secret = format!("tskey-client-{id}-{}", hex(32));
        data.clients.push(Client::new(&id, &secret, scopes, tags));
        OauthClient { id, secret }
    }

    /// A key that a person made by hand.
    pub fn add_key(&self, new: NewKey) -> Key {
        self.lock().add_key(self.plane(), self.now(), new)
    }

    /// Every key that was not deleted, oldest first.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().keys.clone()
    }

    /// Ends a key behind everybody's back; whether there was one.
    pub fn expire_key(&self, id: &str) -> bool {
        let now = self.now();
        self.lock().key(id).map(|key| key.revoked = Some(now)).is_some()
    }

    /// Every device, oldest first.
    pub fn devices(&self) -> Vec<Device> {
        self.lock().devices.clone()
    }

    /// A device by either of its ids.
    pub fn device(&self, id: &str) -> Option<Device> {
        self.lock().device(id).cloned()
    }

    /// The device of a machine key.
    pub fn device_of(&self, machine: &str) -> Option<Device> {
        self.lock().devices.iter().find(|device| device.machine == machine).cloned()
    }

    /// Deletes a device behind everybody's back; whether there was one.
    pub fn delete_device(&self, id: &str) -> bool {
        let mut data = self.lock();
        let before = data.devices.len();
        data.devices.retain(|device| device.id != id && device.legacy_id != id);
        data.devices.len() < before
    }

    /// Ends a device's node key behind everybody's back; whether there was a device.
    pub fn expire_device(&self, id: &str) -> bool {
        let now = self.now();
        let mut data = self.lock();
        data.device(id).map(|device| expire(device, now)).is_some()
    }

    /// `tailscale up` with an auth key. A machine key that is known keeps its device, address and name.
    ///
    /// # Errors
    /// When the key lets this machine not in.
    pub fn register(&self, joining: &Joining<'_>) -> Result<Registration, RegisterError> {
        let Settings { plane, approval, domain, .. } = &self.settings;
        let mut data = self.lock();
        let (device, kept) = joining::register(&mut data, *plane, *approval, self.now(), joining)?;
        Ok(Registration {
            dns_name: format!("{}.{domain}", device.name),
            device: device.id,
            address: device.ipv4,
            address_v6: device.ipv6,
            name: device.name,
            tags: device.tags,
            awaits_approval: !device.authorized,
            kept,
        })
    }

    /// Tailscaled connects or goes away. Whether it may go on as this device: one that was deleted, and one
    /// whose key expired, must log in again.
    pub fn set_online(&self, device: &str, online: bool) -> bool {
        let now = self.now();
        let mut data = self.lock();
        let Some(device) = data.device(device) else { return false };
        let may = !device.is_expired(now);
        if device.online || (online && may) {
            device.last_seen = now;
        }
        device.online = online && may;
        may
    }

    /// `tailscale logout`: an ephemeral device goes, another one's key ends, unless its control plane lets
    /// tagged devices keep theirs. Nothing happens to a device that is not there.
    pub fn logout(&self, id: &str) {
        let now = self.now();
        let mut data = self.lock();
        let Some(device) = data.device(id) else { return };
        device.online = false;
        device.last_seen = now;
        if device.ephemeral {
            data.devices.retain(|device| device.id != id);
        } else if device.tags.is_empty() || self.plane().logging_out_expires_tagged() {
            expire(device, now);
        }
    }

    /// Whom a device sees: everybody else, as the policy of these worlds lets everybody see everybody;
    /// `None` when the control plane does not know it, and when it may not go on.
    pub fn peers(&self, device: &str) -> Option<Vec<Device>> {
        let now = self.now();
        let mut data = self.lock();
        let own = data.device(device)?.clone();
        let may = own.authorized && !own.is_expired(now);
        let others = || data.devices.iter().filter(|other| other.id != own.id && other.authorized);
        may.then(|| others().cloned().collect())
    }
}

/// Ends a device's node key.
pub(super) fn expire(device: &mut Device, now: Timestamp) {
    device.key_expiry_disabled = false;
    device.expires = Some(now);
    device.online = false;
}
