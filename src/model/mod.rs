//! The words of the trade as types: names, identities, addresses and the marks of ownership.

#[cfg(test)]
mod damage;
pub mod device;
pub mod identity;
pub mod lease;
pub mod mac;
pub mod marker;
pub mod property;
pub mod size;
pub mod upid;

pub use device::Drive;
pub use identity::{ClusterId, NodeName, Nonce, Vmid};
pub use lease::Lease;
pub use mac::Mac;
pub use marker::Marker;
pub use property::PropertyString;
pub use upid::Upid;
