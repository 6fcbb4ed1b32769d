//! Receiving Accounting-Requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use super::answered::Answered;
use super::authenticator::Verified;
use super::client::Clients;
use super::counters::RadiusCounters;
use super::packet::{PACKET_OCTETS_MAX, Packet};
use super::secret::Secret;
use crate::identity::journal::{Said, SessionJournal};

/// An event that is kept, as far as anything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What was said, and when.
    pub said: Said,
    /// The event's number in the journal.
    pub number: i64,
}

/// Why nothing can be received.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}; correct identity.radius.listen, or free the port")]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The socket failed.
    #[error("cannot receive on {address}: {source}; restart once that is mended")]
    Receive {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Sockets on which Accounting-Requests arrive.
///
/// A request is answered once it is in the journal and the receiver of events has taken it into its queue, and not before:
/// an access server sends again what is not answered, so what does not fit now comes later.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    desk: Desk,
}

/// What all sockets share.
#[derive(Clone, Debug)]
struct Desk {
    clients: Arc<Clients>,
    counters: Arc<RadiusCounters>,
    events: Sender<Received>,
    journal: Arc<SessionJournal>,
}

impl Listener {
    /// Listens on all `addresses`. Port 0 is any free one.
    ///
    /// # Errors
    /// [`ListenError::Bind`] for the first address that cannot be used.
    pub async fn bind(
        addresses: &[SocketAddr],
        clients: Clients,
        events: Sender<Received>,
        journal: Arc<SessionJournal>,
    ) -> Result<Self, ListenError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let failed = |source| ListenError::Bind { address, source };
            let socket = UdpSocket::bind(address).await.map_err(failed)?;
            sockets.push((socket.local_addr().map_err(failed)?, socket));
        }
        let (clients, counters) = (Arc::new(clients), Arc::default());
        Ok(Self { sockets, desk: Desk { clients, counters, events, journal } })
    }

    /// Where it listens, in the order of configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address).collect()
    }

    /// The counts, which go on while it runs.
    pub fn counters(&self) -> Arc<RadiusCounters> {
        Arc::clone(&self.desk.counters)
    }

    /// Receives until nobody receives the events any longer.
    ///
    /// # Errors
    /// [`ListenError::Receive`] if a socket fails; then no other is listened on either.
    pub async fn run(self) -> Result<(), ListenError> {
        let mut tasks = JoinSet::new();
        for (address, socket) in self.sockets {
            tasks.spawn(serve(address, socket, self.desk.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            // A task is neither cancelled here nor does it panic.
            if let Ok(ended) = ended {
                ended?;
            }
        }
        Ok(())
    }
}

async fn serve(address: SocketAddr, socket: UdpSocket, desk: Desk) -> Result<(), ListenError> {
    let mut answered = Answered::default();
    let mut buffer = vec![0; PACKET_OCTETS_MAX];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = desk.events.closed() => return Ok(()),
        };
        let (octets, source) = received.map_err(|source| ListenError::Receive { address, source })?;
        // What is longer than a packet may be was cut by the buffer, and is padding.
        if let Some(response) = desk.receive(&buffer[..octets], source, &mut answered) {
            // A response that is lost is asked for again.
            let _ = socket.send_to(&response, source).await;
        }
    }
}

impl Desk {
    /// The answer to a datagram, if it gets one.
    fn receive(&self, datagram: &[u8], source: SocketAddr, answered: &mut Answered) -> Option<Vec<u8>> {
        let counters = &self.counters;
        let Some(secret) = self.clients.secret(source.ip()) else {
            counters.unknown_client.add();
            return None;
        };
        let Ok(packet) = Packet::parse(datagram) else {
            counters.malformed.add();
            return None;
        };
        let Ok(request) = packet.verify(secret) else {
            counters.bad_authenticator.add();
            return None;
        };
        let now = Instant::now();
        if answered.contains(source, &packet, now) {
            counters.duplicates.add();
            return Some(request.response(secret));
        }
        let response = self.take(&request, source, secret)?;
        answered.insert(source, &packet, now);
        Some(response)
    }

    fn take(&self, request: &Verified<'_>, source: SocketAddr, secret: &Secret) -> Option<Vec<u8>> {
        let counters = &self.counters;
        let at = Timestamp::now();
        let Ok(accounting) = request.accounting(source.ip().to_canonical(), at) else {
            counters.malformed.add();
            return None;
        };
        let taken = match accounting.event {
            None => &counters.ignored,
            Some(event) => match self.events.try_reserve() {
                Ok(room) => {
                    let said = Said { event, at };
                    self.journal.append(said, |said, number| room.send(Received { said, number }));
                    &counters.accepted
                }
                Err(TrySendError::Full(())) => {
                    counters.overloaded.add();
                    return None;
                }
                Err(TrySendError::Closed(())) => return None,
            },
        };
        taken.add();
        if accounting.has_unreadable_identity {
            counters.unreadable_identity.add();
        }
        Some(request.response(secret))
    }
}
