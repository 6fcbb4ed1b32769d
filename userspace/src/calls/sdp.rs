//! A session description (RFC 8866): where each media stream goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::header::decimal;

/// Lines of a description. Reason: a WebRTC offer with its candidates has about 120; a phone's has 10 to 30.
pub const LINES_MAX: usize = 256;
/// Media descriptions. Reason: offer and answer pair by position, so all must be kept; phones send one or
/// two.
pub const STREAMS_MAX: usize = 8;
/// Candidates kept of one stream. Reason: a phone has one or two of its own; a session border controller one for each
/// family. Others are passed over: their paths are charged.
pub const CANDIDATES_MAX: usize = 8;

/// Why a description cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpFault {
    /// It does not begin with `v=0` (RFC 8866, section 5.1).
    #[error("begins with no v=0")]
    Version,
    /// A line that is not `type=value` (RFC 8866, section 5), or a lone CR.
    #[error("has a line {line} that is no type and value")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// More than [`LINES_MAX`].
    #[error("has more lines than are read")]
    TooManyLines,
    /// More than [`STREAMS_MAX`].
    #[error("has more media descriptions than are read")]
    TooManyStreams,
    /// `c=` names no unicast address literal: a host name could change its meaning, and multicast is no call.
    #[error("has a c= in line {line} that is no unicast address")]
    Connection {
        /// Counted from 1.
        line: usize,
    },
    /// `c=` stands twice in one section.
    #[error("has a second c= in line {line}")]
    RepeatedConnection {
        /// Counted from 1.
        line: usize,
    },
    /// `m=` without a port, or with several (RFC 8866, section 5.14).
    #[error("has an m= in line {line} that cannot be read")]
    Media {
        /// Counted from 1.
        line: usize,
    },
    /// A stream that is not rejected has no address (RFC 8866, section 5.7).
    #[error("has a stream without a c=")]
    NoConnection,
}

/// A description that could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// In the order of their `m=` lines; at most [`STREAMS_MAX`].
    pub streams: Vec<MediaSection>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSection {
    /// `m=audio` and its like.
    pub kind: SectionKind,
    /// Some profile of RTP (`RTP/AVP`, `RTP/SAVP`, `RTP/AVPF`, `RTP/SAVPF`, their DTLS forms; RFC 8866, section 8.2.3;
    /// RFC 5764, section 8).
    pub is_rtp: bool,
    /// Where its packets go, if it is not rejected.
    pub address: Option<IpAddr>,
    /// 0: rejected (RFC 3264, section 6), or part of a bundle (RFC 9143).
    pub port: u16,
    /// `a=rtcp-mux` (RFC 5761): control shares the port.
    pub has_rtcp_mux: bool,
    /// Where control goes, by `a=rtcp` (RFC 3605); without an address, that of the stream.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=inactive`, of its own or of the session (RFC 3264, section 6.1): nothing is sent either way.
    pub is_inactive: bool,
    /// Where `a=candidate` (RFC 8839, section 5.1) says packets may go as well, over UDP; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
}

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// Anything else.
    Other,
}

/// A UDP candidate of ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// 1: RTP; 2: RTCP.
    pub component: u8,
    /// Where packets go.
    pub socket: SocketAddr,
}

