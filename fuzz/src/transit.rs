//! What is on its way among the peers of a world, and what may become of it there.

use cosi::wire::Wire;

/// Something that somebody said to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Sent<P> {
    pub(crate) from: P,
    pub(crate) to: P,
    pub(crate) bytes: Vec<u8>,
    pub(crate) corrupted: bool,
}

impl<P> Sent<P> {
    /// What arrives. `None`: it was corrupted, and means nothing.
    pub(crate) fn decode<M: Wire>(&self) -> Option<M> {
        let message = M::decode(&self.bytes).ok();
        assert!(self.corrupted || message.is_some(), "what was sent does not decode");
        message
    }
}

/// What is on its way, in order. When it is full, the oldest is lost.
pub(crate) struct Transit<P> {
    queue: Vec<Sent<P>>,
    most: usize,
}

impl<P: Clone> Transit<P> {
    pub(crate) const fn new(most: usize) -> Self {
        Self { queue: Vec::new(), most }
    }

    pub(crate) fn send(&mut self, from: P, to: P, bytes: Vec<u8>) {
        self.post(Sent { from, to, bytes, corrupted: false });
    }

    fn post(&mut self, sent: Sent<P>) {
        if self.queue.len() >= self.most {
            self.queue.remove(0);
        }
        self.queue.push(sent);
    }

    /// The one that an action's detail names.
    pub(crate) fn named(&self, detail: u8) -> Option<&Sent<P>> {
        self.queue.get(usize::from(detail).checked_rem(self.queue.len())?)
    }

    /// The one that an action's detail names arrives (0), is lost (1), is said once more (2), or has
    /// a bit flipped (3). Returns what arrives.
    pub(crate) fn meddle(&mut self, kind: u8, detail: u8, place: u8) -> Option<Sent<P>> {
        let at = usize::from(detail).checked_rem(self.queue.len())?;
        match kind {
            0 => return Some(self.queue.remove(at)),
            1 => drop(self.queue.remove(at)),
            2 => self.post(self.queue.get(at)?.clone()),
            _ => {
                let sent = self.queue.get_mut(at)?;
                let byte = usize::from(place).wrapping_mul(sent.bytes.len()).wrapping_shr(8);
                *sent.bytes.get_mut(byte)? ^= 1_u8.wrapping_shl(place.into());
                sent.corrupted = true;
            }
        }
        None
    }

    /// What arrives next.
    pub(crate) fn next(&mut self) -> Option<Sent<P>> {
        if self.queue.is_empty() { None } else { Some(self.queue.remove(0)) }
    }

    pub(crate) fn first(&self) -> Option<&Sent<P>> {
        self.queue.first()
    }

    /// All is lost.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
