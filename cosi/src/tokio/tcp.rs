//! A network over TCP with mutual TLS 1.3.
//!
//! # Guarantees
//!
//! - **Members alone.** Both sides of a connection prove possession of a raw Ed25519 key (RFC
//!   7250). A key that is not in the [`Config`] is refused in the handshake, and so is one without
//!   its secret. There are no certificates, names, tickets or earlier versions.
//! - **Nobody speaks for another.** Who a message is from follows from the key of its connection.
//! - **Order.** What arrives from a peer over one connection arrives in order, each message once.
//!   A connection that breaks loses what was on its way: machines say again what must be heard.
//! - **Nobody is in another's way.** Every peer has its own connections, outbox and inbox, all
//!   bounded by [`Limits`]; inboxes take turns. Where the machine does not listen, reading stops,
//!   and TCP lets the sender know.
//! - **No bytes are trusted.** A length is checked before anything is allocated, and memory is
//!   taken as bytes arrive. Bytes that are no message are the sender's fault: the host is told,
//!   the connection is closed, and the door stays shut for a while, longer each time.
//!
//! # How it works
//!
//! A connection carries messages one way, from who dialled it. So two peers have two, nobody has to
//! agree on which one of two that crossed is kept, and each connection serves its sender alone.
//! Who accepts says `WELCOME` first, since in TLS 1.3 a client's handshake is over before the server
//! has seen its key, and a zero byte every [`Limits::beat`] from then on, so that the sender soon
//! notices a host that is gone, and does not take one that reads slowly for it. Everybody dials
//! everybody from the start, and again when a connection ends, after a back-off with jitter, or once
//! the peer has dialled.
//!
//! A message is its length, four bytes in little endian, and its [`Wire`] encoding.
//!
//! # What is yours to do
//!
//! - Give keys that sign nothing which others choose freely: no key of a roster in raw mode
//!   ([`Mode`](crate::Mode)). All other signatures in this workspace begin with a domain, which
//!   those of a handshake never do.
//! - Resolve host names, and say where peers are when they move: [`Handle::relocate`].
//! - Keep the port from floods. [`Limits::handshakes`] bounds what strangers hold in memory, the
//!   oldest going first. What their handshakes cost the processor is the firewall's to bound.
//! - Serve guests, who are in no roster, by another port.
//!
//! # Example
//!
//! ```no_run
//! use std::{net::SocketAddr, sync::Arc};
//! use cosi::{
//!     keys::SigningKey, machine::Index, roster::Roster, message::Message, tokio::{Tcp, tcp},
//! };
//!
//! async fn network(
//!     roster: &Roster,
//!     key: Arc<SigningKey>,
//!     addresses: Vec<(Index, SocketAddr)>,
//! ) -> Result<Tcp<Index, Message>, Box<dyn std::error::Error>> {
//!     let mut config = tcp::Config::of(roster, key)?;
//!     config.addresses.extend(addresses);
//!     config.protocol = b"cosi witness 1".to_vec();
//!     let listener = tokio::net::TcpListener::bind("[::]:7000").await?;
//!     Ok(Tcp::start(listener, config)?)
//! }
//! ```

mod counters;
mod frame;
mod inbound;
mod inbox;
mod outbound;
mod outbox;
mod tls;

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use ::tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    time::Instant,
};

pub use self::counters::Counters;
use self::{counters::Live, inbound::Door, inbox::Inbox, outbox::Outbox, tls::Identity};
use super::Network;
use crate::{
    keys::{PeerId, SigningKey},
    machine::{Index, To},
    roster::Roster,
    wire::{DecodeError, Wire},
};

/// What a host says to a peer that it has let in.
const WELCOME: [u8; 8] = *b"welcome\n";

/// What a [`Tcp`] network knows when it starts.
#[derive(Clone, Debug)]
pub struct Config<P> {
    /// The key that this host's identity is.
    pub key: Arc<SigningKey>,
    /// Who this host is.
    pub me: P,
    /// Who the others are, by their identity keys.
    pub peers: BTreeMap<P, PeerId>,
    /// Where they are. Who has no address here is sent nothing until it has one.
    pub addresses: BTreeMap<P, SocketAddr>,
    /// Names what is spoken, from 1 to 255 bytes. Hosts that name different things do not connect,
    /// so the machines of one do not take messages of the other for malformed.
    pub protocol: Vec<u8>,
    /// What it may take.
    pub limits: Limits,
}

