//! Every frame of captures, through the kernel program and through the userspace build.
//!
//! The kernel program runs by `BPF_PROG_TEST_RUN`, the userspace build in this process, both with the same plan, the same
//! subscribers and the same frames in the same order, so that flows and fragments carry over from frame to frame in both.
//! After each frame both must say the same: what was parsed, which counter moved and by how much, what was sent again, how
//! the frame leaves, what was copied, and what is known of its flow and of its datagram. After each [`part`] every
//! counter, every interface total, every flow, every ceiling and every remembered fragment must be the same too: so
//! nothing else has moved. Each plane numbers flows in its own way: they are compared by the order in which they appear,
//! and what is pending must be pending of the packet's own flow.
//!
//! Each capture is passed in several [`variant`]s, and each frame as if it came from either side. The plan is made from
//! the capture's own addresses ([`gateway`]), so that as many exits as possible are taken; in the middle of each part
//! other rules come into force, and some of the flows that await evidence are decided while they wait.
//!
//! Time cannot make a difference. Rules, grants and days never end or have ended long ago, and a flow or a remembered
//! fragment is made to never age in the kernel before the next frame comes, as it does not in userspace, where the clock
//! stands still. That fragments and flows are forgotten, and that days end, are tests of their own, beside this.

mod answer;
mod asked;
pub mod difference;
mod evidence;
pub mod gateway;
mod kernel;
mod listing;
mod maps;
mod names;
pub mod part;
pub mod paths;
pub mod runner;
mod standing;
pub mod summary;
mod survey;
mod userspace;
pub mod variant;
