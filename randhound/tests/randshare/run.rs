//! Whole runs in a network that loses messages, with servers that crash, or are silent or
//! two-faced.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use cosi::{
    machine::{Fault, FaultKind, Index, Time, To},
    roster::Roster,
    sim::{
        Adversary, Application, Boundary, Crash, Deliveries, Delivery, Latency, Network, Outcome,
        Simulation, When,
    },
    wire::BoundedVec,
};
use curve25519_dalek::{Scalar, rand_core::CryptoRng};
use randhound::{
    RandShare, Randomness,
    randshare::{DealId, Event, Message, Values, Vote, Word},
};

use crate::common::{deal, roster, setup};

#[derive(Default)]
struct Seen {
    drawn: BTreeMap<Index, (Randomness, Vec<Index>)>,
    faults: Vec<Fault<Index>>,
}

impl Application<RandShare> for Seen {
    fn on_event(&mut self, peer: Index, _: Time, event: Event, _: &mut Vec<Infallible>) {
        let Event::Drawn(output, dealers) = event else { panic!("{event:?}") };
        let first = self.drawn.entry(peer).or_insert_with(|| (output, dealers.clone()));
        assert_eq!(*first, (output, dealers), "told again, the same");
    }
    fn on_fault(&mut self, _: Index, _: Time, fault: Fault<Index>) {
        self.faults.push(fault);
    }
    fn on_error(&mut self, _: Index, _: Time, error: Infallible) {
        match error {}
    }
}

type Run = Simulation<RandShare, Seen>;

fn network(roster: &Roster, network: Network, grace: Duration) -> Run {
    let mut simulation = Simulation::new(network, Seen::default());
    for index in roster.indices() {
        let setup = setup(roster, index.get());
        simulation.add(index, randhound::randshare::Setup { grace, ..setup });
    }
    simulation
}

const GRACE: Duration = Duration::from_secs(2);

/// Runs until all but the first `faulty` servers tell the same output, and returns it with those
/// who contributed.
fn finish(roster: &Roster, simulation: &mut Run, faulty: u16) -> (Randomness, BTreeSet<u16>) {
    let honest: Vec<_> = roster.indices().filter(|index| index.get() >= faulty).collect();
    let whole = honest.len();
    let outcome = simulation.run_until(Time::at(Duration::from_secs(120)), move |simulation| {
        simulation.application().drawn.len() >= whole
    });
    assert_eq!(outcome.unwrap(), Outcome::Done);
    let seen = simulation.application();
    let mut outputs: Vec<_> = honest.iter().map(|index| seen.drawn[index].clone()).collect();
    outputs.dedup();
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    let (output, dealers) = outputs.remove(0);
    assert!(dealers.len() as u64 >= roster.quorum());
    let liars = seen.faults.iter().all(|fault| fault.culprit.get() < faulty);
    assert!(liars, "{:?}", seen.faults);
    (output, dealers.into_iter().map(Index::get).collect())
}

#[test]
fn an_honest_run_takes_six_messages_in_a_row() {
    // Deal, echo, ready, estimate, auxiliary, disclosed.
    for (servers, legs) in [(1, 0), (4, 6), (5, 6), (7, 6), (16, 6)] {
        let roster = roster(servers);
        let mut simulation = network(&roster, Network::default(), GRACE);
        let (_, dealers) = finish(&roster, &mut simulation, 0);
        assert_eq!(dealers, (0..servers).collect());
        assert_eq!(simulation.now(), Time::at(Duration::from_millis(50 * legs)));
        assert_eq!(simulation.application().faults, []);
    }
}

