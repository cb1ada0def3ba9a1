extern crate std;

use alloc::{vec, vec::Vec};

use byzcoin::{message::NewView, message::Propose, rules};
use cosi::{Certificate, Statement as _, certificate, domain::BYZCOIN, machine::Output};
use pvss::{Scheme, ShareSecret};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{epoch::EpochError, testing::Town};

type Said = Vec<(To<Peer>, Message)>;

fn index(town: &Town, at: u16) -> Index {
    town.genesis.roster().unwrap().index(at).unwrap()
}

fn peer(town: &Town, at: u16) -> PeerId {
    town.genesis.roster().unwrap().peer(index(town, at)).unwrap()
}

fn restore(town: &Town, at: u16, journal: Journal, cx: &mut Cx<'_>) -> (Identity, Step) {
    let seed = &town.seeds[usize::from(at)];
    let config = Config {
        key: Arc::new(seed.signing_key()),
        secret: Arc::new(ShareSecret::derive(seed, Scheme::Dhpvss)),
        timing: Default::default(),
        votes: Default::default(),
        retry: Duration::from_secs(1),
    };
    let seat = (town.genesis.committee().unwrap(), index(town, at));
    let (identity, step, _) = Identity::restore(config, &town.genesis, seat, journal, cx).unwrap();
    (identity, step)
}

/// Four validators that have entered view 1, crashed, and come back; and what each then says.
fn in_view_one(town: &Town, cx: &mut Cx<'_>) -> Vec<(Identity, Said)> {
    let view = NewView {
        height: Height::FIRST,
        view: View::new(1),
        changes: BoundedVec::default(),
        certificate: None,
    };
    let back = |at| {
        let (records, _) = restore(town, at, Journal::default(), cx).1.into_records();
        let beacon = records.into_iter().filter_map(|record| match record {
            Record::Beacon(record) => Some(*record),
            _ => None,
        });
        let identity = vec![byzcoin::Record::Entered(view.clone())];
        let journal = Journal { identity, beacon: beacon.collect(), epoch: None };
        let (identity, step) = restore(town, at, journal, cx);
        (identity, step.into_records().1.release().messages)
    };
    (0..4).map(back).collect()
}

fn deal(said: &Said) -> Option<(To<Peer>, draw::Message)> {
    said.iter().find_map(|(to, message)| match message {
        Message::Beacon(said) if matches!(**said, draw::Message::Dealing(_)) => {
            Some((to.clone(), (**said).clone()))
        }
        _ => None,
    })
}

/// Who comes back in a later view deals to the leader of that view, and who leads it gathers:
/// the leader of the first view may be gone for good.
#[test]
fn who_comes_back_follows_the_leader_of_its_view() {
    let town = Town::new(1, &[]);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut back = in_view_one(&town, &mut cx);
    let deals: Vec<_> = back.iter().map(|(_, said)| deal(said)).collect();
    assert_eq!(deals[1], None);

    let mut proposed = false;
    for at in [0, 2, 3] {
        let (to, said) = deals[usize::from(at)].clone().unwrap();
        assert_eq!(to, To::One(Peer::Validator(peer(&town, 1))));
        let from = peer(&town, at);
        let (step, _) = back[1].0.handle_beacon(&mut cx, &town.genesis, from, said);
        let Output { messages, .. } = step.into_records().1.release();
        let is_proposal = |(_, message): &(_, Message)| match message {
            Message::Identity(said) => matches!(**said, byzcoin::Message::Propose(_)),
            _ => false,
        };
        proposed |= messages.iter().any(is_proposal);
    }
    assert!(proposed);
}

