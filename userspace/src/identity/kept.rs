//! What is kept of sessions, so that a controller after this one knows who has which address.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::event::{Moment, SessionKey};
use super::person::Identity;

/// A part of what is known of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// A session that lives.
    Session(KeptSession),
    /// A session that is over, or its hold on a block.
    Ended {
        /// Which session.
        session: SessionKey,
        /// The block; `None`: the session itself.
        block: Option<Block>,
        /// When this gateway learned of it.
        at: Timestamp,
    },
}

/// A session that lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// Its name.
    pub session: SessionKey,
    /// Whose it is, if that is known.
    pub identity: Option<Identity>,
    /// What it holds.
    pub holds: Vec<Hold>,
    /// When its last message was true.
    pub heard: Moment,
    /// When that came.
    pub heard_at: Timestamp,
}

/// A session's hold on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it holds.
    pub block: Block,
    /// When this gateway learned of it.
    pub since: Timestamp,
    /// When the message that made it was true.
    pub claimed: Moment,
}
