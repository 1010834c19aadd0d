//! The plan of the MTU, from the LAN up.
//!
//! Measured on two-node clusters: tailscale0 needs a link of 60 bytes more over IPv4 and 80 over IPv6;
//! one byte less and TCP stands still although pings pass. Pods have 50 bytes less than tailscale0, and a
//! Tailscale proxy in a pod (its own TUN has 1280) needs pods of 1340 over IPv4 and 1360 over IPv6.

use super::file::MtuFile;

/// What WireGuard adds over IPv4: IP 20, UDP 8, WireGuard 32.
pub(crate) const OVER_IPV4: u16 = 60;
/// What WireGuard adds over IPv6.
pub(crate) const OVER_IPV6: u16 = 80;
/// What VXLAN adds: Ethernet 14, IP 20, UDP 8, VXLAN 8.
pub(crate) const VXLAN: u16 = 50;
/// Pods below this break Tailscale proxies among them, with the nodes' tailnet over IPv4.
pub(crate) const PODS_OVER_IPV4: u16 = 1340;
/// The same with the tailnet over IPv6.
pub(crate) const PODS_OVER_IPV6: u16 = 1360;
/// `auto` goes no higher: peers beyond the LAN are reached over links of 1500.
const HIGHEST_PLANNED: u16 = 1420;
/// IPv6 needs it, and tailscale0 carries IPv6.
const LOWEST: u16 = 1280;

/// The MTU of tailscale0.
pub(crate) fn planned(smallest_link: u16, asked: MtuFile) -> u16 {
    match asked {
        MtuFile::Auto => smallest_link.saturating_sub(OVER_IPV6).clamp(LOWEST, HIGHEST_PLANNED),
        MtuFile::Bytes(bytes) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mtu_leaves_room_for_wireguard_over_ipv6() {
        assert_eq!(planned(1500, MtuFile::Auto), 1420);
        assert_eq!(planned(1450, MtuFile::Auto), 1370);
        assert_eq!(planned(1280, MtuFile::Auto), 1280, "never less than IPv6 needs");
        assert_eq!(planned(9000, MtuFile::Auto), 1420, "peers beyond the LAN have smaller links");
        assert_eq!(planned(9000, MtuFile::Bytes(8900)), 8900);
    }
}
