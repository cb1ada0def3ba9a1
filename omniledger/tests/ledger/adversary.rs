//! Who has validators in hand.

use std::{cell::RefCell, rc::Rc};

use cosi::{
    domain::BYZCOIN,
    machine::{Time, To},
    sim::{Adversary, Deliveries, Delivery},
    wire::{BoundedBytes, Wire},
};
use omniledger::{Message, Node, Peer, byzcoin};
use rand_chacha::rand_core::CryptoRng;

use crate::town::{Town, key, peer};

/// One message of a validator in hand, and to whom it was to go.
pub(crate) type Said = (To<Peer>, Message);

/// Says something else for each message.
pub(crate) struct Corrupt<F>(pub(crate) F);

impl<F> Adversary<Node> for Corrupt<F>
where
    F: FnMut(Peer, Time, &mut dyn CryptoRng, Said) -> Deliveries<Node>,
{
    fn corrupt(
        &mut self,
        peer: Peer,
        now: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        output.into_iter().flat_map(|said| (self.0)(peer, now, rng, said)).collect()
    }
}

/// Says nothing.
pub(crate) fn silent() -> impl Adversary<Node> {
    Corrupt(|_, _, _: &mut dyn CryptoRng, _| Vec::new())
}

/// Says random bytes.
pub(crate) fn garbage() -> impl Adversary<Node> {
    Corrupt(|_, _, rng: &mut dyn CryptoRng, (to, _)| {
        let mut bytes = vec![0; 40];
        rng.fill_bytes(&mut bytes);
        bytes[0] %= 5;
        vec![(to, Delivery::Bytes(bytes))]
    })
}

/// Says each thing with a bit of it changed, and then the thing itself to every second one.
pub(crate) fn tampering() -> impl Adversary<Node> {
    let mut turn = 0_usize;
    Corrupt(move |_, _, rng: &mut dyn CryptoRng, (to, message): Said| {
        let mut bytes = message.encode();
        turn += 1;
        if turn.is_multiple_of(2) {
            return vec![(to, Delivery::Message(message))];
        }
        let at = usize::try_from(rng.next_u64()).unwrap_or_default() % bytes.len();
        bytes[at] ^= 1 << (turn / 2 % 8);
        vec![(to, Delivery::Bytes(bytes))]
    })
}

/// Passes everything on, and keeps a copy.
pub(crate) fn listening(heard: Rc<RefCell<Vec<(Peer, Time, Said)>>>) -> impl Adversary<Node> {
    Corrupt(move |peer, now, _: &mut dyn CryptoRng, said: Said| {
        heard.borrow_mut().push((peer, now, said.clone()));
        vec![(said.0, Delivery::Message(said.1))]
    })
}

/// As the leader of a shard of this town, proposes one block to some and another to others.
pub(crate) fn equivocating(town: Town) -> impl Adversary<Node> {
    Corrupt(move |from, _, _: &mut dyn CryptoRng, (to, message): Said| {
        match (to, rival(&town, from, &message)) {
            (To::Some(peers), Some(other)) => {
                let (some, others) = peers.split_at(peers.len() / 2);
                vec![
                    (To::Some(some.to_vec()), Delivery::Message(message)),
                    (To::Some(others.to_vec()), Delivery::Message(other)),
                ]
            }
            (to, _) => vec![(to, Delivery::Message(message))],
        }
    })
}

/// Another proposal in the place of this one, signed as well.
fn rival(town: &Town, from: Peer, message: &Message) -> Option<Message> {
    let Message::Shard { epoch, shard, message } = message else { return None };
    let byzcoin::Message::Propose(proposed) = &**message else { return None };
    let key = key((0..64).find(|number| peer(*number) == from)?);
    let mut propose = proposed.clone();
    propose.proposal.header.app = BoundedBytes::new(vec![7; 32])?;
    let info = town.epoch.shard(*shard)?;
    let roster = info.roster().id();
    let scope = byzcoin::Scope { chain: info.chain().0, epoch: *epoch, roster };
    propose.signature = key.sign(&BYZCOIN, &propose.statement(&scope).encode());
    let message = Box::new(byzcoin::Message::Propose(propose));
    Some(Message::Shard { epoch: *epoch, shard: *shard, message })
}
