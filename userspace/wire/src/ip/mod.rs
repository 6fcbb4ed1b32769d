//! IP packets as their receiver would take them: headers read, fragments put together.

mod fragments;
mod packet;
#[cfg(test)]
mod tests;

pub use fragments::{DATAGRAM_OCTETS_MAX, FragmentError, Fragments, Taken};
pub use packet::{Carried, Packet, Part};
