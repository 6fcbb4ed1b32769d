//! A name server on loopback that answers as it is told, over UDP and TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::Record;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What is done with a question, which arrived over TCP or not; `None`: nothing.
pub(super) type Script = dyn Fn(Message, bool) -> Option<Message> + Send + Sync;

/// Answers until it is dropped.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<Served>,
}

type Served = std::io::Result<()>;

impl Scripted {
    pub(super) async fn start(
        script: impl Fn(Message, bool) -> Option<Message> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let script: Arc<Script> = Arc::new(script);
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&script)));
        tasks.spawn(serve_tcp(tcp, script));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn serve_udp(socket: UdpSocket, script: Arc<Script>) -> std::io::Result<()> {
    let mut room = [0; 4096];
    loop {
        let (octets, from) = socket.recv_from(&mut room).await?;
        if let Some(answer) = play(&script, &room[..octets], false) {
            socket.send_to(&answer, from).await?;
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Arc<Script>) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(serve_connection(stream, Arc::clone(&script)));
    }
}

/// Messages with their length before them (RFC 1035, section 4.2.2).
async fn serve_connection(mut stream: TcpStream, script: Arc<Script>) -> std::io::Result<()> {
    loop {
        let octets = stream.read_u16().await?;
        let mut request = vec![0; octets.into()];
        stream.read_exact(&mut request).await?;
        if let Some(answer) = play(&script, &request, true) {
            let octets = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
            stream.write_u16(octets).await?;
            stream.write_all(&answer).await?;
        }
    }
}

fn play(script: &Arc<Script>, request: &[u8], is_tcp: bool) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    script(request, is_tcp)?.to_vec().ok()
}

/// An answer of `records` to `request`.
pub(super) fn answer(request: Message, records: Vec<Record>) -> Message {
    let mut answer = request;
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    // With it, the library would cut the answer to what the client takes over UDP.
    answer.edns = None;
    answer.add_answers(records);
    answer
}
