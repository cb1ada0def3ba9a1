//! A keeper's proofs: short, the same as those of who stores everything, and not to be forged.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Policy, VerifyError,
    roster::{Keys, RosterId},
};
use proptest::prelude::*;
use skipchain::{
    Attestation, BackProof, BlockId, ChainId, Header, Link, LinkError, LinkStatement, Proof,
    ProofError, Shape, SpineError, Timeline, header::VERSION, wire::Wire,
};

use crate::common::{Chain, Group, shape};

/// What a roster says, with nothing that keeps others from saying it: links of a chain without
/// cryptography, whose proofs are looked at for their shape.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Word {
    /// The decision on a block.
    Decided(RosterId, BlockId),
    /// One link.
    Linked(RosterId, LinkStatement),
}

impl Attestation for Word {
    const SPANS: bool = true;
}

impl Attests<LinkStatement> for Word {
    fn attests<K: Keys + ?Sized>(
        &self,
        link: &LinkStatement,
        keys: &K,
        _: &Policy,
    ) -> Result<(), VerifyError> {
        let holds = match self {
            Self::Decided(by, block) => (*by, *block) == (keys.id(), link.to),
            Self::Linked(by, linked) => (*by, linked) == (keys.id(), link),
        };
        if holds { Ok(()) } else { Err(VerifyError::Signature) }
    }
}

fn decided(chain: &Chain, index: u64) -> Word {
    Word::Decided(chain.group(index - 1).roster.id(), chain.header(index).id())
}

fn linked(chain: &Chain, link: LinkStatement) -> Word {
    Word::Linked(chain.group(link.from_index).roster.id(), link)
}

/// The chain as its keeper has it, up to the block at `len`.
fn keep(chain: &Chain, len: u64) -> Timeline<Word> {
    let mut kept = Timeline::new(chain.header(0).clone()).unwrap();
    for index in 1..=len {
        kept.append(chain.header(index), decided(chain, index)).unwrap();
    }
    for at in 1..=len {
        let group = chain.group(at);
        assert!(kept.show(group.roster.id(), group.open_all()));
    }
    kept
}

/// Adds the links that nothing attests, of those that `picks` picks.
fn sign(chain: &Chain, kept: &mut Timeline<Word>, picks: impl Fn(&LinkStatement) -> bool) {
    for end in 1..=kept.tip().index {
        for link in kept.unattested(end).into_iter().filter(&picks) {
            let group = chain.group(link.from_index);
            let (word, keys) = (linked(chain, link), &group.roster);
            kept.add_link(link.from_index, link.level, word, keys).unwrap();
        }
    }
}

/// Who stores every link, and looks for the fewest by trying all.
fn naive(
    chain: &Chain,
    from: u64,
    target: u64,
    picks: impl Fn(&LinkStatement) -> bool,
) -> Proof<Word> {
    let roster = |index| chain.group(index).roster.id();
    let at = |index: u64| usize::try_from(index - from).unwrap();
    // How many links lead to each block from `from` on, and the last of them.
    let mut best = vec![(usize::MAX, None); at(target) + 1];
    best[0].0 = 0;
    for start in from..target {
        for level in 0..chain.header(start).height {
            let Some(end) = chain.end(start, level).filter(|end| *end <= target) else { continue };
            let statement = chain.statement(start, level).unwrap();
            let word = if level == 0 || roster(start) == roster(end - 1) {
                decided(chain, end)
            } else if picks(&statement) {
                linked(chain, statement)
            } else {
                continue;
            };
            let hops = best[at(start)].0 + 1;
            if hops < best[at(end)].0 {
                best[at(end)] = (hops, Some((start, level, word)));
            }
        }
    }
    let (mut way, mut end) = (Vec::new(), target);
    while let Some((start, level, word)) = best[at(end)].1.clone() {
        way.push((start, level, word, end));
        end = start;
    }
    way.reverse();
    let mut shown = None;
    let links = way.into_iter().map(|(start, level, word, end)| {
        let group = chain.group(start);
        let opens = shown.replace(group.roster.id()) != Some(group.roster.id());
        let opening = opens.then(|| group.open_all());
        let (from, to) = (chain.header(start), chain.header(end));
        Link::new(level, from, to, chain.back(end), word, opening).unwrap()
    });
    Proof::new(chain.header(from), links.collect()).unwrap()
}

