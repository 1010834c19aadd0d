//! What a command ends with when it does not end well.

use std::{error::Error, fmt};

/// What is known of the effect that a failed call had on the world.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing was changed.
    None,
    /// Something was changed, and not all of it.
    Partial,
    /// It may or may not have happened: look before doing it again.
    Unknown,
}

/// The kinds of failure; each has an exit code of its own ([`Kind::exit_code`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Checks that did not pass (`verify`).
    Checks,
    /// Our own machine: files, permissions, a bug.
    Runtime,
    Kubernetes,
    Ssh,
    Unreachable,
    Inventory,
    RemoteCommand,
    Proxmox,
    Tailnet,
    Git,
    /// The public edge: Cloudflare.
    Edge,
    /// A guard refused: going on would destroy or take over something.
    Refused,
    /// Somebody else holds the lock or the lease.
    Locked,
    Usage,
    Deadline,
    Interrupted,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Checks,
        Self::Runtime,
        Self::Kubernetes,
        Self::Ssh,
        Self::Unreachable,
        Self::Inventory,
        Self::RemoteCommand,
        Self::Proxmox,
        Self::Tailnet,
        Self::Git,
        Self::Edge,
        Self::Refused,
        Self::Locked,
        Self::Usage,
        Self::Deadline,
        Self::Interrupted,
    ];

    /// The process exit code: the one place where kinds and codes meet.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Checks => 1,
            Self::Runtime => 10,
            Self::Kubernetes => 12,
            Self::Ssh => 13,
            Self::Unreachable => 14,
            Self::Inventory => 15,
            Self::RemoteCommand => 16,
            Self::Proxmox => 17,
            Self::Tailnet => 18,
            Self::Git => 19,
            Self::Edge => 22,
            Self::Refused => 20,
            Self::Locked => 21,
            Self::Usage => 64,
            Self::Deadline => 124,
            Self::Interrupted => 130,
        }
    }

    /// What a command says that ends so, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Checks => "Checks of verify failed",
            Self::Runtime => "This computer: a file, a stream or a program that does not do",
            Self::Kubernetes => "Kubernetes refused, or does not get there",
            Self::Ssh => "SSH to a node failed, or its host key is not the known one",
            Self::Unreachable => "A host does not answer, or a node has no VM yet",
            Self::Inventory => "The inventory, the lock file or a secret's source is at fault",
            Self::RemoteCommand => "A script failed on a node",
            Self::Proxmox => "Proxmox refused, or one of its tasks failed",
            Self::Tailnet => "The tailnet refused, or a node does not get into it",
            Self::Git => "The repository cannot be read, or is not as it must be",
            Self::Edge => "Cloudflare refused",
            Self::Refused => "A guard refused: going on would destroy or take over something",
            Self::Locked => "Another run holds the lock or the lease",
            Self::Usage => "The command line or a variable is at fault",
            Self::Deadline => "The time given with --timeout was over; run it again to go on",
            Self::Interrupted => "Stopped on request; run it again to go on",
        }
    }
}

/// A failure as it reaches the edge: what, where, why, what is known of its effect, what to do next.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// What went wrong, in one sentence without a full stop.
    pub message: String,
    /// Where: a node, VMID, host or file.
    pub place: Option<String>,
    pub effect: Effect,
    /// What to do next, the likeliest first.
    pub hints: Vec<String>,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: None,
            effect: Effect::None,
            hints: Vec::new(),
            source: None,
        }
    }

    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place.get_or_insert_with(|| place.to_string());
        self
    }

    /// Tells it as of another kind, with what may be done about it. Not where the run is being stopped or has lost its
    /// lease: that explains itself, whatever it met in the middle.
    pub fn told_as(self, kind: Kind, hint: impl Into<Option<String>>) -> Self {
        if matches!(self.kind, Kind::Interrupted | Kind::Locked) {
            return self;
        }
        let failure = Self { kind, ..self };
        match hint.into() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The message and the chain of its sources, each once.
    pub fn chain(&self) -> Vec<String> {
        let mut texts = vec![self.message.clone()];
        let mut next: Option<&(dyn Error + 'static)> =
            self.source.as_deref().map(|source| source as &(dyn Error + 'static));
        while let Some(source) = next {
            let text = source.to_string();
            if !texts.iter().any(|known| known.contains(&text)) {
                texts.push(text);
            }
            next = source.source();
        }
        texts
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Kind::Runtime, error.to_string()).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_stays_one_whatever_it_met_in_the_middle() {
        let told = |kind| {
            let failure = Failure::new(kind, "x").told_as(Kind::Kubernetes, "next".to_owned());
            (failure.kind, failure.hints.len())
        };
        assert_eq!(told(Kind::Interrupted), (Kind::Interrupted, 0));
        assert_eq!(told(Kind::Locked), (Kind::Locked, 0));
        assert_eq!(told(Kind::Deadline), (Kind::Kubernetes, 1));
    }
}
