//! Messages on the wire (RFC 1035, section 4), decoded within bounds.

use hickory_proto::op::{Header, HeaderCounts, Message, Query};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError};
use thiserror::Error;

use super::pointers::{self, POINTERS_MAX};

/// Questions and records of one message. Reason: a full answer over UDP has some dozens; a header can claim a quarter of
/// a million.
pub const RECORDS_MAX: usize = 512;

/// Why a message was not decoded.
#[derive(Debug, Error)]
pub enum MessageError {
    /// It is not what RFC 1035 says.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// It says that it has very many records.
    #[error("the message says that it has {records} questions and records, more than {RECORDS_MAX}")]
    Records {
        /// How many.
        records: usize,
    },
    /// Its names lead from pointer to pointer.
    #[error("the message has {pointers} compression pointers in a row, more than {POINTERS_MAX}")]
    Pointers {
        /// How many.
        pointers: u16,
    },
}

/// What stands in front of a message's records.
#[derive(Debug)]
pub(super) struct Front {
    /// Its header.
    pub(super) header: Header,
    /// Its question, if it has exactly one.
    pub(super) question: Option<Query>,
}

/// Decodes a whole message. `octets` are what UDP carried, or what followed the length over TCP: 64 KiB at most.
///
/// # Errors
/// If any part of it is malformed, or decoding it would cost too much: see [`MessageError`].
pub fn decode(octets: &[u8]) -> Result<Message, MessageError> {
    bounded(octets)?;
    Ok(Message::from_vec(octets)?)
}

/// Decodes the header and the question alone: enough to see whether the rest is worth the work.
pub(super) fn front(octets: &[u8]) -> Result<Front, MessageError> {
    let header = bounded(octets)?;
    let mut decoder = BinDecoder::new(octets);
    Header::read(&mut decoder)?;
    let question = if header.counts.queries == 1 { Some(Query::read(&mut decoder)?) } else { None };
    Ok(Front { header, question })
}

/// The header of a message that is cheap to decode.
fn bounded(octets: &[u8]) -> Result<Header, MessageError> {
    let header = Header::read(&mut BinDecoder::new(octets))?;
    let HeaderCounts { queries, answers, authorities, additionals } = header.counts;
    let records = [queries, answers, authorities, additionals].map(usize::from).iter().sum();
    if records > RECORDS_MAX {
        return Err(MessageError::Records { records });
    }
    let pointers = pointers::longest(octets);
    if pointers > POINTERS_MAX {
        return Err(MessageError::Pointers { pointers });
    }
    Ok(header)
}
