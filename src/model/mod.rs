//! The words of the trade as types: names, identities, addresses and the marks of ownership.

pub mod identity;
pub mod mac;
pub mod marker;
pub mod upid;

pub use identity::{ClusterId, NodeName, Nonce, Vmid};
pub use mac::Mac;
pub use marker::Marker;
pub use upid::Upid;
