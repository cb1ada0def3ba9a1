//! What has come and waits for the machine: a lane a peer, served in turn.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::tokio::sync::Notify;

/// One lane a peer: each holds at most `frames` items, at most `bytes` and one item more, and one
/// item that was [insisted](Self::insist) on.
///
/// Lanes that have something take turns, so a peer that says much delays nobody else's next
/// message by more than one of its own.
pub(super) struct Inbox<P, T> {
    frames: usize,
    bytes: usize,
    state: Mutex<State<P, T>>,
    news: Notify,
}

struct State<P, T> {
    /// One a peer.
    lanes: BTreeMap<P, Lane<T>>,
    /// The lanes that are not empty, each once.
    turns: VecDeque<P>,
}

struct Lane<T> {
    waiting: VecDeque<Item<T>>,
    bytes: usize,
    /// Whether an item waits that was insisted on.
    insisted: bool,
    /// The connection that fills it: the last.
    connection: u64,
    room: Arc<Notify>,
}

struct Item<T> {
    value: T,
    size: usize,
    insisted: bool,
}

/// This connection was replaced.
pub(super) struct Replaced;

impl<P: Copy + Ord, T> Inbox<P, T> {
    pub(super) fn new(peers: impl Iterator<Item = P>, frames: usize, bytes: usize) -> Self {
        let lane = || Lane {
            waiting: VecDeque::new(),
            bytes: 0,
            insisted: false,
            connection: 0,
            room: Arc::default(),
        };
        let lanes = peers.map(|peer| (peer, lane())).collect();
        let state = Mutex::new(State { lanes, turns: VecDeque::new() });
        Self { frames: frames.max(1), bytes, state, news: Notify::new() }
    }

    /// A new connection of `peer`. Nothing comes in by an earlier one from here on.
    pub(super) fn connect(&self, peer: P) -> u64 {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(&peer) else { return 0 };
        lane.connection = lane.connection.saturating_add(1);
        lane.connection
    }

    /// Adds an item of `size` bytes, once there is room.
    pub(super) async fn push(
        &self,
        peer: P,
        connection: u64,
        size: usize,
        item: T,
    ) -> Result<(), Replaced> {
        let room = loop {
            let room = {
                let mut state = self.lock();
                let lane = state.lanes.get_mut(&peer).ok_or(Replaced)?;
                if lane.connection != connection {
                    // What woke this one is the next one's.
                    lane.room.notify_one();
                    return Err(Replaced);
                }
                if self.has_room(lane) {
                    break state;
                }
                lane.room.clone()
            };
            room.notified().await;
        };
        self.add(room, peer, Item { value: item, size, insisted: false });
        Ok(())
    }

    /// Adds an item of `size` bytes when there is room, and tells whether there was.
    pub(super) fn try_push(&self, peer: P, size: usize, item: T) -> bool {
        let state = self.lock();
        let room = state.lanes.get(&peer).is_some_and(|lane| self.has_room(lane));
        if room {
            self.add(state, peer, Item { value: item, size, insisted: false });
        }
        room
    }

    /// Adds an item whether or not there is room, unless another one waits that was added like
    /// this.
    pub(super) fn insist(&self, peer: P, item: T) {
        let state = self.lock();
        if state.lanes.get(&peer).is_some_and(|lane| !lane.insisted) {
            self.add(state, peer, Item { value: item, size: 0, insisted: true });
        }
    }

    /// The next item, and whose it is. Cancel safe.
    pub(super) async fn pop(&self) -> (P, T) {
        loop {
            if let Some(next) = self.try_pop() {
                return next;
            }
            self.news.notified().await;
        }
    }

    fn try_pop(&self) -> Option<(P, T)> {
        let mut state = self.lock();
        let peer = state.turns.pop_front()?;
        let lane = state.lanes.get_mut(&peer)?;
        let Item { value, size, insisted } = lane.waiting.pop_front()?;
        lane.bytes = lane.bytes.saturating_sub(size);
        lane.insisted &= !insisted;
        lane.room.notify_one();
        if !lane.waiting.is_empty() {
            state.turns.push_back(peer);
        }
        Some((peer, value))
    }

    fn has_room(&self, lane: &Lane<T>) -> bool {
        lane.waiting.is_empty() || (lane.waiting.len() < self.frames && lane.bytes < self.bytes)
    }

    fn add(&self, mut state: MutexGuard<'_, State<P, T>>, peer: P, item: Item<T>) {
        let Some(lane) = state.lanes.get_mut(&peer) else { return };
        let first = lane.waiting.is_empty();
        lane.bytes = lane.bytes.saturating_add(item.size);
        lane.insisted |= item.insisted;
        lane.waiting.push_back(item);
        if first {
            state.turns.push_back(peer);
        }
        drop(state);
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<P, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_bounded_and_take_turns() {
        let inbox = Inbox::new(1..=3, 3, 100);
        assert!((0..3).all(|at| inbox.try_push(1, 1, at)));
        assert!(!inbox.try_push(1, 1, 3), "three items");
        assert!(inbox.try_push(2, 99, 10) && inbox.try_push(2, 500, 11), "bytes, and one item");
        assert!(!inbox.try_push(2, 1, 12));
        assert!(!inbox.try_push(4, 1, 0), "no lane");
        let order: alloc::vec::Vec<_> = core::iter::from_fn(|| inbox.try_pop()).collect();
        assert_eq!(order, [(1, 0), (2, 10), (1, 1), (2, 11), (1, 2)]);
        assert!(inbox.try_push(2, 1, 13) && inbox.try_push(1, 1, 4), "room again");
    }

    #[test]
    fn a_full_lane_takes_one_more_item_that_is_insisted_on() {
        let inbox = Inbox::new(1..=1, 2, 100);
        assert!((0..2).all(|at| inbox.try_push(1, 1, at)));
        (10..20).for_each(|at| inbox.insist(1, at));
        let order: alloc::vec::Vec<_> = core::iter::from_fn(|| inbox.try_pop()).collect();
        assert_eq!(order, [(1, 0), (1, 1), (1, 10)]);
        inbox.insist(1, 20);
        assert_eq!(inbox.try_pop(), Some((1, 20)));
    }

    #[::tokio::test]
    async fn a_full_lane_waits_and_a_replaced_connection_adds_nothing() {
        let inbox = Arc::new(Inbox::new(1..=2, 1, 100));
        let first = inbox.connect(1);
        assert!(inbox.push(1, first, 1, 'a').await.is_ok());
        let waiting = inbox.clone();
        let waiting = ::tokio::spawn(async move { waiting.push(1, first, 1, 'b').await });
        ::tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(inbox.pop().await, (1, 'a'));
        assert!(waiting.await.unwrap().is_ok());

        let second = inbox.connect(1);
        assert!(inbox.push(1, first, 1, 'c').await.is_err());
        assert_eq!(inbox.pop().await, (1, 'b'));
        assert!(inbox.push(1, second, 1, 'd').await.is_ok());
        assert_eq!(inbox.pop().await, (1, 'd'));
    }
}
