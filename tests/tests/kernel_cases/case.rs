//! One row: a frame, and what must become of it.

use std::net::IpAddr;

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::event::CopyKind;
use tollfree_core::flow::FlowKey;
use tollfree_core::interface::Role;
use tollfree_core::plan::RuleClass;
use tollfree_core::reason::{Bucket, Reason};

use crate::envelope::packet;
use crate::event::Event;
use crate::world::{
    CALLER, FREE_DSCP, FREE_PRIORITY_DSCP, FREE_PRIORITY_METADATA, PRIORITY_METADATA, SITE, SITE_RULE,
    SITE_V6, SUBSCRIBER, SUBSCRIBER_V6, at, billed,
};

/// A frame that arrives on `role`'s interface after what happened before.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) before: Vec<Event>,
    pub(crate) frame: Vec<u8>,
    pub(crate) expect: Expect,
    /// How it must leave, where the code point is not in the one IP header behind the VLAN tags.
    pub(crate) leaves_as: Option<Vec<u8>>,
}

/// What must become of it.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) bucket: Bucket,
    pub(crate) reason: Reason,
    pub(crate) rule: u32,
    pub(crate) subscriber: Option<(IpAddr, u8)>,
    pub(crate) volume_octets: u32,
    pub(crate) class: Option<RuleClass>,
    /// The code point that the frame leaves with, if that is not the one it came with.
    pub(crate) code_point: Option<u8>,
    /// Mark and priority in front of the frame.
    pub(crate) metadata: Option<(u32, u32)>,
    /// Whether it is counted as forged.
    pub(crate) forged: bool,
    /// What userspace gets a copy for.
    pub(crate) copied: Option<CopyKind>,
    /// The flow that awaits evidence.
    pub(crate) awaits: Option<FlowKey>,
    /// It awaits evidence itself, under a number of its own.
    pub(crate) is_text: bool,
    /// A flow, and whether it begins with this frame or has gone on since before.
    pub(crate) begins: Option<(FlowKey, bool)>,
    /// Octets of its payload that were sent before.
    pub(crate) sent_again_octets: u32,
}

impl Case {
    pub(crate) fn uplink(name: &'static str, frame: &FrameBuilder, expect: Expect) -> Self {
        Self::octets(name, Role::Access, built(frame), expect)
    }

    pub(crate) fn downlink(name: &'static str, frame: &FrameBuilder, expect: Expect) -> Self {
        Self::octets(name, Role::Core, built(frame), expect)
    }

    /// An uplink frame of a TCP flow that its SYN has opened.
    pub(crate) fn opened(name: &'static str, frame: &FrameBuilder, expect: Expect) -> Self {
        Self::uplink(name, frame, expect).after(&frame.clone().syn().payload(&[]))
    }

    /// A frame that no builder makes.
    pub(crate) fn octets(name: &'static str, role: Role, frame: Vec<u8>, expect: Expect) -> Self {
        Self { name, role, before: Vec::new(), frame, expect, leaves_as: None }
    }

    /// `inner` in the frame that `wrap` puts around its IP packet; a tag goes into its own header.
    pub(crate) fn wrapped(
        name: &'static str,
        inner: &FrameBuilder,
        expect: Expect,
        wrap: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Self {
        let tagged = match expect.code_point {
            Some(code_point) => inner.clone().traffic_class(code_point << 2),
            None => inner.clone(),
        };
        Self::octets(name, Role::Access, wrap(&packet(inner)), expect).leaving(wrap(&packet(&tagged)))
    }

    /// A SYN to the site, wrapped: free.
    pub(crate) fn site_in(name: &'static str, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        Self::wrapped(name, &FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn(), free(SITE_RULE, 40), wrap)
    }

    /// The same by IPv6.
    pub(crate) fn site_v6_in(name: &'static str, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let inner = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn();
        Self::wrapped(name, &inner, free(SITE_RULE, 60).v6(), wrap)
    }

    /// `frame` went up before.
    pub(crate) fn after(self, frame: &FrameBuilder) -> Self {
        self.after_octets(Role::Access, built(frame))
    }

    /// `frame` went down before.
    pub(crate) fn after_downlink(self, frame: &FrameBuilder) -> Self {
        self.after_octets(Role::Core, built(frame))
    }

    /// `frame` arrived on `role`'s interface before.
    pub(crate) fn after_octets(mut self, role: Role, frame: Vec<u8>) -> Self {
        self.before.push(Event::Frame(role, frame));
        self
    }

    /// All this happened before.
    pub(crate) fn after_events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.before.extend(events);
        self
    }

    /// Nothing came for so many nanoseconds before.
    pub(crate) fn resting(self, ns: u64) -> Self {
        self.after_events([Event::Rest(ns)])
    }

    /// It leaves as `frame`.
    pub(crate) fn leaving(mut self, frame: Vec<u8>) -> Self {
        self.leaves_as = Some(frame);
        self
    }
}

