//! Why a packet is in the bucket it is in.

/// What a packet is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bucket {
    /// Free under a rule.
    Free = 0,
    /// The subscriber pays.
    Charged = 1,
    /// Not decided yet; the ledger transfers it when it is.
    Pending = 2,
    /// No subscriber's.
    Unattributed = 3,
    /// A subscriber's, but his counter had no room: kept by rule and reason.
    Overflow = 4,
}

impl Bucket {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Free, Self::Charged, Self::Pending, Self::Unattributed, Self::Overflow];
    /// How many there are.
    #[allow(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The word in status, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Charged => "charged",
            Self::Pending => "pending",
            Self::Unattributed => "unattributed",
            Self::Overflow => "overflow",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $bucket:ident, $text:literal;)*) => {
        /// The exit a packet took. Numbers are permanent: one that is retired stays unused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Reason { $($(#[$doc])* $name = $number,)* }

        impl Reason {
            /// All, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The bucket that packets of this reason are counted in.
            #[inline(always)]
            pub const fn bucket(self) -> Bucket {
                match self { $(Self::$name => Bucket::$bucket,)* }
            }

            /// The word in status, records and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The reason with this number, if there is one.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// The rule trusts the remote address alone, and the subscriber opened the flow.
    Address = 1, Free, "address";
    /// Media of a free call, on the negotiated 5-tuple.
    Call = 2, Free, "call";
    /// The name that the subscriber asked for and the remote address are both the rule's.
    NameAndAddress = 3, Free, "name-and-address";
    /// The subscriber's flow hides its name, the remote address is the rule's, and the rule says that this is enough.
    HiddenNameFree = 4, Free, "hidden-name-free";
    /// No evidence came in time, the remote address is the rule's, and the rule frees flows that hide their name.
    UndecidedFree = 5, Free, "undecided-free";
    /// A SIP MESSAGE to a number whose rule frees those.
    Text = 6, Free, "text";

    /// The remote address is in no rule.
    NotListed = 16, Charged, "not-listed";
    /// A listed address sent it, but the subscriber has no flow open to there.
    NoFlow = 17, Charged, "no-flow";
    /// The address is listed, but not this protocol or port.
    PortNotListed = 18, Charged, "port-not-listed";
    /// ICMP is never free: echo payload is a tunnel.
    Icmp = 19, Charged, "icmp";
    /// A later fragment of a datagram whose first was not seen.
    Fragment = 20, Charged, "fragment";
    /// SIP to or from a signalling proxy.
    Signalling = 21, Charged, "signalling";
    /// To or from a media network, but no call was negotiated for it.
    NoCall = 22, Charged, "no-call";
    /// The flow table had no room for a new flow.
    FlowTableFull = 23, Charged, "flow-table-full";
    /// The rule's time had run out.
    Expired = 24, Charged, "expired";
    /// TCP payload in a SYN or RST.
    ControlPayload = 25, Charged, "control-payload";
    /// A rule gives it priority, not freedom.
    PriorityOnly = 26, Charged, "priority-only";
    /// A listed address, but neither TCP nor UDP nor ICMP.
    OtherProtocol = 27, Charged, "other-protocol";
    /// A first fragment too short for its transport header.
    FragmentTiny = 28, Charged, "fragment-tiny";
    /// A fragment that would overwrite ports or a TCP header.
    FragmentOverlap = 29, Charged, "fragment-overlap";
    /// Extension headers that are cut or too many.
    Extensions = 30, Charged, "extensions";
    /// A TCP, UDP or ICMP header that is cut or wrong.
    MalformedTransport = 31, Charged, "malformed-transport";
    /// The subscriber has as many flows open as one may have.
    SubscriberFlowsFull = 32, Charged, "subscriber-flows-full";
    /// The subscriber has used what the rule gives him in a day.
    DailyCeiling = 33, Charged, "daily-ceiling";
    /// The rule has a daily ceiling, and there was no room to count towards it.
    CeilingTableFull = 34, Charged, "ceiling-table-full";
    /// An ICMP error that quotes a packet of a flow of the rule's.
    IcmpError = 35, Charged, "icmp-error";
    /// The name that the subscriber asked for is not the rule's.
    OtherName = 36, Charged, "other-name";
    /// The name cannot be read: there is none, it is encrypted, or it is given in two ways.
    HiddenName = 37, Charged, "hidden-name";
    /// No evidence came in time.
    Undecided = 38, Charged, "undecided";
    /// The flow was opened before the rule asked for evidence, or under another rule.
    EvidenceMissed = 39, Charged, "evidence-missed";
    /// Would be free, but the policy is only observed.
    Observed = 40, Charged, "observed";
    /// A free call's stream carried more than its rate allows.
    MediaRate = 41, Charged, "media-rate";
    /// On a free call's stream, but neither RTP nor RTCP.
    MediaShape = 42, Charged, "media-shape";
    /// A free call's stream was silent for too long.
    MediaSilent = 43, Charged, "media-silent";
    /// DNS to or from a trusted resolver.
    Dns = 44, Charged, "dns";
    /// A SIP MESSAGE too soon after the subscriber's last.
    TextRate = 45, Charged, "text-rate";

    /// The rule asks for evidence, and it is not there yet.
    AwaitingEvidence = 48, Pending, "awaiting-evidence";

    /// Not IPv4 or IPv6.
    NotIp = 64, Unattributed, "not-ip";
    /// Shorter than an Ethernet header or its VLAN tags.
    MalformedEthernet = 65, Unattributed, "malformed-ethernet";
    /// More VLAN tags than are read.
    VlanTooDeep = 66, Unattributed, "vlan-too-deep";
    /// An IPv4 header that is cut, too short, or claims more than the frame holds.
    MalformedIpv4 = 67, Unattributed, "malformed-ipv4";
    /// An IPv6 header that is cut or claims more than the frame holds.
    MalformedIpv6 = 68, Unattributed, "malformed-ipv6";
    // 69 and 70: not used any more.
    /// To or from the gateway itself where no subscriber is concerned, or link-local and multicast control traffic.
    Own = 71, Unattributed, "own";
    /// Neither side is a subscriber.
    Transit = 72, Unattributed, "transit";
    /// From the access side with a source that is no subscriber's, or from the core side with one that is.
    Spoofed = 73, Unattributed, "spoofed";
    /// An MPLS label that is cut.
    MalformedMpls = 74, Unattributed, "malformed-mpls";
    /// More MPLS labels than are read.
    MplsTooDeep = 75, Unattributed, "mpls-too-deep";
    /// A PPPoE or PPP header that is cut, not session data, or claims more than the frame holds.
    MalformedPppoe = 76, Unattributed, "malformed-pppoe";
    /// One of the carrier's tunnels, whose header is cut or wrong.
    MalformedTunnel = 77, Unattributed, "malformed-tunnel";
    /// More tunnels, one inside the other, than are looked into.
    TunnelTooDeep = 78, Unattributed, "tunnel-too-deep";
    /// A later fragment between two ends of the carrier's tunnels; its volume is counted with the first.
    TunnelFragment = 79, Unattributed, "tunnel-fragment";
}

impl Reason {
    /// The reason that a flow's evidence gave, by number; one that is unknown gives nothing away.
    #[inline(always)]
    pub const fn of_verdict(number: u32) -> Self {
        const LISTED: [Reason; 13] = [
            Reason::Address,
            Reason::Call,
            Reason::NoCall,
            Reason::Text,
            Reason::Signalling,
            Reason::NameAndAddress,
            Reason::HiddenNameFree,
            Reason::UndecidedFree,
            Reason::NotListed,
            Reason::OtherName,
            Reason::HiddenName,
            Reason::Observed,
            Reason::AwaitingEvidence,
        ];
        let mut place = 0;
        while place < LISTED.len() {
            if number == LISTED[place] as u32 {
                return LISTED[place];
            }
            place += 1;
        }
        Self::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_permanent_and_unique() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(*reason as u16), Some(*reason));
        }
        assert!(Reason::ALL.is_sorted_by(|a, b| (*a as u16) < (*b as u16)));
    }
}
