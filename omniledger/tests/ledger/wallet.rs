//! What a wallet believes, and what it survives.

use std::{collections::BTreeSet, slice::from_ref};

use cosi::{
    keys::PeerId,
    machine::{Fault, FaultKind, To},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Peer, Refusal, Session, Transaction, Wallet,
    atomix::{Action, Outcome, Place},
    message::{Answer, Guest, Proof, Sync, Want},
    wallet::{Event, Reason, Record},
};

use crate::{
    branch::{Branch, abort, commit, show},
    town::{
        Answered, GUEST, Town, answer, at, key, nothing, now, pay, peer, take, to, town,
        wallet_config,
    },
};

pub(crate) fn refused(shard: u16, session: Session, refusal: Refusal) -> Answer {
    let refused = BoundedVec::new(vec![(session, refusal)]).unwrap();
    Answer { refused, ..nothing(shard) }
}

pub(crate) fn said(town: &Town, transaction: &Transaction, proof: Proof) -> Answer {
    let said = BoundedVec::new(vec![(town.session(transaction), proof)]).unwrap();
    Answer { said: said.clone(), ..nothing(said[0].1.shard) }
}

pub(crate) fn tick(node: &mut Wallet, seconds: u64) -> Answered {
    take([at(seconds, |cx| node.handle_timeout(cx))])
}

/// What goes to a shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// To all of it.
    Submit(u16, Vec<(Session, Want)>),
    /// To one of it.
    Ask(u16, Vec<(Session, Want)>),
}

pub(crate) fn sent(town: &Town, heard: &Answered) -> Vec<Sent> {
    let want = |action: &Action<_>| match action {
        Action::Initialize { .. } => Want::Verdict,
        Action::Commit { .. } => Want::Creation,
        Action::Abort { .. } => Want::Return,
    };
    let all = heard.messages.iter().map(|(to, message)| match (to, message) {
        (To::Some(peers), Message::Guest(Guest::Submit { shard, requests })) => {
            let members: Vec<_> = (0..4).map(|at| town.peer(*shard, at)).collect();
            assert_eq!(*peers, members);
            let each = requests.iter().map(|it| (town.session(&it.transaction), want(&it.action)));
            Sent::Submit(*shard, each.collect())
        }
        (To::One(peer), Message::Guest(Guest::Ask { shard, queries })) => {
            assert!((0..4).any(|at| town.peer(*shard, at) == *peer));
            Sent::Ask(*shard, queries.iter().map(|query| (query.session, query.want)).collect())
        }
        other => panic!("{other:?}"),
    });
    all.collect()
}

/// A payment of a coin in each of two shards to both, and what the shards say of it.
pub(crate) struct Joint<'a> {
    pub(crate) town: &'a Town,
    pub(crate) pay: Transaction,
    pub(crate) shards: [Branch<'a>; 2],
}

pub(crate) fn joint(town: &Town) -> Joint<'_> {
    let inputs = [town.coin_of(0, 0), town.coin_of(1, 0)];
    let pay = town.pay(1, &inputs, &[to(0, 50), to(1, 150)]);
    Joint { town, pay, shards: [0, 1].map(|shard| Branch::new(town, shard)) }
}

impl Joint<'_> {
    pub(crate) fn session(&self) -> Session {
        self.town.session(&self.pay)
    }

    pub(crate) fn accept(&mut self, shard: usize) -> Answer {
        self.shards[shard].commit_all(from_ref(&self.pay));
        self.told(shard, Outcome::Accepted)
    }

    pub(crate) fn told(&self, shard: usize, outcome: Outcome) -> Answer {
        said(self.town, &self.pay, self.shards[shard].proof(&self.pay, outcome))
    }

    pub(crate) fn create(&mut self, shard: usize) -> Answer {
        let other = self.shards[1 - shard].proof(&self.pay, Outcome::Accepted);
        self.shards[shard].commit(&[commit(&self.pay, &[other])]);
        self.told(shard, Outcome::Created)
    }
}

