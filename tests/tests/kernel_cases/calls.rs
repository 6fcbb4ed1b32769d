//! Signalling, and the media of free calls.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, call, charged, free_priority};
use crate::world::{
    CALLER, CALLER_V6, ENDED_MEDIA, HOTLINE_RULE, MEDIA, MEDIA_V6, OBSERVED_MEDIA, OTHER_MEDIA,
    PRIORITY_HOTLINE_RULE, PROXY, PROXY_V6, SHY_MEDIA, SILENCE_NS, SLOW_MEDIA, SUBSCRIBER, SUBSCRIBER_V6, at,
    filling,
};

const INVITE: &[u8] = b"INVITE sip:19003228@198.51.100.200 SIP/2.0\r\n\r\n";
/// The shortest report of RTCP (RFC 3550, section 6.4.2).
pub(crate) const RTCP: [u8; 8] = [0x80, 0xc9, 0, 1, 0, 0, 0, 1];
/// One G.711 packet of 20 ms: twelve octets of RTP header and 160 of sound (RFC 3551).
const VOICE_OCTETS: usize = 172;

pub(crate) fn cases() -> Vec<Case> {
    [signalling(), media(), not_media()].into_iter().flatten().collect()
}

fn voice(from: &str, to: &str) -> FrameBuilder {
    let mut rtp = [0; VOICE_OCTETS];
    rtp[0] = 0x80;
    FrameBuilder::udp(at(from), at(to)).payload(&rtp)
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
        Case::uplink("TCP to the proxy", &FrameBuilder::tcp(at(SUBSCRIBER), at(PROXY)), copied(40)),
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
        Case::uplink("observed", &voice(CALLER, OBSERVED_MEDIA), by(Reason::Observed, 200)),
    ]
}

/// The hotline's caller pays.
fn by(reason: Reason, volume_octets: u32) -> Expect {
    charged(reason, volume_octets).by(HOTLINE_RULE)
}

/// What is on a granted stream, but no call.
fn not_media() -> Vec<Case> {
    let shaped = |name, first: u8, octets: usize| {
        let mut payload = vec![0; octets];
        payload[0] = first;
        let frame = FrameBuilder::udp(at(CALLER), at(MEDIA)).payload(&payload);
        let volume = 28 + u32::try_from(octets).expect("a short packet");
        let is_rtp = first >> 6 == 2 && octets >= 8;
        let expect = if is_rtp { call(HOTLINE_RULE, volume) } else { by(Reason::MediaShape, volume) };
        Case::uplink(name, &frame, expect)
    };
    let slow = |octets: usize| {
        let mut payload = vec![0; octets - 28];
        payload[0] = 0x80;
        FrameBuilder::udp(at(CALLER), at(SLOW_MEDIA)).payload(&payload)
    };
    // The burst is thirty-two packets of 2048 octets.
    let burst = |case: Case, packets| (0..packets).fold(case, |case, _| case.after(&slow(2048)));
    let last = call(HOTLINE_RULE, 2048);
    let too_much = by(Reason::MediaRate, 1000);
    vec![
        shaped("RTP's version", 0xbf, 12),
        shaped("RTCP's shortest", 0x80, 8),
        shaped("shorter than RTCP", 0x80, 7),
        shaped("STUN", 0x00, 20),
        shaped("DTLS", 0x16, 20),
        shaped("no version of RTP", 0xc0, 12),
        burst(Case::uplink("the last octet of the burst", &slow(2048), last), 31),
        burst(Case::uplink("past the burst", &slow(1000), too_much), 32),
        Case::uplink("silent for as long as it may", &voice(CALLER, SHY_MEDIA), by(Reason::MediaSilent, 200))
            .after(&voice(CALLER, SHY_MEDIA))
            .resting(SILENCE_NS),
        Case::uplink("silent for a moment", &voice(CALLER, SHY_MEDIA), call(HOTLINE_RULE, 200))
            .after(&voice(CALLER, SHY_MEDIA))
            .resting(SILENCE_NS / 2),
    ]
}
