//! Ranges of addresses.

use std::{net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;

/// Addresses from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressRange {
    pub(crate) first: Ipv4Addr,
    pub(crate) last: Ipv4Addr,
}

impl AddressRange {
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl FromStr for AddressRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((first, last)) = text.split_once('-') {
            let first: Ipv4Addr = first.trim().parse().map_err(|_| ())?;
            let last: Ipv4Addr = last.trim().parse().map_err(|_| ())?;
            return (first <= last).then_some(Self { first, last }).ok_or(());
        }
        let network: Ipv4Net = text.parse().map_err(|_| ())?;
        Ok(Self { first: network.network(), last: network.broadcast() })
    }
}
