//! The lab: a carrier's network in network namespaces, with real servers, real traffic and captures to measure by.
//!
//! ```text
//!  sub1 --+
//!  sub2 --+-- ran -------- acc0 gw core0 -------- inet
//!  sub3 --+   routes the   the gateway            unbound, nginx, a SIP proxy,
//!             access side                         and strangers
//! ```
//!
//! What is expected always comes from tcpdump beside the gateway, or from the generators: never from Tollfree itself.
//! All of it needs root, ends by itself, and is removed on drop; what a killed lab left is removed by the next one.

pub mod address;
pub mod audit;
pub mod binary;
pub mod capture;
pub mod command;
pub mod demo;
pub mod finding;
pub mod gateway;
pub mod interrupt;
pub mod laboratory;
pub mod mark;
pub mod name_server;
pub mod namespace;
pub mod network;
pub mod packet;
pub mod phase;
pub mod process;
pub mod records;
pub mod report;
pub mod scenario;
pub mod scratch;
pub mod sip;
pub mod status;
pub mod stranger;
pub mod subscriber;
pub mod topology;
pub mod volume;
pub mod wait;
pub mod web;