/// Hands on what validators say until nobody says more. Returns the decision.
fn run(town: &Town, cx: &mut Cx<'_>) -> Vec<Identity> {
    let (mut all, mut queue) = (Vec::new(), VecDeque::new());
    let post = |from: u16, step: Step, queue: &mut VecDeque<(u16, PeerId, Message)>| {
        for (to, message) in step.into_records().1.release().messages {
            let to = match to {
                To::One(to) => vec![to],
                To::Some(to) => to,
                To::All => panic!("everybody is named"),
            };
            for to in to {
                let Peer::Validator(to) = to else { panic!("there are no guests") };
                queue.push_back((from, to, message.clone()));
            }
        }
    };
    for at in 0..4 {
        let (identity, step) = restore(town, at, Journal::default(), cx);
        post(at, step, &mut queue);
        all.push(identity);
    }
    let roster = town.genesis.roster().unwrap();
    while let Some((from, to, message)) = queue.pop_front() {
        let (to, from_peer) = (roster.index_of(to).unwrap().get(), peer(town, from));
        let receiver: &mut Identity = &mut all[usize::from(to)];
        let (step, _) = match message {
            Message::Identity(said) => {
                receiver.handle_consensus(cx, &town.genesis, from_peer, *said)
            }
            Message::Beacon(said) => receiver.handle_beacon(cx, &town.genesis, from_peer, *said),
            _ => continue,
        };
        post(to, step, &mut queue);
    }
    all
}

/// The chain has one block, so a leader of the second height has nothing to say that starts
/// anybody's clock: or one liar would have all validators change views for ever.
#[test]
fn nobody_changes_views_after_the_last_block() {
    let town = Town::new(1, &[]);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut all = run(&town, &mut cx);
    let decision = all[0].proof().unwrap().transcript.certificate.decision.clone();

    let roster = town.genesis.roster().unwrap();
    let second = Height::FIRST.next();
    let start = decision.proposal.header.next_start;
    let header = byzcoin::Header {
        parent: decision.proposal.digest(),
        height: second,
        first_view: View::ZERO,
        next_roster: roster.id(),
        next_start: rules::next_start(4, start, second, View::ZERO, 16),
        app: BoundedBytes::default(),
    };
    let proposal = byzcoin::Proposal::new(header, &byzcoin::Body::new(b"more").unwrap());
    let scope = byzcoin::Scope {
        chain: town.genesis.identity_chain().0,
        epoch: EPOCH,
        roster: roster.id(),
    };
    let kind = byzcoin::Kind::Proposal;
    let said = scope.statement(kind, second, View::ZERO, proposal.digest()).encode();
    let leader = rules::leader(4, start, View::ZERO);
    let key = town.seeds[usize::from(leader)].signing_key();
    let signature = key.sign(&BYZCOIN, &said);
    let propose = Propose { view: View::ZERO, proposal, signer: leader, signature };
    let message = byzcoin::Message::Propose(propose);

    let other = usize::from((leader + 1) % 4);
    let from = peer(&town, leader);
    let (step, _) = all[other].handle_consensus(&mut cx, &town.genesis, from, message);
    assert_eq!(step.into_records().1.release().faults, []);
    let late = Time::at(Duration::from_secs(3600));
    let mut cx = Cx::new(late, &mut rng);
    let (step, _) = all[other].handle_timeout(&mut cx, &town.genesis);
    assert_eq!(step.into_records().1.release().messages, []);
    assert_eq!(all[other].next_timeout(), None);
}

/// The statement that counts is the one in the first block, whatever is decided after it.
#[test]
fn a_later_decision_proves_no_epoch() {
    let town = Town::new(1, &[]);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let all = run(&town, &mut cx);
    let mut proof = all[0].proof().unwrap().clone();
    assert!(Epoch::verify(&town.genesis, &proof).is_ok());

    let decision = &mut proof.transcript.certificate.decision;
    decision.proposal.header.height = Height::FIRST.next();
    let roster = town.genesis.roster().unwrap();
    let (chain, kind) = (town.genesis.identity_chain().0, byzcoin::Kind::Commit);
    let scope = byzcoin::Scope { chain, epoch: EPOCH, roster: roster.id() };
    let (height, digest) = (Height::FIRST.next(), decision.proposal.digest());
    let vote = scope.statement(kind, height, decision.view, digest).to_signed();
    let signed = roster
        .indices()
        .zip(&town.seeds)
        .map(|(index, seed)| (index, certificate::sign(&seed.signing_key(), &roster.id(), &vote)));
    decision.certificate = Certificate::individual(&roster, signed).unwrap();
    assert_eq!(Epoch::verify(&town.genesis, &proof).err(), Some(EpochError::Identity));
}