#[test]
fn a_payment_is_recorded_then_submitted_then_proven() {
    let town = town();
    let mut joint = joint(&town);
    let (mut node, session) = (town.wallet(), joint.session());
    let heard = pay(&mut node, &joint.pay);
    assert_eq!(heard.records[0], Record::Paid(joint.pay.clone()));
    assert!(matches!(heard.records[1..], [Record::Client(_)]));
    assert!(heard.messages.is_empty(), "nothing is sent before the records are out");
    let both = |want| [0, 1].map(|shard| (shard, vec![(session, want)]));
    let submits = |want| both(want).map(|(shard, each)| Sent::Submit(shard, each));
    let asks = |want| both(want).map(|(shard, each)| Sent::Ask(shard, each));
    let all = |want| submits(want).into_iter().chain(asks(want)).collect::<Vec<_>>();
    assert_eq!(sent(&town, &tick(&mut node, 1)), all(Want::Verdict));
    assert!(node.receipt(&session).is_none());

    let told = joint.accept(0);
    let heard = answer(&mut node, town.peer(0, 2), told);
    assert_eq!((heard.records.len(), heard.messages.len()), (1, 0), "one shard is waited for");
    assert_eq!(sent(&town, &tick(&mut node, 2)), [Sent::Ask(1, vec![(session, Want::Verdict)])]);
    let told = joint.accept(1);
    let heard = answer(&mut node, town.peer(1, 2), told.clone());
    assert_eq!(sent(&town, &heard), submits(Want::Creation));
    let (first, second) = (joint.create(0), joint.create(1));
    assert!(answer(&mut node, town.peer(0, 0), first).events.is_empty());
    let heard = answer(&mut node, town.peer(1, 1), second.clone());
    assert_eq!(heard.events, [Event::Committed { session }]);
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
    let receipt = node.receipt(&session).unwrap();
    let proven = town.stranger().verify(&receipt).unwrap();
    assert_eq!(proven.verdicts.iter().map(|it| it.shard).collect::<Vec<_>>(), [0, 1]);

    // The same again is no news and no fault.
    for again in [told, second] {
        let heard = answer(&mut node, town.peer(1, 3), again);
        assert!(heard.records.is_empty() && heard.events.is_empty() && heard.faults.is_empty());
    }
}

#[test]
fn an_input_that_does_not_come_is_rejected_for_and_the_lock_taken_off() {
    let town = town();
    let mut joint = joint(&town);
    let (mut node, session) = (town.wallet(), joint.session());
    let _ = pay(&mut node, &joint.pay);
    let told = joint.accept(0);
    joint.shards[1].commit_all(&[town.spend(1, 0)]);
    let _ = answer(&mut node, town.peer(0, 2), told);
    // Before its patience ends, it shows nothing.
    let shows = |heard: &Answered| {
        heard.messages.iter().any(|(_, message)| match message {
            Message::Guest(Guest::Submit { shard: 1, requests }) => {
                requests.iter().any(|it| matches!(it.action, Action::Initialize { shown: Some(_) }))
            }
            _ => false,
        })
    };
    assert!((1..9).all(|second| !shows(&tick(&mut node, second))));
    assert!((9..20).any(|second| shows(&tick(&mut node, second))));
    let accepted = joint.shards[0].proof(&joint.pay, Outcome::Accepted);
    joint.shards[1].commit(&[show(&joint.pay, accepted)]);
    let heard = answer(&mut node, town.peer(1, 0), joint.told(1, Outcome::Rejected));
    assert_eq!(sent(&town, &heard), [Sent::Submit(0, vec![(session, Want::Return)])]);
    assert!(heard.events.is_empty(), "the lock is still there");
    let rejected = joint.shards[1].proof(&joint.pay, Outcome::Rejected);
    joint.shards[0].commit(&[abort(&joint.pay, rejected)]);
    let heard = answer(&mut node, town.peer(0, 0), joint.told(0, Outcome::GivenBack));
    assert_eq!(heard.events, [Event::Aborted { session, reason: Reason::Rejected }]);
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
    assert!(node.receipt(&session).is_none());
}

#[test]
fn f_validators_of_a_shard_cannot_abort_a_payment() {
    let town = town();
    let (mut node, spend) = (town.wallet(), town.spend(0, 0));
    let session = town.session(&spend);
    let _ = pay(&mut node, &spend);
    let one = town.peer(0, 0);
    for refusal in [Refusal::Spent, Refusal::Spent, Refusal::Misdeclared, Refusal::Missing] {
        let heard = answer(&mut node, one, refused(0, session, refusal));
        assert!(heard.events.is_empty() && heard.faults.is_empty());
    }
    // Another one gives another reason: whose word counts is open.
    let other = town.peer(0, 1);
    assert!(answer(&mut node, other, refused(0, session, Refusal::Closed)).events.is_empty());
    let nobody = refused(0, Session([7; 32]), Refusal::Spent);
    assert!(answer(&mut node, other, nobody).events.is_empty());
    assert_eq!(node.pending(), 1);
    let heard = answer(&mut node, town.peer(0, 2), refused(0, session, Refusal::Spent));
    let reason = Reason::Refused(Refusal::Spent);
    assert_eq!(heard.events, [Event::Aborted { session, reason }]);
    assert!(heard.records.contains(&Record::Aborted(session, reason)));
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
}

