//! The lab: a carrier's network in network namespaces, with real servers, real traffic and captures to measure by.
//!
//! ```text
//!  sub1 --+
//!  sub2 --+-- ran -------- acc0 gw core0 -------- inet
//!  sub3 --+   routes the   the gateway            unbound, nginx, a SIP proxy,
//!             access side                         and strangers
//! ```
//!
//! Where traffic is carried rather than routed, an encapsulator stands on each of the gateway's links: between them,
//! everything is inside the carrier's transport, and the gateway is a bridge.
//!
//! Where the controller is tortured, frames come from generators instead: see [`scenario::torture`].
//!
//! What is expected always comes from tcpdump beside the gateway, or from the generators: never from Tollfree itself.
//! All of it needs root, ends by itself, and is removed on drop; what a killed lab left is removed by the next one.

pub mod accounting;
pub mod address;
pub mod audit;
pub mod binary;
pub mod call;
pub mod capture;
pub mod command;
pub mod corpus;
pub mod datagram;
pub mod demo;
pub mod encapsulation;
pub mod encapsulator;
pub mod finding;
pub mod gateway;
pub mod interrupt;
pub mod ip;
pub mod laboratory;
pub mod mark;
pub mod name_server;
pub mod namespace;
pub mod network;
pub mod packet;
pub mod packet_socket;
pub mod page_server;
pub mod phase;
pub mod private_tunnel;
pub mod process;
pub mod question;
pub mod quic;
pub mod reconcile;
pub mod records;
pub mod report;
pub mod scenario;
pub mod scratch;
pub mod shown;
pub mod signed_zone;
pub mod sip;
pub mod status;
pub mod stranger;
pub mod subscriber;
pub mod topology;
pub mod transport;
pub mod volume;
pub mod wait;
pub mod web;
