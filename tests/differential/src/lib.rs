//! Every frame of captures, through the kernel program and through the userspace build.
//!
//! The kernel program runs by `BPF_PROG_TEST_RUN`, the userspace build in this process, both with the same plan, the same
//! subscribers and the same frames in the same order, so that flows and fragments carry over from frame to frame in both.
//! After each frame both must say the same: what was parsed, which counter moved and by how much, how the frame leaves,
//! what was copied, and what is known of its flow and of its datagram. After each [`part`] every counter, every interface
//! total, every flow and every remembered fragment must be the same too: so nothing else has moved.
//!
//! Each capture is passed in several [`variant`]s, and each frame as if it came from either side. The plan is made from
//! the capture's own addresses ([`gateway`]), so that as many exits as possible are taken.
//!
//! Time cannot make a difference. Rules and grants never end or have ended long ago, and a remembered fragment is made to
//! never age in the kernel before the next frame comes, as it does not in userspace, where the clock stands still. That
//! fragments are forgotten after a minute is a test of its own, beside this.

mod answer;
mod asked;
pub mod difference;
pub mod gateway;
mod kernel;
mod listing;
mod maps;
pub mod part;
pub mod paths;
pub mod runner;
mod standing;
pub mod summary;
mod survey;
mod userspace;
pub mod variant;