#[test]
fn a_lossy_run_ends_with_an_output() {
    let roster = roster(7);
    for seed in 0..6 {
        let loss =
            Network { seed, loss_per_mille: 250, duplicate_per_mille: 100, ..Network::default() };
        let loss = Network { spurious_per_mille: 200, ..loss };
        // With deals that need not be waited for, some are too late.
        let grace = if seed % 2 == 0 { GRACE } else { Duration::ZERO };
        let mut simulation = network(&roster, loss, grace);
        let (_, dealers) = finish(&roster, &mut simulation, 0);
        assert!(seed % 2 == 1 || dealers.len() == 7);
        assert_eq!(simulation.application().faults, []);
    }
}

const BOUNDARIES: [Boundary; 4] =
    [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];

#[test]
fn crashes_at_every_boundary_change_nothing() {
    let roster = roster(4);
    for boundary in BOUNDARIES {
        for step in 1..=24 {
            let mut simulation = network(&roster, Network::default(), GRACE);
            for index in roster.indices() {
                let down_for = Some(Duration::from_millis(130));
                simulation.crash(index, Crash { when: When::Step(step), boundary, down_for });
            }
            finish(&roster, &mut simulation, 0);
            assert_eq!(simulation.application().faults, [], "{boundary:?} {step}");
        }
    }
}

/// All that one server knew but its journal is lost, again and again, and it comes up after the
/// others are through.
#[test]
fn a_server_that_was_down_catches_up() {
    let roster = roster(4);
    for step in 1..=24 {
        let mut simulation = network(&roster, Network::default(), GRACE);
        let index = roster.index(2).unwrap();
        for (step, seconds) in [(step, 30), (step + 1, 1), (step + 3, 1)] {
            let down_for = Some(Duration::from_secs(seconds));
            let boundary = Boundary::AfterRelease;
            simulation.crash(index, Crash { when: When::Step(step), boundary, down_for });
        }
        finish(&roster, &mut simulation, 0);
    }
}

/// Byzantine servers.
enum Bad {
    Silent,
    Garbage,
    /// Deal valid shares to those up to this one, and wrong ones to the others.
    WrongShares(u16),
    /// Deal by one polynomial with so many coefficients to some, and by another to the others.
    TwoPolynomials(u64),
    /// Say nothing once they could disclose.
    Refusing,
    /// Disclose wrong shares.
    WrongDisclosure,
    /// Tell everybody something else, of all that can be told.
    TwoFaced,
}

impl Adversary<RandShare> for Bad {
    fn corrupt(
        &mut self,
        peer: Index,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Index>, Message)>,
    ) -> Deliveries<RandShare> {
        let mut deliveries = Vec::new();
        for (to, message) in output {
            match (&mut *self, message) {
                (Self::Silent, _) | (Self::Refusing, Message::Disclosed(..)) => {}
                (Self::Garbage, _) => {
                    let mut bytes = vec![0; 300];
                    rng.fill_bytes(&mut bytes);
                    deliveries.push((to, Delivery::Bytes(bytes)));
                }
                (Self::WrongShares(last), Message::Deal(mut deal)) => {
                    if matches!(to, To::One(index) if index.get() > *last) {
                        deal.share[0] ^= 1;
                    }
                    deliveries.push((to, Delivery::Message(Message::Deal(deal))));
                }
                (Self::TwoPolynomials(threshold), Message::Deal(_)) => {
                    let To::One(index) = to else { panic!() };
                    let seed = u64::from(100 * peer.get() + 50 * (index.get() % 2));
                    let polynomial: Vec<_> =
                        (1..=*threshold).map(|k| Scalar::from(seed + k)).collect();
                    let message = deal(&polynomial, index.get());
                    deliveries.push((to, Delivery::Message(message)));
                }
                (Self::WrongDisclosure, Message::Disclosed(dealers, shares)) => {
                    let mut shares = shares.into_inner();
                    shares.iter_mut().for_each(|share| share.share[3] ^= 1);
                    let shares = BoundedVec::new(shares).unwrap();
                    let message = Message::Disclosed(dealers, shares);
                    deliveries.push((to, Delivery::Message(message)));
                }
                (Self::TwoFaced, Message::Votes(votes)) => {
                    for other in 0..16 {
                        let Some(index) = to_index(&to, other) else { continue };
                        let votes = votes.iter().flat_map(|vote| lie(vote, rng)).collect();
                        let votes = Message::Votes(BoundedVec::new(votes).unwrap());
                        deliveries.push((To::One(index), Delivery::Message(votes)));
                    }
                }
                (Self::TwoFaced, Message::Deal(mut deal)) => {
                    // To about a third, none that is valid.
                    let mut byte = [0];
                    rng.fill_bytes(&mut byte);
                    deal.share[0] ^= u8::from(byte[0] < 80);
                    deliveries.push((to, Delivery::Message(Message::Deal(deal))));
                }
                (_, message) => deliveries.push((to, Delivery::Message(message))),
            }
        }
        deliveries
    }
}

