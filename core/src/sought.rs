//! Which of the rules that list an address has a number.

use core::cell::Cell;

use crate::decide::Tables;

/// A rule that is looked for in a match set. In cells: what the compiler knew not to change, and what it finds, it would keep
/// on the kernel program's stack, which has no room for it.
#[derive(Debug)]
#[repr(C)]
pub struct Sought {
    rule: Cell<u32>,
    bit: Cell<u16>,
    port: Cell<u16>,
    /// Its place in the plan, plus one; 0: not found.
    found: Cell<u32>,
    reserved: u32,
}

impl Sought {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { rule: Cell::new(0), bit: Cell::new(0), port: Cell::new(0), found: Cell::new(0), reserved: 0 }
    }

    /// [`Tables::place_of`], by way of the others; plus one, or 0 if there is none.
    #[inline(always)]
    pub fn place_of<T: Tables>(
        &self,
        tables: &T,
        match_set: u32,
        bit: u16,
        remote_port: u16,
        rule: u32,
    ) -> u32 {
        self.rule.set(rule);
        self.bit.set(bit);
        self.port.set(remote_port);
        self.found.set(0);
        if let Some(set) = tables.match_set(match_set) {
            for matcher in &set.matchers {
                if matcher.first_port > matcher.last_port {
                    break;
                }
                if matcher.claims(self.bit.get(), self.port.get())
                    && tables.rule(matcher.rule_index).is_some_and(|entry| entry.rule == self.rule.get())
                {
                    self.found.set(matcher.rule_index as u32 + 1);
                    break;
                }
            }
        }
        self.found.get()
    }
}
