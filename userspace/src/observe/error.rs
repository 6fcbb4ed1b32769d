//! Why nothing can be observed, or not any more.

use std::io;

use crate::api::ServerError;
use crate::daemon::{RunError, dataplane_exit};
use crate::dataplane::DataplaneError;
use crate::exit::Exit;
use crate::policy::CompileError;
use crate::resolve::ResolverError;

/// Why `tollfree observe` ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// Not there, or not there any more.
    #[error("there is no interface {name:?}; `ip link` lists those that exist")]
    NoInterface {
        /// As it was named.
        name: String,
    },
    /// Frames that do not begin with an Ethernet header.
    #[error(
        "the interface {name} is not Ethernet (its hardware type is {hardware}, not 1); observe the Ethernet interface \
         below it, whose frames are looked into"
    )]
    NotEthernet {
        /// As it was named.
        name: String,
        /// `ARPHRD_*` (`linux/if_arp.h`).
        hardware: u16,
    },
    /// It receives nothing.
    #[error("the interface {name} is down; bring it up with `ip link set {name} up`")]
    Down {
        /// As it was named.
        name: String,
    },
    /// The kernel gives frames to the privileged alone.
    #[error(
        "reading the frames of {name} needs the capability CAP_NET_RAW: run it as root, or give it that capability \
         alone, as in `setpriv --ambient-caps +net_raw --inh-caps +net_raw`"
    )]
    NotAllowed {
        /// As it was named.
        name: String,
    },
    /// The packet socket.
    #[error("cannot read the frames of {name}: {source}")]
    Socket {
        /// As it was named.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The policies are right each by itself, but do not fit together.
    #[error("the policies do not compile: {0}")]
    Compile(#[from] CompileError),
    /// What the NIC counted, or the addresses of this machine.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
    /// Resolvers.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// Another controller answers where this was to.
    #[error("{0}; or leave out --serve")]
    Controller(#[source] Box<RunError>),
    /// An address to answer on.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Nobody can read what it says.
    #[error("cannot write the status: {source}")]
    Output {
        /// Why.
        source: io::Error,
    },
    /// Threads, signals or clocks.
    #[error("the system refused: {source}")]
    Runtime {
        /// Why.
        source: io::Error,
    },
}

impl ObserveError {
    pub(super) const fn output(source: io::Error) -> Self {
        Self::Output { source }
    }

    pub(super) const fn runtime(source: io::Error) -> Self {
        Self::Runtime { source }
    }

    /// The exit code that says so.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NoInterface { .. } => Exit::NoInterface,
            Self::NotEthernet { .. } | Self::Down { .. } => Exit::NotObservable,
            Self::NotAllowed { .. } => Exit::NotRoot,
            Self::Compile(_) => Exit::Policy,
            Self::Dataplane(error) => dataplane_exit(error),
            Self::Resolver(_) => Exit::NoResolver,
            Self::Controller(error) => error.exit(),
            Self::Server(_) => Exit::Export,
            Self::Socket { .. } | Self::Output { .. } | Self::Runtime { .. } => Exit::Failure,
        }
    }
}
