//! Where the headers begin that the shared core reads, by the capture's link type.

use tollfree_core::packet::Start;

/// Numbers of the link-layer header type registry (<https://www.tcpdump.org/linktypes.html>).
mod linktype {
    pub(super) const NULL: u16 = 0;
    pub(super) const ETHERNET: u16 = 1;
    pub(super) const PPP: u16 = 9;
    /// Raw IP in files that have the capturing system's own number instead of the registry's 101.
    pub(super) const RAW_BSD: u16 = 12;
    pub(super) const RAW_OPENBSD: u16 = 14;
    pub(super) const PPP_HDLC: u16 = 50;
    pub(super) const PPP_ETHER: u16 = 51;
    pub(super) const RAW: u16 = 101;
    pub(super) const C_HDLC: u16 = 104;
    pub(super) const LOOP: u16 = 108;
    pub(super) const LINUX_SLL: u16 = 113;
    pub(super) const IPV4: u16 = 228;
    pub(super) const IPV6: u16 = 229;
    pub(super) const LINUX_SLL2: u16 = 276;
}

/// Ether types (IEEE registration authority).
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_PPPOE_SESSION: u16 = 0x8864;

/// Length of a null or loop header: one address family.
const FAMILY_OCTETS: usize = 4;
/// `AF_INET`, the same everywhere.
const FAMILY_IPV4: u32 = 2;
/// `AF_INET6` on Linux, on NetBSD and OpenBSD, on FreeBSD, on Darwin.
const FAMILIES_IPV6: [u32; 4] = [10, 24, 28, 30];

/// Address and control of Cisco's HDLC framing, unicast and broadcast.
const C_HDLC_ADDRESSES: [u8; 2] = [0x0f, 0x8f];
const C_HDLC_TYPE_OFFSET: usize = 2;
const C_HDLC_OCTETS: usize = 4;

const SLL_HARDWARE_OFFSET: usize = 2;
const SLL_TYPE_OFFSET: usize = 14;
const SLL_OCTETS: usize = 16;
const SLL2_TYPE_OFFSET: usize = 0;
const SLL2_HARDWARE_OFFSET: usize = 8;
const SLL2_OCTETS: usize = 20;
/// `ARPHRD_FRAD`, `ARPHRD_IEEE80211_RADIOTAP` and `ARPHRD_NETLINK`: there, the protocol is no Ether type.
const HARDWARE_WITHOUT_ETHER_TYPE: [u16; 3] = [770, 803, 824];

/// Where the core begins, and what stands in front of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// What begins there.
    pub start: Start,
    /// Where, in octets.
    pub offset: usize,
    /// Name of the header that was stepped over here; `None` where the core tells of it or there is none.
    pub layer: Option<&'static str>,
}

/// Why there is nothing for the core to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The link type is not read.
    Unsupported,
    /// The link-layer header says that it is not IP.
    NotIp,
    /// Shorter than the link-layer header.
    Short,
}

/// Steps over a link-layer header that exists only in captures.
///
/// # Errors
/// Why there is nothing to go on with.
pub fn locate(link_type: u16, octets: &[u8]) -> Result<Located, LinkFault> {
    let at = |start, offset, layer| {
        if octets.len() < offset { Err(LinkFault::Short) } else { Ok(Located { start, offset, layer }) }
    };
    match link_type {
        linktype::ETHERNET => at(Start::Ethernet, 0, None),
        linktype::RAW | linktype::RAW_BSD | linktype::RAW_OPENBSD => at(Start::Ip, 0, Some("raw")),
        linktype::IPV4 => at(Start::EtherType(ETHER_IPV4), 0, None),
        linktype::IPV6 => at(Start::EtherType(ETHER_IPV6), 0, None),
        linktype::NULL | linktype::LOOP => at(Start::EtherType(family(octets)?), FAMILY_OCTETS, Some("null")),
        linktype::PPP_HDLC if octets.first().is_some_and(|first| C_HDLC_ADDRESSES.contains(first)) => {
            locate(linktype::C_HDLC, octets)
        }
        linktype::PPP | linktype::PPP_HDLC => at(Start::Ppp, 0, None),
        linktype::PPP_ETHER => at(Start::EtherType(ETHER_PPPOE_SESSION), 0, None),
        linktype::C_HDLC => {
            at(Start::EtherType(word(octets, C_HDLC_TYPE_OFFSET)?), C_HDLC_OCTETS, Some("chdlc"))
        }
        linktype::LINUX_SLL => {
            at(cooked(octets, SLL_HARDWARE_OFFSET, SLL_TYPE_OFFSET)?, SLL_OCTETS, Some("sll"))
        }
        linktype::LINUX_SLL2 => {
            at(cooked(octets, SLL2_HARDWARE_OFFSET, SLL2_TYPE_OFFSET)?, SLL2_OCTETS, Some("sll2"))
        }
        _ => Err(LinkFault::Unsupported),
    }
}

