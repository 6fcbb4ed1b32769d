//! A UDP flow's first datagrams: QUIC.

use super::Trust;
use super::evidence::{Evidence, Hidden, Reading, Undecided, Via};
use super::limits::{ATTEMPTS, CRYPTO, KEYS_OCTETS};
use super::name::HostName;
use super::stats::{Count, Stats};
use crate::quic::{Initial, InitialKeys, Packet, Packets, Sender, Version, crypto_frames};
use crate::stream::{Assembly, AssemblyError};
use crate::tls;

/// Initial packets under the keys of one Destination Connection ID, and the handshake that they carry.
#[derive(Debug)]
struct Attempt {
    /// The client's first Destination Connection ID.
    destination: Vec<u8>,
    /// Keys by version: another than the first is used where the server prefers it (RFC 9368).
    keys: Vec<(Version, InitialKeys)>,
    crypto: Assembly,
    /// What its hello says that counts once the server has it.
    said: Option<Result<HostName, Hidden>>,
}

impl Attempt {
    /// A packet's frames, if it is one of this attempt's.
    fn open(&mut self, sender: Sender, packet: &Initial<'_>) -> Option<Vec<u8>> {
        if let Some((_, keys)) = self.keys.iter().find(|(version, _)| *version == packet.version) {
            return keys.open(sender, packet);
        }
        let keys = InitialKeys::derive(packet.version, &self.destination)?;
        let frames = keys.open(sender, packet);
        self.keys.push((packet.version, keys));
        frames
    }

    /// Takes what a client's Initial carries.
    fn take(&mut self, payload: &[u8], stats: &mut Stats) -> Result<(), Hidden> {
        for frame in crypto_frames(payload).map_err(|_| Hidden::NotRecognised)? {
            let offset = usize::try_from(frame.offset).unwrap_or(usize::MAX);
            match self.crypto.put(offset, frame.data) {
                Ok(_) => {}
                Err(AssemblyError::Conflict { .. }) => return Err(Hidden::Overlap),
                Err(AssemblyError::Pieces { .. }) => return Err(Hidden::TooLong),
                Err(AssemblyError::Beyond { .. }) => stats.add(Count::OutOfWindow),
            }
        }
        if self.said.is_none()
            && let Reading::Complete { said, .. } = tls::read_handshake(self.crypto.contiguous())
        {
            match said {
                Err(why) if !why.shows_name() => return Err(why),
                said => self.said = Some(said),
            }
        }
        Ok(())
    }
}

/// What is known of a flow that awaits evidence.
///
/// A name counts only once the server has answered with a handshake of its own, under keys that follow from the same
/// Destination Connection ID: so it got a whole ClientHello of that attempt, and it came through here.
#[derive(Debug)]
pub(super) struct UdpFlow {
    trust: Trust,
    attempts: Vec<Attempt>,
    /// Whether it began as QUIC does.
    is_quic: bool,
}

impl UdpFlow {
    pub(super) const fn new(trust: Trust) -> Self {
        Self { trust, attempts: Vec::new(), is_quic: false }
    }

    pub(super) const fn via(&self) -> Option<Via> {
        if self.attempts.is_empty() { None } else { Some(Via::Quic) }
    }

    pub(super) fn held_octets(&self) -> usize {
        let held = |attempt: &Attempt| attempt.crypto.reach() + attempt.keys.len() * KEYS_OCTETS;
        self.attempts.iter().map(held).sum()
    }

    /// Takes a datagram from the subscriber.
    pub(super) fn uplink(&mut self, payload: &[u8], stats: &mut Stats) -> Option<Evidence> {
        for packet in Packets::new(payload) {
            let evidence = match packet {
                Packet::Initial(initial) => {
                    self.is_quic = true;
                    self.initial(&initial, stats)
                }
                Packet::Later | Packet::OtherVersion(_) => {
                    self.is_quic = true;
                    None
                }
                Packet::Short | Packet::Other | Packet::Retry | Packet::VersionNegotiation
                    if self.is_quic =>
                {
                    None
                }
                Packet::Short | Packet::Other | Packet::Retry | Packet::VersionNegotiation => {
                    Some(Evidence::Hidden { why: Hidden::NotRecognised })
                }
            };
            if evidence.is_some() {
                return evidence;
            }
        }
        None
    }

    /// Takes a datagram to the subscriber.
    pub(super) fn downlink(&mut self, payload: &[u8]) -> Option<Evidence> {
        for packet in Packets::new(payload) {
            let Packet::Initial(initial) = packet else { continue };
            for place in 0..self.attempts.len() {
                let Some(payload) = self.attempts[place].open(Sender::Server, &initial) else { continue };
                let frames = crypto_frames(&payload).unwrap_or_default();
                if frames.iter().any(|frame| !frame.data.is_empty()) {
                    return Some(self.answered(place));
                }
            }
        }
        None
    }

    /// Takes an Initial of the client's: of an attempt that is known, or of a new one.
    fn initial(&mut self, initial: &Initial<'_>, stats: &mut Stats) -> Option<Evidence> {
        let opened = self
            .attempts
            .iter_mut()
            .enumerate()
            .find_map(|(place, attempt)| Some((place, attempt.open(Sender::Client, initial)?)));
        let (place, payload) = match opened {
            Some(opened) => opened,
            None => match new_attempt(initial) {
                Some(_) if self.attempts.len() >= ATTEMPTS => {
                    return Some(Evidence::Hidden { why: Hidden::TooLong });
                }
                Some((attempt, payload)) => {
                    self.attempts.push(attempt);
                    (self.attempts.len() - 1, payload)
                }
                None => {
                    stats.add(Count::NotOpened);
                    return None;
                }
            },
        };
        if let Err(why) = self.attempts[place].take(&payload, stats) {
            return Some(Evidence::Hidden { why });
        }
        match self.trust {
            Trust::Capture if self.attempts[place].said.is_some() => Some(self.answered(place)),
            Trust::Capture | Trust::Wire => None,
        }
    }

    /// The server has the ClientHello of the attempt at `place`.
    fn answered(&self, place: usize) -> Evidence {
        let Some(said) = &self.attempts[place].said else {
            return Evidence::Undecided { why: Undecided::CopiesLost };
        };
        let is_other = |attempt: &Attempt| attempt.said.as_ref().is_some_and(|other| other != said);
        if self.attempts.iter().any(is_other) {
            return Evidence::Hidden { why: Hidden::ConflictingHosts };
        }
        Evidence::of_said(said, Via::Quic)
    }
}

/// An attempt that begins with this packet, if the packet's own Destination Connection ID gives its keys.
fn new_attempt(initial: &Initial<'_>) -> Option<(Attempt, Vec<u8>)> {
    let destination = initial.destination.octets().to_vec();
    let mut attempt = Attempt { destination, keys: Vec::new(), crypto: Assembly::new(CRYPTO), said: None };
    let payload = attempt.open(Sender::Client, initial)?;
    Some((attempt, payload))
}
