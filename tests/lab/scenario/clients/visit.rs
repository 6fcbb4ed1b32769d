//! Who opens which page, with what.

use std::collections::BTreeSet;

use crate::address::{Family, SUBSCRIBERS, Site, subscriber};
use crate::packet::Packet;

/// What a page is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// curl, HTTP/1.1.
    Curl1,
    /// curl, HTTP/2.
    Curl2,
    /// `openssl s_client`, TLS 1.3 or 1.2 in turns.
    OpenSsl,
    /// quinn, HTTP/0.9 over QUIC.
    Quinn,
}

impl Client {
    /// All.
    pub(super) const ALL: [Self; 4] = [Self::Curl1, Self::Curl2, Self::OpenSsl, Self::Quinn];
}

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// Where to.
    pub(super) site: Site,
    /// With what.
    pub(super) client: Client,
    /// Whose, by index.
    pub(super) subscriber: u8,
    /// Over which IP version.
    pub(super) family: Family,
    /// From which port: no other visit has it.
    pub(super) port: u16,
}

impl Visit {
    /// So many of each of these sites, from as many ports beginning with `first_port`. Sites take turns first, then
    /// clients, IP versions and subscribers: neighbours are of different sites and otherwise alike.
    pub(super) fn series(sites: &[Site], each: u16, first_port: u16) -> Vec<Self> {
        let rounds = (0..each).flat_map(|round| sites.iter().map(move |site| (usize::from(round), *site)));
        let ports = first_port..;
        ports.zip(rounds).map(|(port, (round, site))| Self::of(site, round, port)).collect()
    }

    fn of(site: Site, round: usize, port: u16) -> Self {
        let families = Client::ALL.len();
        let subscribers = families * Family::ALL.len();
        let index = round / subscribers % usize::from(SUBSCRIBERS);
        Self {
            site,
            client: Client::ALL[round % Client::ALL.len()],
            subscriber: u8::try_from(index).unwrap_or_default(),
            family: Family::ALL[round / families % Family::ALL.len()],
            port,
        }
    }
}

/// The connections of one site.
#[derive(Clone, Debug)]
pub(super) struct Flows {
    site: Site,
    ends: BTreeSet<(u8, u16)>,
}

impl Flows {
    /// Those of `visits` to `site`.
    pub(super) fn of(visits: &[Visit], site: Site) -> Self {
        let own = visits.iter().filter(|visit| visit.site == site);
        Self { site, ends: own.map(|visit| (visit.subscriber, visit.port)).collect() }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether a packet is of one of them.
    pub(super) fn have(&self, packet: &Packet) -> bool {
        let [source, destination] = packet.ports;
        let ends =
            [(packet.source, source, packet.destination), (packet.destination, destination, packet.source)];
        packet.has_ports()
            && ends.iter().any(|(own, port, remote)| {
                let is_own = |index: &u8| *own == subscriber(*index, Family::of(own));
                self.site.has(remote)
                    && (0..SUBSCRIBERS).find(is_own).is_some_and(|index| self.ends.contains(&(index, *port)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{NEIGHBOUR, PORTAL};

    #[test]
    fn each_site_has_as_many_of_each_client() {
        let visits = Visit::series(&[PORTAL, NEIGHBOUR], 1000, 10_000);
        let ports: BTreeSet<u16> = visits.iter().map(|visit| visit.port).collect();
        assert_eq!((visits.len(), ports.len()), (2000, 2000));
        for site in [PORTAL, NEIGHBOUR] {
            let count = |client| visits.iter().filter(|one| one.site == site && one.client == client).count();
            assert_eq!(Client::ALL.map(count), [250; 4]);
        }
        // 41 whole turns of 4 clients, 2 IP versions and 3 subscribers fit into 1000: each has 4 visits of one.
        for index in 0..SUBSCRIBERS {
            for family in Family::ALL {
                let of = |visit: &&Visit| visit.subscriber == index && visit.family == family;
                assert!(visits.iter().filter(of).count() >= 41 * 4 * 2, "subscriber {index}, {family:?}");
            }
        }
    }
}