thread_local! {
    static ROSTER: Roster = roster(16);
}

fn to_index(to: &To<Index>, other: u16) -> Option<Index> {
    let index = ROSTER.with(|roster| roster.index(other))?;
    match to {
        To::All => Some(index).filter(|index| index.get() < 7),
        To::One(one) => Some(*one).filter(|one| *one == index),
        To::Some(some) => Some(index).filter(|index| some.contains(index)),
    }
}

/// What a vote could have been: both estimates, or another word.
fn lie(vote: &Vote, rng: &mut dyn CryptoRng) -> Vec<Vote> {
    let mut bytes = [0; 33];
    rng.fill_bytes(&mut bytes);
    let flip = bytes[0] & 1 == 1;
    let word = match vote.word {
        Word::Echo(id) | Word::Ready(id) if bytes[0] < 64 => Word::Ready(id),
        Word::Echo(_) | Word::Ready(_) if bytes[0] < 128 => {
            Word::Echo(DealId(bytes[1..].try_into().unwrap()))
        }
        Word::Echo(id) | Word::Ready(id) => Word::Echo(id),
        Word::Estimate(round, _) => {
            let both = [true, false].map(|value| Word::Estimate(round, value));
            return both.map(|word| Vote { dealer: vote.dealer, word }).into();
        }
        Word::Coordinate(round, _) => Word::Coordinate(round, flip),
        Word::Auxiliary(round, _) => {
            let values = [Values::No, Values::Yes, Values::Both][usize::from(bytes[0] % 3)];
            Word::Auxiliary(round, values)
        }
    };
    vec![Vote { dealer: vote.dealer, word }]
}

/// A run with the first f servers in the adversary's hands.
fn with(roster: &Roster, bad: Bad) -> (Randomness, BTreeSet<u16>, Vec<Fault<Index>>) {
    let faulty = u16::try_from(roster.faulty()).unwrap();
    let mut simulation = network(roster, Network::default(), GRACE);
    let indices = (0..faulty).map(|at| roster.index(at).unwrap());
    simulation.byzantine(indices.collect::<Vec<_>>(), bad);
    let (output, dealers) = finish(roster, &mut simulation, faulty);
    let honest = faulty..u16::try_from(roster.size()).unwrap();
    assert!(honest.into_iter().all(|at| dealers.contains(&at)), "every honest dealer contributes");
    (output, dealers, simulation.application().faults.clone())
}

fn kinds(faults: &[Fault<Index>]) -> BTreeSet<FaultKind> {
    faults.iter().map(|fault| fault.kind).collect()
}

#[test]
fn silent_and_garbled_servers_stop_nothing() {
    for servers in [4, 7, 10] {
        let roster = roster(servers);
        let (_, dealers, faults) = with(&roster, Bad::Silent);
        assert_eq!((dealers.len() as u64, faults), (roster.quorum(), vec![]));
        let (_, dealers, faults) = with(&roster, Bad::Garbage);
        assert_eq!(dealers.len() as u64, roster.quorum());
        assert_eq!(kinds(&faults), BTreeSet::from([FaultKind::Malformed]));
    }
}

