//! A small town to lie about: four validators, a ledger of two blocks, and all that proves it.
//!
//! Everything follows from constants, so that a corpus can be made again to the byte.

use std::sync::{Arc, LazyLock};

use byzcoin::{Kind, Proposal, Scope, View, block::App};
use cosi::{
    Certificate, CollectiveSignature, Mode, Statement as _, certificate,
    keys::{Seed, SigningKey},
    machine::{Index, To},
    mask::Mask,
    merkle::tree::Tree,
    roster::{Member, Roster},
    wire::{BoundedVec, Wire},
};
use curve25519_dalek::{EdwardsPoint, Scalar, scalar::clamp_integer};
use omniledger::{
    Decision, Genesis, Receipt, Transaction,
    chain::{Body, Entry, Verdict, genesis_header},
    genesis::Grant,
    ledger::Ledger,
    message::Found,
    skipchain::{Header, Link, Proof, Spine},
    transaction::{Declaration, Input, Output},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest as _, Sha512};

/// How many validators there are.
pub(crate) const SIZE: u16 = 4;
/// A quorum of them, by positions.
pub(crate) const QUORUM: [u16; 3] = [0, 1, 3];

/// Entropy that is the same each time.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The validators' keys.
pub(crate) static KEYS: LazyLock<[Arc<SigningKey>; 5]> = LazyLock::new(|| {
    [1, 2, 3, 4, 5].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()))
});

/// The validators.
pub(crate) static ROSTER: LazyLock<Roster> = LazyLock::new(|| roster(0));

/// Four members, from the key at `first` on.
pub(crate) fn roster(first: usize) -> Roster {
    let mut rng = rng(7);
    let keys = KEYS.iter().skip(first).take(SIZE.into());
    Roster::new(keys.map(|key| Member::new(key, &mut rng))).expect("four sound members")
}

/// The key of the member at `position`.
pub(crate) fn key(position: u16) -> &'static Arc<SigningKey> {
    KEYS.get(usize::from(position)).expect("there are five keys")
}

/// The member at `position`.
pub(crate) fn member(position: u16) -> Index {
    ROSTER.index(position).expect("positions are below four")
}

/// The certificate by single signatures of these members, whose keys begin at `first`.
pub(crate) fn individual(
    roster: &Roster,
    first: u16,
    signers: &[u16],
    statement: &[u8],
) -> Certificate {
    let signed = signers.iter().map(|at| {
        let signature = certificate::sign(key(first.wrapping_add(*at)), &roster.id(), statement);
        (roster.index(*at).expect("a member"), signature)
    });
    Certificate::individual(roster, signed).expect("there are signers")
}

/// The collective signature of all validators, from their seeds and a nonce that never changes:
/// s = r + cΣa_i, where c = SHA-512(R ‖ ΣA_i ‖ m).
pub(crate) fn collective(statement: &[u8]) -> CollectiveSignature {
    let mask = Mask::of(SIZE.into(), 0..SIZE);
    let message = Mode::Accountable.signed(&ROSTER.id(), &mask, statement);
    let secret = |seed: u8| -> Scalar {
        let hash: [u8; 64] = Sha512::digest([seed; 32]).into();
        let low = hash.first_chunk().expect("64 bytes");
        Scalar::from_bytes_mod_order(clamp_integer(*low))
    };
    let (nonce, sum) = (Scalar::from(7_u8), (1..=4).map(secret).sum::<Scalar>());
    let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let hash = Sha512::new().chain_update(commitment);
    let hash = hash.chain_update(EdwardsPoint::mul_base(&sum).compress().as_bytes());
    let c = Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into());
    CollectiveSignature { commitment, response: (nonce + c * sum).to_bytes(), mask }
}

/// Whether `to` names `peer`, who is not the sender.
pub(crate) fn receives<P: PartialEq>(to: &To<P>, peer: P) -> bool {
    match to {
        To::All => true,
        To::One(one) => *one == peer,
        To::Some(some) => some.contains(&peer),
    }
}

/// The ledger, and two blocks of it.
pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    /// The first two are committed, in a block each. The third spends what the first spends, and
    /// the last what nobody else does.
    pub(crate) payments: Vec<Transaction>,
    /// From the genesis on.
    pub(crate) headers: Vec<Header>,
    pub(crate) links: Vec<Link<Decision>>,
    /// Where the committed ones are.
    pub(crate) found: Vec<Found>,
    /// A block of the third payment instead of the first, which two of the four decided.
    pub(crate) forged: Proof<Decision>,
}

/// The one town.
pub(crate) static TOWN: LazyLock<Town> = LazyLock::new(Town::new);

