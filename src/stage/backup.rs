//! The checks of backups outside the cluster: the buckets that hold them, and the datastore's snapshots.

mod buckets;
mod kept;
mod snapshots;
#[cfg(test)]
pub(crate) mod tests;

pub use buckets::checks as bucket_checks;
pub use kept::{Holding, holding, of_volume, wanted};
pub use snapshots::checks as snapshot_checks;
