//! The one number that says what is in force.

/// Which epoch, plan slot and counter bank a packet belongs to, in one 64-bit word.
///
/// The data plane reads the word once per packet; the controller changes it with one atomic store. So a packet
/// sees one epoch, the whole plan of that epoch, and counts into one bank: never half of each.
///
/// Bits 0 to 31: epoch. Bit 32: plan slot. Bit 33: counter bank. The rest is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Control(pub u64);

impl Control {
    const SLOT_BIT: u32 = 32;
    const BANK_BIT: u32 = 33;

    /// `slot` and `bank` are 0 or 1.
    pub const fn new(epoch: u32, slot: u32, bank: u32) -> Self {
        Self(epoch as u64 | ((slot & 1) as u64) << Self::SLOT_BIT | ((bank & 1) as u64) << Self::BANK_BIT)
    }

    /// The number of the activation in force; 0 before the first.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
    pub const fn epoch(self) -> u32 {
        self.0 as u32
    }

    /// Which of the two plans is in force.
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        (self.0 >> Self::SLOT_BIT) as u32 & 1
    }

    /// Which of the two counter banks is written.
    #[inline(always)]
    pub const fn bank(self) -> u32 {
        (self.0 >> Self::BANK_BIT) as u32 & 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        for (epoch, slot, bank) in [(0, 0, 0), (1, 1, 0), (u32::MAX, 0, 1), (7, 1, 1)] {
            let control = Control::new(epoch, slot, bank);
            assert_eq!((control.epoch(), control.slot(), control.bank()), (epoch, slot, bank));
        }
    }
}
