//! Signalling, and the media of free calls.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{NO_RULE, Promise};
use tollfree_core::reason::{Bucket, Reason};

use crate::case::{Case, Expect, call, charged, free, free_priority, pending};
use crate::event::Event;
use crate::world::{
    CALLER, CALLER_V6, ENDED_MEDIA, HOTLINE_RULE, MEDIA, MEDIA_SITE, MEDIA_V6, NEVER_NS, OBSERVED_MEDIA,
    OTHER_MEDIA, PASSED_NS, PRIORITY_HOTLINE_RULE, PROXY, PROXY_V6, SECOND_RULE, SHY_MEDIA, SILENCE_NS,
    SLOW_MEDIA, SOMEBODY_ELSE, SUBSCRIBER, SUBSCRIBER_V6, TEXT_PROXY, at, filling, udp_flow,
};

const TEXT: &[u8] = b"MESSAGE sip:19003228@198.51.100.201 SIP/2.0\r\n\r\nSOS";
const INVITE: &[u8] = b"INVITE sip:19003228@198.51.100.200 SIP/2.0\r\n\r\n";
/// The shortest report of RTCP (RFC 3550, section 6.4.2).
pub(crate) const RTCP: [u8; 8] = [0x80, 0xc9, 0, 1, 0, 0, 0, 1];
/// One G.711 packet of 20 ms: twelve octets of RTP header and 160 of sound (RFC 3551).
const VOICE_OCTETS: usize = 172;

pub(crate) fn cases() -> Vec<Case> {
    [signalling(), texts(), media(), not_media(), early_media(), early_media_decided()]
        .into_iter()
        .flatten()
        .collect()
}

fn voice(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::udp(at(from), at(to)).payload(&rtp(VOICE_OCTETS))
}

