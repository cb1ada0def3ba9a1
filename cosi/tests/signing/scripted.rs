//! A leader written by hand, and an honest cosigner under it: what it answers, once, and whom
//! the evidence convicts.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    Cosigner, Mode, Policy,
    challenge::Challenge,
    cosigner::{self, Command, Event, Limits},
    machine::{Cx, Fault, FaultKind, Index, Time},
    mask::Mask,
    message::{Ask, Commitment, Decline, Message, Refusal, Response, Said, StatementBytes},
    roster::Roster,
    session::{Digest, Session},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY, traits::Identity,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{SeedableRng, TryCryptoRng, TryRng},
};

use crate::{
    certificate::{of_scalars, secret},
    common::{at, key, roster},
};

/// Member 1 is honest and cosigns; everybody else follows the script.
pub(crate) struct Honest {
    pub(crate) roster: Roster,
    pub(crate) cosigner: Cosigner,
    rng: ChaCha20Rng,
    pub(crate) faults: Vec<Fault<Index>>,
    pub(crate) asked: Vec<Digest>,
}

impl Honest {
    pub(crate) fn new(size: u16, policy: Policy, limits: Limits) -> Self {
        let (roster, mut rng) = (roster(size), ChaCha20Rng::seed_from_u64(7));
        let config = cosigner::Config {
            policy,
            limits,
            ..cosigner::Config::new(roster.clone(), at(&roster, 1), key(1))
        };
        let mut cx = Cx::new(Time::default(), &mut rng);
        let cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
        Self { roster, cosigner, rng, faults: vec![], asked: vec![] }
    }

    pub(crate) fn hear(&mut self, from: u16, message: Message) -> Option<Message> {
        let mut cx = Cx::new(Time::default(), &mut self.rng);
        let step = self.cosigner.handle_message(&mut cx, at(&self.roster, from), message);
        self.heard(step)
    }

    pub(crate) fn tell(&mut self, command: Command) -> Option<Message> {
        let mut cx = Cx::new(Time::default(), &mut self.rng);
        let step = self.cosigner.handle_command(&mut cx, command).unwrap();
        self.heard(step)
    }

    fn heard(&mut self, step: cosigner::Step) -> Option<Message> {
        let mut output = step.into_records().1.release();
        self.faults.extend(output.faults);
        self.asked.extend(output.events.into_iter().map(|event| match event {
            Event::Validate { digest, .. } => digest,
            other => panic!("{other:?}"),
        }));
        assert!(output.messages.len() <= 1);
        output.messages.pop().map(|(_, message)| message)
    }

    pub(crate) fn validate(&mut self, statement: &[u8]) -> Option<Message> {
        self.tell(Command::Validated { digest: Digest::of(statement), accept: true })
    }

    pub(crate) fn session(&self, leader: u16, statement: &[u8], attempt: u32) -> Session {
        Session {
            mode: Mode::Accountable,
            roster: self.roster.id(),
            statement: Digest::of(statement),
            leader,
            entropy: [9; 32],
            attempt,
        }
    }

