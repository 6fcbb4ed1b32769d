//! Why a capture could not be read, or not to its end.

use std::io;

use super::reader::RECORD_OCTETS_MAX;

/// What is wrong with a capture file. What was read before it stays valid.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {error}")]
    Io {
        /// The system's reason.
        #[from]
        error: io::Error,
    },
    /// It begins like neither format.
    #[error("is neither a pcap nor a pcapng file; convert it, for instance with `editcap -F pcap`")]
    NotCapture,
    /// It ends inside a record.
    #[error("ends inside the record at octet {offset}; what comes before was read")]
    Truncated {
        /// Where the record begins, in octets from the start of the file.
        offset: u64,
    },
    /// A record contradicts its format.
    #[error("is corrupt at octet {offset}; nothing behind that was read")]
    Corrupt {
        /// Where the record begins, in octets from the start of the file.
        offset: u64,
    },
    /// A record longer than any that a capture of networks has.
    #[error(
        "has a record of more than {RECORD_OCTETS_MAX} octets at octet {offset}; nothing behind that was read"
    )]
    RecordTooLong {
        /// Where the record begins, in octets from the start of the file.
        offset: u64,
    },
    /// A pcapng Packet Block, which the format's description calls obsolete since 2004.
    #[error("has an obsolete Packet Block at octet {offset}; rewrite the file with `editcap -F pcapng`")]
    ObsoleteBlock {
        /// Where the block begins, in octets from the start of the file.
        offset: u64,
    },
    /// Packets of link types that are not read; all others were.
    #[error("has {packets} packets of link types that are not read, the first of them {link_type}")]
    LinkType {
        /// The first such number of the link-layer header type registry.
        link_type: u16,
        /// Packets of all such types.
        packets: u64,
    },
    /// A pipe or device where the file is read twice.
    #[error("is not a regular file, but deciding by a policy reads it twice; save it to a file first")]
    NotRegular,
}
