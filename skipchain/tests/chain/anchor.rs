//! What an anchor is worth, forks, and who signed two links.

use cosi::{mask::Mask, wire::Wire};
use skipchain::{
    BackError, BackProof, BlockId, Conflict, Header, LightClient, LinkStatement, Proof, ProofError,
    Trust, client::AnchorError,
};

use crate::common::{Chain, Group, QUORUM, shape};

/// Two chains that part after block 4, signed by the same keys, and a roster change at 10.
fn forked() -> (Chain, Chain) {
    let shape = shape(2, 8);
    let [mut real, mut fork] = [(); 2].map(|()| Chain::new(1, shape, 4, 5));
    for index in 5..=16 {
        real.append([index; 32]);
        fork.append([100 + index; 32]);
    }
    (real, fork)
}

#[test]
fn a_long_range_fork_deceives_an_old_anchor_and_no_fresh_one() {
    let (real, fork) = forked();
    assert_eq!(real.header(4), fork.header(4));
    // Who has the keys of an old roster leads a client from before the fork astray.
    let mut old = real.client(0);
    assert_eq!(old.advance(&fork.proof(0, 16)).unwrap().header(), fork.header(16));

    // A client that followed the chain past the fork knows better,
    let mut following = real.client(0);
    following.advance(&real.proof(0, 8)).unwrap();
    let trusted = LightClient::restore(following.trust().clone()).unwrap();
    let step_by_step = |at, level| fork.link(at, level).filter(|_| level == 0);
    let slow = Proof::build(fork.header(0), 16, step_by_step).unwrap();
    for mut client in [following, trusted] {
        let passes = ProofError::PassesHead { link: 0 };
        assert_eq!(client.verify(&fork.proof(0, 16)), Err(passes));
        assert_eq!(client.advance(&fork.proof(0, 16)), Err(passes));
        assert_eq!(client.advance(&slow), Err(ProofError::Fork { link: 7 }));
        assert_eq!(client.head().header(), real.header(8));
        assert!(client.advance(&real.proof(8, 16)).is_ok());
    }
    // and one whose anchor is a later block takes nothing that starts before it.
    let mut fresh = real.client(8);
    assert_eq!(fresh.verify(&fork.proof(0, 16)), Err(ProofError::Start));
    assert_eq!(fresh.verify(&fork.proof(8, 16)), Err(ProofError::Start));
    assert_eq!(fresh.advance(&real.proof(8, 16)).unwrap().header(), real.header(16));
}

#[test]
fn a_head_that_moved_forgets_what_lay_beyond_it() {
    let (real, fork) = forked();
    let mut client = real.client(0);
    client.advance(&real.proof(0, 4)).unwrap();
    assert_eq!(client.verify(&fork.proof(4, 6)).unwrap().header(), fork.header(6));
    client.advance(&real.proof(4, 5)).unwrap();
    assert_eq!(client.known(6), None);
    assert_eq!(client.verify(&fork.proof(6, 8)), Err(ProofError::Start));
}

#[test]
fn a_way_back_to_another_block_than_was_verified_is_a_fork() {
    let (real, fork) = forked();
    let mut client = real.client(0);
    client.verify(&real.proof(0, 5)).unwrap();
    client
        .verify(&Proof::build(fork.header(0), 8, |at, level| fork.link(at, level)).unwrap())
        .unwrap();
    let find = |at| Some((fork.header(at).clone(), fork.back(at).clone()));
    let back = BackProof::build(8, 5, find).unwrap();
    assert_eq!(client.verify_back(&back), Err(BackError::Fork));
}

#[test]
fn a_client_starts_from_a_block_that_can_be() {
    let chain = Chain::new(1, shape(2, 8), 6, 2);
    let (anchor, opening) = (chain.header(3).clone(), chain.group(3).open_all());
    let of = |head: &Header| {
        let (anchor, opening) = (anchor.clone(), opening.clone());
        LightClient::restore(Trust { anchor, opening, head: head.clone() }).err()
    };
    assert_eq!(of(chain.header(3)), None);
    assert_eq!(of(chain.header(6)), None);
    for head in [
        chain.header(2),
        &Header { payload_root: [0; 32], ..chain.header(3).clone() },
        &Header { height: 9, ..chain.header(6).clone() },
        Chain::new(2, shape(2, 8), 6, 2).header(6),
        Chain::new(1, shape(2, 7), 6, 2).header(6),
    ] {
        assert_eq!(of(head), Some(AnchorError::Header));
    }
    let stranger = chain.group(0).open_all();
    assert_eq!(LightClient::new(anchor.clone(), stranger).err(), Some(AnchorError::Roster));
    let unsound = Header { version: 2, ..anchor };
    assert_eq!(LightClient::new(unsound, opening).err(), Some(AnchorError::Header));
}

#[test]
fn two_links_from_one_block_convict_who_signed_both() {
    let (real, fork) = forked();
    let group = real.group(4);
    let conflict = |first: (LinkStatement, &[u16]), second: (LinkStatement, &[u16])| {
        let links = [first, second].map(|(link, signers)| (link, group.sign(&link, signers)));
        Conflict::decode(&Conflict { links }.encode()).unwrap().verify(&group.roster)
    };
    for level in 0..3 {
        let [one, two] = [&real, &fork].map(|chain| chain.statement(4, level).unwrap());
        assert_ne!(one, two);
        assert_eq!(conflict((one, &QUORUM), (two, &[1, 2, 3])), Some(Mask::of(4, [1, 3])));
        assert_eq!(conflict((one, &[2]), (two, &[2])), Some(Mask::of(4, [2])));
        assert_eq!(conflict((one, &[0, 1]), (two, &[2, 3])), None);
        assert_eq!(conflict((one, &QUORUM), (one, &[1, 2, 3])), None);
        let other = [
            LinkStatement { from: BlockId([0; 32]), ..two },
            LinkStatement { level: level + 1, ..two },
            LinkStatement { from_index: 5, ..two },
            LinkStatement { chain: skipchain::ChainId([0; 32]), ..two },
        ];
        for two in other {
            assert_eq!(conflict((one, &QUORUM), (two, &QUORUM)), None);
        }
    }
    let [one, two] = [&real, &fork].map(|chain| chain.statement(4, 0).unwrap());
    let forged = [(one, group.sign(&one, &QUORUM)), (two, group.sign(&one, &QUORUM))];
    assert_eq!(Conflict { links: forged }.verify(&group.roster), None);
    let strangers = Group::new(60..64);
    let links = [one, two].map(|link| (link, strangers.sign(&link, &QUORUM)));
    assert_eq!(Conflict { links }.verify(&group.roster), None);
}
