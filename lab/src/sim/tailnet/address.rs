//! Who gets which address of 100.64.0.0/10.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha2::{Digest as _, Sha256};

use super::plane::Plane;

/// 100.64.0.0, and how many addresses there are from it on.
const FIRST: u32 = 0x6440_0000;
const COUNT: u32 = 1 << 22;

/// Hands out addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    /// How far Headscale has come: it goes on from the last one, and turns back only when it starts anew.
    last: u32,
}

impl Addresses {
    /// A free pair of addresses; `machine` is what Tailscale's are derived from here, so that a world that is
    /// played twice is the same twice. `None` when all are taken.
    pub(super) fn next(
        &mut self,
        plane: Plane,
        machine: &str,
        taken: &[Ipv4Addr],
    ) -> Option<(Ipv4Addr, Ipv6Addr)> {
        let free = |offset: u32| {
            let address = Ipv4Addr::from(FIRST + offset);
            (is_assignable(address) && !taken.contains(&address)).then_some(address)
        };
        match plane {
            Plane::Headscale(_) => {
                let (offset, address) =
                    (self.last + 1..COUNT).find_map(|offset| Some((offset, free(offset)?)))?;
                self.last = offset;
                let [high, low] = [(offset >> 16) as u16, offset as u16];
                Some((address, Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, high, low)))
            }
            Plane::Tailscale => {
                let seed: [u8; 32] = Sha256::digest(machine).into();
                let start = u32::from_be_bytes([seed[0], seed[1], seed[2], seed[3]]) % COUNT;
                let address = (0..COUNT).find_map(|step| free((start + step) % COUNT))?;
                let [.., a, b, c, d] = address.octets();
                let low = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
                Some((address, Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 1, low[0], low[1])))
            }
        }
    }
}

/// Whether a device may have an address: Tailscale keeps 100.100.100.0/24 and 100.100.0.0/24 for itself and
/// 100.115.92.0/23 for ChromeOS (its documentation of reserved addresses); the first and the last name the
/// net itself.
pub(super) fn is_assignable(address: Ipv4Addr) -> bool {
    let number = u32::from(address);
    let inside = number > FIRST && number < FIRST + COUNT - 1;
    let [a, b, c, _] = address.octets();
    inside && !matches!((a, b, c), (100, 100, 0 | 100) | (100, 115, 92 | 93))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tailnet::plane::Release;

    #[test]
    fn headscale_counts_and_does_not_turn_back_for_one_that_became_free() {
        let mut addresses = Addresses::default();
        let plane = Plane::Headscale(Release::V0_29);
        let mut next = |taken: &[Ipv4Addr]| addresses.next(plane, "mkey:1", taken).unwrap().0;
        assert_eq!(next(&[]), Ipv4Addr::new(100, 64, 0, 1));
        assert_eq!(next(&[Ipv4Addr::new(100, 64, 0, 2)]), Ipv4Addr::new(100, 64, 0, 3));
        assert_eq!(next(&[]), Ipv4Addr::new(100, 64, 0, 4));
    }

    #[test]
    fn tailscale_spreads_them_over_its_net_and_gives_none_twice() {
        let mut addresses = Addresses::default();
        let (first, _) = addresses.next(Plane::Tailscale, "mkey:1", &[]).unwrap();
        let (second, _) = addresses.next(Plane::Tailscale, "mkey:1", &[first]).unwrap();
        assert_ne!(first, second);
        assert!(is_assignable(first) && is_assignable(second), "{first} {second}");
    }

    #[test]
    fn what_tailscale_keeps_for_itself_is_nobodys() {
        for address in ["100.64.0.0", "100.100.100.100", "100.115.92.7", "100.128.0.1", "10.0.0.1"]
        {
            assert!(!is_assignable(address.parse().unwrap()), "{address}");
        }
    }
}
