//! Proofs of real chains: certified blocks, rosters that change, light clients.

use std::{cell::Cell, collections::BTreeMap};

use atomix::{
    Checked, InBlock, Outcome, Place, Proof, ProofError, Refusal, Rosters, Sealed, Seen,
    ShardState, Shards, Verdict,
    inclusion::MEMORY,
    keys::{Seed, SigningKey},
    merkle::tree::{self, Tree},
    roster::{Member, Roster},
    wire::Wire,
};
use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy, Statement, VerifyError, certificate, mask::Mask, roster::Keys,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use skipchain::{Header, LightClient, Link, LinkStatement, Shape, Spine};

use crate::common::{SHARDS, WORTH, chain, coin, created, output, pay, rules};

/// The members of a shard in one epoch.
struct Group {
    roster: Roster,
    keys: Vec<SigningKey>,
}

impl Group {
    fn new(shard: u16, epoch: u64) -> Self {
        let name = u8::try_from(u64::from(shard) * 50 + epoch * 4).unwrap();
        let keys = (0..4).map(|at| Seed::from_bytes([name + at; 32]).signing_key());
        let keys: Vec<_> = keys.collect();
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap();
        Self { roster, keys }
    }

    fn certify(&self, statement: &LinkStatement, signers: &[u16]) -> Certificate {
        let (id, bytes) = (self.roster.id(), statement.to_signed());
        let signed = signers.iter().map(|at| {
            let signature = certificate::sign(&self.keys[usize::from(*at)], &id, &bytes);
            (self.roster.index(*at).unwrap(), signature)
        });
        Certificate::individual(&self.roster, signed).unwrap()
    }
}

/// A shard with its chain.
struct Shard {
    state: ShardState,
    spine: Spine,
    genesis: Header,
    links: Vec<Link>,
}

/// Shards that are chains, and what each knows of the others.
struct City {
    shards: BTreeMap<u16, Shard>,
    rosters: Rosters,
}

impl City {
    fn new() -> Self {
        let mut rosters = Rosters::new();
        let shards = (0..SHARDS).map(|shard| {
            let group = Group::new(shard, 0);
            let all = group.roster.open(&Mask::of(4, 0..4)).check(group.roster.id()).unwrap();
            rosters.turn(shard, chain(shard), all);
            let state = ShardState::new(chain(shard), shard, rules(), (1..10).map(coin));
            let (id, shape) = (group.roster.id(), Shape::default());
            let root = Some(state.root());
            let genesis = Header::genesis(chain(shard), shape, id, tree::root([]), root);
            let spine = Spine::new(genesis.clone()).unwrap();
            (shard, Shard { state, spine, genesis, links: vec![] })
        });
        Self { shards: shards.collect(), rosters }
    }

    fn group(&self, shard: u16) -> Group {
        Group::new(shard, self.shards[&shard].state.epoch())
    }

    /// Appends a block with these entries, decided by the shard's roster, after `act` on the
    /// state. Returns the verdict sealed in its log.
    fn block(
        &mut self,
        shard: u16,
        act: impl FnOnce(&mut ShardState, &Rosters) -> Verdict,
    ) -> (Verdict, Proof<Sealed>) {
        let group = self.group(shard);
        let rosters = self.rosters.clone();
        let kept = self.shards.get_mut(&shard).unwrap();
        kept.state.begin(kept.state.epoch(), kept.spine.tip().index + 1).unwrap();
        let verdict = act(&mut kept.state, &rosters);
        let tree = Tree::new([tree::leaf_hash(b"another entry"), verdict.entry(1, 2)]);
        let place = Place::Logged(tree.path(1).unwrap());
        let sealed = self.seal(shard, &group, tree.root(), place, &[0, 1, 3]);
        let proof = Proof::new(&verdict, sealed);
        (verdict, proof)
    }