#[test]
fn a_payment_is_given_up_only_if_every_input_shard_refuses_it() {
    let town = town();
    let mut joint = joint(&town);
    let (mut node, session) = (town.wallet(), joint.session());
    let _ = pay(&mut node, &joint.pay);
    let told = |node: &mut Wallet, shard, at| {
        answer(node, town.peer(shard, at), refused(shard, session, Refusal::Spent)).events
    };
    // All of one shard: the other may have a lock.
    assert!((0..4).all(|at| told(&mut node, 0, at).is_empty()));
    assert!(told(&mut node, 1, 0).is_empty());
    // A shard's proof weighs more than any number of words.
    let accepted = joint.accept(1);
    let _ = answer(&mut node, town.peer(1, 1), accepted);
    assert!((0..4).all(|at| told(&mut node, 1, at).is_empty()));
    assert_eq!(node.pending(), 1);

    let mut node = town.wallet();
    let _ = pay(&mut node, &joint.pay);
    assert!((0..2).chain([0, 1, 1]).all(|at| told(&mut node, 0, at).is_empty()));
    assert!(told(&mut node, 1, 3).is_empty());
    let reason = Reason::Refused(Refusal::Spent);
    assert_eq!(told(&mut node, 1, 2), [Event::Aborted { session, reason }]);
}

#[test]
fn what_is_missing_may_still_come() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let (mut node, spend) = (town.wallet(), town.spend(0, 0));
    let session = town.session(&spend);
    let _ = pay(&mut node, &spend);
    let missing = || refused(0, session, Refusal::Missing);
    assert!(answer(&mut node, town.peer(0, 0), missing()).events.is_empty());
    let heard = answer(&mut node, town.peer(0, 1), missing());
    assert_eq!((heard.events, heard.records), (vec![Event::Delayed { session }], vec![]));
    for at in [1, 2] {
        assert!(answer(&mut node, town.peer(0, at), missing()).events.is_empty(), "once");
    }
    branch.commit_all(from_ref(&spend));
    let proofs = [Outcome::Created, Outcome::Accepted].map(|of| branch.proof(&spend, of));
    let each = proofs.map(|proof| (session, proof)).to_vec();
    let heard = answer(
        &mut node,
        town.peer(0, 3),
        Answer { said: BoundedVec::new(each).unwrap(), ..nothing(0) },
    );
    assert_eq!(heard.events, [Event::Committed { session }]);
}

#[test]
fn a_false_proof_is_its_senders_fault() {
    let town = town();
    let mut joint = joint(&town);
    let mut node = town.wallet();
    let _ = pay(&mut node, &joint.pay);
    let sound = {
        joint.shards[0].commit_all(&[town.spend(0, 1), joint.pay.clone()]);
        joint.shards[0].proof(&joint.pay, Outcome::Accepted)
    };
    let change = |change: &dyn Fn(&mut Proof)| {
        let mut proof = sound.clone();
        change(&mut proof);
        said(&town, &joint.pay, proof)
    };
    let blame = |node: &mut Wallet, at, lie: Answer| {
        let heard = answer(node, town.peer(0, at), lie);
        assert!(heard.records.is_empty() && heard.events.is_empty());
        heard.faults
    };
    let fault = |at, kind| [Fault { culprit: town.peer(0, at), kind, evidence: None }];

    // Not under a quorum of the shard's roster: it may be late, and proves nothing.
    let short = {
        let (start, id) = (Branch::new(&town, 0), sound.inclusion.header.id().encode());
        let (proposal, _) = start.proposal(&id, b"");
        start.decision(&[0, 1], proposal)
    };
    let forged = change(&|proof| proof.inclusion.attestation = short.clone());
    assert_eq!(blame(&mut node, 1, forged), []);
    // Not in the block: nobody is that late.
    let Place::Logged(other) =
        joint.shards[0].proof(&town.spend(0, 1), Outcome::Accepted).inclusion.place
    else {
        panic!()
    };
    let moved = || change(&|proof| proof.inclusion.place = Place::Logged(other.clone()));
    assert_eq!(blame(&mut node, 1, moved()), fault(1, FaultKind::InvalidProof));
    assert_eq!(blame(&mut node, 1, moved()), [], "once");
    let rejected = change(&|proof| proof.outcome = Outcome::Rejected);
    assert_eq!(blame(&mut node, 1, rejected), []);
    // Another shard's word is not for this one to give.
    let other = Answer { shard: 0, ..change(&|proof| proof.shard = 1) };
    assert_eq!(blame(&mut node, 2, other), fault(2, FaultKind::InvalidPayload));
    // Nor does a validator of another shard answer for this one.
    let heard = answer(&mut node, town.peer(1, 0), said(&town, &joint.pay, sound.clone()));
    let culprit = town.peer(1, 0);
    assert_eq!(heard.faults, [Fault { culprit, kind: FaultKind::WrongRole, evidence: None }]);
    assert!(heard.records.is_empty());
    for shard in [2, u16::MAX] {
        assert!(answer(&mut node, town.peer(1, 1), nothing(shard)).records.is_empty());
    }
    // What is not asked for is not looked at.
    let stranger = town.spend(0, 1);
    let proof = joint.shards[0].proof(&stranger, Outcome::Accepted);
    let heard = answer(&mut node, town.peer(0, 3), said(&town, &stranger, proof));
    assert!(heard.records.is_empty() && heard.faults.is_empty());
    let heard = answer(&mut node, town.peer(0, 3), said(&town, &joint.pay, sound.clone()));
    assert_eq!(heard.records.len(), 1);
}

