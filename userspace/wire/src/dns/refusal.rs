//! Why something taught nothing.

use crate::ip::FragmentError;

/// Why a packet, a question or an answer taught nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[repr(usize)]
pub enum Refusal {
    /// The packet's headers are cut or contradict themselves.
    #[error("malformed-packet")]
    MalformedPacket,
    /// Neither UDP nor TCP.
    #[error("other-protocol")]
    OtherProtocol,
    /// Not to or from the port of name servers.
    #[error("other-port")]
    OtherPort,
    /// A checksum is wrong, so no receiver takes it.
    #[error("checksum")]
    Checksum,
    /// Fragments that overlap or contradict each other (RFC 5722).
    #[error("fragments")]
    Fragments,
    /// A TCP connection whose beginning was not seen, whose content changed when it was sent again, or which is
    /// too far ahead of what is missing.
    #[error("stream")]
    Stream,
    /// The message cannot be decoded.
    #[error("malformed-message")]
    MalformedMessage,
    /// A question from the resolver, or an answer from the subscriber.
    #[error("wrong-direction")]
    WrongDirection,
    /// Not a standard query.
    #[error("opcode")]
    Opcode,
    /// Not exactly one question.
    #[error("not-one-question")]
    NotOneQuestion,
    /// Of another class than `IN`.
    #[error("class")]
    Class,
    /// About other types than A, AAAA, HTTPS and SVCB.
    #[error("other-type")]
    OtherType,
    /// Nothing was asked of this resolver from this address and port.
    #[error("unasked")]
    Unasked,
    /// Something was asked from there, but under no such message id.
    #[error("wrong-id")]
    WrongId,
    /// Something else was asked under this message id.
    #[error("wrong-question")]
    WrongQuestion,
    /// The name was asked for in mixed case, and the answer has not kept it.
    #[error("wrong-case")]
    WrongCase,
    /// The answer came too late.
    #[error("too-old")]
    TooOld,
    /// The question was answered before.
    #[error("answered")]
    Answered,
    /// The answer is truncated (TC): the subscriber asks again over TCP.
    #[error("truncated")]
    Truncated,
    /// The resolver says that it failed, or that there is no such name.
    #[error("failed")]
    Failed,
    /// Aliases that go in a circle, fork, or are too many.
    #[error("aliases")]
    Aliases,
    /// No address in the answer.
    #[error("empty")]
    Empty,
    /// Forgotten before its time, to make room: a question, a datagram in fragments, or a connection.
    #[error("full")]
    Full,
}

impl Refusal {
    /// All, in their order.
    pub const ALL: [Self; 23] = [
        Self::MalformedPacket,
        Self::OtherProtocol,
        Self::OtherPort,
        Self::Checksum,
        Self::Fragments,
        Self::Stream,
        Self::MalformedMessage,
        Self::WrongDirection,
        Self::Opcode,
        Self::NotOneQuestion,
        Self::Class,
        Self::OtherType,
        Self::Unasked,
        Self::WrongId,
        Self::WrongQuestion,
        Self::WrongCase,
        Self::TooOld,
        Self::Answered,
        Self::Truncated,
        Self::Failed,
        Self::Aliases,
        Self::Empty,
        Self::Full,
    ];
}

impl From<FragmentError> for Refusal {
    fn from(_: FragmentError) -> Self {
        Self::Fragments
    }
}
