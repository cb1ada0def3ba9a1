//! What no client takes, and by which name it is refused.

use cosi::{VerifyError, roster::RosterId};
use skipchain::{BackLinks, BlockId, ChainId, Header, Link, LinkStatement, ProofError, wire::Wire};

use crate::common::{Chain, Group, QUORUM, parse, shape};

const fn certificate(link: usize, error: VerifyError) -> ProofError {
    ProofError::Certificate { link, error }
}

const UNSIGNED: ProofError = certificate(0, VerifyError::Signature);

#[test]
fn every_byte_of_a_proof_counts() {
    let chain = Chain::new(1, shape(2, 4), 11, 3);
    let proof = chain.proof(0, 11);
    assert!(proof.links().iter().any(|link| link.level() > 1));
    let (bytes, client) = (proof.encode(), chain.client(0));
    assert!(client.clone().verify(&parse(&bytes).unwrap()).is_ok());
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let Ok(proof) = parse(&bytes) else { continue };
            let target = client.clone().verify(&proof);
            assert!(target.is_err(), "byte {at}: {target:?}");
        }
    }
}

#[test]
fn each_field_of_to_is_what_the_roster_signed() {
    let chain = Chain::new(1, shape(2, 4), 4, 9);
    for level in 0..3 {
        let end = chain.end(0, level).unwrap();
        let (from, to) = (chain.header(0), chain.header(end));
        let certificate = chain.group(0).sign(&chain.statement(0, level).unwrap(), &QUORUM);
        let link = |to: &Header, back: &BackLinks| {
            let opening = Some(chain.group(0).open(&QUORUM));
            Link::new(level, from, to, back, certificate.clone(), opening)
        };
        assert!(chain.judge(link(to, chain.back(end))).is_ok());

        // What the proposer chose: a changed header has another id.
        let mut state_root = to.state_root.unwrap_or_default();
        state_root[0] ^= 1;
        for to in [
            Header { roster: RosterId([9; 32]), ..to.clone() },
            Header { payload_root: [9; 32], ..to.clone() },
            Header { state_root: Some(state_root), ..to.clone() },
            Header { state_root: to.state_root.xor(Some([0; 32])), ..to.clone() },
        ] {
            assert_eq!(chain.judge(link(&to, chain.back(end))), Err(UNSIGNED));
        }
        // What follows from the chain: no link says otherwise.
        for to in [
            Header { version: 0, ..to.clone() },
            Header { chain: ChainId([9; 32]), ..to.clone() },
            Header { index: to.index + 1, ..to.clone() },
            Header { height: to.height + 1, ..to.clone() },
            Header { shape: shape(2, 5), ..to.clone() },
            Header { back_root: [9; 32], ..to.clone() },
        ] {
            assert_eq!(link(&to, chain.back(end)), None, "{to:?}");
        }
        // Another back link, on this level or beside it: the path leads to another root.
        for other in 0..chain.back(end).ids().len() {
            let mut ids = chain.back(end).ids().to_vec();
            ids[other] = BlockId([9; 32]);
            let back = BackLinks::from_iter(ids);
            let to = Header { back_root: back.root(), ..to.clone() };
            let link = link(&to, &back);
            assert_eq!(link.is_none(), other == usize::from(level));
            assert!(link.is_none() || chain.judge(link) == Err(UNSIGNED));
        }
    }
}

#[test]
fn each_field_of_a_statement_is_signed() {
    let chain = Chain::new(1, shape(2, 4), 4, 9);
    let signed = chain.statement(0, 1).unwrap();
    let changes: [fn(&mut LinkStatement); 7] = [
        |statement| statement.chain = ChainId([9; 32]),
        |statement| statement.level ^= 1,
        |statement| statement.from_index += 1,
        |statement| statement.from = BlockId([9; 32]),
        |statement| statement.to_index += 1,
        |statement| statement.to = BlockId([9; 32]),
        |statement| statement.to_roster = RosterId([9; 32]),
    ];
    let (group, opening) = (chain.group(0), || Some(chain.group(0).open(&QUORUM)));
    let link =
        |statement: &LinkStatement| chain.link_by(0, 1, group.sign(statement, &QUORUM), opening());
    assert!(chain.judge(link(&signed)).is_ok());
    for change in changes {
        let mut other = signed;
        change(&mut other);
        assert_ne!(other, signed);
        assert_eq!(chain.judge(link(&other)), Err(UNSIGNED), "{other:?}");
    }
    // The link of another level between the same kind of blocks says something else.
    let stolen = chain.link(0, 0).unwrap().attestation().clone();
    assert_eq!(chain.judge(chain.link_by(0, 1, stolen, opening())), Err(UNSIGNED));
}

