//! Why a datagram is not read as SIP.

use super::header::Header;

/// What is wrong with a datagram on the signalling port. Each is counted apart, so that a proxy whose calls
/// are never free for such a reason can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SipFault {
    /// Nothing but line ends and NULs.
    #[error("holds no message: it only keeps the path open (RFC 5626, section 3.5.1)")]
    KeepAlive,
    /// Longer than [`super::sip::MESSAGE_OCTETS_MAX`].
    #[error("holds {octets} octets, more than are read")]
    TooLong {
        /// How long it is.
        octets: usize,
    },
    /// No empty line ends the headers.
    #[error("is cut: no empty line ends its headers")]
    Unterminated,
    /// The headers are not UTF-8 (RFC 3261, section 7).
    #[error("has headers that are not UTF-8")]
    NotUtf8,
    /// A CR or LF that is no line end; two readers would see different headers.
    #[error("has a CR or LF that ends no line")]
    LoneLineEnd,
    /// Neither a request line nor a status line of SIP/2.0 (RFC 3261, sections 7.1, 7.2).
    #[error("starts with no request or status line of SIP/2.0")]
    StartLine,
    /// More than [`super::sip::HEADERS_MAX`].
    #[error("has more headers than are read")]
    TooManyHeaders,
    /// Longer than [`super::sip::HEADER_OCTETS_MAX`].
    #[error("has a header of {octets} octets, more than are read")]
    HeaderTooLong {
        /// How long it is.
        octets: usize,
    },
    /// A line without a colon, or with something other than a token in front of it.
    #[error("has a header line without a name")]
    HeaderName,
    /// A required header is absent (RFC 3261, section 8.1.1).
    #[error("has no {} header", header.name())]
    Missing {
        /// Which.
        header: Header,
    },
    /// A header that may stand once stands twice; two readers would take different ones.
    #[error("has more than one {} header", header.name())]
    Repeated {
        /// Which.
        header: Header,
    },
    /// A header's value is not what its grammar says (RFC 3261, section 25.1).
    #[error("has a {} header that cannot be read", header.name())]
    Value {
        /// Which.
        header: Header,
    },
    /// `CSeq` names another method than the request line (RFC 3261, section 8.1.1.5).
    #[error("names one method in its request line and another in CSeq")]
    MethodMismatch,
    /// `Content-Length` promises more than the datagram holds (RFC 3261, section 18.3).
    #[error("is cut: its body is shorter than Content-Length says")]
    BodyCut,
}

impl SipFault {
    /// How many there are.
    pub const COUNT: usize = 14;

    /// The words for metrics, by number.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "keep-alive",
        "too-long",
        "unterminated",
        "not-utf8",
        "lone-line-end",
        "start-line",
        "too-many-headers",
        "header-too-long",
        "header-name",
        "missing-header",
        "repeated-header",
        "header-value",
        "method-mismatch",
        "body-cut",
    ];

    /// Its place among the counters, below [`SipFault::COUNT`].
    pub const fn number(self) -> usize {
        match self {
            Self::KeepAlive => 0,
            Self::TooLong { .. } => 1,
            Self::Unterminated => 2,
            Self::NotUtf8 => 3,
            Self::LoneLineEnd => 4,
            Self::StartLine => 5,
            Self::TooManyHeaders => 6,
            Self::HeaderTooLong { .. } => 7,
            Self::HeaderName => 8,
            Self::Missing { .. } => 9,
            Self::Repeated { .. } => 10,
            Self::Value { .. } => 11,
            Self::MethodMismatch => 12,
            Self::BodyCut => 13,
        }
    }

    /// The word for metrics.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }
}
