//! A network within one process.

use alloc::{collections::BTreeMap, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::{Mutex, PoisonError};

use ::tokio::sync::mpsc;

use super::Network;
use crate::{machine::To, wire::DecodeError};

/// A network within one process. Clones are one network.
///
/// Order is kept between any two peers. A message for a peer whose inbox is full, that is not
/// there or that is no member is dropped and counted. All who send to a peer share its inbox: this
/// is for machines that trust each other's hosts.
///
/// ```
/// use cosi::{machine::To, tokio::{Channels, Network}};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let channels = Channels::new([1, 2, 3], 8);
/// let (mut one, mut two) = (channels.join(1), channels.join(2));
/// one.send(To::All, "hello");
/// assert_eq!(two.recv().await, Some((1, Ok("hello"))));
/// assert_eq!(channels.dropped(), 1, "3 has not joined");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Channels<P, M>(Arc<Hub<P, M>>);

type Inboxes<P, M> = BTreeMap<P, Option<mpsc::Sender<(P, M)>>>;

struct Hub<P, M> {
    capacity: usize,
    /// One slot a member.
    inboxes: Mutex<Inboxes<P, M>>,
    dropped: AtomicU64,
}

/// One peer's end of [`Channels`].
pub struct Endpoint<P, M> {
    channels: Channels<P, M>,
    peer: P,
    inbox: mpsc::Receiver<(P, M)>,
}

impl<P: Copy + Ord, M> Channels<P, M> {
    /// A network of these members, each with an inbox of `capacity` messages, at least 1.
    pub fn new(members: impl IntoIterator<Item = P>, capacity: usize) -> Self {
        let inboxes = Mutex::new(members.into_iter().map(|peer| (peer, None)).collect());
        Self(Arc::new(Hub { capacity: capacity.max(1), inboxes, dropped: AtomicU64::new(0) }))
    }

    /// The end of `peer`, which becomes a member. The end that it had before, if any, is closed.
    pub fn join(&self, peer: P) -> Endpoint<P, M> {
        let (sender, inbox) = mpsc::channel(self.0.capacity);
        self.with(|inboxes| inboxes.insert(peer, Some(sender)));
        Endpoint { channels: self.clone(), peer, inbox }
    }

    /// How many messages were dropped, at all ends.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn with<T>(&self, then: impl FnOnce(&mut Inboxes<P, M>) -> T) -> T {
        then(&mut self.0.inboxes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<P: Copy + Ord, M: Clone> Endpoint<P, M> {
    fn receivers(&self, to: To<P>) -> Vec<P> {
        match to {
            To::All => self.channels.with(|inboxes| {
                inboxes.keys().copied().filter(|peer| *peer != self.peer).collect()
            }),
            To::One(peer) => vec![peer],
            To::Some(peers) => peers,
        }
    }
}

impl<P: Copy + Ord + Send + Sync, M: Clone + Send> Network<P, M> for Endpoint<P, M> {
    fn send(&mut self, to: To<P>, message: M) {
        let receivers = self.receivers(to);
        let missed = self.channels.with(|inboxes| {
            let reaches = |peer: &P| {
                let inbox = inboxes.get(peer).and_then(Option::as_ref);
                inbox.is_some_and(|inbox| inbox.try_send((self.peer, message.clone())).is_ok())
            };
            receivers.iter().filter(|peer| !reaches(peer)).count()
        });
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        self.channels.0.dropped.fetch_add(missed, Ordering::Relaxed);
    }

    async fn recv(&mut self) -> Option<(P, Result<M, DecodeError>)> {
        let (from, message) = self.inbox.recv().await?;
        Some((from, Ok(message)))
    }
}

impl<P, M> Clone for Channels<P, M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P, M> fmt::Debug for Channels<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("dropped", &self.0.dropped).finish_non_exhaustive()
    }
}

impl<P: fmt::Debug, M> fmt::Debug for Endpoint<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("peer", &self.peer).finish_non_exhaustive()
    }
}
