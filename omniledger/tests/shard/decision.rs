//! A shard's decision stands for the links to its block from its roster, and for no other.

use cosi::{
    Attests, Certificate, Policy, Statement, VerifyError, certificate,
    mask::Mask,
    roster::{Member, Roster},
};
use omniledger::{
    Decision,
    byzcoin::{Height, Kind, Scope, View},
    chain::genesis_header,
    skipchain::{
        BlockId, ChainId, Header, LightClient, Link, LinkStatement, Proof, ProofError, Timeline,
    },
    wire::Wire,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::town::{Town, key};

/// A decision and the link that it stands for.
fn sample() -> (Town, Decision, LinkStatement) {
    let mut town = Town::new(2);
    let from = town.spine.tip().clone();
    town.commit(&[town.spend(0)]);
    let link = LinkStatement::new(0, &from, town.spine.tip());
    let decision = town.links[0].attestation().clone();
    (town, decision, link)
}

#[test]
fn a_decision_attests_the_links_to_its_block_only() {
    let (town, decision, link) = sample();
    let attests = |decision: &Decision, link: &LinkStatement| {
        decision.attests(link, &town.roster, &Policy::Quorum)
    };
    for level in [0, 1, 31, 255] {
        assert_eq!(attests(&decision, &LinkStatement { level, ..link }), Ok(()));
    }
    let refused = Err(VerifyError::Signature);
    for other in [
        LinkStatement { to: BlockId([7; 32]), ..link },
        LinkStatement { to: link.from, ..link },
        LinkStatement { chain: ChainId([7; 32]), ..link },
    ] {
        assert_eq!(attests(&decision, &other), refused, "{other:?}");
    }
    assert_eq!(attests(&Decision { epoch: 1, ..decision.clone() }, &link), refused);
    assert_eq!(attests(&Decision { view: View::new(1), ..decision.clone() }, &link), refused);

    type Change = fn(&mut Decision);
    let changes: [Change; 8] = [
        |d| d.proposal.header.height = Height::new(2),
        |d| d.proposal.header.parent[0] ^= 1,
        |d| d.proposal.header.first_view = View::new(1),
        |d| d.proposal.header.next_roster.0[0] ^= 1,
        |d| d.proposal.header.next_start ^= 1,
        |d| d.proposal.header.app = Default::default(),
        |d| d.proposal.chunk_root[0] ^= 1,
        |d| d.proposal.size ^= 1,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut other = decision.clone();
        change(&mut other);
        assert_eq!(attests(&other, &link), refused, "change {at}");
    }
}

#[test]
fn votes_of_another_kind_decide_nothing() {
    let (town, decision, link) = sample();
    for kind in [Kind::Proposal, Kind::Prepare, Kind::ViewChange, Kind::Body] {
        let Decision { proposal, view, .. } = decision.clone();
        let height = proposal.header.height;
        let statement = town.scope().statement(kind, height, view, proposal.digest());
        let certificate = town.certify(&[0, 1, 2, 3], &statement);
        let forged = Decision { certificate, ..decision.clone() };
        assert_eq!(
            forged.attests(&link, &town.roster, &Policy::Quorum),
            Err(VerifyError::Signature),
            "{kind:?}"
        );
    }
}

#[test]
fn an_app_field_that_is_more_than_a_block_id_names_no_block() {
    let (town, decision, link) = sample();
    let long = [&link.to.encode()[..], &[0]].concat();
    let (mut proposal, _) = town.proposal(&long, b"");
    proposal.header.height = decision.proposal.header.height;
    let forged = town.decision(&[0, 1, 2], proposal);
    let refused = Err(VerifyError::Signature);
    assert_eq!(forged.attests(&link, &town.roster, &Policy::Quorum), refused);
}

/// Four members whose keys start at this number.
fn roster(first: u8) -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    Roster::new((first..first + 4).map(|number| Member::new(&key(number), &mut rng))).unwrap()
}