impl<P: Copy + Ord> Config<P> {
    /// A network of these peers, without addresses, with the default limits.
    pub fn new(key: Arc<SigningKey>, me: P, peers: impl IntoIterator<Item = (P, PeerId)>) -> Self {
        let peers = peers.into_iter().collect();
        let (addresses, protocol) = (BTreeMap::new(), b"cosi".to_vec());
        Self { key, me, peers, addresses, protocol, limits: Limits::default() }
    }
}

impl Config<Index> {
    /// A network of the members of `roster`, for the one whose identity key is `key`.
    pub fn of(roster: &Roster, key: Arc<SigningKey>) -> Result<Self, Error> {
        let me = roster.index_of(PeerId::of(key.public())).ok_or(Error::Stranger)?;
        let peers = roster.indices().zip(roster.members().iter().map(|member| member.peer));
        Ok(Self::new(key, me, peers))
    }
}

/// What a [`Tcp`] network may take.
///
/// A peer can make a host hold, encoded, at most [`inbox_bytes`](Self::inbox_bytes) and two
/// messages, and keep at most [`outbox_bytes`](Self::outbox_bytes) for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a message, encoded. 16 MiB. Longer ones are not sent, and a fault of who
    /// sends them. All hosts must agree.
    pub frame: usize,
    /// How long a message may take to arrive, once its first byte has. 30 s.
    pub frame_time: Duration,
    /// How many messages may wait for a peer. 4,096. The newest take the room of the oldest.
    pub outbox_frames: usize,
    /// How many bytes may wait for a peer, unless a single message has more. 32 MiB.
    pub outbox_bytes: usize,
    /// How many messages of a peer may wait for the machine. 256. Then reading stops.
    pub inbox_frames: usize,
    /// How many of their bytes may wait, before reading stops. 4 MiB.
    pub inbox_bytes: usize,
    /// How many handshakes with who dials this host may be under way. 64. The oldest gives way.
    pub handshakes: usize,
    /// How long a handshake may take, and a welcome. 5 s.
    pub handshake: Duration,
    /// How often a host shows who has dialled it that it is up. 2 s.
    pub beat: Duration,
    /// How long a host that shows nothing counts as up. 10 s, more than its beat.
    pub patience: Duration,
    /// How long to wait before dialling again; twice as long after each failure. 100 ms.
    pub retry: Duration,
    /// The longest such wait. 10 s.
    pub retry_max: Duration,
    /// How long no connection is accepted from a peer that sent bytes which are no message; twice
    /// as long each time. 1 s.
    pub penalty: Duration,
    /// The longest such time. 5 min.
    pub penalty_max: Duration,
    /// How long what waits in outboxes may take to be sent once the network is dropped. 2 s.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 1 << 24,
            frame_time: Duration::from_secs(30),
            outbox_frames: 4096,
            outbox_bytes: 1 << 25,
            inbox_frames: 256,
            inbox_bytes: 1 << 22,
            handshakes: 64,
            handshake: Duration::from_secs(5),
            beat: Duration::from_secs(2),
            patience: Duration::from_secs(10),
            retry: Duration::from_millis(100),
            retry_max: Duration::from_secs(10),
            penalty: Duration::from_secs(1),
            penalty_max: Duration::from_secs(300),
            linger: Duration::from_secs(2),
        }
    }
}

impl Limits {
    fn backoff(&self, failures: u32) -> Duration {
        doubled(self.retry, failures).min(self.retry_max)
    }

    fn penalty(&self, offences: u32) -> Duration {
        doubled(self.penalty, offences).min(self.penalty_max)
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times))
}

/// Why a network does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is no member's.
    #[error("the key is of no member of the roster; give the one that was registered")]
    Stranger,
    /// Two peers have one identity.
    #[error("two peers have one identity key; give each host its own")]
    Twice,
    /// The protocol has no name, or a long one.
    #[error("the protocol's name has {0} bytes; give one of 1 to 255")]
    Protocol(usize),
    /// TLS does not take the configuration.
    #[error("tls does not take the configuration: {0}")]
    Tls(String),
}