    /// Makes the next header, certified by these members of the group.
    fn seal(
        &mut self,
        shard: u16,
        group: &Group,
        payload: [u8; 32],
        place: Place,
        signers: &[u16],
    ) -> Sealed {
        let Shard { state, spine, links, .. } = self.shards.get_mut(&shard).unwrap();
        let (from, back) = (spine.tip().clone(), spine.back_links());
        let header = spine.next(group.roster.id(), payload, Some(state.root()));
        let attestation = group.certify(&LinkStatement::new(0, &from, &header), signers);
        links.push(Link::new(0, &from, &header, &back, attestation.clone(), None).unwrap());
        spine.push(&header).unwrap();
        Sealed { header, from: from.id(), back: back.open(0).unwrap(), attestation, place }
    }

    /// Enters the next epoch in every shard, with new members.
    fn turn(&mut self) {
        for (shard, kept) in &mut self.shards {
            let epoch = kept.state.epoch() + 1;
            let index = kept.spine.tip().index + 1;
            kept.state.begin(epoch, index).unwrap();
            let group = Group::new(*shard, epoch);
            let all = group.roster.open(&Mask::of(4, 0..4)).check(group.roster.id()).unwrap();
            self.rosters.turn(*shard, chain(*shard), all);
        }
        for shard in 0..SHARDS {
            let group = self.group(shard);
            self.seal(
                shard,
                &group,
                tree::root([]),
                Place::Logged(Tree::new([[0; 32]]).path(0).unwrap()),
                &[0, 1, 2],
            );
        }
    }

    fn lock(&mut self, shard: u16, tx: &Checked) -> (Verdict, Proof<Sealed>) {
        self.block(shard, |state, rosters| state.lock(tx, None, rosters).unwrap().verdict().clone())
    }

    fn create(&self, shard: u16, tx: &Checked, proofs: &[Proof<Sealed>]) -> Result<(), Refusal> {
        let mut state = self.shards[&shard].state.clone();
        state.create(tx, proofs, &self.rosters).map(|_| ())?;
        assert_eq!(state.spendable(&created(tx, 0)), Ok(()));
        Ok(())
    }
}

fn tx() -> Checked {
    pay(1, &[coin(3), coin(1)], &[output(2, 5, 2 * WORTH)])
}

#[test]
fn a_verdict_in_a_certified_block_convinces_and_no_other_does() {
    let (mut city, tx) = (City::new(), tx());
    let (verdict, proof) = city.lock(0, &tx);
    let (_, other) = city.lock(1, &tx);
    assert_eq!(proof.verify(&tx, &city.rosters), Ok(verdict));
    assert_eq!(city.create(2, &tx, &[proof.clone(), other.clone()]), Ok(()));

    let refuses = |proof: &Proof<Sealed>| proof.verify(&tx, &city.rosters).unwrap_err();
    let lies = [
        Proof { outcome: Outcome::Rejected, ..proof.clone() },
        Proof { outcome: Outcome::GivenBack, ..proof.clone() },
        Proof { height: 2, ..proof.clone() },
        Proof { shard: 1, ..proof.clone() },
        Proof { inclusion: other.inclusion.clone(), ..proof.clone() },
    ];
    lies.iter().for_each(|lie| assert_eq!(refuses(lie), ProofError::Absent));
    let other_party = Proof { outcome: Outcome::Created, ..proof.clone() };
    assert_eq!(refuses(&other_party), ProofError::NotParty);
    let foreign = pay(2, &[coin(3), coin(1)], &[output(2, 5, WORTH)]);
    assert_eq!(proof.verify(&foreign, &city.rosters), Err(ProofError::Absent));
    assert_eq!(proof.verify(&tx, &Rosters::new()), Err(ProofError::Unknown));

    // Two of four signed, another's certificate, or a header that nobody signed.
    let Sealed { header, from, attestation, .. } = &proof.inclusion;
    let with = |header: &Header, attestation: &Certificate| {
        let (header, attestation) = (header.clone(), attestation.clone());
        let inclusion = Sealed { header, attestation, ..proof.inclusion.clone() };
        refuses(&Proof { inclusion, ..proof.clone() })
    };
    let genesis = &city.shards[&0].genesis;
    assert_eq!(genesis.id(), *from);
    let few = Group::new(0, 0).certify(&LinkStatement::new(0, genesis, header), &[0, 1]);
    assert_eq!(with(header, &few), ProofError::Roster);
    assert_eq!(with(header, &other.inclusion.attestation), ProofError::Roster);
    let grown = Header { state_root: None, ..header.clone() };
    assert_eq!(with(&grown, attestation), ProofError::Roster);
    let mut elsewhere = proof.clone();
    elsewhere.inclusion.from.0[0] ^= 1;
    assert_eq!(refuses(&elsewhere), ProofError::Absent, "not the block before");

    let bytes = proof.encode();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        let Ok(touched) = Proof::<Sealed>::decode(&bytes) else { continue };
        assert!(touched.verify(&tx, &city.rosters).is_err(), "byte {at}");
    }
}