#[test]
fn only_validators_are_heard() {
    let town = town();
    let (mut node, spend) = (town.wallet(), town.spend(0, 0));
    let session = town.session(&spend);
    let _ = pay(&mut node, &spend);
    let stranger = Peer::Validator(PeerId::of(key(99).public()));
    for from in [GUEST, Peer::Guest(2), stranger] {
        let heard = answer(&mut node, from, refused(0, session, Refusal::Spent));
        assert!(heard.faults.is_empty() && heard.events.is_empty());
    }
    let roles = [
        Message::Guest(Guest::Submit { shard: 0, requests: BoundedVec::default() }),
        Message::Guest(Guest::Ask { shard: 0, queries: BoundedVec::default() }),
        Message::Sync(Sync::Ask),
    ];
    for (message, times) in roles.into_iter().zip([1, 0, 0]) {
        let heard = take([now(|cx| node.handle_message(cx, peer(0), message))]);
        assert_eq!(heard.faults.len(), times);
    }
}

#[test]
fn the_epoch_is_believed_from_who_was_asked_and_if_it_holds() {
    let town = town();
    let mut node = now(|cx| Wallet::restore(wallet_config(&town.genesis), [], cx).unwrap().0);
    let epoch =
        |proof: &omniledger::EpochProof| Message::Sync(Sync::Epoch(Box::new(proof.clone())));
    let spend = town.spend(0, 0);
    let heard = pay(&mut node, &spend);
    assert_eq!(heard.records.len(), 1);
    let foreign = Town::new(8, 2, 4).proof;
    // Nobody was asked yet.
    for number in 0..8 {
        let heard = take([now(|cx| node.handle_message(cx, peer(number), epoch(&town.proof)))]);
        assert!(heard.records.is_empty() && heard.faults.is_empty());
    }
    let mut asked = BTreeSet::new();
    for second in 1..40 {
        for (to, message) in tick(&mut node, second).messages {
            assert_eq!(message, Message::Sync(Sync::Ask));
            let To::One(peer) = to else { panic!() };
            asked.insert(peer);
        }
    }
    assert!(asked.len() > 4, "any of them");
    // A liar is blamed, and once; its answer does not silence one that was asked before.
    let mut asked = asked.into_iter();
    let liar = asked.next().unwrap();
    for faults in [1, 0] {
        let heard = take([now(|cx| node.handle_message(cx, liar, epoch(&foreign)))]);
        assert_eq!(heard.faults.len(), faults);
        assert!(node.epoch().is_none() && heard.records.is_empty());
    }
    let honest = asked.next_back().unwrap();
    let heard = take([now(|cx| node.handle_message(cx, honest, epoch(&town.proof)))]);
    assert!(matches!(heard.records[..], [Record::Epoch(_), Record::Client(_)]));
    assert_eq!(node.epoch().unwrap().randomness(), town.epoch.randomness());
    let session = town.session(&spend);
    assert_eq!(sent(&town, &heard), [Sent::Submit(0, vec![(session, Want::Verdict)])]);
    let heard = take([now(|cx| node.handle_message(cx, honest, epoch(&foreign)))]);
    assert!(heard.faults.is_empty() && heard.records.is_empty(), "known");
}
