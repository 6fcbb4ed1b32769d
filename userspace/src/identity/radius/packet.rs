//! RADIUS packets (RFC 2865, section 3), whose lengths agree.

use super::attribute::{Attribute, Attributes, kind};

/// Octets of the header.
pub const HEADER_OCTETS: usize = 20;
/// Octets of a packet (RFC 2865, section 3).
pub const PACKET_OCTETS_MAX: usize = 4096;
/// Octets of an authenticator.
pub const AUTHENTICATOR_OCTETS: usize = 16;
/// Code of an Accounting-Request (RFC 2866, section 4.1).
pub const ACCOUNTING_REQUEST: u8 = 4;
/// Code of an Accounting-Response (RFC 2866, section 4.2).
pub const ACCOUNTING_RESPONSE: u8 = 5;

/// An Accounting-Request whose lengths agree; nothing is known of who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Header and attributes, without what may follow them in the datagram.
    octets: &'a [u8],
    /// Where the value of Message-Authenticator begins in `octets`, if there is one.
    message_authenticator: Option<usize>,
}

/// Why a datagram is no Accounting-Request that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketFault {
    /// Shorter than a header, or than its header says.
    #[error("is cut: {octets} octets")]
    Cut {
        /// How long the datagram is.
        octets: usize,
    },
    /// A length that no packet has.
    #[error("says that it is {octets} octets long, which no packet is")]
    Length {
        /// What its header says.
        octets: usize,
    },
    /// Not an Accounting-Request.
    #[error("has code {code}, which is not for an accounting server")]
    Code {
        /// Its code.
        code: u8,
    },
    /// An attribute that is shorter than its own header, or reaches past the packet.
    #[error("has an attribute of type {kind} with a length that does not fit")]
    AttributeLength {
        /// Its type.
        kind: u8,
    },
    /// An attribute that may stand once stands twice; two readers would take different ones.
    #[error("has more than one attribute of type {kind}")]
    Repeated {
        /// Its type.
        kind: u8,
    },
    /// A required attribute is absent.
    #[error("has no attribute of type {kind}")]
    Missing {
        /// Its type.
        kind: u8,
    },
    /// An attribute's value is not what its specification says.
    #[error("has an attribute of type {kind} that cannot be read")]
    Value {
        /// Its type.
        kind: u8,
    },
    /// More addresses than a session has.
    #[error("names more addresses than a session has")]
    TooManyAddresses,
}

impl<'a> Packet<'a> {
    /// Reads a datagram's payload. Octets past the packet's own length are padding (RFC 2865, section 3).
    ///
    /// # Errors
    /// What keeps it from being one: [`PacketFault::Cut`], `Length`, `Code`, `AttributeLength`, and `Repeated` or
    /// `Value` for Message-Authenticator.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketFault> {
        let cut = PacketFault::Cut { octets: datagram.len() };
        let [code, _, high, low, ..] = *datagram else { return Err(cut) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER_OCTETS..=PACKET_OCTETS_MAX).contains(&length) {
            return Err(PacketFault::Length { octets: length });
        }
        let octets = datagram.get(..length).ok_or(cut)?;
        if code != ACCOUNTING_REQUEST {
            return Err(PacketFault::Code { code });
        }
        let mut message_authenticator = None;
        for attribute in Attributes::of(&octets[HEADER_OCTETS..]) {
            let Attribute { kind, value, offset } = attribute?;
            if kind != kind::MESSAGE_AUTHENTICATOR {
                continue;
            }
            if value.len() != AUTHENTICATOR_OCTETS {
                return Err(PacketFault::Value { kind });
            }
            if message_authenticator.replace(HEADER_OCTETS + offset).is_some() {
                return Err(PacketFault::Repeated { kind });
            }
        }
        Ok(Self { octets, message_authenticator })
    }

    /// Tells this request from the client's others that wait for an answer.
    pub fn identifier(&self) -> u8 {
        self.octets[1]
    }

    /// The Request Authenticator.
    pub fn authenticator(&self) -> [u8; AUTHENTICATOR_OCTETS] {
        let mut authenticator = [0; AUTHENTICATOR_OCTETS];
        authenticator.copy_from_slice(&self.octets[4..HEADER_OCTETS]);
        authenticator
    }

    /// The attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        // `parse` has seen that all can be read.
        Attributes::of(&self.octets[HEADER_OCTETS..]).map_while(Result::ok)
    }

    /// Header and attributes.
    pub(super) fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Where the value of Message-Authenticator begins in [`Packet::octets`].
    pub(super) fn message_authenticator(&self) -> Option<usize> {
        self.message_authenticator
    }
}
