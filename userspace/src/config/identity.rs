//! Who subscribers are: `[identity]` and its tables.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;

use toml::Spanned;

use super::fault::ConfigFault;
use super::read::{duration, path};
use super::{IdentityConfig, RadiusClientConfig, RadiusConfig, defaults, value};
use crate::document::report::Report;
use crate::document::section::Section;

pub(super) fn read_identity<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> IdentityConfig {
    let file = path(&mut section, report, "file");
    let listener = section.section(report, "radius");
    let (clients, first_client) = read_clients(&mut section, report);
    section.close(report);
    let radius = match (listener, first_client) {
        (None, None) => None,
        (None, Some(client)) => {
            report.fault(&client, &ConfigFault::NoRadiusListener);
            None
        }
        (Some(listener), first_client) => {
            if first_client.is_none() {
                report.fault(listener.header(), &ConfigFault::NoRadiusClient);
            }
            Some(read_radius(listener, clients, report))
        }
    };
    IdentityConfig { file, radius }
}

fn read_radius<'i>(
    mut section: Section<'i>,
    clients: Vec<RadiusClientConfig>,
    report: &mut Report<'i>,
) -> RadiusConfig {
    section.needs(report, &["listen"]);
    let listen: Vec<Spanned<SocketAddr>> =
        section.list(report, "listen", value::radius_listen).unwrap_or_default();
    if let Some(surplus) = listen.get(defaults::RADIUS_LISTEN_MAX) {
        report.fault(&surplus.span(), &ConfigFault::TooManyRadiusListen);
    }
    let timeout = duration(&mut section, report, "session_timeout", &defaults::SESSION_TIMEOUT_RANGE);
    section.close(report);
    RadiusConfig {
        listen: listen.into_iter().map(Spanned::into_inner).collect(),
        session_timeout: timeout.map_or(defaults::SESSION_TIMEOUT, Spanned::into_inner),
        clients,
    }
}

/// The clients, and where the first of them begins, faulty or not.
fn read_clients<'i>(
    section: &mut Section<'i>,
    report: &mut Report<'i>,
) -> (Vec<RadiusClientConfig>, Option<Range<usize>>) {
    let sections = section.sections(report, "radius_client");
    if let Some(surplus) = sections.get(defaults::RADIUS_CLIENTS_MAX) {
        report.fault(surplus.header(), &ConfigFault::TooManyRadiusClients);
    }
    let first = sections.first().map(|section| section.header().clone());
    let mut addresses = BTreeSet::new();
    let mut clients = Vec::new();
    for mut section in sections {
        section.needs(report, &["address", "secret_file"]);
        let address = section.parsed(report, "address", value::radius_client);
        let secret_file = path(&mut section, report, "secret_file");
        section.close(report);
        if let Some(address) = &address
            && !addresses.insert(*address.get_ref())
        {
            report.fault(&address.span(), &ConfigFault::RadiusClientTwice);
        }
        clients.extend(
            address.zip(secret_file).map(|(address, secret_file)| RadiusClientConfig {
                address: address.into_inner(),
                secret_file,
            }),
        );
    }
    (clients, first)
}
