//! Reading packet captures: pcap and pcapng files, record by record, whatever the size of the file.
//!
//! [`read`] gives each [`Record`] as it was captured. [`locate`] says where in it the headers begin that the shared core
//! reads, for the link types that carriers' captures have; [`CapturedFrame`] is what the core reads them from.

mod clock;
mod error;
mod frame;
mod link;
mod reader;
mod source;
#[cfg(test)]
mod tests;

pub use error::CaptureError;
pub use frame::CapturedFrame;
pub use link::{LinkFault, Located, locate};
pub use reader::{Record, read};
