//! The whole lab.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::address::Family;
use crate::binary;
use crate::capture::{Captures, Marks};
use crate::gateway::{Gateway, Snapshot};
use crate::mark;
use crate::network::Network;
use crate::phase::Phase;
use crate::topology::Crossing;
use crate::wait;

/// Traffic rests when nothing was counted or captured for this long: longer than TCP's delayed acknowledgement
/// (RFC 9293, section 3.8.6.3: under 500 ms) and its usual retransmission.
const REST: Duration = Duration::from_millis(600);
/// Everything in the lab rests much sooner.
const REST_LIMIT: Duration = Duration::from_mins(1);

/// The network with the gateway in it. Removed on drop: first the gateway, then the network.
#[derive(Debug)]
pub struct Laboratory {
    /// Tollfree.
    pub gateway: Gateway,
    /// What it is in.
    pub network: Network,
}

impl Laboratory {
    /// Makes it all, and starts `binary` as the gateway.
    ///
    /// # Errors
    /// If a part of it does not start; what was made until then is removed.
    pub fn start(binary: &Path, crossing: Crossing) -> Result<Self> {
        let network = Network::start(crossing)?;
        mark::install(&network.topology.gateway)?;
        let policies = binary::workspace().join("policies");
        let mut gateway = Gateway::configure(binary, &policies, &network.scratch, crossing)?;
        gateway.start(&network.topology.gateway)?;
        Ok(Self { gateway, network })
    }

    /// Runs `work` between two moments of rest, and captures everything in between.
    ///
    /// # Errors
    /// Those of `work`; a capture that lost frames; traffic that does not come to rest.
    pub fn measure(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<Phase> {
        let directory = self.network.directory().join("phases").join(name);
        fs::create_dir_all(&directory)?;
        let mut captures = Captures::start(&self.network.topology, &directory)?;
        let (before, from) = self.rest(|| captures.mark())?;
        let marked_before = self.marked()?;
        work(self).with_context(|| format!("phase {name}"))?;
        let (after, to) = self.rest(|| captures.mark())?;
        let marked_after = self.marked()?;
        let traffic = captures.stop(&from, &to)?;
        let marked = [0, 1].map(|family| marked_after[family] - marked_before[family]);
        Ok(Phase { before, after, traffic, marked })
    }

    /// What the gateway says once traffic rests.
    ///
    /// # Errors
    /// If traffic does not come to rest.
    pub fn at_rest(&self) -> Result<Snapshot> {
        self.rest(|| Ok(Marks::default())).map(|(snapshot, _)| snapshot)
    }

    /// Waits until neither the gateway nor the captures count anything any more.
    fn rest(&self, mut mark: impl FnMut() -> Result<Marks>) -> Result<(Snapshot, Marks)> {
        let mut last = None;
        let mut since = Instant::now();
        wait::until("traffic at rest", REST_LIMIT, || {
            let marks = mark()?;
            let snapshot = self.gateway.snapshot()?;
            let now = (snapshot.status.seen_by_all(), marks);
            if last != Some(now) {
                last = Some(now);
                since = Instant::now();
            }
            Ok((since.elapsed() >= REST).then_some((snapshot, marks)))
        })
    }

    fn marked(&self) -> Result<[i64; 2]> {
        let [v4, v6] = Family::ALL.map(|family| mark::packets(&self.network.topology.gateway, family));
        Ok([v4?, v6?])
    }
}
