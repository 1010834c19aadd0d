//! The file format of SOPS, with age recipients: what Flux decrypts, and what the official `sops` reads.
//!
//! A file is a YAML document whose values below `data` and `stringData` are encrypted one by one
//! (AES-256-GCM; where a value stands is authenticated with it), with a `sops` section: the data key,
//! encrypted for each recipient, and a MAC over all values in their order, encrypted too.

mod armour;
mod comment;
#[cfg(test)]
mod damage;
mod data_key;
mod document;
mod form;
mod renew;
mod section;
mod sight;
mod value;
mod yaml;

pub use self::{
    armour::is_opened_by,
    document::{Opened, open, seal},
    form::shows_section,
    renew::{Others, renew},
    sight::is_sealed,
};
use crate::error::{Failure, Kind};

/// Below these, and nowhere else, values are encrypted.
pub(crate) const ENCRYPTED: &str = "^(data|stringData)$";

fn failure(why: impl Into<String>) -> Failure {
    Failure::new(Kind::Inventory, why)
}
