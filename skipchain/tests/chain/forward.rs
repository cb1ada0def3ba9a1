//! Proofs reach every block, in few hops, and cost what they must.

use std::cell::Cell;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{Attests, Certificate, Policy, VerifyError, roster::Keys};
use proptest::prelude::*;
use skipchain::{
    Attestation, BlockId, Inclusion, LightClient, Link, LinkStatement, Proof, ProofError,
    client::MEMORY,
    proof::MAX_LINKS,
    tree::{Tree, leaf_hash},
    wire::Wire,
};

use crate::common::{Chain, Group, QUORUM, parse, payload, shape};

/// The fewest links from one index to another, found by trying all (links only lead forward).
fn fewest(chain: &Chain, from: u64, target: u64) -> usize {
    let mut hops = vec![usize::MAX; usize::try_from(target + 1).unwrap()];
    hops[usize::try_from(from).unwrap()] = 0;
    for at in from..target {
        let here = hops[usize::try_from(at).unwrap()];
        let ends = (0..chain.header(at).height).filter_map(|level| chain.end(at, level));
        for end in ends.filter(|end| *end <= target) {
            let slot = &mut hops[usize::try_from(end).unwrap()];
            *slot = (*slot).min(here.saturating_add(1));
        }
    }
    hops[usize::try_from(target).unwrap()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_client_reaches_any_block_of_any_chain(
        (base, max) in prop_oneof![Just((1, 1)), (2..5u32, 1..6u8)],
        len in 1..70u64,
        tenure in 1..12u64,
        (start, target) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let chain = Chain::new(1, shape(base, max), len, tenure);
        let size = usize::try_from(len).unwrap() + 1;
        let (a, b) = (start.index(size) as u64, target.index(size) as u64);
        let (from, target) = (a.min(b), a.max(b));
        let proof = parse(&chain.proof(from, target).encode()).unwrap();
        prop_assert_eq!(proof.hops(), fewest(&chain, from, target));
        prop_assert_eq!(proof.encoded_len(), proof.encode().len());
        let reached = chain.client(from).verify(&proof).unwrap();
        prop_assert_eq!(reached.header(), chain.header(target));
        prop_assert_eq!(reached.id(), chain.header(target).id());
    }
}

#[test]
fn links_of_upper_levels_shorten_proofs_and_none_is_needed() {
    let chain = Chain::new(1, shape(2, 32), 63, 64);
    for target in 0..64u64 {
        let proof = chain.proof(0, target);
        assert_eq!(proof.hops(), usize::try_from(target.count_ones()).unwrap());
    }
    for known in 0..4u8 {
        let find = |at, level| chain.link(at, level).filter(|_| level <= known);
        let proof = Proof::build(chain.header(0), 63, find).unwrap();
        let (whole, rest) = (63 >> known, u32::count_ones(63 & ((1 << known) - 1)));
        assert_eq!(proof.hops(), whole + usize::try_from(rest).unwrap());
        assert_eq!(chain.client(0).verify(&proof).unwrap().header(), chain.header(63));
    }
    let gap = |at, level| chain.link(at, level).filter(|_| at != 40 && level == 0);
    assert!(Proof::build(chain.header(0), 63, gap).is_none());
    assert!(Proof::build(chain.header(9), 8, |at, level| chain.link(at, level)).is_none());
}

#[test]
fn an_opening_is_shown_once_a_roster() {
    let chain = Chain::new(1, shape(2, 1), 8, 4);
    let proof = chain.proof(0, 8);
    let shown: Vec<_> = proof.links().iter().map(|link| link.opening().is_some()).collect();
    assert_eq!(shown, [true, false, false, false, true, false, false, false]);
    assert!(chain.client(0).verify(&proof).is_ok());
}

#[test]
fn a_client_that_advanced_goes_on_from_its_head_and_survives_a_restart() {
    let chain = Chain::new(1, shape(2, 8), 40, 5);
    let mut client = chain.client(0);
    for (from, to) in [(0, 7), (7, 19), (19, 40)] {
        let head = client.advance(&chain.proof(from, to)).unwrap();
        assert_eq!((client.head(), head.header()), (&head, chain.header(to)));
        let trust = skipchain::Trust::decode(&client.trust().encode()).unwrap();
        client = LightClient::restore(trust).unwrap();
    }
    assert_eq!(client.advance(&chain.proof(0, 39)), Err(ProofError::Stale));
    assert_eq!(client.advance(&chain.proof(40, 40)), Err(ProofError::Stale));
    assert_eq!(client.verify(&chain.proof(0, 39)).unwrap().header(), chain.header(39));
    assert_eq!(client.head().header(), chain.header(40));
    // It has forgotten the blocks on its way, and does not trust them unproven.
    let forgotten = LightClient::restore(client.trust().clone()).unwrap();
    assert_eq!(forgotten.clone().verify(&chain.proof(19, 40)), Err(ProofError::Start));
    assert_eq!(forgotten.known(19), None);
}

#[test]
fn an_entry_stands_under_a_proven_block_and_no_other() {
    let chain = Chain::new(1, shape(2, 8), 12, 5);
    let block = chain.client(0).verify(&chain.proof(0, 11)).unwrap();
    let entries = [11u64.to_le_bytes().to_vec(), b"entry".to_vec()];
    let tree = Tree::new(entries.iter().map(|entry| leaf_hash(entry)));
    assert_eq!(tree.root(), payload(11));
    let inclusion = Inclusion { path: tree.path(1).unwrap() };
    let inclusion = Inclusion::decode(&inclusion.encode()).unwrap();
    assert!(inclusion.verify(block.header(), b"entry"));
    assert!(!inclusion.verify(block.header(), b"entrz"));
    assert!(!inclusion.verify(chain.header(10), b"entry"));
    let elsewhere = Inclusion { path: tree.path(0).unwrap() };
    assert!(!elsewhere.verify(block.header(), b"entry"));
}

thread_local!(pub(crate) static CHECKS: Cell<u32> = const { Cell::new(0) });

/// The decision of another engine, which knows nothing of links: that this roster decided on
/// the block with this id. Counts how often it is checked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Decision(pub(crate) Certificate);

impl Attestation for Decision {
    const SPANS: bool = true;
}

impl Attests<LinkStatement> for Decision {
    fn attests<K: Keys + ?Sized>(
        &self,
        statement: &LinkStatement,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        CHECKS.set(CHECKS.get() + 1);
        self.0.verify(keys, &of_engine(&statement.to), policy)
    }
}

pub(crate) fn of_engine(block: &BlockId) -> Vec<u8> {
    [b"engine", &block.0[..]].concat()
}

pub(crate) fn decision(chain: &Chain, index: u64) -> Link<Decision> {
    let (from, to) = (chain.header(index), chain.header(index + 1));
    let group = chain.group(index);
    let decision = Decision(group.sign_bytes(&of_engine(&to.id()), &QUORUM));
    let opening = Some(group.open(&QUORUM));
    Link::new(0, from, to, chain.back(index + 1), decision, opening).unwrap()
}

#[test]
fn another_engines_decisions_stand_as_links_and_cannot_be_moved() {
    let chain = Chain::new(1, shape(2, 8), 10, 4);
    let mut links: Vec<_> = (0..10).map(|index| decision(&chain, index)).collect();
    let proof = Proof::new(chain.header(0), links.clone()).unwrap();
    assert_eq!(chain.client(0).verify(&proof).unwrap().header(), chain.header(10));

    // The decision says nothing of From. To's back link does.
    links.drain(4..6);
    let proof = Proof::new(chain.header(0), links).unwrap();
    let error = VerifyError::Signature;
    let refused = chain.client(0).verify(&proof);
    assert_eq!(refused, Err(ProofError::Certificate { link: 4, error }));
    let (from, to) = (chain.header(4), chain.header(6));
    let stolen = decision(&chain, 5).attestation().clone();
    let moved = Link::new(0, from, to, chain.back(6), stolen, None);
    assert!(moved.is_none());
}

#[test]
fn receipts_over_the_same_blocks_cost_their_certificates_once() {
    let chain = Chain::new(1, shape(2, 8), 10, 4);
    let links: Vec<_> = (0..10).map(|index| decision(&chain, index)).collect();
    let mut client = chain.client(0);
    CHECKS.set(0);
    for receipt in 0..2_500 {
        let to = 1 + receipt % 10;
        let proof = Proof::new(chain.header(0), links[..to].to_vec()).unwrap();
        assert!(client.verify(&proof).is_ok());
    }
    assert_eq!(CHECKS.get(), 10);

    // Another byte is another link, and is checked.
    let proof = Proof::new(chain.header(0), links).unwrap();
    let bytes = proof.encode();
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let holds = Proof::<Decision>::decode(&flipped).is_ok_and(|p| client.verify(&p).is_ok());
        assert!(!holds, "byte {at}");
    }
}

#[test]
fn memory_is_bounded_and_keeps_the_anchor_and_the_head() {
    let len = MEMORY as u64 + 60;
    let chain = Chain::of(1, shape(2, 1), Group::new(1..5), len);
    let mut client = chain.client(0);
    client.advance(&chain.proof(0, 30)).unwrap();
    let mut most = 0;
    for (from, to) in [(30, 700), (700, len - 20), (len - 20, len)] {
        client.verify(&chain.proof(from, to)).unwrap();
        let known = (0..=len).filter(|index| client.known(*index).is_some()).count();
        assert!(known <= MEMORY + 2, "{known}");
        most = most.max(known);
        assert!(client.known(0).is_some() && client.known(30).is_some());
    }
    assert!(most > MEMORY / 2 && client.known(31).is_none());
}

#[test]
fn a_proof_has_at_most_so_many_links() {
    let chain = Chain::new(1, shape(2, 1), 1, 4);
    let link = chain.link(0, 0).unwrap().without_opening();
    let too_many = vec![link; MAX_LINKS + 1];
    assert!(Proof::new(chain.header(0), too_many).is_none());
}
