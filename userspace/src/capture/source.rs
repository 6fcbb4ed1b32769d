//! Where a capture's octets come from.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the error of a failed read, which the parser does not pass on.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadFault(Arc<Mutex<Option<io::Error>>>);

impl ReadFault {
    fn put(&self, error: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The error, if a read failed.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads as much as is asked for: a pipe gives less at a time, and the parser takes that for a short header.
pub(super) struct Source<R> {
    inner: R,
    fault: ReadFault,
}

impl<R> Source<R> {
    pub(super) const fn new(inner: R, fault: ReadFault) -> Self {
        Self { inner, fault }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(octets) => filled += octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.fault.put(error);
                    return Err(kind.into());
                }
            }
        }
        Ok(filled)
    }
}
