//! One direction of a TCP connection, put together again (RFC 9293, section 3.4), and what that is made of.
//!
//! ```
//! use tollfree_wire::stream::{Limits, Stream};
//!
//! let mut stream = Stream::new(Limits { octets: 4096, pieces: 16 });
//! stream.anchor(1001); // The SYN had sequence number 1000.
//! stream.push(1006, b" world")?;
//! assert_eq!(stream.octets(), b"");
//! stream.push(1001, b"hello")?;
//! assert_eq!(stream.octets(), b"hello world");
//! # Ok::<_, tollfree_wire::stream::AssemblyError>(())
//! ```

mod assembly;

#[cfg(test)]
mod tests;

pub use assembly::{Assembly, AssemblyError, Limits, Put};

/// One direction of a TCP connection, from its first octet on, whatever the order in which segments come.
///
/// Where the first octet is, [`Stream::anchor`] says. Until then the lowest sequence number seen is taken for it, and a
/// lower one that comes later moves it back: that serves captures that begin in the middle of a connection.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Sequence number of the first octet that `assembly` has room for, once anything is known.
    base: Option<u32>,
    anchored: bool,
    /// Whether octets were consumed: the beginning is then behind `base`.
    consumed: bool,
    assembly: Assembly,
}

impl Stream {
    /// A stream of which nothing is known, that holds no more than `limits` say.
    pub const fn new(limits: Limits) -> Self {
        Self { base: None, anchored: false, consumed: false, assembly: Assembly::new(limits) }
    }

    /// Says that the first octet has the sequence number `first`: the SYN's and one, or what the SYN-ACK acknowledges.
    ///
    /// Octets held from before it are none of the stream's, and go; those that no longer fit behind it go too. Once octets
    /// were consumed, the beginning is settled, and this changes nothing.
    pub fn anchor(&mut self, first: u32) {
        if self.consumed {
            return;
        }
        self.anchored = true;
        if let Some(base) = self.base.replace(first) {
            let ahead = distance(base, first);
            match usize::try_from(ahead) {
                Ok(ahead) => self.assembly.drop_front(ahead),
                Err(_) => self.assembly.make_room(magnitude(ahead)),
            }
        }
    }

    /// Whether the beginning is known, not guessed.
    pub const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Takes the payload of a segment with this sequence number. Octets from before the beginning, and those consumed
    /// already, are passed over.
    ///
    /// # Errors
    /// [`AssemblyError`]: nothing of the segment was taken.
    pub fn push(&mut self, sequence: u32, payload: &[u8]) -> Result<Put, AssemblyError> {
        if payload.is_empty() {
            return Ok(Put::default());
        }
        let base = *self.base.get_or_insert(sequence);
        let ahead = distance(base, sequence);
        if let Ok(offset) = usize::try_from(ahead) {
            return self.assembly.put(offset, payload);
        }
        let behind = magnitude(ahead);
        if self.anchored || self.consumed {
            return self.assembly.put(0, payload.get(behind..).unwrap_or_default());
        }
        if self.assembly.reach() + behind > self.assembly.limits().octets {
            return Err(AssemblyError::Beyond { offset: behind, limit: self.assembly.limits().octets });
        }
        self.assembly.make_room(behind);
        self.base = Some(sequence);
        self.assembly.put(0, payload)
    }

    /// The octets from the beginning, or from where they were consumed to, up to the first that is missing.
    pub fn octets(&self) -> &[u8] {
        self.assembly.contiguous()
    }

    /// Gives up the first `octets` of [`Stream::octets`] (at most all of them): they are done with, and make room.
    pub fn consume(&mut self, octets: usize) {
        let octets = octets.min(self.octets().len());
        self.move_on(octets);
    }

    /// Gives up waiting for missing octets: those held behind the gap come next. Returns how many were missing; 0 where
    /// nothing is held behind a gap. [`Stream::octets`] before the gap are given up too.
    pub fn skip_gap(&mut self) -> usize {
        let before = self.octets().len();
        let Some(behind) = self.assembly.behind_gap() else { return 0 };
        self.move_on(behind);
        behind - before
    }

    /// The sequence number of the first octet that is missing; `None` before anything is known.
    pub fn next_sequence(&self) -> Option<u32> {
        Some(self.base?.wrapping_add(wrapped(self.octets().len())))
    }

    /// The sequence number of the first of [`Stream::octets`]; `None` before anything is known.
    pub const fn first_sequence(&self) -> Option<u32> {
        self.base
    }

    /// Whether as many octets are held, without a gap, as ever will be.
    pub fn is_full(&self) -> bool {
        self.octets().len() >= self.assembly.limits().octets
    }

    /// Octets of memory held.
    pub fn held_octets(&self) -> usize {
        self.assembly.reach()
    }

    fn move_on(&mut self, octets: usize) {
        if octets == 0 {
            return;
        }
        self.consumed = true;
        self.base = self.base.map(|base| base.wrapping_add(wrapped(octets)));
        self.assembly.drop_front(octets);
    }
}

/// How far `to` is ahead of `from` in sequence space: negative where it is behind (RFC 9293, section 3.4).
pub const fn distance(from: u32, to: u32) -> i64 {
    to.wrapping_sub(from).cast_signed() as i64
}

/// Sequence numbers are modulo 2^32.
#[allow(clippy::cast_possible_truncation, reason = "what is cut off is what wraps")]
const fn wrapped(octets: usize) -> u32 {
    octets as u32
}

/// A distance's octets, on whichever side.
fn magnitude(distance: i64) -> usize {
    usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX)
}
