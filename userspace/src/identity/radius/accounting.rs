//! What an Accounting-Request says of sessions (RFC 2866, section 4.1).

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use jiff::Timestamp;

use super::attribute::{Attribute, VENDOR_3GPP, VENDOR_3GPP_IMSI, kind};
use super::authenticator::Verified;
use super::packet::PacketFault;
use crate::identity::block::Block;
use crate::identity::event::{Event, Moment, Nas, Report, SessionKey};
use crate::identity::person::Identity;

/// Addresses and prefixes of one session. Reason: a session has one of each kind, in some networks a few.
pub const ADDRESSES_MAX: usize = 16;
/// Shortest IPv6 prefix of a session, in bits. Reason: the most that a site gets (RFC 6177, section 2); one that claims
/// more would take everybody's addresses.
pub const IPV6_PREFIX_MIN: u8 = 48;

/// Values of Acct-Status-Type (RFC 2866, section 5.1).
mod status {
    pub(super) const START: u32 = 1;
    pub(super) const STOP: u32 = 2;
    pub(super) const INTERIM_UPDATE: u32 = 3;
    pub(super) const ACCOUNTING_ON: u32 = 7;
    pub(super) const ACCOUNTING_OFF: u32 = 8;
}

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// `None`: it is of a kind that says nothing of sessions or access servers, such as of tunnels (RFC 2867).
    pub event: Option<Event>,
    /// It has a Calling-Station-Id or 3GPP-IMSI that is no MSISDN or IMSI, and was not used: in fixed networks, the
    /// former often is a hardware address.
    pub has_unreadable_identity: bool,
}

impl Verified<'_> {
    /// Reads the request, which came from `source` at `at`.
    ///
    /// # Errors
    /// The [`PacketFault`] that keeps it from being understood.
    pub fn accounting(&self, source: IpAddr, at: Timestamp) -> Result<Accounting, PacketFault> {
        let mut values = Values::default();
        for attribute in self.packet().attributes() {
            values.keep(&attribute)?;
        }
        values.into_accounting(source, at)
    }
}

/// Values found so far.
#[derive(Default)]
struct Values {
    status: Option<u32>,
    session: Option<String>,
    nas_address: Option<IpAddr>,
    nas_ipv6_address: Option<IpAddr>,
    nas_identifier: Option<String>,
    delay_s: Option<u32>,
    stamped: Option<u32>,
    calling_station: Option<String>,
    imsi: Option<String>,
    framed_address: Option<IpAddr>,
    blocks: Vec<Block>,
}

impl Values {
    fn keep(&mut self, attribute: &Attribute<'_>) -> Result<(), PacketFault> {
        let kind = attribute.kind;
        match kind {
            kind::ACCT_STATUS_TYPE => once(&mut self.status, kind, attribute.number()?),
            kind::ACCT_SESSION_ID => once(&mut self.session, kind, attribute.text()?),
            kind::NAS_IP_ADDRESS => once(&mut self.nas_address, kind, attribute.ipv4()?),
            kind::NAS_IDENTIFIER => once(&mut self.nas_identifier, kind, attribute.text()?),
            kind::ACCT_DELAY_TIME => once(&mut self.delay_s, kind, attribute.number()?),
            kind::EVENT_TIMESTAMP => once(&mut self.stamped, kind, attribute.number()?),
            kind::CALLING_STATION_ID => once(&mut self.calling_station, kind, attribute.text()?),
            kind::FRAMED_IP_ADDRESS => {
                let address = attribute.ipv4()?;
                once(&mut self.framed_address, kind, address)?;
                self.block(address.into())
            }
            kind::NAS_IPV6_ADDRESS => once(&mut self.nas_ipv6_address, kind, attribute.ipv6()?.into()),
            kind::FRAMED_IPV6_ADDRESS => self.ipv6(attribute, attribute.ipv6()?.into()),
            kind::FRAMED_IPV6_PREFIX | kind::DELEGATED_IPV6_PREFIX => {
                self.ipv6(attribute, attribute.ipv6_prefix()?)
            }
            kind::VENDOR_SPECIFIC => self.vendor(attribute),
            _ => Ok(()),
        }
    }

    fn ipv6(&mut self, attribute: &Attribute<'_>, network: Ipv6Net) -> Result<(), PacketFault> {
        if network.prefix_len() < IPV6_PREFIX_MIN {
            return Err(attribute.fault());
        }
        self.block(network.into())
    }

    fn block(&mut self, network: IpNet) -> Result<(), PacketFault> {
        // What no pool can have is nobody's.
        self.blocks.extend(Block::new(network));
        if self.blocks.len() > ADDRESSES_MAX { Err(PacketFault::TooManyAddresses) } else { Ok(()) }
    }

    fn vendor(&mut self, attribute: &Attribute<'_>) -> Result<(), PacketFault> {
        let (vendor, attributes) = attribute.vendor()?;
        if vendor != VENDOR_3GPP {
            return Ok(());
        }
        for inner in attributes {
            let inner = inner.map_err(|_| attribute.fault())?;
            if inner.kind == VENDOR_3GPP_IMSI {
                once(&mut self.imsi, attribute.kind, inner.text().map_err(|_| attribute.fault())?)?;
            }
        }
        Ok(())
    }

    fn into_accounting(self, source: IpAddr, at: Timestamp) -> Result<Accounting, PacketFault> {
        let missing = |kind| PacketFault::Missing { kind };
        let status = self.status.ok_or(missing(kind::ACCT_STATUS_TYPE))?;
        let moment = Moment::new(at, self.delay_s.unwrap_or(0), self.stamped);
        // An access server with an address of each family is named by the IPv4 one.
        let address = self.nas_address.or(self.nas_ipv6_address);
        let is_named = address.is_some() || self.nas_identifier.is_some();
        let address = if is_named { address } else { Some(source) };
        let nas = Nas { address, identifier: self.nas_identifier.map(String::into_boxed_str) };
        let msisdn = self.calling_station.map(|text| text.parse());
        let imsi = self.imsi.map(|text| text.parse());
        let has_unreadable_identity = matches!(msisdn, Some(Err(_))) || matches!(imsi, Some(Err(_)));
        let identity = Identity::new(msisdn.and_then(Result::ok), imsi.and_then(Result::ok));
        let event = match status {
            status::ACCOUNTING_ON | status::ACCOUNTING_OFF => Some(Event::Reset { nas, moment }),
            status::START | status::INTERIM_UPDATE | status::STOP => {
                let id = self.session.ok_or(missing(kind::ACCT_SESSION_ID))?.into_boxed_str();
                let session = SessionKey { nas, id };
                let report = Report { session, identity, blocks: self.blocks, moment };
                Some(if status == status::STOP { Event::Ended(report) } else { Event::Alive(report) })
            }
            _ => None,
        };
        Ok(Accounting { event, has_unreadable_identity })
    }
}

fn once<T>(slot: &mut Option<T>, kind: u8, value: T) -> Result<(), PacketFault> {
    if slot.replace(value).is_some() { Err(PacketFault::Repeated { kind }) } else { Ok(()) }
}
