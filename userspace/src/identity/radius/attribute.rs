//! Attributes of RADIUS packets (RFC 2865, section 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::packet::PacketFault;

/// Octets in front of an attribute's value: type and length.
const HEADER_OCTETS: usize = 2;
/// Octets of a vendor's number in a Vendor-Specific attribute (RFC 2865, section 5.26).
const VENDOR_OCTETS: usize = 4;

/// Types of attributes that are read.
pub mod kind {
    /// RFC 2865, section 5.4.
    pub const NAS_IP_ADDRESS: u8 = 4;
    /// RFC 2865, section 5.8.
    pub const FRAMED_IP_ADDRESS: u8 = 8;
    /// RFC 2865, section 5.26.
    pub const VENDOR_SPECIFIC: u8 = 26;
    /// RFC 2865, section 5.31.
    pub const CALLING_STATION_ID: u8 = 31;
    /// RFC 2865, section 5.32.
    pub const NAS_IDENTIFIER: u8 = 32;
    /// RFC 2865, section 5.33.
    pub const PROXY_STATE: u8 = 33;
    /// RFC 2866, section 5.1.
    pub const ACCT_STATUS_TYPE: u8 = 40;
    /// RFC 2866, section 5.2.
    pub const ACCT_DELAY_TIME: u8 = 41;
    /// RFC 2866, section 5.5.
    pub const ACCT_SESSION_ID: u8 = 44;
    /// RFC 2869, section 5.3.
    pub const EVENT_TIMESTAMP: u8 = 55;
    /// RFC 2869, section 5.14.
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
    /// RFC 3162, section 2.1.
    pub const NAS_IPV6_ADDRESS: u8 = 95;
    /// RFC 3162, section 2.3.
    pub const FRAMED_IPV6_PREFIX: u8 = 97;
    /// RFC 4818, section 3.
    pub const DELEGATED_IPV6_PREFIX: u8 = 123;
    /// RFC 6911, section 3.1.
    pub const FRAMED_IPV6_ADDRESS: u8 = 168;
}

/// 3GPP's number among vendors (3GPP TS 29.061, clause 16.4.7).
pub const VENDOR_3GPP: u32 = 10415;
/// Type of 3GPP-IMSI among its attributes.
pub const VENDOR_3GPP_IMSI: u8 = 1;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type; see [`kind`].
    pub kind: u8,
    /// Its value, of 0 to 253 octets.
    pub value: &'a [u8],
    /// Where the value begins in what it was read from, in octets.
    pub(super) offset: usize,
}

/// Reads attributes one after the other, and ends after the first that is at fault.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    octets: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(octets: &'a [u8]) -> Self {
        Self { octets, offset: 0 }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, PacketFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.octets.get(self.offset..)?;
        let kind = *rest.first()?;
        let length = rest.get(1).copied().map_or(0, usize::from);
        let Some(value) = rest.get(HEADER_OCTETS..length) else {
            self.offset = self.octets.len();
            return Some(Err(PacketFault::AttributeLength { kind }));
        };
        let attribute = Attribute { kind, value, offset: self.offset + HEADER_OCTETS };
        self.offset += length;
        Some(Ok(attribute))
    }
}

impl<'a> Attribute<'a> {
    /// The value as a number.
    pub(super) fn number(&self) -> Result<u32, PacketFault> {
        self.value.try_into().map(u32::from_be_bytes).map_err(|_| self.fault())
    }

    /// The value as text, of at least one octet. What is not UTF-8 is written with `\x` escapes, so that different
    /// values stay different.
    pub(super) fn text(&self) -> Result<String, PacketFault> {
        match str::from_utf8(self.value) {
            Ok("") => Err(self.fault()),
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Ok(self.value.escape_ascii().to_string()),
        }
    }

    /// The value as an IPv4 address.
    pub(super) fn ipv4(&self) -> Result<IpAddr, PacketFault> {
        self.number().map(|bits| Ipv4Addr::from_bits(bits).into())
    }

    /// The value as an IPv6 address.
    pub(super) fn ipv6(&self) -> Result<Ipv6Addr, PacketFault> {
        self.value.try_into().map(|octets: [u8; 16]| octets.into()).map_err(|_| self.fault())
    }

    /// The value as an IPv6 prefix (RFC 3162, section 2.3): a reserved octet, the length in bits, and as many octets of
    /// the prefix as are wanted. Bits past the length must be zero.
    pub(super) fn ipv6_prefix(&self) -> Result<Ipv6Net, PacketFault> {
        let [_, length, prefix @ ..] = self.value else { return Err(self.fault()) };
        let mut octets = [0; 16];
        octets.get_mut(..prefix.len()).ok_or(self.fault())?.copy_from_slice(prefix);
        let network = Ipv6Net::new(octets.into(), *length).map_err(|_| self.fault())?;
        let is_whole = prefix.len() * 8 >= usize::from(*length);
        if is_whole && network.trunc() == network { Ok(network) } else { Err(self.fault()) }
    }

    /// A vendor's number, and its own attributes.
    pub(super) fn vendor(&self) -> Result<(u32, Attributes<'a>), PacketFault> {
        let (vendor, rest) = self.value.split_first_chunk::<VENDOR_OCTETS>().ok_or(self.fault())?;
        Ok((u32::from_be_bytes(*vendor), Attributes::of(rest)))
    }

    /// That the value cannot be read.
    pub(super) fn fault(&self) -> PacketFault {
        PacketFault::Value { kind: self.kind }
    }
}
