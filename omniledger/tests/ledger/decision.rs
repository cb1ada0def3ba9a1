//! A shard's decision stands for the links to its block from its roster, and for no other.

use cosi::{
    Attests, Policy, VerifyError,
    keys::SigningKey,
    mask::Mask,
    roster::{Member, Roster},
};
use omniledger::{
    Decision,
    byzcoin::{Height, Kind, Scope, View},
    skipchain::{
        BlockId, ChainId, Header, LightClient, Link, LinkStatement, Proof, ProofError, Timeline,
    },
    wire::Wire,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    branch::{Branch, certify},
    town::{Town, key, town},
};

/// A shard of the town that has decided a block, the decision, and the link that it stands for.
fn sample(town: &Town) -> (Branch<'_>, Decision, LinkStatement) {
    let mut branch = Branch::new(town, 1);
    branch.commit_all(&[town.spend(1, 0)]);
    let header = |index| branch.timeline.header(index).unwrap();
    let link = LinkStatement::new(0, header(0), header(1));
    let decision = branch.timeline.attestation(1).unwrap().clone();
    (branch, decision, link)
}

#[test]
fn a_decision_attests_the_links_to_its_block_only() {
    let town = town();
    let (branch, decision, link) = sample(&town);
    let attests = |decision: &Decision, link: &LinkStatement| {
        decision.attests(link, &branch.roster, &Policy::Quorum)
    };
    for level in [0, 1, 31, 255] {
        assert_eq!(attests(&decision, &LinkStatement { level, ..link }), Ok(()));
    }
    let refused = Err(VerifyError::Signature);
    let other = town.epoch.shard(0).unwrap();
    for other in [
        LinkStatement { to: BlockId([7; 32]), ..link },
        LinkStatement { to: link.from, ..link },
        LinkStatement { chain: ChainId([7; 32]), ..link },
        LinkStatement { chain: other.chain(), ..link },
        LinkStatement { chain: town.genesis.identity_chain(), ..link },
    ] {
        assert_eq!(attests(&decision, &other), refused, "{other:?}");
    }
    assert_eq!(decision.attests(&link, other.roster(), &Policy::Quorum), refused);
    let all = town.genesis.roster().unwrap();
    assert!(decision.attests(&link, &all, &Policy::Quorum).is_err());
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
    let town = town();
    let (branch, decision, link) = sample(&town);
    for kind in [Kind::Proposal, Kind::Prepare, Kind::ViewChange, Kind::Body] {
        let Decision { proposal, view, .. } = decision.clone();
        let height = proposal.header.height;
        let statement = branch.scope().statement(kind, height, view, proposal.digest());
        let certificate = branch.certify(&[0, 1, 2, 3], &statement);
        let forged = Decision { certificate, ..decision.clone() };
        let refused = Err(VerifyError::Signature);
        assert_eq!(forged.attests(&link, &branch.roster, &Policy::Quorum), refused, "{kind:?}");
    }
}

#[test]
fn an_app_field_that_is_more_than_a_block_id_names_no_block() {
    let town = town();
    let (branch, decision, link) = sample(&town);
    let long = [&link.to.encode()[..], &[0]].concat();
    let (mut proposal, _) = branch.proposal(&long, b"");
    proposal.header.height = decision.proposal.header.height;
    let forged = branch.decision(&[0, 1, 2], proposal);
    let refused = Err(VerifyError::Signature);
    assert_eq!(forged.attests(&link, &branch.roster, &Policy::Quorum), refused);
}

/// Four members whose keys start at this number.
fn group(first: u8) -> (Roster, Vec<SigningKey>) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys: Vec<_> = (first..first + 4).map(key).collect();
    (Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap(), keys)
}

/// What this roster decides of a block.
fn decide(
    branch: &Branch<'_>,
    (roster, keys): &(Roster, Vec<SigningKey>),
    block: &Header,
) -> Decision {
    let (mut proposal, _) = branch.proposal(&block.id().encode(), b"");
    (proposal.header.height, proposal.header.next_roster) =
        (Height::new(block.index), block.roster);
    let scope = Scope { roster: roster.id(), ..branch.scope() };
    let (height, digest) = (proposal.header.height, proposal.digest());
    let vote = scope.statement(Kind::Commit, height, View::ZERO, digest);
    let certificate = certify(roster, keys, &[0, 1, 2], &vote);
    Decision { epoch: 0, view: View::ZERO, proposal, certificate }
}

#[test]
fn a_decision_attests_no_link_of_another_roster() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let (ours, theirs) = ((branch.roster.clone(), branch.keys.clone()), group(20));
    let from = branch.timeline.tip().clone();
    let to = branch.timeline.next(theirs.0.id(), [7; 32], None);
    for level in 0..4 {
        let link = LinkStatement { level, ..LinkStatement::new(0, &from, &to) };
        for (by, others) in [(&ours, &theirs), (&theirs, &ours)] {
            let decision = decide(&branch, by, &to);
            assert_eq!(decision.attests(&link, &by.0, &Policy::Quorum), Ok(()));
            let refused = decision.attests(&link, &others.0, &Policy::Quorum);
            assert_eq!(refused, Err(VerifyError::Signature));
        }
    }
}

#[test]
fn decisions_span_the_blocks_of_one_roster_and_no_change_of_it() {
    // Block 5 brings in the second roster, which decides from block 6 on.
    let town = town();
    let branch = Branch::new(&town, 0);
    let (ours, theirs) = ((branch.roster.clone(), branch.keys.clone()), group(20));
    let first = branch.timeline.tip().clone();
    let mut chain = Timeline::new(first.clone()).unwrap();
    for index in 1..=16 {
        let next = if index < 5 { &ours } else { &theirs };
        let by = if index <= 5 { &ours } else { &theirs };
        let header = chain.next(next.0.id(), [7; 32], None);
        let decision = decide(&branch, by, &header);
        chain.append(&header, decision).unwrap();
    }
    let all = |roster: &Roster| roster.open(&Mask::of(4, 0..4));
    assert!(chain.show(theirs.0.id(), all(&theirs.0)));
    let client = LightClient::new(first, all(&ours.0)).unwrap();
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
            (all(&ours.0), ProofError::Certificate { link: 0, error: VerifyError::Signature }),
            (all(&theirs.0), ProofError::Roster { link: 0 }),
        ] {
            let link = Link::new(level, start, end, &back, stolen.clone(), Some(opening)).unwrap();
            let forged = Proof::new(start, vec![link]).unwrap();
            let mut client = client.clone();
            client.verify(&chain.prove(0, from).unwrap()).unwrap();
            assert_eq!(client.verify(&forged), Err(why));
        }
    }
}
