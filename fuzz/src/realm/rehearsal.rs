//! The validators draw their epoch, and nothing goes wrong.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use cosi::{
    keys::PeerId,
    machine::{Cx, Time},
};
use omniledger::{
    Epoch, Message, Peer, PoolLimits, Validator,
    validator::{Config, Record, Step},
};

use super::{GENESIS, Realm, VALIDATORS, seed};
use crate::town::{receives, rng};

/// How a validator is set up.
pub(crate) fn config(at: u8) -> Config {
    Config {
        genesis: GENESIS.clone(),
        seed: seed(at),
        timing: byzcoin::Timing {
            first_timeout: Duration::from_secs(10),
            longest_timeout: Duration::from_secs(1000),
            pull_after: Duration::from_secs(1),
        },
        votes: byzcoin::votes::Timing::default(),
        retry: Duration::from_secs(1),
        pool: PoolLimits { bytes: 4096, patience: 2, refusals: 2 },
        block_bytes: 1 << 12,
    }
}

/// Who a validator is, by its position in the genesis.
pub(crate) fn name(at: u8) -> PeerId {
    PeerId::of(seed(at).signing_key().public())
}

/// Lets every message arrive, in order.
pub(super) fn draw() -> Realm {
    let mut rng = rng(27);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (mut validators, mut journals) = (BTreeMap::new(), BTreeMap::new());
    let (mut queue, mut said) = (VecDeque::new(), Vec::new());
    let mut take = |at: u8, step: Step, queue: &mut VecDeque<_>| {
        let (records, held) = step.into_records();
        journals.entry(at).or_insert_with(Vec::<Record>::new).extend(records);
        let sent = held.release().messages.into_iter();
        queue.extend(sent.map(|(to, message)| (Peer::Validator(name(at)), to, message)));
    };
    for at in 0..VALIDATORS {
        let restored = Validator::restore(config(at), [], &mut cx);
        let (validator, step) = restored.expect("one of the genesis");
        validators.insert(at, validator);
        take(at, step, &mut queue);
    }
    while let Some((from, to, message)) = queue.pop_front() {
        for (at, validator) in &mut validators {
            let peer = Peer::Validator(name(*at));
            if receives(&to, peer) && from != peer {
                let step = validator.handle_message(&mut cx, from, Message::clone(&message));
                take(*at, step, &mut queue);
            }
        }
        said.push((from, message));
    }
    let first = validators.first_key_value().expect("there are eight").1;
    let proof = first.epoch_proof().expect("all messages arrived").clone();
    let epoch = Epoch::verify(&GENESIS, &proof).expect("it convinces");
    Realm { proof, epoch, journals: journals.into_values().collect(), said }
}