#[test]
fn another_chains_proof_is_refused() {
    let (chain, other) = (Chain::new(1, shape(2, 4), 4, 9), Chain::new(2, shape(2, 4), 4, 9));
    assert_eq!(chain.client(0).verify(&other.proof(0, 4)), Err(ProofError::Chain));
    // Under this chain's name, it starts at a block that nobody knows.
    let mut bytes = other.proof(0, 4).encode();
    bytes[..32].fill(1);
    let renamed = parse(&bytes).unwrap();
    assert_eq!(chain.client(0).verify(&renamed), Err(ProofError::Start));
    // With this chain's start, its links are signed by strangers.
    let links = other.proof(0, 4).links().to_vec();
    let moved = chain.client(0).verify(&chain.prove(links));
    assert_eq!(moved, Err(ProofError::Roster { link: 0 }));
    // The same members keep both chains: the statement names the chain.
    let twin = Chain::of(3, shape(2, 4), chain.group(0).clone(), 4);
    let moved = chain.client(0).verify(&chain.prove(twin.proof(0, 4).links().to_vec()));
    assert_eq!(moved, Err(UNSIGNED));
}

#[test]
fn a_certificate_is_by_the_earlier_roster_at_quorum() {
    // Block 1 decides with another roster than block 0; three of its members are in both.
    let chain = Chain::new(1, shape(2, 4), 4, 1);
    let statement = chain.statement(0, 0).unwrap();
    let (earlier, later) = (chain.group(0), chain.group(1));
    let by = |group: &Group, signers: &[u16], shown: &Group, members: &[u16]| {
        let opening = Some(shown.open(members));
        chain.judge(chain.link_by(0, 0, group.sign(&statement, signers), opening))
    };
    assert!(by(earlier, &QUORUM, earlier, &QUORUM).is_ok());
    let few = certificate(0, VerifyError::Policy);
    assert_eq!(by(earlier, &[0, 1], earlier, &QUORUM), Err(few));
    assert_eq!(by(earlier, &[2], earlier, &[2]), Err(few));
    let roster = ProofError::Roster { link: 0 };
    assert_eq!(by(later, &QUORUM, later, &QUORUM), Err(roster));
    assert_eq!(by(later, &QUORUM, earlier, &QUORUM), Err(UNSIGNED));
    assert_eq!(by(earlier, &QUORUM, later, &QUORUM), Err(roster));
    // Under block 1's own roster, which is not block 0's, the next link holds.
    assert!(chain.client(0).verify(&chain.proof(0, 2)).is_ok());
}

#[test]
fn a_roster_swapped_at_a_link_is_not_what_was_signed() {
    let chain = Chain::new(1, shape(2, 4), 4, 9);
    let thieves = Group::new(90..94);
    let (genesis, to) = (chain.header(0), chain.header(1));
    let theirs = Header { roster: thieves.roster.id(), ..to.clone() };
    let signed = chain.link(0, 0).unwrap().attestation().clone();
    let opening = Some(chain.group(0).open(&QUORUM));
    let swapped = Link::new(0, genesis, &theirs, chain.back(1), signed, opening);
    assert_eq!(chain.judge(swapped), Err(UNSIGNED));

    let statement = LinkStatement::new(0, genesis, &theirs);
    let signed = thieves.sign(&statement, &QUORUM);
    let own = Link::new(0, genesis, &theirs, chain.back(1), signed, Some(thieves.open(&QUORUM)));
    assert_eq!(chain.judge(own), Err(ProofError::Roster { link: 0 }));

    // Further on the way, where the client holds no roster open.
    let statement = chain.statement(1, 0).unwrap();
    let (signed, shown) = (thieves.sign(&statement, &QUORUM), thieves.open(&QUORUM));
    for opening in [Some(shown), None] {
        let second = chain.link_by(1, 0, signed.clone(), opening.clone()).unwrap();
        let proof = chain.prove(vec![chain.link(0, 0).unwrap(), second]);
        let shown = opening.is_some();
        let error = if shown {
            ProofError::Roster { link: 1 }
        } else {
            certificate(1, VerifyError::Signature)
        };
        assert_eq!(chain.client(0).verify(&proof), Err(error));
    }
}

