//! Small ledgers whose validators are all in the test's hand, so that they can lie.

use cosi::{
    Certificate, Statement as _,
    keys::{Seed, SigningKey},
    merkle::tree::Tree,
    roster::Member,
};
use omniledger::{
    byzcoin::{self, Height, Kind, Proposal, Scope, View},
    chain::{Entry, Verdict},
    genesis::Grant,
    skipchain::{Link, Spine, Timeline},
    transaction::{Declaration, Input, Output},
    wire::BoundedBytes,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

fn key(number: u8) -> SigningKey {
    Seed::from_bytes([number; 32]).signing_key()
}

/// A ledger of which validators decide whatever the test says.
struct Town {
    genesis: Genesis,
    spine: Spine,
    state: Utxo,
    links: Vec<Link<Decision>>,
    receipts: Vec<Receipt>,
}

impl Town {
    /// Four coins of 100.
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let members = (0..4).map(|number| Member::new(&key(number), &mut rng)).collect();
        let grants = vec![Grant { owner: key(9).public().to_bytes(), value: 100 }; 4];
        let genesis = Genesis::new("town", members, grants).unwrap();
        let spine = Spine::new(genesis_header(&genesis).unwrap()).unwrap();
        let state = genesis.ledger().unwrap();
        Self { genesis, spine, state, links: Vec::new(), receipts: Vec::new() }
    }

    fn coin(&self, at: usize) -> Input {
        self.genesis.granted().nth(at).unwrap()
    }

    fn pay(&self, nonce: u64, input: Input, value: u64) -> Transaction {
        let output = Output { shard: 0, value, owner: key(9).public().to_bytes() };
        let declared = Declaration::new(0, nonce, vec![input], vec![output]).unwrap();
        let owner = key(9);
        declared.sign(&self.genesis.id(), |_| Some(&owner)).unwrap()
    }

    /// Has a quorum decide on these transactions, whether they can be executed or not.
    fn decide(&mut self, transactions: &[Transaction], root: Option<[u8; 32]>) {
        let of = transactions.len().try_into().unwrap();
        let sessions: Vec<_> =
            transactions.iter().map(|t| t.declaration.session(&self.genesis.id())).collect();
        let entries =
            Tree::new((0..).zip(&sessions).map(|(at, session)| {
                Entry { at, of, verdict: Verdict::Committed(*session) }.leaf()
            }));
        for checked in self.state.check(transactions.to_vec()).results.into_iter().flatten() {
            let _ = self.state.apply(&checked);
        }
        let roster = self.genesis.roster().unwrap();
        let root = root.unwrap_or_else(|| self.state.root());
        let header = self.spine.next(roster.id(), entries.root(), Some(root));
        let engine = byzcoin::Header {
            parent: [0; 32],
            height: Height::new(header.index),
            first_view: View::ZERO,
            next_roster: roster.id(),
            next_start: 0,
            app: BoundedBytes::new(header.id().encode()).unwrap(),
        };
        let proposal = Proposal { header: engine, chunk_root: [0; 32], size: 0 };
        let scope = Scope { chain: self.genesis.id().0, epoch: 0, roster: roster.id() };
        let height = Height::new(header.index);
        let statement = scope.statement(Kind::Commit, height, View::ZERO, proposal.digest());
        let signed = [0u8, 1, 2].map(|at| {
            let signature = cosi::certificate::sign(&key(at), &roster.id(), &statement.to_signed());
            (roster.index(at.into()).unwrap(), signature)
        });
        let certificate = Certificate::individual(&roster, signed).unwrap();
        let decision = Decision { epoch: 0, view: View::ZERO, proposal, certificate };
        let back = self.spine.back_links();
        self.links.push(Link::new(0, self.spine.tip(), &header, &back, decision, None).unwrap());
        self.spine.push(&header).unwrap();
        for (at, transaction) in (0..).zip(transactions) {
            let (chain, path) = (self.chain(), entries.path(at).unwrap());
            self.receipts.push(Receipt { transaction: transaction.clone(), chain, path });
        }
    }

    fn chain(&self) -> Proof<Decision> {
        let from = genesis_header(&self.genesis).unwrap();
        Proof::new(&from, self.links.clone()).unwrap()
    }

    fn files(&self) -> Vec<Vec<u8>> {
        self.receipts.iter().map(Wire::encode).collect()
    }

    fn audit(&self, files: Vec<Vec<u8>>) -> Result<Audit, Broken> {
        audit(&self.genesis, &self.chain(), files)
    }

    /// In which receipt, and of which check, a fault is found.
    fn broken(&self, files: Vec<Vec<u8>>) -> (Option<usize>, &'static str) {
        let broken = self.audit(files).unwrap_err();
        (broken.receipt, broken.check)
    }
}

/// Three blocks: two payments, none, and two, of which one spends what the other creates.
fn sound() -> Town {
    let mut town = Town::new();
    town.decide(&[town.pay(0, town.coin(0), 100), town.pay(1, town.coin(1), 100)], None);
    town.decide(&[], None);
    let first = town.pay(2, town.coin(2), 100);
    let session = first.declaration.session(&town.genesis.id());
    let made = first.declaration.created(session).next().unwrap();
    town.decide(&[first, town.pay(3, made, 100)], None);
    town
}