#[test]
fn what_was_learnt_convinces_as_it_is_and_while_its_roster_does() {
    let (mut city, tx) = (City::new(), tx());
    let (verdict, proof) = city.lock(0, &tx);
    let mut rosters = city.rosters.clone();
    rosters.learn(0, &proof.inclusion);
    assert_eq!(proof.verify(&tx, &rosters), Ok(verdict));

    // Whoever has learnt a block takes no other attestation of it, and no other block by it.
    let Sealed { header, attestation, .. } = &proof.inclusion;
    let few = LinkStatement::new(0, &city.shards[&0].genesis, header);
    let few = Group::new(0, 0).certify(&few, &[0, 1]);
    let grown = Header { state_root: None, ..header.clone() };
    for (header, attestation) in [(header, &few), (&grown, attestation)] {
        let (header, attestation) = (header.clone(), attestation.clone());
        let inclusion = Sealed { header, attestation, ..proof.inclusion.clone() };
        let lie = Proof { inclusion, ..proof.clone() };
        rosters.learn(0, &lie.inclusion);
        assert_eq!(lie.verify(&tx, &rosters), Err(ProofError::Roster));
    }

    // It is learnt of the one shard, and its roster's word ends with the roster.
    rosters.learn(1, &proof.inclusion);
    assert!(Proof { shard: 1, ..proof.clone() }.verify(&tx, &rosters).is_err());
    for epoch in [1, 2] {
        let group = Group::new(0, epoch);
        let all = group.roster.open(&Mask::of(4, 0..4)).check(group.roster.id()).unwrap();
        assert!(proof.verify(&tx, &rosters).is_ok());
        rosters.turn(0, chain(0), all);
    }
    assert_eq!(proof.verify(&tx, &rosters), Err(ProofError::Roster));
}

/// Attests everything, and counts how often it is asked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Asked;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

impl Attests<LinkStatement> for Asked {
    fn attests<K: Keys + ?Sized>(
        &self,
        _: &LinkStatement,
        _: &K,
        _: &Policy,
    ) -> Result<(), VerifyError> {
        COUNT.set(COUNT.get() + 1);
        Ok(())
    }
}

#[test]
fn an_attestation_is_judged_once_and_so_many_are_remembered() {
    let group = Group::new(0, 0);
    let all = group.roster.open(&Mask::of(4, 0..4)).check(group.roster.id()).unwrap();
    let mut rosters = Rosters::<Asked>::new();
    rosters.turn(0, chain(0), all);
    let first = Header::genesis(chain(0), Shape::default(), group.roster.id(), [0; 32], None);
    let sealed = |number: usize| {
        let mut payload = [0; 32];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        let spine = Spine::new(first.clone()).unwrap();
        let (header, back) = (spine.next(first.roster, payload, None), spine.back_links());
        let place = Place::Logged(Tree::new([[0; 32]]).path(0).unwrap());
        let (from, back) = (first.id(), back.open(0).unwrap());
        Sealed { header, from, back, attestation: Asked, place }
    };
    let mut asked = |number| {
        let before = COUNT.get();
        rosters.learn(0, &sealed(number));
        COUNT.get() - before
    };
    assert_eq!((0..MEMORY).map(&mut asked).sum::<usize>(), MEMORY);
    assert_eq!((0..MEMORY).map(&mut asked).sum::<usize>(), 0, "all are remembered");
    assert_eq!(asked(MEMORY), 1);
    assert_eq!((asked(0), asked(MEMORY)), (1, 0), "the others are let go");
}

