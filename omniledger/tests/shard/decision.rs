//! A shard's decision stands for the link that it is, and for no other.

use cosi::{Attests, Policy, VerifyError};
use omniledger::{
    Decision,
    byzcoin::{Height, Kind, View},
    skipchain::{BlockId, ChainId, LinkStatement},
    wire::Wire,
};

use crate::town::Town;

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
fn a_decision_attests_its_own_link_only() {
    let (town, decision, link) = sample();
    let attests = |decision: &Decision, link: &LinkStatement| {
        decision.attests(link, &town.roster, &Policy::Quorum)
    };
    assert_eq!(attests(&decision, &link), Ok(()));
    let refused = Err(VerifyError::Signature);
    for other in [
        LinkStatement { level: 1, ..link },
        LinkStatement { level: 255, ..link },
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
