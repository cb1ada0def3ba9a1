//! What waits to be sent to one peer.

use alloc::{collections::VecDeque, sync::Arc};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::tokio::sync::Notify;

/// An encoded message behind its length. Shared by the outboxes of all receivers.
pub(super) type Frame = Arc<[u8]>;

/// Frames for one peer: at most `frames`, and at most `bytes` or a single one.
///
/// The oldest make room for the newest: who was cut off needs the news.
pub(super) struct Outbox {
    frames: usize,
    bytes: usize,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Frame>,
    bytes: usize,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(frames: usize, bytes: usize) -> Self {
        Self { frames: frames.max(1), bytes, queue: Mutex::default(), news: Notify::new() }
    }

    /// Adds a frame, and tells how many were dropped for it.
    pub(super) fn push(&self, frame: Frame) -> u64 {
        let mut queue = self.lock();
        let (room, mut dropped) = (self.bytes.saturating_sub(frame.len()), 0_u64);
        while queue.waiting.len() >= self.frames || queue.bytes > room {
            let Some(oldest) = queue.waiting.pop_front() else { break };
            queue.bytes = queue.bytes.saturating_sub(oldest.len());
            dropped = dropped.saturating_add(1);
        }
        queue.bytes = queue.bytes.saturating_add(frame.len());
        queue.waiting.push_back(frame);
        drop(queue);
        self.news.notify_one();
        dropped
    }

    /// The oldest frame, when one waits.
    pub(super) fn try_pop(&self) -> Option<Frame> {
        let mut queue = self.lock();
        let frame = queue.waiting.pop_front()?;
        queue.bytes = queue.bytes.saturating_sub(frame.len());
        Some(frame)
    }

    /// The oldest frame, when there is one. `None`: there is none and no more will come.
    pub(super) async fn pop(&self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.try_pop() {
                return Some(frame);
            }
            if self.lock().closed {
                return None;
            }
            self.news.notified().await;
        }
    }

    /// Lets nothing more come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    /// Whether there is nothing to send and no more will come.
    pub(super) fn is_done(&self) -> bool {
        let queue = self.lock();
        queue.closed && queue.waiting.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8, len: usize) -> Frame {
        alloc::vec![byte; len].into()
    }

    fn drain(outbox: &Outbox) -> alloc::vec::Vec<u8> {
        core::iter::from_fn(|| outbox.try_pop()).map(|frame| frame[0]).collect()
    }

    #[test]
    fn the_oldest_make_room_by_count_and_by_bytes() {
        let outbox = Outbox::new(3, 100);
        assert_eq!((1..=5).map(|at| outbox.push(frame(at, 1))).sum::<u64>(), 2);
        assert_eq!(drain(&outbox), [3, 4, 5]);

        assert_eq!([40, 40, 20].map(|len| outbox.push(frame(1, len))), [0, 0, 0], "100 fit");
        assert_eq!(outbox.push(frame(2, 41)), 2);
        assert_eq!(drain(&outbox), [1, 2]);

        assert_eq!(outbox.push(frame(1, 1)) + outbox.push(frame(2, 101)), 1, "the last one stays");
        assert_eq!(drain(&outbox), [2]);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn a_closed_outbox_is_done_when_it_is_empty() {
        let outbox = Outbox::new(3, 100);
        outbox.push(frame(1, 1));
        assert!(!outbox.is_done());
        outbox.close();
        assert!(!outbox.is_done());
        assert_eq!(drain(&outbox), [1]);
        assert!(outbox.is_done());
    }
}