#[test]
fn an_opening_shows_the_very_roster_and_enough_of_it() {
    let chain = Chain::new(1, shape(2, 1), 2, 1);
    let first = chain.link(0, 0).unwrap();
    let second = |opening| {
        let certificate = chain.group(1).sign(&chain.statement(1, 0).unwrap(), &QUORUM);
        let second = chain.link_by(1, 0, certificate, opening).unwrap();
        chain.client(0).verify(&chain.prove(vec![first.clone(), second]))
    };
    let group = chain.group(1);
    assert!(second(Some(group.open(&QUORUM))).is_ok());
    assert!(second(Some(group.open_all())).is_ok());
    let roster = Err(ProofError::Roster { link: 1 });
    assert_eq!(second(None), roster);
    assert_eq!(second(Some(chain.group(0).open(&QUORUM))), roster);
    let unopened = Err(certificate(1, VerifyError::Unopened(3)));
    assert_eq!(second(Some(group.open(&[0, 1]))), unopened);
    // Every byte of the opening: size, weight, ΣA, root, and the members with their paths.
    let bytes = group.open(&QUORUM).encode();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let Ok(opening) = Wire::decode(&bytes) else { continue };
        assert!(second(Some(opening)).is_err(), "byte {at}");
    }
}

#[test]
fn links_cannot_skip_where_none_start() {
    let chain = Chain::new(1, shape(2, 4), 16, 99);
    // Link 1 of the proof starts at block 1, which has level 0 alone.
    let links = vec![chain.link(0, 0).unwrap(), chain.link(1, 0).unwrap()];
    let second = 76 + links[0].encode().len();
    let bytes = chain.prove(links).encode();
    for level in 1..=u8::MAX {
        let mut bytes = bytes.clone();
        assert_eq!(std::mem::replace(&mut bytes[second], level), 0);
        let refused = chain.client(0).verify(&parse(&bytes).unwrap());
        assert_eq!(refused, Err(ProofError::Level { link: 1 }), "level {level}");
    }
    // At the genesis, which has four levels, another level is another block.
    for level in 1..=u8::MAX {
        let mut bytes = bytes.clone();
        bytes[76] = level;
        let refused = chain.client(0).verify(&parse(&bytes).unwrap()).unwrap_err();
        let no_such = ProofError::Level { link: 0 };
        assert!(refused == no_such || level < 4 && refused == UNSIGNED, "{level}: {refused}");
    }
    // A quorum that signs a wrong stride or a level above the height still makes no link.
    for (level, from, to) in [(1, 0, 4), (0, 0, 2), (2, 0, 2), (1, 1, 3), (3, 4, 12), (4, 0, 16)] {
        let (from, end) = (chain.header(from), chain.header(to));
        let signed = chain.group(0).sign(&LinkStatement::new(level, from, end), &QUORUM);
        assert_eq!(Link::new(level, from, end, chain.back(to), signed, None), None);
    }
}

#[test]
fn a_link_has_one_form() {
    // A roster that does not change is not named, and no sibling is superfluous.
    let chain = Chain::new(1, shape(2, 4), 4, 9);
    let bytes = chain.prove(vec![chain.link(0, 2).unwrap()]).encode();
    let roster = chain.header(0).roster.0;
    let mut named = bytes.clone();
    assert_eq!(named[77], 0);
    named.splice(77..78, [1].into_iter().chain(roster));
    let siblings = 77 + 1 + 32 + 33;
    let mut long = bytes.clone();
    assert_eq!(long[siblings], 1);
    long[siblings] = 2;
    long.splice(siblings + 4..siblings + 4, [0; 32]);
    let mut short = bytes;
    short[siblings] = 0;
    short.drain(siblings + 4..siblings + 36);
    for bytes in [named, long, short] {
        let proof = parse(&bytes).unwrap();
        let refused = chain.client(0).verify(&proof);
        assert_eq!(refused, Err(ProofError::Level { link: 0 }));
    }
}
