//! Keys of Initial packets (RFC 9001, section 5.2; RFC 9369, section 3.3).

use std::fmt;

use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{self, DirectionalKeys, Keys};

use super::packet::{Initial, Version};

/// Octets from the beginning of the packet number to the sample of header protection (RFC 9001, section 5.4.2).
const SAMPLE_DISTANCE: usize = 4;

/// The low bits of the first octet tell the length of the packet number, less one (RFC 9000, section 17.2).
const NUMBER_LENGTH_BITS: u8 = 0x03;

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// The keys that protect both sides' Initial packets of one connection attempt.
pub struct InitialKeys {
    client: DirectionalKeys,
    server: DirectionalKeys,
}

impl fmt::Debug for InitialKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitialKeys").finish_non_exhaustive()
    }
}

impl InitialKeys {
    /// The keys that follow from the Destination Connection ID of a client's first Initial; `None` if the library has no
    /// AES-128-GCM for QUIC, which it always has.
    pub fn derive(version: Version, destination: &[u8]) -> Option<Self> {
        let version = match version {
            Version::Draft29 => quic::Version::V1Draft,
            Version::V1 => quic::Version::V1,
            Version::V2 => quic::Version::V2,
        };
        let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
        let Keys { local, remote } = Keys::initial(version, suite, suite.quic?, destination, Side::Server);
        Some(Self { client: remote, server: local })
    }

    /// A packet's frames, if these keys protect it and nobody has changed it.
    pub fn open(&self, sender: Sender, packet: &Initial<'_>) -> Option<Vec<u8>> {
        let keys = match sender {
            Sender::Client => &self.client,
            Sender::Server => &self.server,
        };
        let mut octets = packet.octets.to_vec();
        let (header, behind) = octets.split_at_mut_checked(packet.number_at)?;
        let (number_place, sampled) = behind.split_at_mut_checked(SAMPLE_DISTANCE)?;
        let sample = sampled.get(..keys.header.sample_len())?;
        keys.header.decrypt_in_place(sample, header.first_mut()?, number_place).ok()?;
        let number_octets = usize::from(header.first()? & NUMBER_LENGTH_BITS) + 1;
        // Of the first packets of a connection, the number is sent whole: it is small (RFC 9000, section 17.1).
        let number =
            number_place.iter().take(number_octets).fold(0, |number, &octet| number << 8 | u64::from(octet));
        let (header, payload) = octets.split_at_mut_checked(packet.number_at + number_octets)?;
        Some(keys.packet.decrypt_in_place(number, header, payload).ok()?.to_vec())
    }
}