/// The Ether type that a null or loop header's address family stands for.
fn family(octets: &[u8]) -> Result<u16, LinkFault> {
    let family = octets.first_chunk::<FAMILY_OCTETS>().ok_or(LinkFault::Short)?;
    // In the byte order of the machine that captured it, which may not be the file's.
    let (little, big) = (u32::from_le_bytes(*family), u32::from_be_bytes(*family));
    match little.min(big) {
        FAMILY_IPV4 => Ok(ETHER_IPV4),
        other if FAMILIES_IPV6.contains(&other) => Ok(ETHER_IPV6),
        _ => Err(LinkFault::NotIp),
    }
}

/// What follows a header of Linux cooked captures.
fn cooked(octets: &[u8], hardware_offset: usize, type_offset: usize) -> Result<Start, LinkFault> {
    if HARDWARE_WITHOUT_ETHER_TYPE.contains(&word(octets, hardware_offset)?) {
        return Err(LinkFault::NotIp);
    }
    Ok(Start::EtherType(word(octets, type_offset)?))
}

fn word(octets: &[u8], offset: usize) -> Result<u16, LinkFault> {
    let word = octets.get(offset..).and_then(<[u8]>::first_chunk).ok_or(LinkFault::Short)?;
    Ok(u16::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(link_type: u16, octets: &[u8]) -> Result<(Start, usize), LinkFault> {
        locate(link_type, octets).map(|located| (located.start, located.offset))
    }

    #[test]
    fn headers_of_captures_are_stepped_over() {
        let v4 = Start::EtherType(ETHER_IPV4);
        let v6 = Start::EtherType(ETHER_IPV6);
        // The registry's descriptions of each type.
        let mut sll = [0; 16];
        sll[3] = 1;
        sll[14..].copy_from_slice(&[0x86, 0xdd]);
        let mut sll2 = [0; 20];
        sll2[..2].copy_from_slice(&[8, 0]);
        sll2[9] = 1;
        for (link_type, octets, expected) in [
            (0, &[2, 0, 0, 0][..], (v4, 4)),
            (0, &[0, 0, 0, 30], (v6, 4)),
            (108, &[0, 0, 0, 24], (v6, 4)),
            (1, &[], (Start::Ethernet, 0)),
            (9, &[], (Start::Ppp, 0)),
            (12, &[], (Start::Ip, 0)),
            (14, &[], (Start::Ip, 0)),
            (101, &[], (Start::Ip, 0)),
            (228, &[], (v4, 0)),
            (229, &[], (v6, 0)),
            (50, &[0xff, 3], (Start::Ppp, 0)),
            (50, &[0x0f, 0, 8, 0], (v4, 4)),
            (51, &[], (Start::EtherType(0x8864), 0)),
            (104, &[0x8f, 0, 0x86, 0xdd], (v6, 4)),
            (113, &sll, (v6, 16)),
            (276, &sll2, (v4, 20)),
        ] {
            assert_eq!(start(link_type, octets), Ok(expected), "link type {link_type}");
        }
    }

    #[test]
    fn what_holds_no_ip_is_told_apart() {
        let mut netlink = [0; 16];
        netlink[2..4].copy_from_slice(&824_u16.to_be_bytes());
        netlink[14..].copy_from_slice(&[8, 0]);
        assert_eq!(start(113, &netlink), Err(LinkFault::NotIp));
        assert_eq!(start(0, &[7, 0, 0, 0]), Err(LinkFault::NotIp));
        for (link_type, octets) in [(0, 3), (104, 3), (113, 15), (276, 9), (276, 19)] {
            assert_eq!(start(link_type, &vec![0; octets]), Err(LinkFault::Short), "link type {link_type}");
        }
        assert_eq!(start(147, &[0; 64]), Err(LinkFault::Unsupported));
    }
}
