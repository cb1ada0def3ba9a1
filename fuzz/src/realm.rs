//! A ledger of two shards with all its keys at hand: how its epoch came about, and blocks of both
//! shards, as sound as one likes.
//!
//! Everything follows from constants, so that a corpus can be made again to the byte.

mod blocks;
mod rehearsal;
mod story;

use std::sync::LazyLock;

use atomix::{Checked, Declaration, Input, Output, Rules, Session};
use cosi::{
    keys::{PeerId, Seed, SigningKey},
    roster::Roster,
};
use omniledger::{
    Epoch, EpochProof, Genesis, Message, Peer,
    epoch::ShardInfo,
    genesis::{Grant, Limits, Registration},
    validator,
};

pub(crate) use self::{
    blocks::{Block, Branch},
    rehearsal::{config, name},
    story::{FORGED, STORY, Truth, truth},
};
use crate::town::{SIZE, rng};

/// How many validators there are.
pub(crate) const VALIDATORS: u8 = 8;
/// How many shards there are.
pub(crate) const SHARDS: u16 = 2;
/// How many payments there are.
pub(crate) const MOST: u8 = 9;

/// The owner of all coins.
static OWNER: LazyLock<SigningKey> = LazyLock::new(|| Seed::from_bytes([31; 32]).signing_key());

/// The seed of a validator, by its position in the genesis.
pub(crate) const fn seed(at: u8) -> Seed {
    Seed::from_bytes([at.wrapping_add(1); 32])
}

/// The ledger, with three coins of 100 in each shard and one more in the first.
pub(crate) static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
    let mut rng = rng(26);
    let validators = (0..VALIDATORS).map(|at| Registration::new(&seed(at), &mut rng)).collect();
    let owner = OWNER.public().to_bytes();
    let grants = [0, 0, 0, 0, 1, 1, 1].map(|shard| Grant { shard, owner, value: 100 });
    let genesis = Genesis::new("realm", SHARDS, validators, grants.to_vec());
    let limits = Limits { requests: 4, ..Limits::default() };
    Genesis { limits, ..genesis.expect("a sound genesis") }
});

/// What makes a payment well-formed.
pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| GENESIS.rules());

/// What is known once all validators have their seats.
pub(crate) struct Realm {
    pub(crate) proof: EpochProof,
    pub(crate) epoch: Epoch,
    /// What each validator has stored, by its position in the genesis.
    pub(crate) journals: Vec<Vec<validator::Record>>,
    /// All that was said, in order, with who said it.
    pub(crate) said: Vec<(Peer, Message)>,
}

/// The one epoch.
pub(crate) static REALM: LazyLock<Realm> = LazyLock::new(rehearsal::draw);

impl Realm {
    pub(crate) fn shard(&self, shard: u16) -> &ShardInfo {
        self.epoch.shard(shard).expect("there are two shards")
    }

    pub(crate) fn roster(&self, shard: u16) -> &Roster {
        self.shard(shard).roster()
    }

    /// Who stands at a place of a shard's roster.
    pub(crate) fn peer(&self, shard: u16, place: u16) -> PeerId {
        let roster = self.roster(shard);
        let at = place.checked_rem(SIZE).and_then(|at| roster.index(at));
        at.and_then(|at| roster.peer(at)).expect("nobody's shard is empty")
    }

    /// Its key.
    pub(crate) fn key(&self, shard: u16, place: u16) -> &'static SigningKey {
        static KEYS: LazyLock<Vec<SigningKey>> =
            LazyLock::new(|| (0..VALIDATORS).map(|at| seed(at).signing_key()).collect());
        let peer = self.peer(shard, place);
        let key = KEYS.iter().find(|key| PeerId::of(key.public()) == peer);
        key.expect("every validator's key is at hand")
    }
}

/// The coin at a position among the grants.
pub(crate) fn coin(at: usize) -> Input {
    GENESIS.granted().nth(at).expect("seven coins")
}

/// Nine payments, by number:
///
/// | | spends | creates in | and so |
/// |---|---|---|---|
/// | 0 | a coin of each shard | both | is committed |
/// | 1 | a coin of shard 0 | shard 0 | is committed, by shard 0 alone |
/// | 2 | what 0 spends in shard 0, and a coin of shard 1 | shard 1 | is rejected by shard 0 |
/// | 3 | what 1 spends | shard 1 | is refused |
/// | 4 | what 1 creates | shard 1 | is committed |
/// | 5 | a coin of each shard | shard 0 | could be committed |
/// | 6 | what 5 creates | shard 0 | waits for 5 |
/// | 7 | a coin of shard 0 | nothing | is committed |
/// | 8 | what 2 gets back | shard 1 | could be committed, by shard 1 alone |
pub(crate) static PAYMENTS: LazyLock<Vec<Checked>> = LazyLock::new(|| {
    let to = |shard, value| Output { shard, value, owner: OWNER.public().to_bytes() };
    let pay = |inputs: Vec<Input>, outputs| {
        let declared = Declaration::new(0, 0, 1000, inputs, outputs);
        let signed = declared.and_then(|it| it.sign(&GENESIS.id(), |_| Some(&*OWNER)));
        RULES.check_one(signed.expect("the key is at hand")).expect("well-formed")
    };
    let first_of = |checked: &Checked| {
        let mut created = checked.declaration().created(checked.session());
        created.next().expect("it creates an output")
    };
    let alone = pay(vec![coin(1)], vec![to(0, 60), to(0, 40)]);
    let open = pay(vec![coin(2), coin(6)], vec![to(0, 200)]);
    let (follows, waits) = (first_of(&alone), first_of(&open));
    let back = coin(5).given_back().expect("a new coin");
    vec![
        pay(vec![coin(0), coin(4)], vec![to(0, 120), to(1, 80)]),
        alone,
        pay(vec![coin(0), coin(5)], vec![to(1, 200)]),
        pay(vec![coin(1)], vec![to(1, 100)]),
        pay(vec![follows], vec![to(1, 60)]),
        open,
        pay(vec![waits], vec![to(0, 200)]),
        pay(vec![coin(3)], vec![]),
        pay(vec![back], vec![to(1, 100)]),
    ]
});

/// The payment with a number, which is taken modulo nine.
pub(crate) fn payment(number: u8) -> &'static Checked {
    PAYMENTS.get(usize::from(number % MOST)).expect("nine payments")
}

/// The number of a payment.
pub(crate) fn number(session: Session) -> Option<u8> {
    (0..MOST).find(|number| payment(*number).session() == session)
}
