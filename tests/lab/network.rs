//! The lab without the gateway's program: namespaces that forward, and servers.

use std::path::Path;

use anyhow::Result;

use crate::name_server::{NameServer, Zone};
use crate::scratch::Scratch;
use crate::sip::Callee;
use crate::subscriber::Subscriber;
use crate::topology::{Crossing, Topology};
use crate::web::WebServers;

/// Network and servers. Removed on drop: first what runs, then what it runs in (fields drop in order).
#[derive(Debug)]
pub struct Network {
    /// The SIP proxy and the hotline.
    pub callee: Callee,
    /// The web sites.
    pub web: WebServers,
    /// The carrier's resolver.
    pub names: NameServer,
    /// The namespaces.
    pub topology: Topology,
    /// The lab's files.
    pub scratch: Scratch,
}

impl Network {
    /// Makes it all.
    ///
    /// # Errors
    /// If not root, or a part of it does not start; what was made until then is removed.
    pub fn start(crossing: Crossing) -> Result<Self> {
        let scratch = Scratch::create()?;
        let topology = Topology::create(scratch.id(), crossing)?;
        let names = NameServer::start(&topology.internet, scratch.path(), &Zone::carrier())?;
        let web = WebServers::start(&topology.internet, scratch.path())?;
        let callee = Callee::start(&topology, scratch.path())?;
        Ok(Self { callee, web, names, topology, scratch })
    }

    /// A directory for the lab's files.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Subscriber `index`, from 0.
    pub fn subscriber(&self, index: u8) -> Subscriber<'_> {
        let namespace = &self.topology.subscribers[usize::from(index)];
        Subscriber { namespace, authority: self.web.authority() }
    }
}
