//! What becomes of flows whose name cannot be seen.

/// What a site that asks for the name on the wire gives a flow that does not show it: no server name in its TLS, an
/// encrypted Client Hello, a protocol that has no names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HiddenName {
    /// It is charged.
    #[default]
    Charge,
    /// The address alone is enough for it.
    Free,
}

impl HiddenName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Charge, Self::Free];

    /// The word in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Free => "free",
        }
    }
}
