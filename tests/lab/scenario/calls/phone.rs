//! Telephones and a proxy whose messages are written by hand, and media between them. What is sent has arrived at the other
//! end, through the gateway, when it is returned from.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::clip;
use crate::address::{DESK, Family, HAND_PROXY, SIP_PORT, socket, subscriber};
use crate::datagram::open;
use crate::gateway::Gateway;
use crate::topology::Topology;
use crate::volume::{Usage, Volume};
use crate::wait;

/// Where telephones' signalling is.
const PHONE_PORT: u16 = 5070;
/// Where their media is.
const MEDIA_PORT: u16 = 25_000;
/// Where the desk's media is: not where `SIPp` has its own.
pub(super) const DESK_PORT: u16 = 21_000;
/// Octets of RTP packets of 20 ms of PCMA, from RTP's header on.
pub(super) const VOICE_OCTETS: usize = 172;
/// Headers of IPv4 and UDP (RFC 791, RFC 768), in octets.
const HEADERS_OCTETS: usize = 28;
/// From a message to what the gateway makes of it, on a busy machine.
const FOLLOW_LIMIT: Duration = Duration::from_secs(20);
/// Larger than any message.
const OCTETS_MAX: usize = 1 << 16;

/// A proxy, and the desk behind it.
pub(super) struct Office {
    proxy: UdpSocket,
    desk: UdpSocket,
}

/// A subscriber's telephone, and whom it talks to.
pub(super) struct Line {
    phone: UdpSocket,
    media: UdpSocket,
    office: Office,
}

/// What differs between one call and another.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its `Call-ID`.
    pub(super) id: String,
    pub(super) number: &'static str,
    phone: SocketAddr,
    proxy: SocketAddr,
    media: SocketAddr,
    desk: SocketAddr,
}

impl Office {
    /// With a proxy that the gateway lists, and a desk in the media networks.
    pub(super) fn open(topology: &Topology) -> Result<Self> {
        Self::at(topology, HAND_PROXY, socket(DESK[0], DESK_PORT))
    }

    pub(super) fn at(topology: &Topology, proxy: IpAddr, desk: SocketAddr) -> Result<Self> {
        let proxy = open(&topology.internet, socket(proxy, SIP_PORT))?;
        Ok(Self { proxy, desk: open(&topology.internet, desk)? })
    }

    /// The same proxy, with a desk elsewhere.
    pub(super) fn with_desk(&self, topology: &Topology, desk: SocketAddr) -> Result<Self> {
        Ok(Self { proxy: self.proxy.try_clone()?, desk: open(&topology.internet, desk)? })
    }

    /// A telephone of subscriber `index`, over IPv4; each `place` has ports of its own.
    pub(super) fn line(&self, topology: &Topology, index: u8, place: u16) -> Result<Line> {
        let own = subscriber(index, Family::V4);
        let namespace = &topology.subscribers[usize::from(index)];
        Ok(Line {
            phone: open(namespace, socket(own, PHONE_PORT + place))?,
            media: open(namespace, socket(own, media_port(place)))?,
            office: Self { proxy: self.proxy.try_clone()?, desk: self.desk.try_clone()? },
        })
    }
}

/// Where the media of a telephone is; its control would be one on.
pub(super) const fn media_port(place: u16) -> u16 {
    MEDIA_PORT + 2 * place
}

impl Line {
    /// A call that nobody knows of yet.
    pub(super) fn call(&self, id: &str, number: &'static str) -> Result<Call> {
        Ok(Call {
            id: format!("{id}@lab"),
            number,
            phone: self.phone.local_addr()?,
            proxy: self.office.proxy.local_addr()?,
            media: self.media.local_addr()?,
            desk: self.office.desk.local_addr()?,
        })
    }

    /// A message of the subscriber's.
    pub(super) fn up(&self, message: &str) -> Result<()> {
        deliver(&self.phone, &self.office.proxy, message.as_bytes())
    }

    /// A message to the subscriber.
    pub(super) fn down(&self, message: &str) -> Result<()> {
        deliver(&self.office.proxy, &self.phone, message.as_bytes())
    }

    /// Has the call answered, and waits until its media is free.
    pub(super) fn answer(&self, gateway: &Gateway, call: &Call) -> Result<()> {
        self.answer_charged(call)?;
        granted(gateway, call)
    }

    /// Has the call answered, whatever the gateway makes of it.
    pub(super) fn answer_charged(&self, call: &Call) -> Result<()> {
        self.up(&call.invite())?;
        self.down(&call.answer(200, "INVITE", 1))?;
        self.up(&call.request("ACK", 1))
    }

    /// The subscriber hangs up; waits until the gateway has understood.
    pub(super) fn hang_up(&self, gateway: &Gateway, call: &Call) -> Result<()> {
        self.hang_up_unheard(call)?;
        over(gateway, call, FOLLOW_LIMIT)
    }

    /// The subscriber hangs up, while nobody listens.
    pub(super) fn hang_up_unheard(&self, call: &Call) -> Result<()> {
        self.up(&call.request("BYE", 2))?;
        self.down(&call.answer(200, "BYE", 2))
    }

    /// Sends `count` RTP packets of `octets` each way.
    pub(super) fn talk(&self, count: u16, octets: usize) -> Result<()> {
        self.talk_without(count, octets, &[])
    }

    /// The same, but for packets of the subscriber's, by their numbers.
    pub(super) fn talk_without(&self, count: u16, octets: usize, lost: &[u16]) -> Result<()> {
        (0..count).try_for_each(|sequence| {
            let packet = clip::rtp(sequence, octets);
            if !lost.contains(&sequence) {
                deliver(&self.media, &self.office.desk, &packet)?;
            }
            deliver(&self.office.desk, &self.media, &packet)
        })
    }
}