/// The builder's frame.
pub(crate) fn built(frame: &FrameBuilder) -> Vec<u8> {
    frame.build().expect("a frame that can be built")
}

/// The builder's frame, with other octets at `offset`.
pub(crate) fn changed(frame: &FrameBuilder, offset: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = built(frame);
    frame[offset..offset + octets.len()].copy_from_slice(octets);
    frame
}

/// The builder's frame, cut after so many octets.
pub(crate) fn cut(frame: &FrameBuilder, octets: usize) -> Vec<u8> {
    let mut frame = built(frame);
    assert!(octets < frame.len(), "nothing would be cut");
    frame.truncate(octets);
    frame
}

/// The IPv4 subscriber pays.
pub(crate) fn charged(reason: Reason, volume_octets: u32) -> Expect {
    Expect {
        bucket: Bucket::Charged,
        reason,
        rule: 0,
        subscriber: Some(billed(SUBSCRIBER)),
        volume_octets,
        class: None,
        code_point: None,
        metadata: None,
        forged: false,
        copied: None,
        awaits: None,
        is_text: false,
        begins: None,
        sent_again_octets: 0,
    }
}

/// Pending for the IPv4 subscriber, until evidence comes of this flow.
pub(crate) fn pending(rule: u32, volume_octets: u32, flow: FlowKey) -> Expect {
    Expect {
        bucket: Bucket::Pending,
        rule,
        awaits: Some(flow),
        copied: Some(CopyKind::Evidence),
        ..charged(Reason::AwaitingEvidence, volume_octets)
    }
}

/// Free for the IPv4 subscriber, and tagged so.
pub(crate) fn free(rule: u32, volume_octets: u32) -> Expect {
    Expect {
        bucket: Bucket::Free,
        rule,
        class: Some(RuleClass::Free),
        code_point: Some(FREE_DSCP),
        ..charged(Reason::Address, volume_octets)
    }
}

/// Free for the IPv4 subscriber, and tagged as ahead of others.
pub(crate) fn free_priority(rule: u32, volume_octets: u32) -> Expect {
    Expect {
        class: Some(RuleClass::FreePriority),
        code_point: Some(FREE_PRIORITY_DSCP),
        metadata: Some(FREE_PRIORITY_METADATA),
        ..free(rule, volume_octets)
    }
}

/// The IPv4 subscriber pays, and is ahead of others.
pub(crate) fn priority(rule: u32, volume_octets: u32) -> Expect {
    Expect {
        rule,
        class: Some(RuleClass::Priority),
        metadata: Some(PRIORITY_METADATA),
        ..charged(Reason::PriorityOnly, volume_octets)
    }
}

/// A free call's media, for the IPv4 caller.
pub(crate) fn call(rule: u32, volume_octets: u32) -> Expect {
    Expect { reason: Reason::Call, subscriber: Some(billed(CALLER)), ..free(rule, volume_octets) }
}

/// Nobody's.
pub(crate) fn unattributed(reason: Reason, volume_octets: u32) -> Expect {
    Expect { bucket: Bucket::Unattributed, subscriber: None, ..charged(reason, volume_octets) }
}

impl Expect {
    /// Under this rule.
    pub(crate) fn by(mut self, rule: u32) -> Self {
        self.rule = rule;
        self
    }

    /// For the IPv6 subscriber.
    pub(crate) fn v6(mut self) -> Self {
        self.subscriber = Some(billed(SUBSCRIBER_V6));
        self
    }

    /// For the subscriber of this address.
    pub(crate) fn of(mut self, subscriber: &str) -> Self {
        self.subscriber = Some(billed(subscriber));
        self
    }

    /// By this reason.
    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// The flow begins with it.
    pub(crate) fn beginning(mut self, flow: FlowKey) -> Self {
        self.begins = Some((flow, true));
        self
    }

    /// The flow goes on.
    pub(crate) fn going_on(mut self, flow: FlowKey) -> Self {
        self.begins = Some((flow, false));
        self
    }

    /// So much of its payload was sent before.
    pub(crate) fn sent_again(mut self, octets: u32) -> Self {
        self.sent_again_octets = octets;
        self
    }

    /// Userspace gets a copy.
    pub(crate) fn copied(self) -> Self {
        self.copied_for(CopyKind::Signalling)
    }

    /// Userspace gets a copy for this.
    pub(crate) fn copied_for(mut self, kind: CopyKind) -> Self {
        self.copied = Some(kind);
        self
    }

    /// It came with a tag's code point, which is cleared.
    pub(crate) fn forged(mut self) -> Self {
        (self.code_point, self.forged) = (Some(0), true);
        self
    }

    /// It leaves with the code point it came with.
    pub(crate) fn code_point_kept(mut self) -> Self {
        self.code_point = None;
        self
    }
}
