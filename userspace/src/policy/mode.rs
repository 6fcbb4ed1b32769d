//! Whether a policy takes effect.

/// Whether a policy's rules make anything free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They do not: what they would have made free is charged, and counted so that it can be seen beforehand.
    Observe,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Observe];

    /// The word in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}