impl Town {
    fn new() -> Self {
        let owners = [11, 12, 13].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
        let grants =
            owners.each_ref().map(|key| Grant { owner: key.public().to_bytes(), value: 100 });
        let members = ROSTER.members().to_vec();
        let genesis = Genesis::new("town", members, grants.to_vec()).expect("a sound genesis");
        let coins: Vec<Input> = genesis.granted().collect();
        let pay = |from: usize, nonce: u64| {
            let coin = *coins.get(from).expect("three coins");
            let owner = owners.get(from).expect("three owners");
            let output = Output { shard: 0, value: 100, owner: key(0).public().to_bytes() };
            let declared = Declaration::new(0, nonce, vec![coin], vec![output]);
            let signed =
                declared.and_then(|declared| declared.sign(&genesis.id(), |_| Some(owner)));
            signed.expect("the owner's key is at hand")
        };
        let payments = vec![pay(0, 0), pay(1, 0), pay(0, 1), pay(2, 0)];
        let header = genesis_header(&genesis).expect("a sound genesis");
        let mut town = Self {
            headers: vec![header.clone()],
            links: Vec::new(),
            found: Vec::new(),
            forged: Proof::new(&header, Vec::new()).expect("no link is not too many"),
            genesis,
            payments,
        };
        let forged =
            town.block(2, header.id().0, |statement| individual(&ROSTER, 0, &[0, 1], statement));
        town.forged = Proof::new(&header, vec![forged.2]).expect("one link");
        let parent =
            town.append(0, header.id().0, |statement| individual(&ROSTER, 0, &QUORUM, statement));
        town.append(1, parent, |statement| Certificate::Collective(collective(statement)));
        town
    }

    /// Appends a block of one payment, and returns its name in byzcoin.
    fn append(
        &mut self,
        payment: usize,
        parent: [u8; 32],
        certify: impl Fn(&[u8]) -> Certificate,
    ) -> [u8; 32] {
        let (header, digest, link, found) = self.block(payment, parent, certify);
        self.headers.push(header);
        self.links.push(link);
        self.found.push(found);
        digest
    }

    fn block(
        &self,
        payment: usize,
        parent: [u8; 32],
        certify: impl Fn(&[u8]) -> Certificate,
    ) -> (Header, [u8; 32], Link<Decision>, Found) {
        let mut state = self.genesis.ledger().expect("a sound genesis");
        let before = self.links.len();
        let done = self.payments.iter().take(before).chain(self.payments.get(payment));
        for checked in state.check(done.cloned().collect()).results {
            state.apply(&checked.expect("signed")).expect("unspent");
        }
        let mut spine =
            Spine::new(self.headers.first().expect("a genesis").clone()).expect("sound");
        for header in self.headers.iter().skip(1) {
            spine.push(header).expect("the next header");
        }
        let transaction = self.payments.get(payment).expect("a payment").clone();
        let session = transaction.declaration.session(&self.genesis.id());
        let entry = Entry { at: 0, of: 1, verdict: Verdict::Committed(session) };
        let entries = Tree::new([entry.leaf()]);
        let header = spine.next(ROSTER.id(), entries.root(), Some(state.root()));
        let body = Body { transactions: BoundedVec::new(vec![transaction]).expect("one") }.encode();
        let inner = byzcoin::Header {
            parent,
            height: byzcoin::Height::new(header.index),
            first_view: View::ZERO,
            next_roster: ROSTER.id(),
            next_start: 0,
            app: App::new(header.id().encode()).expect("a hash"),
        };
        let proposal = Proposal::new(inner, &byzcoin::Body::new(&body).expect("a short body"));
        let scope = Scope { chain: header.chain.0, epoch: 0, roster: ROSTER.id() };
        let (height, digest) = (proposal.header.height, proposal.digest());
        let statement = scope.statement(Kind::Commit, height, View::ZERO, digest);
        let certificate = certify(&statement.to_signed());
        let decision = Decision { epoch: 0, view: View::ZERO, proposal, certificate };
        let link = Link::new(0, spine.tip(), &header, &spine.back_links(), decision, None);
        let path = entries.path(0).expect("the only entry");
        let found = Found { session, block: header.index, path };
        (header, digest, link.expect("the next block"), found)
    }

    /// The links of the blocks from `from` up to `to`.
    pub(crate) fn chain(&self, from: usize, to: usize) -> Proof<Decision> {
        let start = self.headers.get(from).expect("a block");
        let links = self.links.iter().take(to).skip(from).cloned().collect();
        Proof::new(start, links).expect("two links at most")
    }

    /// The link that passes over the first block: the decision on the second attests it too.
    pub(crate) fn skipping(&self) -> Proof<Decision> {
        let (Some([from, passed, to]), Some(last)) = (self.headers.get(..3), self.links.get(1))
        else {
            unreachable!("two blocks");
        };
        let back = [passed, from].map(Header::id).into_iter().collect();
        let link = Link::new(1, from, to, &back, last.attestation().clone(), None);
        Proof::new(from, link.into_iter().collect()).expect("one link")
    }

    /// What proves a committed payment.
    pub(crate) fn receipt(&self, payment: usize) -> Receipt {
        let transaction = self.payments.get(payment).expect("a payment").clone();
        let path = self.found.get(payment).expect("a committed one").path.clone();
        Receipt { transaction, chain: self.chain(0, payment.wrapping_add(1)), path }
    }
}
