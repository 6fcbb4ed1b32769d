//! Messages on the wire (RFC 1035, section 4), decoded within bounds.

use hickory_proto::op::{Header, HeaderCounts, Message, Query};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError};
use thiserror::Error;

/// Questions and records of one message. Reason: each name may lead through eight thousand compression pointers, so
/// this bounds what a message of 64 KiB costs to some ten milliseconds. A full answer over UDP has some dozens.
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
/// If any part of it is malformed, or there are more than [`RECORDS_MAX`] records.
pub fn decode(octets: &[u8]) -> Result<Message, MessageError> {
    let mut decoder = BinDecoder::new(octets);
    bounded(&mut decoder)?;
    Ok(Message::from_vec(octets)?)
}

/// Decodes the header and the question alone: enough to see whether the rest is worth the work.
pub(super) fn front(octets: &[u8]) -> Result<Front, MessageError> {
    let mut decoder = BinDecoder::new(octets);
    let header = bounded(&mut decoder)?;
    let question = if header.counts.queries == 1 { Some(Query::read(&mut decoder)?) } else { None };
    Ok(Front { header, question })
}

fn bounded(decoder: &mut BinDecoder<'_>) -> Result<Header, MessageError> {
    let header = Header::read(decoder)?;
    let HeaderCounts { queries, answers, authorities, additionals } = header.counts;
    let records = [queries, answers, authorities, additionals].map(usize::from).iter().sum();
    if records > RECORDS_MAX {
        return Err(MessageError::Records { records });
    }
    Ok(header)
}