/// A network over TCP with mutual TLS 1.3. See the [module](self).
///
/// Dropping it closes the door at once, and sends what waits within [`Limits::linger`].
pub struct Tcp<P, M> {
    links: Arc<Links<P>>,
    inbox: Arc<Inbox<P, Result<M, DecodeError>>>,
    limits: Limits,
    stop: Option<watch::Sender<()>>,
    closed: watch::Receiver<()>,
    local: Option<SocketAddr>,
}

/// A host's view of its [`Tcp`] network. Clones see the same.
#[derive(Clone)]
pub struct Handle<P> {
    links: Arc<Links<P>>,
    closed: watch::Receiver<()>,
    local: Option<SocketAddr>,
}

/// All peers but this one.
struct Links<P> {
    me: P,
    peers: BTreeMap<P, Arc<Link>>,
    names: BTreeMap<PeerId, P>,
    identity: Arc<Identity>,
    refused: AtomicU64,
    strays: AtomicU64,
}

/// One peer.
struct Link {
    address: Mutex<Option<SocketAddr>>,
    /// Something suggests that dialling now is better than waiting.
    sign: Notify,
    outbox: Outbox,
    live: Live,
    conduct: Mutex<Conduct>,
}

/// How a peer behaved.
#[derive(Default)]
struct Conduct {
    offences: u32,
    /// Until when no connection is accepted from it.
    shut: Option<Instant>,
}

