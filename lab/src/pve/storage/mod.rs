use crate::pve::{config::Config, endpoint::Endpoint};

/// What the emulator keeps for this module.
#[derive(Default)]
pub(crate) struct Table {}

impl Table {
    pub(crate) fn new(_config: &Config) -> Self {
        Self::default()
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    Vec::new()
}
