//! Authorities of HTTP/2 requests in clear text, with prior knowledge (RFC 9113, section 3.3).

mod frame;
mod header;

#[cfg(test)]
mod tests;

use crate::inspect::{Hidden, Reading};

use frame::{Frame, FrameError, kind};

/// What every client sends first (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest field block that is read, in octets: as much as servers commonly take (`SETTINGS_MAX_HEADER_LIST_SIZE`).
const BLOCK_OCTETS_MAX: usize = 16 << 10;

/// Longest stream that is read for its first request, in octets: settings, and one field block.
const STREAM_OCTETS_MAX: usize = BLOCK_OCTETS_MAX + (4 << 10);

/// Reads the first request of a stream that begins with the client's preface.
pub fn read(stream: &[u8]) -> Reading {
    let Some(frames) = stream.strip_prefix(PREFACE) else {
        let is_beginning = PREFACE.starts_with(stream);
        return if is_beginning { Reading::Incomplete } else { Reading::hidden(0, Hidden::NotRecognised) };
    };
    match first_block(frames) {
        Ok(Some((block, behind))) => {
            let octets = stream.len() - behind.len();
            let fits = octets <= STREAM_OCTETS_MAX;
            let said = if fits { header::authority(&block) } else { Err(Hidden::TooLong) };
            Reading::Complete { octets, said }
        }
        Ok(None) if stream.len() < STREAM_OCTETS_MAX => Reading::Incomplete,
        Ok(None) => Reading::hidden(stream.len(), Hidden::TooLong),
        Err(why) => Reading::hidden(stream.len(), why),
    }
}

/// A field block, and what comes behind it.
type Block<'a> = (Vec<u8>, &'a [u8]);

/// The first field block, and what comes behind it; `None` if it is not complete.
fn first_block(mut frames: &[u8]) -> Result<Option<Block<'_>>, Hidden> {
    let mut opened: Option<(u32, Vec<u8>)> = None;
    let mut is_first = true;
    loop {
        let (frame, behind) = match Frame::split(frames) {
            Ok(split) => split,
            Err(FrameError::Incomplete) => return Ok(None),
            Err(FrameError::Faulty) => return Err(Hidden::NotRecognised),
        };
        frames = behind;
        // RFC 9113, section 3.4: the client's preface ends with SETTINGS.
        if is_first && frame.kind != kind::SETTINGS {
            return Err(Hidden::NotRecognised);
        }
        is_first = false;
        match (&mut opened, frame.kind) {
            (None, kind::HEADERS) => opened = Some((frame.stream, frame.block()?.to_vec())),
            (Some((stream, block)), kind::CONTINUATION) if *stream == frame.stream => {
                block.extend_from_slice(frame.payload);
            }
            // RFC 9113, section 6.10: nothing comes between the parts of a field block, and none comes without a beginning.
            (Some(_), _) | (None, kind::CONTINUATION | kind::DATA) => return Err(Hidden::NotRecognised),
            (None, _) => continue,
        }
        if opened.as_ref().is_some_and(|(_, block)| block.len() > BLOCK_OCTETS_MAX) {
            return Err(Hidden::TooLong);
        }
        if frame.ends_block() {
            return Ok(opened.map(|(_, block)| (block, frames)));
        }
    }
}