/// What this roster decides of a block.
fn decide(town: &Town, roster: &Roster, first: u8, block: &Header) -> Decision {
    let (mut proposal, _) = town.proposal(&block.id().encode(), b"");
    (proposal.header.height, proposal.header.next_roster) =
        (Height::new(block.index), block.roster);
    let scope = Scope { roster: roster.id(), ..town.scope() };
    let (height, digest) = (proposal.header.height, proposal.digest());
    let statement = scope.statement(Kind::Commit, height, View::ZERO, digest).to_signed();
    let signed = (0..3).zip(first..).map(|(at, number)| {
        let signature = certificate::sign(&key(number), &roster.id(), &statement);
        (roster.index(at).unwrap(), signature)
    });
    let certificate = Certificate::individual(roster, signed).unwrap();
    Decision { epoch: 0, view: View::ZERO, proposal, certificate }
}

#[test]
fn a_decision_attests_no_link_of_another_roster() {
    let town = Town::new(0);
    let (ours, theirs) = (town.roster.clone(), roster(1));
    let from = genesis_header(&town.genesis).unwrap();
    let to = town.spine.next(theirs.id(), [7; 32], None);
    for level in 0..4 {
        let link = LinkStatement { level, ..LinkStatement::new(0, &from, &to) };
        for (first, by, others) in [(0, &ours, &theirs), (1, &theirs, &ours)] {
            let decision = decide(&town, by, first, &to);
            assert_eq!(decision.attests(&link, by, &Policy::Quorum), Ok(()));
            let refused = decision.attests(&link, others, &Policy::Quorum);
            assert_eq!(refused, Err(VerifyError::Signature));
        }
    }
}

#[test]
fn decisions_span_the_blocks_of_one_roster_and_no_change_of_it() {
    // Block 5 brings in the second roster, which decides from block 6 on.
    let town = Town::new(0);
    let (ours, theirs) = (town.roster.clone(), roster(1));
    let genesis = genesis_header(&town.genesis).unwrap();
    let mut chain = Timeline::new(genesis.clone()).unwrap();
    for index in 1..=16 {
        let next = if index < 5 { &ours } else { &theirs };
        let (by, first) = if index <= 5 { (&ours, 0) } else { (&theirs, 1) };
        let header = chain.next(next.id(), [7; 32], None);
        let decision = decide(&town, by, first, &header);
        chain.append(&header, decision).unwrap();
    }
    let all = |roster: &Roster| roster.open(&Mask::of(4, 0..4));
    assert!(chain.show(theirs.id(), all(&theirs)));
    let client = LightClient::new(genesis.clone(), all(&ours)).unwrap();
    let verify = |proof: &Proof<Decision>| {
        client.clone().verify(&Proof::<Decision>::decode(&proof.encode()).unwrap())
    };

    // 0 → 4 → 5 → 6 → 8 → 16.
    let proof = chain.prove(0, 16).unwrap();
    let levels: Vec<_> = proof.links().iter().map(Link::level).collect();
    assert_eq!(levels, [2, 0, 0, 1, 3]);
    let shown: Vec<_> = proof.links().iter().map(|link| link.opening().is_some()).collect();
    assert_eq!(shown, [false, false, true, false, false]);
    assert_eq!(verify(&proof).unwrap().header(), chain.tip());
    assert_eq!(verify(&chain.plain(0, 99).unwrap()).unwrap().header(), chain.tip());

    // The second roster's decision on block 8 is no link from the genesis, nor on block 6 one
    // from block 4, whoever's keys are shown.
    for (from, to, level) in [(0, 8, 3), (0, 16, 4), (4, 6, 1), (4, 8, 2)] {
        let stolen = chain.attestation(to).unwrap().clone();
        let [start, end] = [from, to].map(|index| chain.header(index).unwrap());
        let back = chain.back_links(to).unwrap();
        assert!(chain.link(from, level).is_none());
        for (opening, why) in [
            (all(&ours), ProofError::Certificate { link: 0, error: VerifyError::Signature }),
            (all(&theirs), ProofError::Roster { link: 0 }),
        ] {
            let link = Link::new(level, start, end, &back, stolen.clone(), Some(opening)).unwrap();
            let forged = Proof::new(start, vec![link]).unwrap();
            let mut client = client.clone();
            client.verify(&chain.prove(0, from).unwrap()).unwrap();
            assert_eq!(client.verify(&forged), Err(why));
        }
    }
}