#[test]
fn retired_keys_breaks_published() {
    // As published, an output shard takes whatever the input shard's members signed, whenever
    // they were its members: the chain of rosters is all that it asks for.
    let (mut city, tx) = (City::new(), tx());
    let old = Group::new(0, 0);
    let ever = [old.roster.id(), Group::new(0, 1).roster.id(), Group::new(0, 2).roster.id()];
    city.turn();
    city.turn();
    let forged = forge(&city, &tx, &old);
    let Sealed { header, from, attestation, place, .. } = &forged.inclusion;
    let verdict = Verdict::new(chain(0), 0, &tx, Outcome::Accepted, forged.height);
    let statement = LinkStatement {
        chain: chain(0),
        level: 0,
        from_index: header.index - 1,
        from: *from,
        to_index: header.index,
        to: header.id(),
        to_roster: header.roster,
    };
    let rosters = [&old.roster];
    let believed = rosters.into_iter().filter(|roster| ever.contains(&roster.id()));
    let quorum = Policy::Quorum;
    let mut holds =
        believed.map(|roster| attestation.verify(roster, &statement.to_signed(), &quorum).is_ok());
    assert!(place.holds(&verdict, header) && holds.any(|holds| holds), "an acceptance for nothing");
}

#[test]
fn retired_keys_fail_here() {
    let (mut city, tx) = (City::new(), tx());
    let (_, real) = city.lock(1, &tx);
    let old = Group::new(0, 0);
    city.turn();
    // One epoch later the old roster is still believed, so its keys are still kept safe.
    let forged = forge(&city, &tx, &old);
    assert!(forged.verify(&tx, &city.rosters).is_ok());
    city.turn();
    let roster = Refusal::Proof { shard: 0, error: ProofError::Roster };
    assert_eq!(city.create(2, &tx, &[forge(&city, &tx, &old), real]), Err(roster));
}

/// A block that former members of shard 0 make up, with an acceptance in it.
fn forge(city: &City, tx: &Checked, members: &Group) -> Proof<Sealed> {
    let spine = &city.shards[&0].spine;
    let verdict = Verdict::new(chain(0), 0, tx, Outcome::Accepted, spine.tip().index + 1);
    let tree = Tree::new([verdict.entry(0, 1)]);
    let header = spine.next(members.roster.id(), tree.root(), None);
    let from = spine.tip();
    let attestation = members.certify(&LinkStatement::new(0, from, &header), &[0, 1, 2]);
    let place = Place::Logged(tree.path(0).unwrap());
    let back = spine.back_links().open(0).unwrap();
    Proof::new(&verdict, Sealed { header, from: from.id(), back, attestation, place })
}