/// What [`Line::talk`] is in the books.
pub(super) fn talked(count: u16, octets: usize) -> Usage {
    let octets = i64::try_from(octets + HEADERS_OCTETS).unwrap_or(i64::MAX);
    let way = Volume { packets: count.into(), octets: octets * i64::from(count) };
    Usage { uplink: way, downlink: way }
}

fn deliver(from: &UdpSocket, to: &UdpSocket, payload: &[u8]) -> Result<()> {
    let address = to.local_addr()?;
    from.send_to(payload, address).with_context(|| format!("cannot send to {address}"))?;
    let mut received = vec![0; OCTETS_MAX];
    let octets = to.recv(&mut received).with_context(|| format!("nothing at {address}"))?;
    ensure!(received[..octets] == *payload, "other octets at {address}");
    Ok(())
}

/// How many SIP messages the gateway has read.
pub(super) fn messages(gateway: &Gateway) -> Result<u64> {
    let snapshot = gateway.snapshot()?;
    snapshot.json["calls"]["stats"]["messages"].as_u64().context("status: no calls.stats.messages")
}

/// Waits until the gateway has read `count` messages more than `before`.
pub(super) fn heard(gateway: &Gateway, before: u64, count: u64) -> Result<()> {
    wait::until("the gateway reading messages", FOLLOW_LIMIT, || {
        Ok((messages(gateway)? >= before + count).then_some(()))
    })
}

/// Waits until the gateway says that media of the call is free.
pub(super) fn granted(gateway: &Gateway, call: &Call) -> Result<()> {
    wait::until(&format!("free media of {}", call.id), FOLLOW_LIMIT, || {
        let live = gateway.live_calls()?;
        Ok(live.iter().any(|live| live.call_id == call.id && !live.streams.is_empty()).then_some(()))
    })
}

/// Waits until the gateway says that the call is over.
pub(super) fn over(gateway: &Gateway, call: &Call, limit: Duration) -> Result<()> {
    wait::until(&format!("the end of {}", call.id), limit, || {
        Ok(gateway.live_calls()?.iter().all(|live| live.call_id != call.id).then_some(()))
    })
}

impl Call {
    /// The first message.
    pub(super) fn invite(&self) -> String {
        let to = format!("<sip:{}@{}>", self.number, self.proxy);
        let lines = self.headers("INVITE", 1, &to);
        format!("INVITE sip:{}@{} SIP/2.0\r\n{lines}{}", self.number, self.proxy, body(self.media))
    }

    /// A text (RFC 3428), outside any dialog.
    pub(super) fn text(&self) -> String {
        let to = format!("<sip:{}@{}>", self.number, self.proxy);
        let lines = self.headers("MESSAGE", 1, &to);
        let text = "The clinic is closed. Where can I go?";
        let body = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        format!("MESSAGE sip:{}@{} SIP/2.0\r\n{lines}{body}", self.number, self.proxy)
    }

    /// A request of the subscriber's in the dialog.
    pub(super) fn request(&self, method: &str, sequence: u32) -> String {
        self.request_tagged(method, sequence, "desk")
    }

    /// The same in a dialog with this tag of the far end's.
    pub(super) fn request_tagged(&self, method: &str, sequence: u32, tag: &str) -> String {
        let to = format!("<sip:{}@{}>;tag={tag}", self.number, self.proxy);
        let lines = self.headers(method, sequence, &to);
        format!("{method} sip:desk@{} SIP/2.0\r\n{lines}Content-Length: 0\r\n\r\n", self.proxy)
    }

    /// A request of the far end's in a dialog with this tag of the subscriber's.
    pub(super) fn request_down(&self, method: &str, sequence: u32, tag: &str) -> String {
        format!(
            "{method} sip:{phone} SIP/2.0\r\nVia: SIP/2.0/UDP {proxy};branch=z9hG4bKdown{sequence}\r\n\
             From: <sip:{number}@{proxy}>;tag=desk\r\nTo: <sip:someone@{phone}>;tag={tag}\r\n\
             Call-ID: {id}\r\nCSeq: {sequence} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            phone = self.phone,
            proxy = self.proxy,
            number = self.number,
            id = self.id
        )
    }

    /// A response, with a description of the desk's media if the INVITE is meant.
    pub(super) fn answer(&self, status: u16, method: &str, sequence: u32) -> String {
        let to = format!("<sip:{}@{}>;tag=desk", self.number, self.proxy);
        let lines = self.headers(method, sequence, &to);
        let body = if method == "INVITE" { body(self.desk) } else { "Content-Length: 0\r\n\r\n".to_owned() };
        format!("SIP/2.0 {status} Something\r\n{lines}{body}")
    }

    fn headers(&self, method: &str, sequence: u32, to: &str) -> String {
        let (phone, id) = (self.phone, &self.id);
        format!(
            "Via: SIP/2.0/UDP {phone};branch=z9hG4bK{method}{sequence}\r\nFrom: <sip:someone@{phone}>;tag=phone\r\n\
             To: {to}\r\nCall-ID: {id}\r\nCSeq: {sequence} {method}\r\nContact: <sip:someone@{phone}>\r\n\
             Max-Forwards: 70\r\n"
        )
    }
}

/// RFC 8866, with the headers in front of it.
fn body(media: SocketAddr) -> String {
    let (address, port) = (media.ip(), media.port());
    let version = if media.is_ipv4() { 4 } else { 6 };
    let text = format!(
        "v=0\r\no=someone 1 1 IN IP{version} {address}\r\ns=-\r\nc=IN IP{version} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    );
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}
