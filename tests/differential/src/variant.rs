//! The ways in which each capture is passed.

/// Whose addresses are in the subscriber pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pools {
    /// Those who began a conversation.
    Initiators,
    /// Those with whom it was begun: then most of what arrives, nobody asked for.
    Responders,
    /// Every second address, whatever it did.
    EverySecond,
}

/// One way to pass a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// In the report of a difference.
    pub name: &'static str,
    /// Where the code point goes, as in `[tag]` of a gateway's configuration.
    pub dscp_at: &'static str,
    /// Who the subscribers are.
    pub pools: Pools,
    /// Whether the carrier has tunnels at all. Where every address may be a tunnel's end, as `--transport all` says, each
    /// later fragment of UDP is a tunnel's; where none is, it is a subscriber's.
    pub has_tunnels: bool,
    /// Room for flows.
    pub flows_max: u32,
    /// How many of them one subscriber may have.
    pub flows_per_subscriber: u32,
}

/// Room for every flow that a part of a capture can open.
const FLOWS_PLENTY: u32 = 65_536;
/// The least that the configuration allows: here a capture can fill the table.
const FLOWS_FEW: u32 = 1024;
/// The least that the configuration allows: here a subscriber can come to his bound.
const FLOWS_PER_SUBSCRIBER_FEW: u32 = 16;

impl Variant {
    /// All of them: each place of the code point, each choice of subscribers, each bound of flows.
    pub const ALL: [Self; 4] = [
        Self {
            name: "initiators, inner",
            dscp_at: "inner",
            pools: Pools::Initiators,
            has_tunnels: true,
            flows_max: FLOWS_PLENTY,
            flows_per_subscriber: FLOWS_PLENTY,
        },
        Self {
            name: "responders, outer",
            dscp_at: "outer",
            pools: Pools::Responders,
            has_tunnels: true,
            flows_max: FLOWS_PLENTY,
            flows_per_subscriber: FLOWS_PLENTY,
        },
        Self {
            name: "every second, both",
            dscp_at: "both",
            pools: Pools::EverySecond,
            has_tunnels: true,
            flows_max: FLOWS_PLENTY,
            flows_per_subscriber: FLOWS_PER_SUBSCRIBER_FEW,
        },
        Self {
            name: "initiators, no tunnels",
            dscp_at: "inner",
            pools: Pools::Initiators,
            has_tunnels: false,
            flows_max: FLOWS_FEW,
            flows_per_subscriber: FLOWS_PLENTY,
        },
    ];
}