impl Link {
    fn new(address: Option<SocketAddr>, limits: &Limits) -> Self {
        Self {
            address: Mutex::new(address),
            sign: Notify::new(),
            outbox: Outbox::new(limits.outbox_frames, limits.outbox_bytes),
            live: Live::default(),
            conduct: Mutex::default(),
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shuts the door on the peer, for twice as long each time.
    fn punish(&self, limits: &Limits) {
        let mut conduct = self.conduct.lock().unwrap_or_else(PoisonError::into_inner);
        conduct.shut = Instant::now().checked_add(limits.penalty(conduct.offences));
        conduct.offences = conduct.offences.saturating_add(1);
    }

    fn is_shut(&self) -> bool {
        let conduct = self.conduct.lock().unwrap_or_else(PoisonError::into_inner);
        conduct.shut.is_some_and(|until| until > Instant::now())
    }
}

impl<P: Copy + Ord + Send + Sync + 'static, M: Wire + Send + 'static> Tcp<P, M> {
    /// Accepts connections at `listener` and dials all peers. Call it within a tokio runtime that
    /// has its I/O and time drivers enabled.
    pub fn start(listener: TcpListener, config: Config<P>) -> Result<Self, Error> {
        let Config { key, me, mut peers, addresses, protocol, limits } = config;
        if !(1..=255).contains(&protocol.len()) {
            return Err(Error::Protocol(protocol.len()));
        }
        let mine = PeerId::of(key.public());
        if peers.remove(&me).is_some_and(|peer| peer != mine) {
            return Err(Error::Stranger);
        }
        let names: BTreeMap<_, _> = peers.iter().map(|(name, peer)| (*peer, *name)).collect();
        if names.len() < peers.len() || names.contains_key(&mine) {
            return Err(Error::Twice);
        }
        let identity = Arc::new(Identity::new(key, protocol));
        let tls = |error: rustls::Error| Error::Tls(error.to_string());
        let acceptor = identity.acceptor(peers.values().copied().collect()).map_err(tls)?;

        let local = listener.local_addr().ok();
        let inbox =
            Inbox::new(peers.keys().copied().chain([me]), limits.inbox_frames, limits.inbox_bytes);
        let link = |name| Arc::new(Link::new(addresses.get(name).copied(), &limits));
        let links = Links {
            me,
            peers: peers.keys().map(|name| (*name, link(name))).collect(),
            names,
            identity: identity.clone(),
            refused: AtomicU64::new(0),
            strays: AtomicU64::new(0),
        };
        let (links, inbox) = (Arc::new(links), Arc::new(inbox));
        let ((stop, stopped), (alive, closed)) = (watch::channel(()), watch::channel(()));
        let alive = Arc::new(alive);

        let connectors = peers.iter().map(|(name, peer)| Ok((*name, identity.connector(*peer)?)));
        let connectors: BTreeMap<_, _> = connectors.collect::<Result<_, _>>().map_err(tls)?;
        for (name, connector) in connectors {
            let Some(link) = links.peers.get(&name).cloned() else { continue };
            let keep = outbound::keep(link, connector, identity.clone(), limits, stopped.clone());
            spawn(keep, alive.clone());
        }
        let door = Door { listener, acceptor, links: links.clone(), inbox: inbox.clone(), limits };
        spawn(door.keep(stopped), alive);
        Ok(Self { links, inbox, limits, stop: Some(stop), closed, local })
    }

    /// A view of the network that stays when the driver has it.
    pub fn handle(&self) -> Handle<P> {
        Handle { links: self.links.clone(), closed: self.closed.clone(), local: self.local }
    }
}

/// Spawns a task. `alive` is dropped when all are over.
fn spawn(task: impl Future<Output = ()> + Send + 'static, alive: Arc<watch::Sender<()>>) {
    ::tokio::spawn(async move {
        task.await;
        drop(alive);
    });
}

impl<P: Copy + Ord + Send + Sync + 'static, M: Wire + Send + 'static> Network<P, M> for Tcp<P, M> {
    fn send(&mut self, to: To<P>, message: M) {
        let receivers = match to {
            To::All => self.links.peers.keys().copied().collect(),
            To::One(peer) => vec![peer],
            To::Some(peers) => peers,
        };
        let frame = frame::encode(&message, self.limits.frame);
        for peer in receivers {
            match (self.links.peers.get(&peer), &frame) {
                (Some(link), Some(frame)) => {
                    counters::add(&link.live.dropped, link.outbox.push(frame.clone()));
                }
                (Some(link), None) => counters::add(&link.live.dropped, 1),
                (None, Some(frame)) if peer == self.links.me => self.hear_oneself(frame),
                (None, _) => counters::add(&self.links.strays, 1),
            }
        }
    }

    async fn recv(&mut self) -> Option<(P, Result<M, DecodeError>)> {
        Some(self.inbox.pop().await)
    }
}

impl<P: Copy + Ord, M: Wire> Tcp<P, M> {
    fn hear_oneself(&self, frame: &[u8]) {
        let body = frame.get(frame::HEADER..).unwrap_or_default();
        if !self.inbox.try_push(self.links.me, body.len(), M::decode(body)) {
            counters::add(&self.links.strays, 1);
        }
    }
}

impl<P, M> Drop for Tcp<P, M> {
    fn drop(&mut self) {
        self.stop.take();
        for link in self.links.peers.values() {
            link.outbox.close();
            link.sign.notify_one();
        }
    }
}

impl<P: Copy + Ord> Handle<P> {
    /// Where this host listens.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    /// What passed between this host and each peer.
    pub fn counters(&self) -> BTreeMap<P, Counters> {
        self.links.peers.iter().map(|(name, link)| (*name, link.live.read())).collect()
    }

    /// How many connections ended before a handshake did: strangers, and members in trouble.
    pub fn refused(&self) -> u64 {
        self.links.refused.load(Relaxed)
    }

    /// How many messages were dropped that were for nobody who is a peer, or that this host sent to
    /// itself faster than it listened.
    pub fn strays(&self) -> u64 {
        self.links.strays.load(Relaxed)
    }

    /// Says where a peer is from now on, and dials it there. A connection that is up stays.
    pub fn relocate(&self, peer: P, address: SocketAddr) {
        let Some(link) = self.links.peers.get(&peer) else { return };
        *link.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
        link.sign.notify_one();
    }

    /// Returns once the network was dropped and all its connections are closed: within
    /// [`Limits::linger`] of the drop.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        while closed.changed().await.is_ok() {}
    }
}

impl<P, M> fmt::Debug for Tcp<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("local", &self.local).finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("local", &self.local).finish_non_exhaustive()
    }
}