    /// Has the cosigner commit to a pair, for a statement that it has validated.
    pub(crate) fn commitment(&mut self, leader: u16, statement: &[u8]) -> Said<Commitment> {
        match self.announce(leader, statement) {
            Some(Message::Commitment(said)) => said,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn announce(&mut self, leader: u16, statement: &[u8]) -> Option<Message> {
        let said = Said::new(&key(leader), self.session(leader, statement, 0));
        self.hear(leader, Message::Announcement(said, bytes(statement)))
    }

    /// A challenge whose sums are the commitment and a point of the leader's choice.
    pub(crate) fn challenge(
        &self,
        session: &Session,
        statement: &[u8],
        commitment: &Commitment,
        own: EdwardsPoint,
    ) -> Said<Challenge> {
        let sums = commitment.points.map(|p| (point(&p) + own).compress().to_bytes());
        let everybody = Mask::of(self.roster.size(), self.roster.indices().map(Index::get));
        let challenge = Challenge {
            session: session.clone(),
            mask: everybody,
            commitments: sums,
            statement: bytes(statement),
        };
        Said::new(&key(session.leader), challenge)
    }
}

pub(crate) fn bytes(statement: &[u8]) -> StatementBytes {
    StatementBytes::new(statement.to_vec()).unwrap()
}

pub(crate) fn point(bytes: &[u8; 32]) -> EdwardsPoint {
    CompressedEdwardsY(*bytes).decompress().unwrap()
}

pub(crate) fn responded(message: Option<Message>) -> Said<Response> {
    match message {
        Some(Message::Response(said)) => said,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn refused(message: Option<Message>) -> Said<Refusal> {
    match message {
        Some(Message::Refusal(said)) => said,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn declined(message: Option<Message>) -> Decline {
    match message {
        Some(Message::Decline(said)) => said.what,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn honest() -> Honest {
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    for statement in [b"M", b"N"] {
        honest.validate(statement);
    }
    honest
}

#[test]
fn a_pair_answers_once_whatever_the_session() {
    let mut honest = honest();
    let commitment = honest.commitment(0, b"M").what;
    let nonce = commitment.nonce;
    let ask = |honest: &Honest, statement: &[u8], attempt| {
        let session = honest.session(0, statement, attempt);
        honest.challenge(&session, statement, &commitment, EdwardsPoint::mul_base(&Scalar::ONE))
    };
    let first = ask(&honest, b"M", 0);
    let reply = honest.hear(0, Message::Challenge(first.clone(), Ask::Own(nonce)));
    let response = responded(reply.clone()).what;
    assert_eq!((response.nonce, response.challenge), (nonce, first.what.id()));
    assert_eq!(
        honest.hear(0, Message::Challenge(first.clone(), Ask::Own(nonce))),
        reply,
        "verbatim"
    );
    // Another attempt, another statement: the same pair is gone, and saying so is no fault.
    for (statement, attempt) in [(b"M", 1), (b"N", 0)] {
        let second = ask(&honest, statement, attempt);
        let reply = honest.hear(0, Message::Challenge(second.clone(), Ask::Own(nonce)));
        assert_eq!(refused(reply.clone()).what.nonce, Some(nonce));
        assert_eq!(honest.hear(0, Message::Challenge(second, Ask::Own(nonce))), reply, "verbatim");
    }
    // The first challenge once more, naming the pair ahead: it was answered.
    let ahead = response.ahead.what.nonce;
    let again = honest.hear(0, Message::Challenge(first, Ask::Own(ahead)));
    assert_eq!(responded(again).what, response);
    assert_eq!(honest.faults, []);
}

/// Each broken condition on its own: no answer, and the pair stays unspent.
#[test]
fn a_cosigner_answers_only_under_every_condition() {
    let mut honest = honest();
    let commitment = honest.commitment(0, b"M").what;
    let nonce = commitment.nonce;
    let good = honest.challenge(
        &honest.session(0, b"M", 0),
        b"M",
        &commitment,
        EdwardsPoint::mul_base(&Scalar::ONE),
    );
    let with = |change: &dyn Fn(&mut Challenge)| {
        let mut what = good.what.clone();
        change(&mut what);
        Said::new(&key(0), what)
    };
    let size = honest.roster.size();
    let identity = EdwardsPoint::identity().compress().to_bytes();
    let torsion = EIGHT_TORSION[1].compress().to_bytes();
    let bad = [
        with(&|ch| ch.mask = Mask::of(size, [0, 2, 3])),
        with(&|ch| ch.mask = Mask::of(9, [0, 1, 2, 3])),
        with(&|ch| ch.mask = Mask::of(8, [0, 1, 2, 3, 7])),
        with(&|ch| ch.session.mode = Mode::Raw),
        with(&|ch| ch.session.roster = roster(5).id()),
        with(&|ch| ch.commitments = [identity; 2]),
        with(&|ch| ch.commitments = [torsion, identity]),
        with(&|ch| ch.commitments = [identity, torsion]),
        with(&|ch| ch.statement = bytes(b"N")),
        with(&|ch| ch.commitments[0] = [0xff; 32]),
    ];
    for said in bad {
        assert_eq!(honest.hear(0, Message::Challenge(said, Ask::Own(nonce))), None);
    }
    assert_eq!(
        honest.hear(2, Message::Challenge(good.clone(), Ask::Own(nonce))),
        None,
        "by a relay"
    );
    let forged = Said {
        what: good.what.clone(),
        signature: Said::new(&key(2), honest.session(2, b"M", 0)).signature,
    };
    assert_eq!(honest.hear(0, Message::Challenge(forged, Ask::Own(nonce))), None);
    // Another leader cannot have it either.
    let session = honest.session(2, b"M", 0);
    let said = honest.challenge(&session, b"M", &commitment, EdwardsPoint::identity());
    assert_eq!(
        refused(honest.hear(2, Message::Challenge(said, Ask::Own(nonce)))).what.nonce,
        Some(nonce)
    );
    // Nor does it commit to what it would not answer.
    let foreign = Session { roster: roster(5).id(), ..honest.session(0, b"M", 7) };
    let raw = Session { mode: Mode::Raw, ..honest.session(0, b"M", 7) };
    for session in [foreign, raw] {
        let message = Message::Announcement(Said::new(&key(0), session), bytes(b"M"));
        assert_eq!(honest.hear(0, message), None);
    }
    assert_eq!(honest.asked, []);
    assert!(honest.faults.iter().all(|fault| fault.evidence.is_none()));
    assert_eq!(
        responded(honest.hear(0, Message::Challenge(good, Ask::Own(nonce)))).what.nonce,
        nonce
    );
}

/// A_Z = O, by a member that knows the honest one's key: the sum of all secrets is public.
#[test]
fn nobody_answers_under_keys_that_cancel() {
    let roster = of_scalars(&[secret(0), secret(1), -secret(1)]);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let config = cosigner::Config {
        policy: Policy::Weight(1),
        ..cosigner::Config::new(roster.clone(), at(&roster, 1), key(1))
    };
    let mut cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
    let verdict = Command::Validated { digest: Digest::of(b"M"), accept: true };
    let _ = cosigner.handle_command(&mut cx, verdict).unwrap();
    let session = Session {
        mode: Mode::Accountable,
        roster: roster.id(),
        statement: Digest::of(b"M"),
        leader: 0,
        entropy: [9; 32],
        attempt: 0,
    };
    let said = Said::new(&key(0), session.clone());
    let message = Message::Announcement(said, bytes(b"M"));
    let step = cosigner.handle_message(&mut cx, at(&roster, 0), message);
    let output = step.into_records().1.release();
    let [(_, Message::Commitment(offer))] = &output.messages[..] else { panic!() };
    for (signers, answers) in [([1, 2], false), ([0, 1], true)] {
        let challenge = Challenge {
            session: session.clone(),
            mask: Mask::of(3, signers),
            commitments: offer.what.points,
            statement: bytes(b"M"),
        };
        let message = Message::Challenge(Said::new(&key(0), challenge), Ask::Own(offer.what.nonce));
        let step = cosigner.handle_message(&mut cx, at(&roster, 0), message);
        let output = step.into_records().1.release();
        assert_eq!(matches!(output.messages[..], [(_, Message::Response(_))]), answers);
        assert_eq!(output.faults.len(), usize::from(!answers));
    }
}

#[test]
fn a_refused_statement_is_never_signed_and_a_forgotten_one_is_asked_again() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M").what;
    let digest = Digest::of(b"evil");
    assert_eq!(honest.announce(0, b"evil"), None);
    assert_eq!(honest.announce(0, b"evil"), None);
    assert_eq!(honest.asked, [digest], "asked once");
    let decline = declined(honest.tell(Command::Answered { digest, accept: false }));
    assert_eq!((decline.leader, decline.statement, decline.entropy), (0, digest, [9; 32]));
    let session = honest.session(0, b"evil", 0);
    let said = honest.challenge(&session, b"evil", &offer, EdwardsPoint::mul_base(&Scalar::ONE));
    declined(honest.hear(0, Message::Challenge(said.clone(), Ask::Own(offer.nonce))));
    assert_eq!(honest.asked.len(), 1);
    honest.tell(Command::Forget { digest });
    assert_eq!(honest.hear(0, Message::Challenge(said, Ask::Own(offer.nonce))), None);
    assert_eq!(honest.asked.len(), 2);
    // Accepted at last: the challenge that waits is answered, with the pair that it names.
    let reply = honest.tell(Command::Answered { digest, accept: true });
    assert_eq!(responded(reply).what.nonce, offer.nonce);
}

#[test]
fn an_announcement_said_again_is_answered_verbatim_while_its_pair_is_unspent() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M");
    assert_eq!(honest.commitment(0, b"M"), offer);
    // Under another name it is a call for another pair.
    let session = honest.session(0, b"M", 1);
    let message = Message::Announcement(Said::new(&key(0), session), bytes(b"M"));
    let Some(Message::Commitment(other)) = honest.hear(0, message.clone()) else { panic!() };
    assert_ne!(other, offer);
    assert_eq!(honest.hear(0, message), Some(Message::Commitment(other)));
    let one = EdwardsPoint::mul_base(&Scalar::ONE);
    let said = honest.challenge(&honest.session(0, b"M", 0), b"M", &offer.what, one);
    responded(honest.hear(0, Message::Challenge(said, Ask::Own(offer.what.nonce))));
    assert_ne!(honest.commitment(0, b"M").what.nonce, offer.what.nonce);
}

#[test]
fn a_dropped_leader_finds_no_pair() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M").what;
    let said = honest.challenge(
        &honest.session(0, b"M", 0),
        b"M",
        &offer,
        EdwardsPoint::mul_base(&Scalar::ONE),
    );
    honest.tell(Command::Drop { leader: at(&honest.roster, 0) });
    refused(honest.hear(0, Message::Challenge(said, Ask::Own(offer.nonce))));
}

#[test]
fn each_machine_hears_what_is_for_it() {
    let mut honest = honest();
    let said = honest.commitment(0, b"M");
    assert_eq!(honest.hear(0, Message::Commitment(said)), None);
    assert_eq!(honest.faults[0].kind, FaultKind::WrongRole);
    let mut world = crate::common::World::new(4);
    let session = honest.session(2, b"M", 0);
    let message = Message::Announcement(Said::new(&key(2), session), bytes(b"M"));
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let step = world.leader.handle_message(&mut cx, at(&world.roster, 2), message);
    assert_eq!(step.into_records().1.release().faults[0].kind, FaultKind::WrongRole);
}

/// A commitment for another leader or of another roster is not this leader's to spend.
#[test]
fn a_leader_spends_its_own_commitments_alone() {
    let mut world = crate::common::World::with(2, Mode::Accountable, Policy::Complete);
    let mut honest = Honest::new(2, Policy::Quorum, Limits::default());
    honest.validate(b"M");
    let mine = honest.commitment(0, b"M");
    let others = [
        Commitment { leader: 1, ..mine.what.clone() },
        Commitment { roster: roster(3).id(), ..mine.what.clone() },
    ];
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let one = at(&world.roster, 1);
    for commitment in others {
        let message = Message::Commitment(Said::new(&key(1), commitment));
        let _ = world.leader.handle_message(&mut cx, one, message);
    }
    // A relay that stores one could bring it again later.
    let relayed = Message::Commitment(mine.clone());
    let _ = world.leader.handle_message(&mut cx, at(&world.roster, 0), relayed);
    let (statement, policy) = (b"M".to_vec(), Policy::Complete);
    let command = cosi::leader::Command::Announce { statement, policy };
    let step = world.leader.handle_command(&mut cx, command).unwrap();
    let [(_, Message::Announcement(..))] = &step.into_records().1.release().messages[..] else {
        panic!()
    };
    let step = world.leader.handle_message(&mut cx, one, Message::Commitment(mine));
    let [(_, Message::Challenge(..))] = &step.into_records().1.release().messages[..] else {
        panic!()
    };
}

#[test]
fn what_was_verified_under_another_roster_is_dropped() {
    let mut honest = honest();
    let other = roster(5);
    let session = Session { roster: other.id(), ..honest.session(0, b"M", 0) };
    let announced = Message::Announcement(Said::new(&key(0), session), bytes(b"M"));
    let committed = Message::Commitment(honest.commitment(0, b"M"));
    let mut world = crate::common::World::new(4);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    // Each kind, at the machine that is for it and at the one that is not: nobody is at fault.
    for (from, message) in [(0, announced), (1, committed)] {
        let verified = message.verify(&other).unwrap();
        let step = honest.cosigner.handle_verified(&mut cx, at(&other, from), verified.clone());
        assert_eq!(step, cosigner::Step::none());
        let step = world.leader.handle_verified(&mut cx, at(&other, from), verified);
        assert_eq!(step, cosi::leader::Step::none());
    }
}

/// A generator that broke, and says the same for ever.
pub(crate) struct Stuck;

impl TryRng for Stuck {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for Stuck {}

/// Three answers with one pair give the key away, and two pairs with one name an honest member.
#[test]
fn a_stuck_generator_draws_no_pair_and_no_name_twice() {
    let honest = honest();
    let (mut names, mut points, mut own) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut sessions = BTreeSet::new();
    for restart in 0..2 {
        let (mut rng, now) = (Stuck, Time::at(Duration::from_secs(restart)));
        let mut cx = Cx::new(now, &mut rng);
        let config = cosigner::Config::new(honest.roster.clone(), at(&honest.roster, 1), key(1));
        let mut cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
        let mut world = crate::common::World::new(2);
        for statement in [b"M", b"N", b"O"] {
            let digest = Digest::of(statement);
            let verdict = Command::Validated { digest, accept: true };
            let _ = cosigner.handle_command(&mut cx, verdict).unwrap();
            let said = Said::new(&key(0), honest.session(0, statement, 0));
            let message = Message::Announcement(said, bytes(statement));
            let step = cosigner.handle_message(&mut cx, at(&honest.roster, 0), message);
            let output = step.into_records().1.release();
            let [(_, Message::Commitment(said))] = &output.messages[..] else { panic!() };
            assert!(names.insert(said.what.nonce), "one name twice");
            assert!(points.insert(said.what.points), "one pair twice");

            let offer = Commitment { roster: world.roster.id(), ..said.what.clone() };
            let message = Message::Commitment(Said::new(&key(1), offer.clone()));
            let _ = world.leader.handle_message(&mut cx, at(&world.roster, 1), message);
            let (statement, policy) = (statement.to_vec(), Policy::Complete);
            let command = cosi::leader::Command::Announce { statement, policy };
            let step = world.leader.handle_command(&mut cx, command).unwrap();
            let output = step.into_records().1.release();
            let [(_, Message::Challenge(said, _))] = &output.messages[..] else { panic!() };
            assert!(sessions.insert(said.what.session.id()), "two challenges in one session");
            let both = said.what.commitments.iter().zip(&offer.points);
            let leaders = both.map(|(sum, of)| (point(sum) - point(of)).compress().to_bytes());
            assert!(own.insert(leaders.collect::<Vec<_>>()), "the leader's pair twice");
        }
    }
}