impl Session {
    /// Reads a description.
    ///
    /// # Errors
    /// The [`SdpFault`] that makes it useless for a free call.
    pub fn parse(body: &[u8]) -> Result<Self, SdpFault> {
        let mut reader = Reader::default();
        let mut lines = 0;
        for line in body.strip_suffix(b"\n").unwrap_or(body).split(|octet| *octet == b'\n') {
            lines += 1;
            if lines > LINES_MAX {
                return Err(SdpFault::TooManyLines);
            }
            // A lone LF also ends a line (RFC 8866, section 5).
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (lines, line) {
                (1, b"v=0") => {}
                (1, _) => return Err(SdpFault::Version),
                _ => reader.line(lines, line)?,
            }
        }
        reader.into_session()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    session_address: Option<IpAddr>,
    session_inactive: bool,
    streams: Vec<MediaSection>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &[u8]) -> Result<(), SdpFault> {
        let fault = SdpFault::Line { line: number };
        let [kind, b'=', value @ ..] = line else {
            return Err(fault);
        };
        if !kind.is_ascii_lowercase() || value.contains(&b'\r') {
            return Err(fault);
        }
        // Free text may be in another character set; what is read is ASCII (RFC 8866, section 5).
        let text = str::from_utf8(value).unwrap_or_default();
        match kind {
            b'c' => self.connection(number, text),
            b'm' => self.media(number, text),
            b'a' => {
                self.attribute(text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn connection(&mut self, line: usize, value: &str) -> Result<(), SdpFault> {
        let address = unicast(value).ok_or(SdpFault::Connection { line })?;
        let slot = match self.streams.last_mut() {
            Some(stream) => &mut stream.address,
            None => &mut self.session_address,
        };
        match slot.replace(address) {
            None => Ok(()),
            Some(_) => Err(SdpFault::RepeatedConnection { line }),
        }
    }

    fn media(&mut self, line: usize, value: &str) -> Result<(), SdpFault> {
        if self.streams.len() == STREAMS_MAX {
            return Err(SdpFault::TooManyStreams);
        }
        let mut words = value.split(' ');
        let (Some(kind), Some(port), Some(profile), Some(_format)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(SdpFault::Media { line });
        };
        let port = decimal(port).ok_or(SdpFault::Media { line })?;
        self.streams.push(MediaSection {
            kind: match kind {
                "audio" => SectionKind::Audio,
                "video" => SectionKind::Video,
                _ => SectionKind::Other,
            },
            is_rtp: is_rtp(profile),
            address: None,
            port,
            has_rtcp_mux: false,
            rtcp: None,
            is_inactive: self.session_inactive,
            candidates: Vec::new(),
        });
        Ok(())
    }

    fn attribute(&mut self, value: &str) {
        let Some(stream) = self.streams.last_mut() else {
            self.session_inactive |= value == "inactive";
            return;
        };
        match value {
            "rtcp-mux" => stream.has_rtcp_mux = true,
            "inactive" => stream.is_inactive = true,
            // Its own direction goes before the session's (RFC 8866, section 6.7).
            "sendrecv" | "sendonly" | "recvonly" => stream.is_inactive = false,
            _ => {
                if let Some(rtcp) = value.strip_prefix("rtcp:") {
                    stream.rtcp = control(rtcp);
                } else if let Some(text) = value.strip_prefix("candidate:")
                    && stream.candidates.len() < CANDIDATES_MAX
                {
                    stream.candidates.extend(candidate(text));
                }
            }
        }
    }

    /// A stream's own `c=` goes before the session's (RFC 8866, section 5.7).
    fn into_session(mut self) -> Result<Session, SdpFault> {
        for stream in &mut self.streams {
            stream.address = stream.address.or(self.session_address);
            if stream.port != 0 && stream.address.is_none() {
                return Err(SdpFault::NoConnection);
            }
        }
        Ok(Session { streams: self.streams })
    }
}

/// `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`. The unspecified address is left in: it once meant a held call.
fn unicast(value: &str) -> Option<IpAddr> {
    let address = if let Some(v4) = value.strip_prefix("IN IP4 ") {
        IpAddr::from(v4.parse::<Ipv4Addr>().ok()?)
    } else {
        IpAddr::from(value.strip_prefix("IN IP6 ")?.parse::<Ipv6Addr>().ok()?)
    };
    (!address.is_multicast()).then_some(address)
}

fn is_rtp(profile: &str) -> bool {
    let profile = profile.strip_prefix("UDP/TLS/").unwrap_or(profile);
    matches!(profile, "RTP/AVP" | "RTP/SAVP" | "RTP/AVPF" | "RTP/SAVPF")
}

/// `53020` or `53020 IN IP4 192.0.2.4` (RFC 3605, section 2.1).
fn control(value: &str) -> Option<(u16, Option<IpAddr>)> {
    match value.split_once(' ') {
        None => Some((decimal(value)?, None)),
        Some((port, address)) => Some((decimal(port)?, Some(unicast(address)?))),
    }
}

/// `1 1 UDP 2130706431 192.0.2.1 8998 typ host …` (RFC 8839, section 5.1). One of TCP, or whose address is a name, is
/// none.
fn candidate(value: &str) -> Option<Candidate> {
    let mut words = value.split(' ');
    let (_foundation, component, transport) = (words.next()?, words.next()?, words.next()?);
    let (_priority, address, port) = (words.next()?, words.next()?, words.next()?);
    let address: IpAddr = address.parse().ok()?;
    let port: u16 = decimal(port).filter(|port| *port != 0)?;
    let component = decimal(component).filter(|component| [1, 2].contains(component))?;
    let is_usable = transport.eq_ignore_ascii_case("udp") && !address.is_multicast();
    is_usable.then_some(Candidate { component, socket: SocketAddr::new(address, port) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn audio(address: &str, port: u16) -> MediaSection {
        MediaSection {
            kind: SectionKind::Audio,
            is_rtp: true,
            address: Some(ip(address)),
            port,
            has_rtcp_mux: false,
            rtcp: None,
            is_inactive: false,
            candidates: vec![],
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn parse(lines: &[&str]) -> Result<Vec<MediaSection>, SdpFault> {
        Session::parse(format!("{}\r\n", lines.join("\r\n")).as_bytes()).map(|session| session.streams)
    }

    #[test]
    fn the_nearest_address_counts() {
        let lines = [
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.9",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 49170 RTP/AVP 0",
            "a=sendonly",
            "a=rtcp-mux",
            "m=audio 49180 RTP/SAVP 8 101",
            "c=IN IP6 2001:db8::7",
            "a=rtcp:49190 IN IP6 2001:db8::8",
            "m=video 0 RTP/AVP 31",
        ];
        let expected = vec![
            MediaSection { has_rtcp_mux: true, ..audio("192.0.2.1", 49170) },
            MediaSection { rtcp: Some((49190, Some(ip("2001:db8::8")))), ..audio("2001:db8::7", 49180) },
            MediaSection { kind: SectionKind::Video, ..audio("192.0.2.1", 0) },
        ];
        assert_eq!(parse(&lines), Ok(expected.clone()));
        assert_eq!(Session::parse(lines.join("\n").as_bytes()), Ok(Session { streams: expected }));
    }

    #[test]
    fn transports_that_are_not_rtp_are_told() {
        for (profile, is_rtp) in [
            ("RTP/AVP", true),
            ("RTP/SAVP", true),
            ("RTP/AVPF", true),
            ("RTP/SAVPF", true),
            ("UDP/TLS/RTP/SAVPF", true),
            ("UDP/TLS/UDPTL", false),
            ("udptl", false),
            ("TCP/RTP/AVP", false),
            ("RTP/AVPX", false),
        ] {
            let media = format!("m=audio 4000 {profile} 0");
            let streams = parse(&["v=0", "c=IN IP4 192.0.2.1", &media]).expect("a session");
            assert_eq!(streams[0].is_rtp, is_rtp, "{profile}");
        }
    }

    #[test]
    fn a_direction_of_its_own_goes_before_the_sessions() {
        let lines = [
            "v=0",
            "c=IN IP4 192.0.2.1",
            "a=inactive",
            "m=audio 4000 RTP/AVP 0",
            "m=audio 4002 RTP/AVP 0",
            "a=sendonly",
        ];
        let inactive: Vec<_> = parse(&lines).expect("a session").iter().map(|m| m.is_inactive).collect();
        assert_eq!(inactive, [true, false]);
    }

    /// Lines of RFC 8839, section 5.1, and of RFC 3605, section 2.1.
    #[test]
    fn other_ways_of_a_stream_are_read() {
        let lines = [
            "v=0",
            "c=IN IP4 192.0.2.3",
            "m=audio 45664 RTP/AVP 0",
            "a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host",
            "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "a=candidate:3 2 udp 1 2001:db8::1 9 typ host",
            "a=candidate:4 1 TCP 1 203.0.113.141 9 typ host tcptype active",
            "a=candidate:5 1 UDP 1 host.example.vn 9 typ host",
            "a=candidate:6 3 UDP 1 203.0.113.141 9 typ host",
            "a=candidate:7 1 UDP 1",
            "a=rtcp:53020",
        ];
        let read = parse(&lines).expect("a session").remove(0);
        let candidate =
            |component, text: &str| Candidate { component, socket: text.parse().expect("a socket") };
        assert_eq!(
            read.candidates,
            [
                candidate(1, "203.0.113.141:8998"),
                candidate(1, "192.0.2.3:45664"),
                candidate(2, "[2001:db8::1]:9")
            ]
        );
        assert_eq!(read.rtcp, Some((53020, None)));
        let many = [&lines[..3], &[lines[3]; CANDIDATES_MAX + 1]].concat();
        assert_eq!(parse(&many).expect("a session")[0].candidates.len(), CANDIDATES_MAX);
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        let c = "c=IN IP4 192.0.2.1";
        let m = "m=audio 4000 RTP/AVP 0";
        let with_lines = |count| [vec!["v=0"; 1], vec!["a=x"; count - 1]].concat();
        let with_streams = |count| [vec!["v=0", c], vec![m; count]].concat();
        for (lines, fault) in [
            (vec!["o=-"], SdpFault::Version),
            (vec!["v=1"], SdpFault::Version),
            (vec!["v=0", "c IN"], SdpFault::Line { line: 2 }),
            (vec!["v=0", ""], SdpFault::Line { line: 2 }),
            (vec!["v=0", "C=IN IP4 192.0.2.1"], SdpFault::Line { line: 2 }),
            (vec!["v=0", "s=a\rc=IN IP4 192.0.2.1"], SdpFault::Line { line: 2 }),
            (vec!["v=0", "c=IN IP4 media.example.vn"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", "c=IN IP4 2001:db8::1"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", "c=IN IP6 192.0.2.1"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", "c=IN IP4 233.252.0.1/127"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", "c=IN IP4 233.252.0.1"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", "c=TN RFC2543 123"], SdpFault::Connection { line: 2 }),
            (vec!["v=0", c, c], SdpFault::RepeatedConnection { line: 3 }),
            (vec!["v=0", c, m, c, c], SdpFault::RepeatedConnection { line: 5 }),
            (vec!["v=0", c, "m=audio 4000/2 RTP/AVP 0"], SdpFault::Media { line: 3 }),
            (vec!["v=0", c, "m=audio 65536 RTP/AVP 0"], SdpFault::Media { line: 3 }),
            (vec!["v=0", c, "m=audio -1 RTP/AVP 0"], SdpFault::Media { line: 3 }),
            (vec!["v=0", c, "m=audio +1 RTP/AVP 0"], SdpFault::Media { line: 3 }),
            (vec!["v=0", c, "m=audio 4000"], SdpFault::Media { line: 3 }),
            (vec!["v=0", m], SdpFault::NoConnection),
            (with_lines(LINES_MAX + 1), SdpFault::TooManyLines),
            (with_streams(STREAMS_MAX + 1), SdpFault::TooManyStreams),
        ] {
            assert_eq!(parse(&lines), Err(fault), "{lines:?}");
        }
        assert_eq!(parse(&with_lines(LINES_MAX)), Ok(vec![]));
        assert_eq!(parse(&with_streams(STREAMS_MAX)).map(|streams| streams.len()), Ok(STREAMS_MAX));
    }

    proptest! {
        #[test]
        fn random_octets_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Session::parse(&body);
        }

        #[test]
        fn lines_in_any_order_do_not_panic(
            lines in prop::collection::vec("[acmosvt]=[a-zA-Z0-9 /:.*-]{0,40}", 0..40)
        ) {
            let _ = Session::parse(format!("v=0\r\n{}", lines.join("\r\n")).as_bytes());
        }

        /// What was written comes back.
        #[test]
        fn addresses_and_ports_come_back(
            v4 in any::<[u8; 4]>(),
            v6 in any::<[u8; 16]>(),
            ports in any::<[u16; 2]>(),
        ) {
            let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
            prop_assume!(!v4.is_multicast() && !v6.is_multicast());
            let streams = parse(&[
                "v=0",
                &format!("c=IN IP4 {v4}"),
                &format!("m=audio {} RTP/AVP 0", ports[0]),
                &format!("m=audio {} RTP/AVP 0", ports[1]),
                &format!("c=IN IP6 {v6}"),
            ]).expect("a session");
            prop_assert_eq!(
                streams.iter().map(|stream| (stream.address, stream.port)).collect::<Vec<_>>(),
                vec![(Some(v4.into()), ports[0]), (Some(v6.into()), ports[1])]
            );
        }
    }
}
