//! The topology of a cluster, drawn from its inventory and from the checks of its state. Pure.
//!
//! Five diagrams, each of blocks and of arrows between them; a block is as well as the checks that look at
//! it. What nobody looked at is neither well nor ill.

mod drawing;
mod git;
mod private;
mod public;
mod storage;
#[cfg(test)]
pub(crate) mod tests;
mod zones;

use serde::Serialize;

use crate::{inventory::Desired, stage::check::Check};

/// All diagrams of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Topology {
    pub cluster: String,
    pub diagrams: Vec<Diagram>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Diagram {
    /// A word for links.
    pub id: &'static str,
    pub title: &'static str,
    pub about: String,
    pub blocks: Vec<Block>,
    pub arrows: Vec<Arrow>,
}

/// Something that is there, or is to be.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// A word, unique in its diagram.
    pub id: String,
    pub title: String,
    pub lines: Vec<String>,
    pub health: Health,
    /// Why it is not well, each with what to try next.
    pub causes: Vec<String>,
}

/// From one block to another.
#[derive(Clone, Debug, Serialize)]
pub struct Arrow {
    pub from: String,
    pub to: String,
    pub label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Checks look at it, and all of them passed.
    Well,
    /// One of them failed.
    Ill,
    /// None looks at it, none could, or somebody suspended what looks after it.
    Unknown,
}

impl Health {
    /// Beside the colour, which not everybody sees.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Well => "✓",
            Self::Ill => "✗",
            Self::Unknown => "?",
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Ill => "ill",
            Self::Unknown => "unknown",
        }
    }
}

/// Draws what the inventory turns on.
pub fn topology(desired: &Desired, checks: &[Check]) -> Topology {
    let diagrams = [
        public::diagram(desired, checks),
        private::diagram(desired, checks),
        git::diagram(desired, checks),
        storage::diagram(desired, checks),
        Some(zones::diagram(desired, checks)),
    ];
    Topology {
        cluster: desired.cluster.clone(),
        diagrams: diagrams.into_iter().flatten().collect(),
    }
}
