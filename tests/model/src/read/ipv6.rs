//! IPv6 and its extension headers (RFC 8200, sections 3 and 4).

use tollfree_core::reason::Reason;

use super::datagram::{Datagram, Piece};
use super::ipv6_address;
use super::view::{View, u8_at, u16_at, u32_at};

/// Octets of the fixed header.
const FIXED: usize = 40;

/// Extension headers that are stepped over: RFC 8200, section 4.1 recommends at most one of each, and two of one.
const EXTENSIONS_MAX: usize = 7;

/// # Errors
/// [`Reason::MalformedIpv6`]: cut, of another version, or longer than what is there.
pub(super) fn read(view: View<'_>) -> Result<Datagram<'_>, Reason> {
    datagram(view).ok_or(Reason::MalformedIpv6)
}

fn datagram(view: View<'_>) -> Option<Datagram<'_>> {
    let fixed = view.packet_octets_at(0, 8)?;
    let (source, destination) = (view.packet_octets_at(8, 16)?, view.packet_octets_at(24, 16)?);
    if u8_at(fixed, 0) >> 4 != 6 {
        return None;
    }
    let volume = FIXED + usize::from(u16_at(fixed, 4));
    let chain = Chain::new(u8_at(fixed, 6), view.first(volume)?.behind(FIXED));
    let upper = chain.behind_all_of(&[0, 43, 44, 51, 60]);
    Some(Datagram {
        source: ipv6_address(source),
        destination: ipv6_address(destination),
        protocol: upper.next,
        volume,
        piece: upper.piece,
        fault: upper.fault,
        payload: upper.view,
    })
}

/// What follows an IP header, and what was stepped over to get there.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    /// What follows, as an IP protocol number.
    pub(super) next: u8,
    /// Where.
    pub(super) view: View<'a>,
    /// What the fragment header said, if there was one.
    pub(super) piece: Option<Piece>,
    /// Why it does not go on, if it should.
    pub(super) fault: Option<Reason>,
    stepped: usize,
}

impl<'a> Chain<'a> {
    pub(super) const fn new(next: u8, view: View<'a>) -> Self {
        Self { next, view, piece: None, fault: None, stepped: 0 }
    }

    /// Steps over headers of these kinds; stops where one is cut, or one too many.
    pub(super) fn behind_all_of(self, kinds: &[u8]) -> Self {
        if !kinds.contains(&self.next) {
            return self;
        }
        match self.behind_one() {
            Some(behind) if self.stepped < EXTENSIONS_MAX => {
                // What follows a later fragment's header is no header (RFC 8200, section 4.5).
                let later = behind.piece.is_some_and(|piece| piece.offset_octets > 0);
                if later { behind } else { behind.behind_all_of(kinds) }
            }
            _ => Self { fault: Some(Reason::Extensions), ..self },
        }
    }

    fn behind_one(&self) -> Option<Self> {
        // No extension header is shorter than eight octets; of none, more is of interest.
        let header = self.view.packet_octets_at(0, 8)?;
        let (next, length) = (u8_at(header, 0), usize::from(u8_at(header, 1)));
        let octets = match self.next {
            // RFC 8200, section 4.5: always eight.
            44 => 8,
            // RFC 4302, section 2.2: in words, less two.
            51 => (length + 2) * 4,
            // RFC 8200, sections 4.3, 4.4 and 4.6: in eight octets, less one.
            _ => (length + 1) * 8,
        };
        let piece = if self.next == 44 { piece(header) } else { self.piece };
        Some(Self { next, view: self.view.past(octets)?, piece, fault: None, stepped: self.stepped + 1 })
    }
}

/// The fragment header's word: offset in eight octets (13 bits), two reserved bits, M.
fn piece(header: &[u8]) -> Option<Piece> {
    let word = u16_at(header, 2);
    Piece::new(u32_at(header, 4), word >> 3, word & 1 != 0)
}