/// log₂, rounded down.
fn log(n: u64) -> usize {
    usize::try_from(n.ilog2()).unwrap()
}

fn third(link: &LinkStatement) -> bool {
    (link.from_index / 2 + u64::from(link.level)).is_multiple_of(3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn proofs_are_those_of_who_stores_everything(
        (base, max) in prop_oneof![Just((1, 1)), (2..5u32, 1..9u8)],
        len in 1..120u64,
        tenure in prop_oneof![1..12u64, Just(200)],
        signed in 0..3u8,
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let chain = Chain::new(1, shape(base, max), len, tenure);
        let picks = |link: &LinkStatement| signed == 2 || signed == 1 && third(link);
        let mut kept = keep(&chain, len);
        sign(&chain, &mut kept, picks);
        let size = usize::try_from(len).unwrap() + 1;
        let (a, b) = (a.index(size) as u64, b.index(size) as u64);
        let (from, target) = (a.min(b), a.max(b));
        let proof = kept.prove(from, target).unwrap();
        prop_assert_eq!(&proof, &naive(&chain, from, target, picks));
        let reached = chain.client(from).verify(&proof).unwrap();
        let plain = kept.plain(from, usize::try_from(target - from).unwrap()).unwrap();
        prop_assert_eq!(plain.hops() as u64, target - from);
        prop_assert_eq!(&reached, &chain.client(from).verify(&plain).unwrap());
        prop_assert_eq!(reached.header(), chain.header(target));
        let find = |at| Some((chain.header(at).clone(), chain.back(at).clone()));
        prop_assert_eq!(kept.prove_back(target, from), BackProof::build(target, from, find));
        for at in from..=target {
            prop_assert_eq!(kept.header(at), Some(chain.header(at)));
            prop_assert_eq!(kept.id(at), Some(chain.header(at).id()));
            prop_assert_eq!(kept.back_links(at), Some(chain.back(at).clone()));
        }
    }
}

#[test]
fn decisions_alone_make_proofs_logarithmic_while_one_roster_decides() {
    let group = Group::new(1..5);
    let chain = Chain::of(1, Shape::default(), group, 300);
    for len in 1..=300u64 {
        let kept = keep(&chain, len);
        // Nothing is left to sign,
        assert!((1..=len).all(|end| kept.unattested(end).is_empty()));
        // and from the genesis there is a link for each power of two in the index.
        let proof = kept.prove(0, len).unwrap();
        assert_eq!(proof.hops(), usize::try_from(len.count_ones()).unwrap());
        assert_eq!(chain.client(0).verify(&proof).unwrap().header(), kept.tip());
        for from in (1..len).step_by(13) {
            let proof = kept.prove(from, len).unwrap();
            assert!(proof.hops() <= 2 * log(len - from) + 1, "{from} to {len}");
            assert_eq!(chain.client(from).verify(&proof).unwrap().header(), kept.tip());
        }
    }
    let hops = |from, to| keep(&chain, 300).prove(from, to).unwrap().hops();
    assert_eq!(
        [(0, 256), (0, 255), (1, 255), (1, 256), (129, 255)].map(|(a, b)| hops(a, b)),
        [1, 8, 14, 8, 12]
    );
}

#[test]
fn a_change_of_the_roster_costs_links_of_its_own_or_hops() {
    for tenure in [1, 2, 5, 16, 50] {
        let chain = Chain::new(1, Shape::default(), 300, tenure);
        let mut kept = keep(&chain, 300);
        let bare = kept.prove(0, 300).unwrap();
        assert_eq!(chain.client(0).verify(&bare).unwrap().header(), kept.tip());
        sign(&chain, &mut kept, |_| true);
        for (from, to) in [(0, 300), (0, 255), (1, 255), (37, 300), (150, 151), (129, 255)] {
            let proof = kept.prove(from, to).unwrap();
            assert!(proof.hops() <= 2 * log(to - from) + 1, "{from} to {to}");
            assert_eq!(chain.client(from).verify(&proof).unwrap().header(), chain.header(to));
        }
        assert_eq!(kept.prove(0, 300).unwrap().hops(), 4);
        // Five groups or more take turns: one that is back attests what its first time began.
        let none = |_: &LinkStatement| false;
        assert_eq!(bare, naive(&chain, 0, 300, none));
        assert!(bare.hops() > 4, "{tenure}: {}", bare.hops());
    }
}

#[test]
fn a_hundred_thousand_blocks_are_seventeen_links() {
    const LEN: u64 = 100_000;
    let group = Group::new(1..5);
    let roster = group.roster.id();
    let genesis = Header::genesis(ChainId([1; 32]), Shape::default(), roster, [0; 32], None);
    let mut kept = Timeline::new(genesis.clone()).unwrap();
    for _ in 0..LEN {
        let header = kept.next(roster, [7; 32], None);
        kept.append(&header, Word::Decided(roster, header.id())).unwrap();
    }
    let client = |from: u64| {
        let anchor = kept.header(from).unwrap().clone();
        skipchain::LightClient::new(anchor, group.open_all()).unwrap()
    };
    for (from, to, hops) in [
        (0, LEN, 6),
        (0, LEN - 1, 10),
        (0, 65_535, 16),
        (0, 98_303, 16),
        (1, 65_535, 30),
        (32_769, 98_303, 30),
        // Up by 2⁴, 2⁵, 2⁷, 2¹⁰, 2¹¹, 2¹², 2¹³ to 2¹⁶, and on by the five bits of the rest.
        (50_000, LEN, 12),
        (LEN, LEN, 0),
    ] {
        let proof = kept.prove(from, to).unwrap();
        assert_eq!(proof.hops(), hops, "{from} to {to}");
        assert_eq!(client(from).verify(&proof).unwrap().header(), kept.header(to).unwrap());
    }
    for to in (1..=LEN).step_by(997) {
        assert!(kept.prove(0, to).unwrap().hops() <= 17);
        let from = to / 3;
        assert!(kept.prove(from, to).unwrap().hops() <= 2 * 17);
    }
}

#[test]
fn an_opening_is_shown_where_its_roster_begins_to_sign() {
    // Two rosters that take turns every four blocks.
    let groups = [Group::new(1..5), Group::new(2..6)];
    let of = |index: u64| &groups[usize::try_from(index / 4 % 2).unwrap()];
    let first = groups[0].roster.id();
    let genesis = Header::genesis(ChainId([1; 32]), shape(2, 1), first, [0; 32], None);
    let mut kept = Timeline::new(genesis.clone()).unwrap();
    for index in 1..=12 {
        let header = kept.next(of(index).roster.id(), [7; 32], None);
        kept.append(&header, Word::Decided(of(index - 1).roster.id(), header.id())).unwrap();
    }
    let client = || skipchain::LightClient::new(genesis.clone(), groups[0].open_all()).unwrap();
    let shown = |proof: &Proof<Word>| -> Vec<u64> {
        let at = (0..).zip(proof.links()).filter(|(_, link)| link.opening().is_some());
        at.map(|(at, _)| at).collect()
    };
    let [one, two] = [0, 1].map(|at: usize| groups[at].roster.id());
    assert!(!kept.show(one, groups[1].open_all()));
    let unshown = kept.prove(0, 12).unwrap();
    assert_eq!(shown(&unshown), [0; 0]);
    assert_eq!(client().verify(&unshown), Err(ProofError::Roster { link: 4 }));
    // The client holds its anchor's roster open, also when that is back.
    assert!(kept.show(two, groups[1].open_all()));
    let proof = kept.prove(0, 12).unwrap();
    assert_eq!(shown(&proof), [4]);
    assert_eq!(client().verify(&proof).unwrap().header(), kept.tip());
    assert!(kept.show(one, groups[0].open(&[])));
    assert!(kept.show(one, groups[0].open_all()));
    let proof = kept.prove(0, 12).unwrap();
    assert_eq!(shown(&proof), [0, 4, 8]);
    assert_eq!(proof.links()[8].opening(), Some(&groups[0].open_all()));
    assert_eq!(kept.link(1, 0).unwrap().opening(), Some(&groups[0].open_all()));
    assert_eq!(client().verify(&proof).unwrap().header(), kept.tip());
}

#[test]
fn every_byte_of_a_link_that_skips_counts() {
    let chain = Chain::new(1, Shape::default(), 16, 6);
    let mut kept = keep(&chain, 16);
    sign(&chain, &mut kept, |_| true);
    // One by a decision alone, one by a signature of its own.
    for (from, level, spans) in [(0, 2, true), (4, 2, false), (0, 4, false)] {
        let link = kept.link(from, level).unwrap().without_opening();
        assert_eq!(matches!(link.attestation(), Word::Decided(..)), spans);
        let judge = |link: Link<Word>| {
            chain.client(from).verify(&Proof::new(chain.header(from), vec![link]).unwrap())
        };
        let bytes = link.encode();
        assert!(judge(link).is_ok());
        for at in 0..bytes.len() {
            for flip in [0x01, 0x02, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                let Ok(link) = Link::<Word>::decode(&bytes) else { continue };
                assert!(judge(link).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn a_decision_moves_neither_to_another_block_nor_under_another_roster() {
    let chain = Chain::new(1, Shape::default(), 16, 6);
    let kept = keep(&chain, 16);
    let client = |from| chain.client(from);
    let judge = |from: u64, link: Option<Link<Word>>| {
        client(from).verify(&Proof::new(chain.header(from), vec![link.unwrap()]).unwrap())
    };
    let by = |from: u64, level, word| {
        let end = chain.end(from, level).unwrap();
        let opening = Some(chain.group(from).open_all());
        Link::new(level, chain.header(from), chain.header(end), chain.back(end), word, opening)
    };
    // Block 8 was decided by the roster of block 7, the second: no link from the first's blocks.
    let error = VerifyError::Signature;
    let refused = Err(ProofError::Certificate { link: 0, error });
    assert!(kept.link(0, 3).is_none() && kept.link(4, 2).is_none());
    assert_eq!(judge(0, by(0, 3, decided(&chain, 8))), refused);
    assert_eq!(judge(4, by(4, 2, decided(&chain, 8))), refused);
    // From its own, it is.
    assert_eq!(judge(6, by(6, 1, decided(&chain, 8))).unwrap().header(), chain.header(8));
    // The decision on one block is none on another, though one roster decided both.
    assert_eq!(judge(0, by(0, 2, decided(&chain, 3))), refused);
    assert_eq!(judge(0, by(0, 2, decided(&chain, 4))).unwrap().header(), chain.header(4));
    // Whoever decides nothing cannot bring in a block, or a roster, by a link that skips.
    let thieves = Group::new(90..94);
    let to = Header { roster: thieves.roster.id(), ..chain.header(4).clone() };
    for word in [decided(&chain, 4), Word::Decided(thieves.roster.id(), to.id())] {
        let link = Link::new(2, chain.header(0), &to, chain.back(4), word, None);
        assert_eq!(judge(0, link), refused);
    }
}

#[test]
fn a_timeline_takes_what_follows_and_what_holds() {
    let chain = Chain::new(1, Shape::default(), 16, 6);
    let mut kept = keep(&chain, 15);
    let next = kept.next(chain.header(16).roster, chain.header(16).payload_root, Some([7; 32]));
    assert_eq!(next, *chain.header(16));
    for (header, why) in [
        (Header { version: VERSION + 1, ..next.clone() }, SpineError::Version),
        (Header { back_root: [9; 32], ..next.clone() }, SpineError::BackLink),
        (chain.header(15).clone(), SpineError::Index),
    ] {
        assert_eq!(kept.append(&header, decided(&chain, 16)), Err(why));
    }
    assert_eq!((kept.tip().index, kept.prove(0, 16)), (15, None));
    assert!(kept.append(&next, decided(&chain, 16)).is_ok());
    assert_eq!((kept.genesis(), kept.tip()), (chain.header(0), &next));
    assert_eq!((kept.attestation(0), kept.attestation(17)), (None, None));
    assert_eq!(kept.attestation(16), Some(&decided(&chain, 16)));
    assert_eq!(kept.spine().tip_id(), next.id());
    assert!(Timeline::<Word>::new(next).is_err());

    // Block 16 is decided by another roster than those of blocks 0 and 8.
    let wanted: Vec<_> =
        kept.unattested(16).iter().map(|link| (link.from_index, link.level)).collect();
    assert_eq!(wanted, [(8, 3), (0, 4)]);
    let link = chain.statement(8, 3).unwrap();
    assert_eq!(kept.unattested(16)[0], link);
    let (ours, theirs) = (&chain.group(8).roster, &chain.group(15).roster);
    let word = linked(&chain, link);
    let add = |kept: &mut Timeline<Word>, from, level, word: &Word, keys| {
        kept.add_link(from, level, word.clone(), keys)
    };
    for (from, level) in [(8, 4), (12, 3), (16, 0), (17, 0), (0, 5), (u64::MAX, 0)] {
        assert_eq!(add(&mut kept, from, level, &word, ours), Err(LinkError::Absent));
    }
    assert_eq!(add(&mut kept, 0, 0, &word, &chain.group(0).roster), Err(LinkError::Present));
    assert_eq!(add(&mut kept, 8, 3, &word, theirs), Err(LinkError::Roster));
    for wrong in [
        decided(&chain, 16),
        linked(&chain, chain.statement(8, 2).unwrap()),
        Word::Linked(theirs.id(), link),
    ] {
        let refused = LinkError::Attestation(VerifyError::Signature);
        assert_eq!(add(&mut kept, 8, 3, &wrong, ours), Err(refused));
    }
    assert!(kept.link(8, 3).is_none());
    assert_eq!(add(&mut kept, 8, 3, &word, ours), Ok(()));
    assert_eq!(add(&mut kept, 8, 3, &word, ours), Err(LinkError::Present));
    assert_eq!(kept.prove(8, 16).unwrap().hops(), 1);
    assert_eq!(kept.unattested(16).len(), 1);
}

#[test]
fn the_plain_chain_is_every_block_as_far_as_it_is_asked_for() {
    let chain = Chain::new(1, Shape::default(), 16, 6);
    let kept = keep(&chain, 16);
    for (from, most, hops) in [(0, 5, 5), (3, 99, 13), (0, usize::MAX, 16), (16, 4, 0), (7, 0, 0)] {
        let plain = kept.plain(from, most).unwrap();
        assert_eq!((plain.from_index(), plain.hops()), (from, hops));
        assert_eq!(plain.from(), chain.header(from).id());
        let levels: BTreeSet<_> = plain.links().iter().map(Link::level).collect();
        assert!(levels.into_iter().all(|level| level == 0));
    }
    assert!(kept.plain(17, 4).is_none());
    assert!(kept.prove(9, 8).is_none() && kept.prove(17, 17).is_none());
}
