//! Connections from peers: accepted, identified by their key alone, and read.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use core::{future::Future, sync::atomic::Ordering::Relaxed, time::Duration};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Limits, Link, Links, WELCOME,
    counters::{add, count},
    frame::{self, Broken, HEADER},
    inbox::Inbox,
    tls,
};
use crate::wire::{DecodeError, Wire};

/// How long to wait when the system gives no connection, for want of descriptors say.
const BREATH: Duration = Duration::from_millis(50);

type Items<P, M> = Inbox<P, Result<M, DecodeError>>;

/// The door of a host.
pub(super) struct Door<P, M> {
    pub(super) listener: TcpListener,
    pub(super) acceptor: TlsAcceptor,
    pub(super) links: Arc<Links<P>>,
    pub(super) inbox: Arc<Items<P, M>>,
    pub(super) limits: Limits,
}

impl<P: Copy + Ord + Send + Sync + 'static, M: Wire + Send + 'static> Door<P, M> {
    /// Keeps the door until `stop`.
    pub(super) async fn keep(self, mut stop: watch::Receiver<()>) {
        let (mut handshakes, mut readers) = (JoinSet::new(), JoinSet::new());
        // At most as many as handshakes may be under way, and one a peer.
        let (mut half_open, mut current) = (VecDeque::<AbortHandle>::new(), BTreeMap::new());
        loop {
            ::tokio::select! {
                _ = stop.changed() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        half_open.retain(|handshake| !handshake.is_finished());
                        if half_open.len() >= self.limits.handshakes.max(1)
                            && let Some(oldest) = half_open.pop_front()
                        {
                            oldest.abort();
                        }
                        half_open.push_back(handshakes.spawn(self.handshake(stream)));
                    }
                    Err(_) => sleep(BREATH).await,
                },
                Some(ended) = handshakes.join_next() => match ended {
                    Ok(Some((peer, stream))) => {
                        let Some(reader) = self.reader(peer) else { continue };
                        let reader = readers.spawn(reader.run(stream));
                        current.insert(peer, reader).inspect(AbortHandle::abort);
                    }
                    Ok(None) | Err(_) => add(&self.links.refused, 1),
                },
                Some(_) = readers.join_next() => {}
            }
        }
        handshakes.shutdown().await;
        readers.shutdown().await;
    }

    /// Shakes hands, within the time for it, with a member.
    fn handshake(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = Option<(P, TlsStream<TcpStream>)>> + use<P, M> {
        let (acceptor, links) = (self.acceptor.clone(), self.links.clone());
        let patience = self.limits.handshake;
        let shake = async move {
            stream.set_nodelay(true).ok()?;
            let stream = acceptor.accept(stream).await.ok()?;
            let (_, session) = stream.get_ref();
            let spoken = session.alpn_protocol() == Some(links.identity.protocol());
            let key = session.peer_certificates()?.first()?;
            let peer = *links.names.get(&tls::peer(key)?).filter(|_| spoken)?;
            Some((peer, stream))
        };
        async move { timeout(patience, shake).await.ok().flatten() }
    }

    /// Reads a new connection of `peer`, and takes in nothing more from the one before; unless the
    /// door is shut on it.
    fn reader(&self, peer: P) -> Option<Reader<P, M>> {
        let link = self.links.peers.get(&peer).filter(|link| !link.is_shut())?.clone();
        let connection = self.inbox.connect(peer);
        Some(Reader { peer, link, connection, inbox: self.inbox.clone(), limits: self.limits })
    }
}

/// What reads a connection.
struct Reader<P, M> {
    peer: P,
    link: Arc<Link>,
    connection: u64,
    inbox: Arc<Items<P, M>>,
    limits: Limits,
}

impl<P: Copy + Ord + Send + Sync + 'static, M: Wire + Send + 'static> Reader<P, M> {
    async fn run(self, mut stream: TlsStream<TcpStream>) {
        let welcome = async {
            stream.write_all(&WELCOME).await?;
            stream.flush().await
        };
        let Ok(Ok(())) = timeout(self.limits.handshake, welcome).await else { return };
        add(&self.link.live.accepts, 1);
        if !self.link.live.connected.load(Relaxed) {
            self.link.sign.notify_one();
        }
        let (mut reader, mut writer) = split(stream);
        ::tokio::select! {
            () = self.read(&mut reader) => {}
            () = beat(&mut writer, self.limits.beat) => {}
        }
    }

    /// Reads until the connection breaks or is replaced, or the peer sends what is no message.
    async fn read(&self, reader: &mut (impl AsyncRead + Unpin)) {
        let live = &self.link.live;
        loop {
            let read = frame::read(reader, self.limits.frame, self.limits.frame_time).await;
            let message = match read {
                Ok(bytes) => M::decode(&bytes).map(|message| (bytes.len(), message)),
                Err(Broken::TooLong) => Err(DecodeError),
                Err(Broken::Gone) => return,
            };
            let Ok((size, message)) = message else {
                add(&live.malformed, 1);
                self.link.punish(&self.limits);
                // At once, so that no newer connection keeps it from the host.
                return self.inbox.insist(self.peer, Err(DecodeError));
            };
            count(&live.frames_in, &live.bytes_in, size.saturating_add(HEADER));
            let pushed = self.inbox.push(self.peer, self.connection, size, Ok(message)).await;
            if pushed.is_err() {
                return;
            }
        }
    }
}

/// Shows the peer that this host is up, whether or not anything is read.
async fn beat(writer: &mut (impl AsyncWrite + Unpin), every: Duration) {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if writer.write_all(&[0]).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}
