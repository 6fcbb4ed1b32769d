//! A QUIC client, and a server for it: HTTP/0.9 over QUIC, as interoperability tests have it.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

use super::tls::{LIMIT, PORT};
use super::visit::Visit;
use crate::address::{Family, PORTAL, socket, subscriber};
use crate::network::Network;
use crate::web::{SHORT, SHORT_OCTETS, WebServers};

/// What both sides speak (RFC 7301).
const PROTOCOL: &[u8] = b"hq-interop";
/// Longest request. Reason: the lab's own are shorter.
const REQUEST_OCTETS_MAX: usize = 1024;
/// How long the server's last tasks may take when it ends: none has anything to lose.
const END_LIMIT: Duration = Duration::from_secs(1);

/// A running QUIC server. It ends when dropped.
#[derive(Debug)]
pub(super) struct QuicServer {
    runtime: Option<Runtime>,
}

impl QuicServer {
    /// Starts it on the shared host's addresses.
    pub(super) fn start(network: &Network) -> Result<Self> {
        let config = server_config(&network.web)?;
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        for family in Family::ALL {
            let address = socket(PORTAL.address(family), PORT);
            let socket = network
                .topology
                .internet
                .within(|| UdpSocket::bind(address).with_context(|| address.to_string()))?;
            let _entered = runtime.enter();
            let endpoint = Endpoint::new(
                EndpointConfig::default(),
                Some(config.clone()),
                socket,
                Arc::new(TokioRuntime),
            )?;
            runtime.spawn(listen(endpoint));
        }
        Ok(Self { runtime: Some(runtime) })
    }
}

impl Drop for QuicServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END_LIMIT);
        }
    }
}

fn server_config(web: &WebServers) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(web.certificate())?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(web.key())?;
    let mut tls = rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

async fn listen(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        // A client that goes away is its own affair: what it missed shows there.
        tokio::spawn(async { drop(serve(incoming).await) });
    }
}

async fn serve(incoming: Incoming) -> Result<()> {
    if has_to_prove(incoming.remote_address().port()) && incoming.may_retry() {
        return Ok(incoming.retry()?);
    }
    let connection = incoming.await?;
    let (mut send, mut receive) = connection.accept_bi().await?;
    receive.read_to_end(REQUEST_OCTETS_MAX).await?;
    send.write_all(&vec![0; usize::try_from(SHORT_OCTETS)?]).await?;
    send.finish()?;
    connection.closed().await;
    Ok(())
}

/// Whether a client at this port has to prove its address first, by a Retry (RFC 9000, section 8.1.2): so it is for ports in
/// turns, so many at a time that both sorts are of every subscriber and IP version.
const fn has_to_prove(port: u16) -> bool {
    (port / 16).is_multiple_of(2)
}

/// What a subscriber's QUIC client knows: whom it trusts, and the sessions that it may resume.
pub(super) fn client_config(authority: &Path) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let mut tls = rustls::ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

/// Opens a visit's page. In the subscriber's namespace.
pub(super) fn open(visit: &Visit, config: &ClientConfig) -> Result<()> {
    let own = socket(subscriber(visit.subscriber, visit.family), visit.port);
    let socket = UdpSocket::bind(own).with_context(|| own.to_string())?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
        timeout(LIMIT, fetch(visit, &endpoint, config)).await.context("QUIC takes long")?
    })
}

async fn fetch(visit: &Visit, endpoint: &Endpoint, config: &ClientConfig) -> Result<()> {
    let server = socket(visit.site.address(visit.family), PORT);
    let connection = endpoint.connect_with(config.clone(), server, visit.site.name)?.await?;
    let octets = page_octets(&connection).await?;
    ensure!(octets == usize::try_from(SHORT_OCTETS)?, "a page of {octets} octets over QUIC");
    connection.close(0_u32.into(), b"");
    // Until the server will have heard of the end.
    endpoint.wait_idle().await;
    Ok(())
}

async fn page_octets(connection: &Connection) -> Result<usize> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(format!("GET {SHORT}\r\n").as_bytes()).await?;
    send.finish()?;
    Ok(receive.read_to_end(2 * usize::try_from(SHORT_OCTETS)?).await?.len())
}
