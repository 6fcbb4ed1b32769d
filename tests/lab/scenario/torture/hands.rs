//! Addresses that change hands, as an access server tells of them: RADIUS accounting (RFC 2866), built octet by octet.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use md5::{Digest as _, Md5};

use crate::address::Family;
use crate::namespace::Namespace;

use super::deeds::Deeds;
use super::junk::GATEWAY;
use super::people::{Habit, OF_EACH};

/// Where the gateway listens (RFC 2866, section 3).
pub(super) const PORT: u16 = 1813;
/// Where the access server is.
pub(super) const ACCESS_SERVER: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 2);
/// What both know.
pub(super) const SECRET: &str = "a secret of the lab";
/// How long an answer is waited for: a daemon that is dead gives none.
const PATIENCE: Duration = Duration::from_millis(30);
/// Telephones that the addresses go to and fro between.
const TELEPHONES: u64 = 40;

/// RFC 2866, section 3.
const ACCOUNTING_REQUEST: u8 = 4;
const ACCOUNTING_RESPONSE: u8 = 5;
/// RFC 2866, section 5.1.
const START: u8 = 1;
const STOP: u8 = 2;
const INTERIM: u8 = 3;

/// Who had which address at some time, as far as was told: the range's index, and an MSISDN.
pub(super) type Claims = BTreeSet<(u8, String)>;

/// An access server.
#[derive(Debug)]
pub(super) struct AccessServer {
    socket: UdpSocket,
    identifier: u8,
    sessions: u32,
    /// By index: the session that has it, and its MSISDN.
    open: Vec<Option<(u32, String)>>,
    claims: Claims,
}

impl AccessServer {
    /// Opens its socket.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn open(namespace: &Namespace) -> Result<Self> {
        let gateway = SocketAddr::from((GATEWAY, PORT));
        let socket = namespace.within(|| {
            let socket = UdpSocket::bind((ACCESS_SERVER, 0)).context("an access server's socket")?;
            socket.connect(gateway)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        })?;
        let open = vec![None; OF_EACH.into()];
        Ok(Self { socket, identifier: 0, sessions: 0, open, claims: Claims::new() })
    }

    /// All that it has told.
    pub(super) fn claims(self) -> Claims {
        self.claims
    }

    /// Tells of one address: that it goes to somebody, is still his, or is nobody's now.
    ///
    /// # Errors
    /// If it cannot be told; that nobody hears it is no error.
    pub(super) fn tell(&mut self, deeds: &Deeds, random: &mut fastrand::Rng) -> Result<()> {
        let index = random.u8(0..OF_EACH);
        let place = usize::from(index);
        let kind = match &self.open[place] {
            Some(_) => *random.choice(&[START, STOP, INTERIM]).unwrap_or(&START),
            None => START,
        };
        let (session, msisdn) = match (&self.open[place], kind) {
            (Some(open), STOP | INTERIM) => open.clone(),
            _ => {
                self.sessions += 1;
                (self.sessions, format!("849{:08}", random.u64(0..TELEPHONES)))
            }
        };
        self.claims.insert((index, msisdn.clone()));
        let request = self.request(kind, session, &msisdn, index);
        let is_heard = self.is_answered(&request)?;
        self.open[place] = (kind != STOP).then_some((session, msisdn));
        if is_heard && kind != INTERIM {
            deeds.changed_hands.raise();
        }
        Ok(())
    }

    fn request(&mut self, kind: u8, session: u32, msisdn: &str, index: u8) -> Vec<u8> {
        self.identifier = self.identifier.wrapping_add(1);
        let mut attributes = Vec::new();
        let mut add = |number: u8, value: &[u8]| {
            // RFC 2865, section 5: the length covers both octets in front.
            attributes.extend([number, u8::try_from(value.len() + 2).unwrap_or(u8::MAX)]);
            attributes.extend(value);
        };
        add(40, &u32::from(kind).to_be_bytes());
        add(44, format!("{session:08x}").as_bytes());
        add(32, b"bng1");
        add(31, msisdn.as_bytes());
        for family in Family::ALL {
            match Habit::ChangesHands.address(index, family) {
                IpAddr::V4(v4) => add(8, &v4.octets()),
                // RFC 3162, section 2.3: reserved, length, prefix.
                IpAddr::V6(v6) => add(97, &[&[0, 64], &v6.octets()[..8]].concat()),
            }
        }
        signed(self.identifier, &attributes)
    }

    fn is_answered(&self, request: &[u8]) -> Result<bool> {
        let mut answer = [0; 4096];
        // A port that nobody listens on is told by the next call.
        if self.socket.send(request).is_err() {
            return Ok(false);
        }
        loop {
            match self.socket.recv(&mut answer) {
                Ok(octets) if octets >= 20 && answer[..2] == [ACCOUNTING_RESPONSE, request[1]] => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) if is_silence(error.kind()) => return Ok(false),
                Err(error) => return Err(error).context("an access server's socket"),
            }
        }
    }
}

const fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused)
}

/// RFC 2866, section 3: the authenticator is the MD5 of the request with zeros in its place, and the secret.
fn signed(identifier: u8, attributes: &[u8]) -> Vec<u8> {
    let octets = u16::try_from(20 + attributes.len()).unwrap_or(u16::MAX);
    let mut request = vec![ACCOUNTING_REQUEST, identifier];
    request.extend(octets.to_be_bytes());
    request.extend([0; 16]);
    request.extend(attributes);
    let authenticator = Md5::new().chain_update(&request).chain_update(SECRET).finalize();
    request[4..20].copy_from_slice(&authenticator);
    request
}
