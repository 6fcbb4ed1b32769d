//! Which of the rules that list an address has a number.

use core::cell::Cell;

use crate::plan::MatchSet;

/// A rule that is looked for in a match set. In cells: what the compiler knew not to change, and what it finds, it would keep
/// on the kernel program's stack, which has no room for it.
#[derive(Debug)]
#[repr(C)]
pub struct Sought {
    /// What is looked up by. First, so that it is where the whole is: its place need not be kept beside.
    key: Cell<u32>,
    rule: Cell<u32>,
    bit: Cell<u16>,
    port: Cell<u16>,
    /// Its place in the plan, plus one; 0: not found.
    found: Cell<u32>,
    /// Which plan's rules.
    slot: Cell<u32>,
}

impl Sought {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            key: Cell::new(0),
            rule: Cell::new(0),
            bit: Cell::new(0),
            port: Cell::new(0),
            found: Cell::new(0),
            slot: Cell::new(0),
        }
    }

    /// Looks for `rule` from here on, where a match set claims this port of the protocol with this bit; the rules are those
    /// of the plan in `slot`.
    #[inline(always)]
    pub fn begin(&self, slot: u32, rule: u32, bit: u16, remote_port: u16) {
        self.slot.set(slot);
        self.rule.set(rule);
        self.bit.set(bit);
        self.port.set(remote_port);
        self.found.set(0);
    }

    /// Which plan's rules.
    #[inline(always)]
    pub fn slot(&self) -> u32 {
        self.slot.get()
    }

    /// Where a map's key is, once it is `index`.
    #[inline(always)]
    pub fn key(&self, index: u32) -> *const u32 {
        self.key.set(index);
        self.key.as_ptr()
    }

    /// [`Tables::place_of`](crate::decide::Tables::place_of), plus one, or 0 if there is none. `number_at` gives the permanent
    /// number of the rule at a place.
    #[inline(always)]
    pub fn place_in(&self, set: &MatchSet, number_at: impl Fn(u16) -> Option<u32>) -> u32 {
        for matcher in &set.matchers {
            if matcher.first_port > matcher.last_port {
                break;
            }
            if matcher.claims(self.bit.get(), self.port.get())
                && number_at(matcher.rule_index) == Some(self.rule.get())
            {
                self.found.set(u32::from(matcher.rule_index) + 1);
                break;
            }
        }
        self.found.get()
    }
}

impl Default for Sought {
    fn default() -> Self {
        Self::new()
    }
}