/// So many octets that look like RTP.
fn rtp(octets: usize) -> Vec<u8> {
    let mut rtp = vec![0; octets];
    rtp[0] = 0x80;
    rtp
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

/// MESSAGE requests (RFC 3428), which wait where a rule frees some.
fn texts() -> Vec<Case> {
    let text = |from, to| FrameBuilder::udp(at(from), at(to)).payload(TEXT);
    let volume = 28 + u32::try_from(TEXT.len()).expect("a short message");
    let charged = |octets| charged(Reason::Signalling, octets).copied();
    let waits = Expect {
        bucket: Bucket::Pending,
        is_text: true,
        ..charged(volume).because(Reason::AwaitingEvidence)
    };
    let lower = [b"message ", &TEXT[8..]].concat();
    let soon = Case::uplink(
        "the next too soon",
        &text(SUBSCRIBER, TEXT_PROXY),
        charged(volume).because(Reason::TextRate),
    );
    vec![
        Case::uplink("where no rule frees texts", &text(SUBSCRIBER, PROXY), charged(volume)),
        Case::uplink("a text", &text(SUBSCRIBER, TEXT_PROXY), waits.clone()),
        Case::downlink("from the proxy", &text(TEXT_PROXY, SUBSCRIBER), charged(volume)),
        Case::uplink("another method", &text(SUBSCRIBER, TEXT_PROXY).payload(INVITE), charged(28 + 46)),
        Case::uplink(
            "methods have their case",
            &text(SUBSCRIBER, TEXT_PROXY).payload(&lower),
            charged(volume),
        ),
        Case::uplink("shorter than its name", &text(SUBSCRIBER, TEXT_PROXY).payload(b"MESSAGE"), charged(35)),
        soon.after(&text(SUBSCRIBER, TEXT_PROXY)),
        Case::uplink("after another's", &text(SUBSCRIBER, TEXT_PROXY), waits)
            .after(&text(SOMEBODY_ELSE, TEXT_PROXY)),
    ]
}

/// The caller's signalling is waited with until then.
fn signalled_until(until_ns: u64) -> Event {
    Event::Signalled(udp_flow(CALLER, MEDIA).owner(), until_ns)
}

/// The caller's stream, whose grant may be about to be written.
fn awaited(volume_octets: u32) -> Expect {
    pending(0, volume_octets, udp_flow(CALLER, OTHER_MEDIA)).of(CALLER).copied_for(CopyKind::Media)
}

fn early_media() -> Vec<Case> {
    let no_call = |octets| charged(Reason::NoCall, octets).of(CALLER);
    let invite = FrameBuilder::udp(at(CALLER), at(PROXY)).payload(INVITE);
    let answer = FrameBuilder::udp(at(PROXY), at(CALLER)).payload(INVITE);
    let spoken = voice(CALLER, OTHER_MEDIA);
    let rtcp = FrameBuilder::udp(at(CALLER), at(OTHER_MEDIA)).payload(&RTCP);
    let soon = |case: Case| case.after_events([signalled_until(NEVER_NS)]);
    let both = voice(CALLER, MEDIA_SITE);
    let more = |case: Case, packets| (0..packets).fold(case, |case, _| case.after(&spoken));
    let uncopied = Expect { copied: None, ..awaited(200) };
    let large = FrameBuilder::udp(at(CALLER), at(OTHER_MEDIA)).payload(&rtp(2020));
    let burst = |case: Case, packets| (0..packets).fold(case, |case, _| case.after(&large));
    vec![
        Case::uplink("he has signalled, he speaks", &spoken, awaited(200)).after(&invite),
        Case::uplink("he is signalled to, he speaks", &spoken, awaited(200)).after_downlink(&answer),
        soon(Case::downlink("the hotline speaks", &voice(OTHER_MEDIA, CALLER), awaited(200))),
        soon(Case::uplink("RTCP", &rtcp, awaited(36))),
        soon(Case::uplink("neither RTP nor RTCP", &rtcp.clone().payload(&[0; 12]), no_call(40))),
        soon(Case::uplink("a fragment", &spoken.clone().fragment(0, true), no_call(200))),
        Case::uplink("long ago", &spoken, no_call(200)).after_events([signalled_until(PASSED_NS)]),
        Case::uplink(
            "another subscriber",
            &voice(SOMEBODY_ELSE, OTHER_MEDIA),
            no_call(200).of(SOMEBODY_ELSE),
        )
        .after(&invite),
        soon(Case::uplink("what rules list is theirs", &both, free(SECOND_RULE, 200).of(CALLER))),
        more(soon(Case::uplink("the last packet that is copied", &spoken, awaited(200))), 7),
        more(soon(Case::uplink("the first that is not", &spoken, uncopied)), 8),
        burst(
            soon(Case::uplink("the last octet that waits", &large, Expect { copied: None, ..awaited(2048) })),
            31,
        ),
        burst(soon(Case::uplink("past a burst", &spoken, no_call(200))), 32),
        soon(Case::uplink("no place for the flow", &spoken, charged(Reason::FlowTableFull, 200).of(CALLER)))
            .after_events(filling(0)),
    ]
}

/// What userspace says of such a stream.
fn early_media_decided() -> Vec<Case> {
    let no_call = |octets| charged(Reason::NoCall, octets).of(CALLER);
    let spoken = voice(CALLER, OTHER_MEDIA);
    let told = |name, rule, reason| {
        Case::uplink(name, &spoken, no_call(200))
            .after_events([signalled_until(NEVER_NS)])
            .after(&spoken)
            .after_events([Event::Told(Promise::new(rule, reason as u32))])
    };
    let granted = voice(CALLER, MEDIA);
    let waiting = Promise::new(NO_RULE, Reason::AwaitingEvidence as u32);
    vec![
        told("no call's", NO_RULE, Reason::NoCall),
        told("a call's, whose grant has gone", HOTLINE_RULE, Reason::Call),
        Case::uplink("granted since", &granted, call(HOTLINE_RULE, 200).going_on(udp_flow(CALLER, MEDIA)))
            .after(&granted)
            .after_events([Event::Promised(udp_flow(CALLER, MEDIA), waiting)]),
        Case::uplink("granted and told", &granted, call(HOTLINE_RULE, 200).going_on(udp_flow(CALLER, MEDIA)))
            .after(&granted)
            .after_events([Event::Promised(udp_flow(CALLER, MEDIA), waiting)])
            .after_events([Event::Told(Promise::new(HOTLINE_RULE, Reason::Call as u32))]),
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