#[test]
fn an_old_verdict_is_proved_anew_from_the_state() {
    let (mut city, tx) = (City::new(), tx());
    let proofs = [city.lock(0, &tx).1, city.lock(1, &tx).1];
    (0..3).for_each(|_| city.turn());
    let stale = Refusal::Proof { shard: 0, error: ProofError::Roster };
    assert_eq!(city.create(2, &tx, &proofs), Err(stale));

    let fresh = [0, 1].map(|shard| {
        let group = city.group(shard);
        let state = &mut city.shards.get_mut(&shard).unwrap().state;
        state.begin(state.epoch(), state.index() + 1).unwrap();
        let verdict = state.verdict(&tx).unwrap();
        assert_eq!((verdict.outcome, verdict.height), (Outcome::Accepted, 1));
        let place = state.place(tx.session(), Outcome::Accepted).unwrap();
        let sealed = city.seal(shard, &group, tree::root([]), place, &[1, 2, 3]);
        Proof::new(&verdict, sealed)
    });
    assert_eq!(city.create(2, &tx, &fresh), Ok(()));
    let verify = |proof: &Proof<Sealed>| proof.verify(&tx, &city.rosters);
    for outcome in [Outcome::Rejected, Outcome::GivenBack] {
        assert_eq!(verify(&Proof { outcome, ..fresh[0].clone() }), Err(ProofError::Absent));
    }
    let moved = Proof { height: fresh[0].height + 1, ..fresh[0].clone() };
    assert_eq!(verify(&moved), Err(ProofError::Absent));
    let lone = pay(9, &[coin(3)], &[]);
    assert_eq!(fresh[0].verify(&lone, &city.rosters), Err(ProofError::Absent));
    assert_eq!(city.shards[&0].state.place(lone.session(), Outcome::Accepted), None);
}

#[test]
fn a_light_client_judges_by_the_blocks_it_verified() {
    let (mut city, tx) = (City::new(), tx());
    let (verdict, sealed) = city.lock(0, &tx);
    let Shard { genesis, links, .. } = &city.shards[&0];
    let group = Group::new(0, 0);
    let opening = group.roster.open(&Mask::of(4, 0..4));
    let mut light = LightClient::new(genesis.clone(), opening).unwrap();
    let head = light.advance(&skipchain::Proof::new(genesis, links.clone()).unwrap()).unwrap();

    let mut seen = Seen::new();
    let inclusion = InBlock { index: 1, place: sealed.inclusion.place.clone() };
    let proof = Proof::new(&verdict, inclusion);
    assert_eq!(proof.verify(&tx, &seen), Err(ProofError::Unknown));
    seen.count_from(0, chain(0), 1);
    assert_eq!(proof.verify(&tx, &seen), Err(ProofError::Unknown));
    seen.add(0, &head);
    assert_eq!(proof.verify(&tx, &seen), Ok(verdict));
    let rejected = Proof { outcome: Outcome::Rejected, ..proof.clone() };
    assert_eq!(rejected.verify(&tx, &seen), Err(ProofError::Absent));
    // Another shard's chain is not taken for this one's.
    seen.count_from(1, chain(1), 0);
    seen.add(1, &head);
    assert_eq!(Proof { shard: 1, ..proof.clone() }.verify(&tx, &seen), Err(ProofError::Unknown));
    seen.count_from(0, chain(0), 2);
    assert_eq!(proof.verify(&tx, &seen), Err(ProofError::Roster), "two epochs old");
    seen.add(0, &head);
    assert_eq!(seen.chain(0), Some(chain(0)));
    assert_eq!(proof.verify(&tx, &seen), Err(ProofError::Roster));
}

#[test]
fn a_proof_of_a_large_block_is_within_a_kibibyte() {
    let (mut city, tx) = (City::new(), tx());
    let verdict = Verdict::new(chain(0), 0, &tx, Outcome::Accepted, 1);
    let entries = (0..4096_u32).map(|at| match at {
        77 => verdict.entry(77, 4096),
        _ => tree::leaf_hash(&at.to_le_bytes()),
    });
    let tree = Tree::new(entries);
    let group = city.group(0);
    let place = Place::Logged(tree.path(77).unwrap());
    let sealed = city.seal(0, &group, tree.root(), place, &[0, 1, 2]);
    let certificate = sealed.attestation.encode().len();
    let len = Proof::new(&verdict, sealed).encode().len();
    // A collective certificate is a signature and a mask.
    let collective = len - certificate + 64 + 128;
    assert!(collective <= 1024, "{collective} bytes");
}