#[test]
fn a_sound_ledger_passes_with_its_empty_blocks() {
    let town = sound();
    let audit = town.audit(town.files()).unwrap();
    assert_eq!((audit.verified, audit.value_in, audit.value_out), (4, 400, 400));
    assert_eq!((audit.unspent, audit.value_unspent), (4, 400));
    let sizes: Vec<_> = town.files().iter().map(Vec::len).collect();
    assert_eq!(audit.receipts, sizes);

    let empty = Town::new();
    assert_eq!(empty.audit(vec![]).unwrap().verified, 0, "before the first block");
    let mut idle = Town::new();
    idle.decide(&[], None);
    assert_eq!(idle.audit(vec![]).unwrap().value_unspent, 400);
}

#[test]
fn a_missing_receipt_is_missed() {
    let town = sound();
    for at in 0..4 {
        let mut files = town.files();
        files.remove(at);
        // The next one shows that one is missing; after the last one, the chain does.
        let shown = Some(at).filter(|at| *at < 3);
        assert_eq!(town.broken(files), (shown, "completeness"), "{at}");
    }
    assert_eq!(town.broken(vec![]), (None, "completeness"));
}

#[test]
fn a_receipt_that_stands_twice_or_out_of_order_is_refused() {
    let town = sound();
    for at in 0..4 {
        let mut files = town.files();
        files.insert(at, files[at].clone());
        assert_eq!(town.broken(files), (Some(at + 1), "order"), "{at}");
        let mut files = town.files();
        files.push(files[at].clone());
        assert_eq!(town.broken(files), (Some(4), "order"), "{at}");
    }
    let mut files = town.files();
    files.swap(0, 1);
    assert_eq!(town.broken(files), (Some(0), "completeness"));
}

#[test]
fn a_file_that_is_no_receipt_of_this_ledger_is_named() {
    let town = sound();
    let mut files = town.files();
    files[2].push(0);
    assert_eq!(town.broken(files), (Some(2), "encoding"));
    let mut files = town.files();
    let last = files[1].len() - 1;
    files[1][last] ^= 1;
    assert_eq!(town.broken(files), (Some(1), "proof"));
    let mut short = town.chain();
    short =
        Proof::new(&genesis_header(&town.genesis).unwrap(), short.links()[..2].to_vec()).unwrap();
    let broken = audit(&town.genesis, &short, town.files()).unwrap_err();
    assert_eq!((broken.receipt, broken.check), (Some(2), "completeness"), "beyond the chain's end");
    let other = Proof::new(&genesis_header(&town.genesis).unwrap(), town.links[1..].to_vec());
    let broken = audit(&town.genesis, &other.unwrap(), town.files()).unwrap_err();
    assert_eq!((broken.receipt, broken.check), (None, LINKS));
}

#[test]
fn a_chain_that_skips_a_block_is_refused() {
    // A payment, and an empty block: by the link from the genesis, only the empty one is seen.
    let mut town = Town::new();
    town.decide(&[town.pay(0, town.coin(0), 100)], None);
    town.decide(&[], None);
    let mut chain = Timeline::new(genesis_header(&town.genesis).unwrap()).unwrap();
    for link in &town.links {
        let header = link.follow(chain.tip(), &chain.tip().id()).unwrap();
        chain.append(&header, link.attestation().clone()).unwrap();
    }
    let skipping = chain.prove(0, 2).unwrap();
    assert_eq!(skipping.hops(), 1);
    let broken = audit(&town.genesis, &skipping, vec![]).unwrap_err();
    assert_eq!((broken.receipt, broken.check), (None, LINKS));
}

#[test]
fn a_quorum_that_lies_is_caught_by_arithmetic() {
    // The same coin, spent twice.
    let mut town = Town::new();
    town.decide(&[town.pay(0, town.coin(0), 100), town.pay(1, town.coin(0), 100)], None);
    assert_eq!(town.broken(town.files()), (Some(1), "double spend"));

    // The same transaction, committed twice.
    let mut town = Town::new();
    let pay = town.pay(0, town.coin(0), 100);
    let pay = [pay];
    town.decide(&pay, None);
    town.decide(&pay, None);
    assert_eq!(town.broken(town.files()), (Some(1), "double spend"));

    // A coin declared to be worth more than it is, and one that never was.
    let mut town = Town::new();
    town.decide(&[town.pay(0, Input { value: 1000, ..town.coin(0) }, 1000)], None);
    assert_eq!(town.broken(town.files()), (Some(0), "double spend"));

    // Value that is lost.
    let mut town = Town::new();
    town.decide(&[town.pay(0, town.coin(0), 99)], None);
    assert_eq!(town.broken(town.files()), (Some(0), "conservation"));

    // Another's coin: the owner that is declared signs, and the ledger knows another.
    let mut town = Town::new();
    let thief = key(8);
    let stolen = Input { owner: thief.public().to_bytes(), ..town.coin(0) };
    let output = Output { shard: 0, value: 100, owner: [7; 32] };
    let declared = Declaration::new(0, 0, vec![stolen], vec![output]).unwrap();
    let theft = declared.sign(&town.genesis.id(), |_| Some(&thief)).unwrap();
    town.decide(&[theft], None);
    assert_eq!(town.broken(town.files()), (Some(0), "transaction"));

    // A state root that does not follow.
    let mut town = Town::new();
    town.decide(&[town.pay(0, town.coin(0), 100)], Some([7; 32]));
    assert_eq!(town.broken(town.files()), (None, "state"));
}
