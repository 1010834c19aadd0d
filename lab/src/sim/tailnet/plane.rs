//! Whose control plane it is.

use jiff::{SignedDuration, Timestamp};

/// A kind of control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    Headscale(Release),
    Tailscale,
}

/// A minor release of Headscale, each as its last patch is.
///
/// * From 0.27 on: `/version`, `/api/v1/health`, 404 for a node that is not there (500 before).
/// * From 0.28 on: keys are named by their ids, can be deleted, and are shown in full once only; a node's
///   tags are `tags`, and a tagged node belongs to nobody.
/// * From 0.29 on: a twin is told apart by `-1` (by eight random letters before), and a tagged node that
///   logs out does not expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    V0_26,
    V0_27,
    V0_28,
    V0_29,
}

impl Release {
    pub const ALL: [Self; 4] = [Self::V0_26, Self::V0_27, Self::V0_28, Self::V0_29];

    /// As `/version` says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::V0_26 => "v0.26.1",
            Self::V0_27 => "v0.27.1",
            Self::V0_28 => "v0.28.0",
            Self::V0_29 => "v0.29.3",
        }
    }

    pub(super) fn names_keys_by_id(self) -> bool {
        self >= Self::V0_28
    }
}

impl Plane {
    /// How long an ephemeral device may be away: `ephemeral_node_inactivity_timeout` of Headscale's example
    /// configuration; Tailscale promises 30 minutes at least.
    pub(super) const EPHEMERAL_PATIENCE: SignedDuration = SignedDuration::from_mins(30);

    /// The most seconds that a key of Tailscale's may live, and the life of one that asks for none: 90 days.
    pub(super) const LONGEST_KEY: i64 = 90 * 86_400;

    /// When the key of a device that joins now expires: after 180 days at Tailscale, unless its owner set
    /// another time there; never at Headscale, unless its configuration says otherwise.
    pub(super) fn device_expiry(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Headscale(_) => None,
            Self::Tailscale => now.checked_add(SignedDuration::from_hours(180 * 24)).ok(),
        }
    }

    /// Whether logging out ends the key of a device with tags.
    pub(super) fn logging_out_expires_tagged(self) -> bool {
        !matches!(self, Self::Headscale(release) if release >= Release::V0_29)
    }
}
