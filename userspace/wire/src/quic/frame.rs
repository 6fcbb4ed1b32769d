//! Frames that Initial packets may have (RFC 9000, sections 12.4 and 19).

use super::cursor::Cursor;

const PADDING: u64 = 0x00;
const PING: u64 = 0x01;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;
const CRYPTO: u64 = 0x06;
const CONNECTION_CLOSE: u64 = 0x1c;

/// A part of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptoFrame<'a> {
    /// Where in the handshake's stream it belongs, in octets.
    pub offset: u64,
    /// The part.
    pub data: &'a [u8],
}

/// A frame that no Initial packet may have, or that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame that does not belong into an Initial packet, or is cut")]
pub struct FrameError;

/// The CRYPTO frames of an Initial packet's payload, in order.
pub fn crypto_frames(payload: &[u8]) -> Result<Vec<CryptoFrame<'_>>, FrameError> {
    let mut frames = Vec::new();
    let mut cursor = Cursor::new(payload);
    while !cursor.rest().is_empty() {
        read(&mut cursor, &mut frames).ok_or(FrameError)?;
    }
    Ok(frames)
}

/// Reads one frame, and keeps the part of the handshake that it may have; `None` if it is faulty.
fn read<'a>(cursor: &mut Cursor<'a>, frames: &mut Vec<CryptoFrame<'a>>) -> Option<()> {
    match cursor.varint()? {
        PADDING | PING => {}
        kind @ (ACK | ACK_ECN) => acknowledgement(cursor, kind == ACK_ECN)?,
        CRYPTO => {
            let offset = cursor.varint()?;
            frames.push(CryptoFrame { offset, data: cursor.prefixed()? });
        }
        CONNECTION_CLOSE => {
            let (_error, _frame_type) = (cursor.varint()?, cursor.varint()?);
            let _reason = cursor.prefixed()?;
        }
        _ => return None,
    }
    Some(())
}

/// Passes over an ACK frame (RFC 9000, section 19.3).
fn acknowledgement(cursor: &mut Cursor<'_>, counts_ecn: bool) -> Option<()> {
    let (_largest, _delay) = (cursor.varint()?, cursor.varint()?);
    let ranges = cursor.varint()?;
    let _first_range = cursor.varint()?;
    for _ in 0..ranges {
        let (_gap, _length) = (cursor.varint()?, cursor.varint()?);
    }
    if counts_ecn {
        let (_ect0, _ect1, _ce) = (cursor.varint()?, cursor.varint()?, cursor.varint()?);
    }
    Some(())
}
