//! Storages: directories and thin pools, their volumes as real files below the data directory.

mod content;
mod copy;
mod download;
mod endpoints;
mod fetch;
mod files;
mod images;
mod listing;
mod place;
mod qcow2;
mod received;
mod snapshots;
mod table;
mod upload;
mod volume;

pub(crate) use copy::{CopyError, CopyOptions, copy_image};
pub(crate) use endpoints::endpoints;
pub(crate) use listing::room;
pub(crate) use place::Place;
pub(crate) use qcow2::{Header as Qcow2Header, unpack};
pub(crate) use table::Table;
pub(crate) use volume::{Content, Volume, VolumeId};
