//! A resolver library as telephones have it: one question over UDP, one answer.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::address::Family;

/// The port of name servers.
pub const PORT: u16 = 53;
/// How long an answer is waited for: resolver libraries ask again after five seconds.
const LIMIT: Duration = Duration::from_secs(5);
/// Larger than any answer in the lab.
const OCTETS_MAX: usize = 1 << 12;

/// A question that was sent.
#[derive(Debug)]
pub struct Question {
    socket: UdpSocket,
    message: Message,
}

impl Question {
    /// Asks `resolver` for the address of `name`, from `client`. In the subscriber's namespace.
    ///
    /// # Errors
    /// If the name is none, or the kernel refuses.
    pub fn ask(client: IpAddr, resolver: IpAddr, name: &str, family: Family) -> Result<Self> {
        let socket = UdpSocket::bind((client, 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(format!("{name}."))?, kind));
        socket
            .send_to(&message.to_vec()?, (resolver, PORT))
            .with_context(|| format!("cannot ask {resolver}"))?;
        Ok(Self { socket, message })
    }

    /// Its message id.
    pub fn id(&self) -> u16 {
        self.message.id
    }

    /// Where its answer is expected.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn client(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Waits for the answer; `None` if there is none, or it has no address.
    ///
    /// # Errors
    /// If what comes is no message.
    pub fn answer(&self) -> Result<Option<IpAddr>> {
        let mut octets = vec![0; OCTETS_MAX];
        loop {
            let length = match self.socket.recv(&mut octets) {
                Ok(length) => length,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            let answer = Message::from_vec(&octets[..length]).context("an answer that is none")?;
            if answer.id == self.message.id && answer.queries == self.message.queries {
                return Ok(answer.answers.iter().find_map(|record| record.data.ip_addr()));
            }
        }
    }
}

/// An answer as a resolver sends it, with one address.
///
/// # Errors
/// If the name is none.
pub fn answer(id: u16, name: &str, address: IpAddr) -> Result<Vec<u8>> {
    let name = Name::from_ascii(format!("{name}."))?;
    let data = match address {
        IpAddr::V4(v4) => RData::A(v4.into()),
        IpAddr::V6(v6) => RData::AAAA(v6.into()),
    };
    let record = Record::from_rdata(name.clone(), TTL_SECONDS, data);
    let mut message = Message::error_msg(id, hickory_proto::op::OpCode::Query, ResponseCode::NoError);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(Query::query(name, record.record_type()));
    message.add_answer(record);
    Ok(message.to_vec()?)
}

/// Of forged records, in seconds: longer than any measurement.
const TTL_SECONDS: u32 = 3600;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    /// RFC 1035, section 4.1: id, flags (QR, RD, RA), four counts, question, and an answer whose name points at it.
    #[test]
    fn an_answer_is_what_the_rfc_draws() {
        let octets = answer(0x1234, "x.vn", "198.51.100.7".parse().unwrap()).unwrap();
        let expected = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01x\x02vn\x00\x00\x01\x00\x01\
            \xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x33\x64\x07";
        assert_eq!(octets, expected);
    }
}