#[test]
fn wrong_shares_keep_their_dealer_out_and_name_it() {
    for servers in [4, 7, 10] {
        let roster = roster(servers);
        let (_, dealers, faults) = with(&roster, Bad::WrongShares(servers / 3));
        assert_eq!(dealers.len() as u64, roster.quorum());
        assert_eq!(kinds(&faults), BTreeSet::from([FaultKind::InvalidProof]));
    }
}

#[test]
fn two_polynomials_make_no_dealer() {
    for servers in [7, 10] {
        let roster = roster(servers);
        let (_, dealers, _) = with(&roster, Bad::TwoPolynomials(roster.faulty() + 1));
        assert_eq!(dealers.len() as u64, roster.quorum());
    }
}

/// A dealer that was agreed on contributes, whatever it does then: the output is that of the run
/// in which it discloses.
#[test]
fn nobody_drops_out_after_the_agreement() {
    for servers in [4, 7, 10] {
        let roster = roster(servers);
        let (refused, dealers, faults) = with(&roster, Bad::Refusing);
        assert_eq!((dealers.len(), faults.len()), (usize::from(servers), 0));
        let (wrong, _, faults) = with(&roster, Bad::WrongDisclosure);
        assert_eq!(kinds(&faults), BTreeSet::from([FaultKind::InvalidProof]));
        let mut simulation = network(&roster, Network::default(), GRACE);
        let (honest, _) = finish(&roster, &mut simulation, 0);
        assert_eq!((refused, wrong), (honest, honest));
    }
}

/// Deals that are valid for some, votes that say one thing here and another there, on links of
/// which some are slow and lose messages, with no time for those who are late, and, every other
/// time, honest servers that crash again and again.
#[test]
fn two_faced_votes_split_nobody() {
    let roster = roster(7);
    let mut sizes = BTreeSet::new();
    for seed in 0..32 {
        let [least, jitter] = [5, 300].map(Duration::from_millis);
        let latency = Latency::Jittered { least, jitter };
        let network = Network { seed, latency, loss_per_mille: 50, ..Network::default() };
        let mut simulation = self::network(&roster, network, Duration::ZERO);
        let indices = (0..2).map(|at| roster.index(at).unwrap());
        simulation.byzantine(indices.collect::<Vec<_>>(), Bad::TwoFaced);
        let crashes = [(2, 7), (3, 40), (3, 41), (4, 110), (5, 160), (5, 190)];
        for (at, step) in crashes.into_iter().filter(|_| seed % 2 == 1) {
            let (when, boundary) = (When::Step(step + seed % 7), BOUNDARIES[seed as usize % 4]);
            let down_for = Some(Duration::from_millis(700));
            let index = roster.index(at).unwrap();
            simulation.crash(index, Crash { when, boundary, down_for });
        }
        sizes.insert(finish(&roster, &mut simulation, 2).1.len());
    }
    assert!(sizes.len() > 1, "some dealers are voted out, others not");
}

#[test]
fn one_seed_replays_a_run() {
    let roster = roster(4);
    let digest = |seed| {
        let network = Network { seed, loss_per_mille: 200, ..Network::default() };
        let mut simulation = self::network(&roster, network, GRACE);
        let (output, _) = finish(&roster, &mut simulation, 0);
        (simulation.digest(), output)
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// With twice the servers, eight times the messages: the cost that RandHound does away with.
#[test]
fn messages_grow_with_the_cube() {
    let messages = |servers| {
        let roster = roster(servers);
        let mut simulation = network(&roster, Network::default(), GRACE);
        finish(&roster, &mut simulation, 0);
        simulation.total().sent.messages
    };
    let [few, some, many] = [5, 10, 20].map(messages);
    for (few, many) in [(few, some), (some, many)] {
        let ratio = many as f64 / few as f64;
        assert!((6.5..11.0).contains(&ratio), "{few} {many}: {ratio}");
    }
}
