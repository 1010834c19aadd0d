//! Everything that is kept, and what goes by itself.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{
    address::Addresses,
    model::{Device, Key, NewKey, User},
    plane::Plane,
    tailscale::access::{Client, Token},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    pub(super) users: Vec<User>,
    pub(super) keys: Vec<Key>,
    /// In the order of their ids.
    pub(super) devices: Vec<Device>,
    /// Keys of Headscale's API.
    pub(super) api_keys: Vec<String>,
    /// Tailscale's OAuth clients, and the tokens that they or a person have.
    pub(super) clients: Vec<Client>,
    pub(super) tokens: Vec<Token>,
    pub(super) addresses: Addresses,
    /// How many ids were given.
    counted: u64,
    /// Headscale counts these each by itself.
    counted_keys: u64,
    counted_devices: u64,
}

impl Data {
    /// Takes away what a real control plane takes away by itself: ephemeral devices that were away for long.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.devices.retain(|device| {
            let away = now.duration_since(device.last_seen);
            !(device.ephemeral && !device.online && away >= Plane::EPHEMERAL_PATIENCE)
        });
    }

    pub(super) fn device(&mut self, id: &str) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id || device.legacy_id == id)
    }

    pub(super) fn key(&mut self, id: &str) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.id == id)
    }

    /// Makes a key.
    pub(super) fn add_key(&mut self, plane: Plane, now: Timestamp, new: NewKey) -> Key {
        self.counted_keys += 1;
        let (id, secret) = match plane {
            Plane::Headscale(release) if release.names_keys_by_id() => {
                let secret = format!("hskey-auth-{}-{}", hex(12), hex(64));
                (self.counted_keys.to_string(), secret)
            }
            Plane::Headscale(_) => (self.counted_keys.to_string(), hex(48)),
            Plane::Tailscale => {
                let id = self.stable_id('k');
                let secret = format!("tskey-auth-{id}-{}", hex(32));
                (id, secret)
            }
        };
        let longest = SignedDuration::from_secs(Plane::LONGEST_KEY);
        let key = Key {
            id,
            secret,
            user: new.user,
            reusable: new.reusable,
            ephemeral: new.ephemeral,
            preauthorized: new.preauthorized,
            tags: new.tags,
            description: new.description,
            created: now,
            expires: new.expires.unwrap_or_else(|| now.checked_add(longest).unwrap_or(now)),
            revoked: None,
            used: false,
        };
        self.keys.push(key.clone());
        key
    }

    /// The next device's id, and its older one.
    pub(super) fn device_ids(&mut self, plane: Plane) -> (String, String) {
        self.counted_devices += 1;
        let number = self.counted_devices;
        match plane {
            Plane::Headscale(_) => (number.to_string(), number.to_string()),
            Plane::Tailscale => (self.stable_id('n'), (50_000 + number).to_string()),
        }
    }

    /// `n5SUKe8CNTRL`: as Tailscale names things; derived by counting, so that a world that is played twice
    /// is the same twice.
    pub(super) fn stable_id(&mut self, kind: char) -> String {
        self.counted += 1;
        let digest = Sha256::digest(format!("{kind}{}", self.counted));
        let text: String = digest.iter().take(11).map(|byte| letter(*byte)).collect();
        format!("{kind}{text}CNTRL")
    }
}

/// Random hexadecimal digits.
pub(super) fn hex(count: usize) -> String {
    let mut text = String::new();
    while text.len() < count {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text.truncate(count);
    text
}

/// Random letters and digits, of those that a name of DNS may have.
pub(super) fn letters(count: usize) -> String {
    uuid::Uuid::new_v4().into_bytes().iter().take(count).map(|byte| low_letter(*byte)).collect()
}

fn low_letter(byte: u8) -> char {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    char::from(LETTERS[usize::from(byte) % LETTERS.len()])
}

fn letter(byte: u8) -> char {
    const LETTERS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    char::from(LETTERS[usize::from(byte) % LETTERS.len()])
}
