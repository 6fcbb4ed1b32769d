//! Remote ports that rules list.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use tollfree_core::plan::Matcher;

use crate::diagnostic::Explain;

/// A range of remote ports of TCP, UDP or both; written `tcp/443` or `udp/8801-8810`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// [`Matcher::TCP`], [`Matcher::UDP`], or both.
    pub protocols: u16,
    /// First port.
    pub first: u16,
    /// Last port, inclusive; not before the first.
    pub last: u16,
}

impl PortRange {
    /// Every port of TCP and UDP: what a rule without `ports` lists.
    pub const ALL: Self = Self { protocols: Matcher::TCP | Matcher::UDP, first: 0, last: u16::MAX };
}

/// Text that is no [`PortRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortRangeError {
    /// Not `protocol/port` or `protocol/first-last`.
    #[error("this is not a range of ports")]
    Syntax,
    /// Neither TCP nor UDP.
    #[error("the protocol is neither tcp nor udp")]
    Protocol,
    /// Not a number from 1 to 65535. Port 0 is reserved (RFC 6335, section 6).
    #[error("a port is not a number from 1 to 65535")]
    Port,
    /// First after last.
    #[error("the range ends at {last}, before it begins")]
    Reversed {
        /// Its last port.
        last: u16,
    },
}

impl Explain for PortRangeError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Syntax | Self::Port => "write tcp/443 or udp/8801-8810".into(),
            Self::Protocol => "write tcp or udp; nothing else has ports that can be free".into(),
            Self::Reversed { .. } => "write the lower port first".into(),
        }
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let (protocol, ports) = text.split_once('/').ok_or(PortRangeError::Syntax)?;
        let protocols = match protocol {
            "tcp" => Matcher::TCP,
            "udp" => Matcher::UDP,
            _ => return Err(PortRangeError::Protocol),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            Err(PortRangeError::Reversed { last })
        } else {
            Ok(Self { protocols, first, last })
        }
    }
}

fn port(text: &str) -> Result<u16, PortRangeError> {
    // `u16::from_str` takes a sign too.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0).ok_or(PortRangeError::Port)
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocols {
            Matcher::TCP => "tcp",
            Matcher::UDP => "udp",
            _ => "tcp+udp",
        };
        if self.first == self.last {
            write!(f, "{protocol}/{}", self.first)
        } else {
            write!(f, "{protocol}/{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn single_ports_and_ranges_are_read() {
        let range = |protocols, first, last| Ok(PortRange { protocols, first, last });
        assert_eq!("tcp/443".parse(), range(Matcher::TCP, 443, 443));
        assert_eq!("udp/8801-8810".parse(), range(Matcher::UDP, 8801, 8810));
        assert_eq!("udp/1-65535".parse(), range(Matcher::UDP, 1, 65535));
    }

    #[test]
    fn faults_are_told_apart() {
        use PortRangeError as E;
        for (text, error) in [
            ("443", E::Syntax),
            ("sctp/1", E::Protocol),
            ("TCP/1", E::Protocol),
            ("tcp/", E::Port),
            ("tcp/0", E::Port),
            ("tcp/65536", E::Port),
            ("tcp/+1", E::Port),
            ("tcp/1-", E::Port),
            ("tcp/1-2-3", E::Port),
            ("tcp/ 1", E::Port),
            ("tcp/10-9", E::Reversed { last: 9 }),
        ] {
            assert_eq!(text.parse::<PortRange>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back(text in "(tcp|udp|icmp)/[0-9]{1,6}(-[0-9]{1,6})?|\\PC{0,20}") {
            if let Ok(range) = text.parse::<PortRange>() {
                prop_assert!(range.first <= range.last && range.first > 0);
                prop_assert_eq!(range.to_string().parse(), Ok(range));
            }
        }
    }
}
