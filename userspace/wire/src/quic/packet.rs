//! Packets of a datagram (RFC 9000, sections 12.2 and 17).

use super::cursor::Cursor;

/// Most octets of a connection ID in a version that is known (RFC 9000, section 17.2).
const CONNECTION_ID_OCTETS_MAX: usize = 20;

const LONG_HEADER: u8 = 0x80;
const FIXED_BIT: u8 = 0x40;

/// A connection ID: 20 octets at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId<'a>(&'a [u8]);

impl<'a> ConnectionId<'a> {
    /// Its octets.
    pub const fn octets(self) -> &'a [u8] {
        self.0
    }

    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let octets = usize::from(cursor.octet()?);
        let id = cursor.slice(octets)?;
        (octets <= CONNECTION_ID_OCTETS_MAX).then_some(Self(id))
    }
}

/// A version whose Initial packets can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Drafts 29 to 32, which share their salt.
    Draft29,
    /// RFC 9000.
    V1,
    /// RFC 9369.
    V2,
}

impl Version {
    /// The version with this number on the wire.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0xff00_001d..=0xff00_0020 => Some(Self::Draft29),
            0x0000_0001 => Some(Self::V1),
            0x6b33_43cf => Some(Self::V2),
            _ => None,
        }
    }

    /// What a long header's type bits mean (RFC 9000, section 17.2; RFC 9369, section 3.2).
    const fn kind(self, first: u8) -> Kind {
        let bits = (first >> 4) & 3;
        let in_order = match self {
            Self::Draft29 | Self::V1 => bits,
            // The same types, one number further each.
            Self::V2 => (bits + 3) & 3,
        };
        match in_order {
            0 => Kind::Initial,
            1 | 2 => Kind::Later,
            _ => Kind::Retry,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Initial,
    /// 0-RTT and Handshake.
    Later,
    Retry,
}

/// A protected Initial packet.
#[derive(Clone, Copy, Debug)]
pub struct Initial<'a> {
    /// Its version.
    pub version: Version,
    /// Destination Connection ID.
    pub destination: ConnectionId<'a>,
    /// Source Connection ID.
    pub source: ConnectionId<'a>,
    /// The whole packet, and nothing of the next.
    pub(super) octets: &'a [u8],
    /// Where in it the packet number begins.
    pub(super) number_at: usize,
}

/// One packet of a datagram, as far as anyone on the path can read it.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// Initial.
    Initial(Initial<'a>),
    /// 0-RTT or Handshake.
    Later,
    /// Retry: the client answers with an Initial under new keys.
    Retry,
    /// Version Negotiation.
    VersionNegotiation,
    /// A long header of a version that is not known: nothing more can be read (RFC 8999).
    OtherVersion(u32),
    /// Short header.
    Short,
    /// No packet of QUIC.
    Other,
}

/// The packets of a datagram, in order. After one whose end cannot be known there is none.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// The packets of a UDP payload.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let whole = std::mem::take(&mut self.rest);
        let first = *whole.first()?;
        if first & LONG_HEADER == 0 {
            return Some(if first & FIXED_BIT == 0 { Packet::Other } else { Packet::Short });
        }
        let (packet, behind) = long(whole).unwrap_or((Packet::Other, &[]));
        self.rest = behind;
        Some(packet)
    }
}

/// A packet with a long header, and what comes behind it.
fn long(whole: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let mut cursor = Cursor::new(whole);
    let first = cursor.octet()?;
    let number = u32::from_be_bytes(cursor.array()?);
    if number == 0 {
        return Some((Packet::VersionNegotiation, &[]));
    }
    let Some(version) = Version::from_number(number) else {
        return Some((Packet::OtherVersion(number), &[]));
    };
    // The fixed bit may be anything (RFC 9287): a server that has read from its client's hello that it may be so clears it at
    // random from its first packet on. A peer that allows no such thing discards the packet; whatever it is, it is read.
    let destination = ConnectionId::read(&mut cursor)?;
    let source = ConnectionId::read(&mut cursor)?;
    let kind = version.kind(first);
    match kind {
        Kind::Retry => return Some((Packet::Retry, &[])),
        Kind::Initial => drop(cursor.prefixed()?),
        Kind::Later => {}
    }
    let length = usize::try_from(cursor.varint()?).ok()?;
    let number_at = whole.len() - cursor.rest().len();
    cursor.slice(length)?;
    let (octets, behind) = whole.split_at_checked(number_at.checked_add(length)?)?;
    let packet = match kind {
        Kind::Initial => Packet::Initial(Initial { version, destination, source, octets, number_at }),
        Kind::Later | Kind::Retry => Packet::Later,
    };
    Some((packet, behind))
}
