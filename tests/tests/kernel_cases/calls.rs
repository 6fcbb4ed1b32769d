//! Signalling, and the media of free calls.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, call, charged, free_priority};
use crate::world::{
    CALLER, CALLER_V6, ENDED_MEDIA, HOTLINE_RULE, MEDIA, MEDIA_V6, OTHER_MEDIA, PRIORITY_HOTLINE_RULE, PROXY,
    PROXY_V6, SUBSCRIBER, SUBSCRIBER_V6, at, filling,
};

const INVITE: &[u8] = b"INVITE sip:19003228@198.51.100.200 SIP/2.0\r\n\r\n";
/// One G.711 packet of 20 ms: twelve octets of RTP header and 160 of sound (RFC 3551).
const VOICE_OCTETS: usize = 172;

pub(crate) fn cases() -> Vec<Case> {
    [signalling(), media()].into_iter().flatten().collect()
}

fn voice(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::udp(at(from), at(to)).payload_octets(VOICE_OCTETS)
}

fn signalling() -> Vec<Case> {
    let sip = |from, to| FrameBuilder::udp(at(from), at(to)).payload(INVITE);
    let volume = 28 + u32::try_from(INVITE.len()).expect("a short message");
    let copied = |octets| charged(Reason::Signalling, octets).copied();
    let elsewhere = "198.51.100.200:5061";
    vec![
        Case::uplink("to the proxy", &sip(SUBSCRIBER, PROXY), copied(volume)),
        Case::downlink("from the proxy", &sip(PROXY, SUBSCRIBER), copied(volume)),
        Case::uplink("to the proxy, IPv6", &sip(SUBSCRIBER_V6, PROXY_V6), copied(volume + 20).v6()),
        Case::uplink("in a VLAN", &sip(SUBSCRIBER, PROXY).vlan(0x8100), copied(volume)),
        Case::uplink(
            "longer than what is copied",
            &sip(SUBSCRIBER, PROXY).payload_octets(2100),
            copied(2128),
        ),
        Case::uplink("without payload", &sip(SUBSCRIBER, PROXY).payload(&[]), copied(28)),
        Case::uplink(
            "another port of the proxy",
            &sip(SUBSCRIBER, elsewhere),
            charged(Reason::NotListed, volume),
        ),
        Case::uplink(
            "SIP's port at another",
            &sip(SUBSCRIBER, "203.0.113.200:5060"),
            charged(Reason::NotListed, volume),
        ),
        Case::uplink(
            "TCP to the proxy",
            &FrameBuilder::tcp(at(SUBSCRIBER), at(PROXY)),
            charged(Reason::NotListed, 40),
        ),
        Case::uplink(
            "ICMP to the proxy",
            &FrameBuilder::echo(at(SUBSCRIBER), at(PROXY)),
            charged(Reason::Icmp, 28),
        ),
    ]
}

fn media() -> Vec<Case> {
    let no_call = |octets| charged(Reason::NoCall, octets);
    let ended = charged(Reason::Expired, 200).by(HOTLINE_RULE);
    let v6 = Expect { reason: Reason::Call, ..free_priority(PRIORITY_HOTLINE_RULE, 220) }.v6();
    let full = Case::uplink(
        "granted, but no place for the flow",
        &voice(CALLER, MEDIA),
        charged(Reason::FlowTableFull, 200).by(HOTLINE_RULE),
    );
    vec![
        Case::uplink("granted, the caller speaks", &voice(CALLER, MEDIA), call(HOTLINE_RULE, 200)),
        Case::downlink("granted, the hotline speaks first", &voice(MEDIA, CALLER), call(HOTLINE_RULE, 200)),
        Case::downlink("granted, the hotline answers", &voice(MEDIA, CALLER), call(HOTLINE_RULE, 200))
            .after(&voice(CALLER, MEDIA)),
        Case::uplink("granted, IPv6, with priority", &voice(CALLER_V6, MEDIA_V6), v6),
        Case::uplink("the grant has ended", &voice(CALLER, ENDED_MEDIA), ended.clone()),
        Case::downlink("the grant has ended, downlink", &voice(ENDED_MEDIA, CALLER), ended),
        Case::uplink("another port of the media network", &voice(CALLER, OTHER_MEDIA), no_call(200)),
        Case::uplink("another port of the caller", &voice(SUBSCRIBER, MEDIA), no_call(200)),
        Case::downlink("no call, downlink", &voice(OTHER_MEDIA, CALLER), no_call(200)),
        Case::uplink("TCP on the call's ports", &FrameBuilder::tcp(at(CALLER), at(MEDIA)), no_call(40)),
        full.after_events(filling(0)),
    ]
}
