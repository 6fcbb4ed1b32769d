//! Octets, read from the front.

/// What is left to read. Each reading that finds too little gives `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn slice(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(octets)?;
        self.rest = rest;
        Some(first)
    }

    /// A variable-length integer (RFC 9000, section 16).
    pub(super) fn varint(&mut self) -> Option<u64> {
        let octets = 1usize << (self.rest.first()? >> 6);
        let (&first, more) = self.slice(octets)?.split_first()?;
        let begin = u64::from(first & 0x3f);
        Some(more.iter().fold(begin, |value, &octet| value << 8 | u64::from(octet)))
    }

    /// A variable-length integer, and so many octets behind it.
    pub(super) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let octets = usize::try_from(self.varint()?).ok()?;
        self.slice(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    /// RFC 9000, appendix A.1.
    #[test]
    fn integers_of_every_length() {
        let samples: [(&[u8], u64); 5] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (octets, value) in samples {
            assert_eq!(Cursor::new(octets).varint(), Some(value));
            assert_eq!(Cursor::new(&octets[..octets.len() - 1]).varint(), None);
        }
    }
}
