//! Every bound is reached, and every wrong word has its name.

use std::time::Duration;

use cosi::{
    keys::Seed,
    machine::{Cx, FaultKind, Time},
    roster::{Member, Roster},
    wire::BoundedVec,
};
use curve25519_dalek::Scalar;
use randhound::{
    RandShare,
    randshare::{
        Commitments, Deal, DealId, Disclosed, MAX_COMMITMENTS, MAX_SERVERS, Message, Record, Setup,
        SetupError, Values, Vote, Word,
    },
};

use crate::common::{Net, deal, released, rng, roster, setup};

fn restore(setup: Setup, records: Vec<Record>) -> Result<RandShare, SetupError> {
    let mut rng = rng(3);
    let mut cx = Cx::new(Time::default(), &mut rng);
    RandShare::restore(setup, records, &mut cx).map(|(server, _)| server)
}

#[test]
fn setups_that_make_no_session_are_refused() {
    assert!(restore(setup(&roster(64), 63), vec![]).is_ok());
    let large = roster(65);
    assert_eq!(restore(setup(&large, 0), vec![]).err(), Some(SetupError::Size(65)));

    let key = Seed::from_bytes([1; 32]).signing_key();
    let heavy = Roster::new([Member { weight: 2, ..Member::new(&key, &mut rng(1)) }]).unwrap();
    assert_eq!(restore(setup(&heavy, 0), vec![]).err(), Some(SetupError::Weight));

    let stranger = Setup { index: large.index(4).unwrap(), ..setup(&roster(4), 0) };
    assert_eq!(restore(stranger, vec![]).err(), Some(SetupError::Index));
}

#[test]
fn records_of_another_server_are_refused() {
    let mut net = Net::new(&roster(4), 1);
    net.run(Duration::from_secs(1));
    let records = net.journals[&1].clone();
    let own = || setup(&roster(4), 1);
    assert!(restore(own(), records.clone()).is_ok());
    let refused = |records: Vec<Record>| {
        assert_eq!(restore(own(), records).err(), Some(SetupError::Foreign));
    };
    refused(records[1..].to_vec());
    refused([&records[..1], &records[..]].concat());
    let drawn = records.iter().find(|record| matches!(record, Record::Drawn(_))).unwrap();
    refused(vec![records[0].clone(), drawn.clone()]);
    refused([&records[..], std::slice::from_ref(drawn)].concat());
    let kept = |at| net.journals[&at].iter().find(|record| matches!(record, Record::Kept(..)));
    refused(vec![records[0].clone(), kept(2).unwrap().clone()]);
    assert!(restore(own(), vec![records[0].clone(), kept(1).unwrap().clone()]).is_ok());
    let strange = Vote { dealer: 4, word: Word::Estimate(1, true) };
    let strange = Record::Voted(BoundedVec::new(vec![strange]).unwrap());
    refused([&records[..1], &[strange]].concat());
}

/// Hands server 0 of four a message, and tells what it is faulted for.
fn faults(server: &mut RandShare, from: u16, message: Message) -> Vec<FaultKind> {
    let mut rng = rng(4);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let from = roster(4).index(from).unwrap();
    let faults = released(server.handle_message(&mut cx, from, message)).faults;
    assert!(faults.iter().all(|fault| fault.culprit == from));
    faults.into_iter().map(|fault| fault.kind).collect()
}

fn say(server: &mut RandShare, from: u16, dealer: u16, words: &[Word]) -> Vec<FaultKind> {
    let votes = words.iter().map(|word| Vote { dealer, word: *word });
    faults(server, from, Message::Votes(BoundedVec::new(votes.collect()).unwrap()))
}

#[test]
fn wrong_words_have_names() {
    use Word::{Auxiliary, Coordinate, Echo, Estimate, Ready};
    let [one, two] = [1, 2].map(|id| DealId([id; 32]));
    let contradictions = [
        [Echo(one), Echo(two)],
        [Ready(one), Ready(two)],
        [Coordinate(4, true), Coordinate(4, false)],
        [Auxiliary(1, Values::Yes), Auxiliary(1, Values::Both)],
    ];
    let fresh = || restore(setup(&roster(4), 0), vec![]).unwrap();
    for words in contradictions {
        let mut server = fresh();
        assert_eq!(say(&mut server, 1, 2, &words), [FaultKind::Equivocation], "{words:?}");
        assert_eq!(say(&mut server, 1, 2, &words), [], "once");
        assert_eq!(say(&mut fresh(), 1, 2, &[words[0], words[0]]), [], "said again");
    }
    // Both estimates may be an honest server's: its own, and that of f + 1 others.
    assert_eq!(say(&mut fresh(), 1, 2, &[Estimate(1, true), Estimate(1, false)]), []);
    assert_eq!(say(&mut fresh(), 1, 4, &[Echo(one)]), [FaultKind::InvalidPayload], "no dealer");
    for word in [Estimate(0, true), Coordinate(0, true), Auxiliary(0, Values::No)] {
        assert_eq!(say(&mut fresh(), 1, 2, &[word]), [FaultKind::InvalidPayload], "no round");
    }
    // Rounds 1 and 2 have no coordinator, round 3 has server 0, round 4 server 1.
    for (from, round) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
        let wrong = say(&mut fresh(), from, 2, &[Coordinate(round, true)]);
        assert_eq!(wrong, [FaultKind::WrongRole], "{from} {round}");
    }
}

#[test]
fn deals_that_do_not_hold_are_faults() {
    let net = Net::new(&roster(4), 1);
    let sound = net.wire.iter().find_map(|sent| match sent {
        (1, 0, Message::Deal(deal)) => Some(deal.clone()),
        _ => None,
    });
    let sound = sound.unwrap();
    let points = sound.commitments.0.to_vec();
    let of = |points: Vec<[u8; 32]>| Commitments(BoundedVec::new(points).unwrap());
    let held = |coefficients: &[u64]| {
        let coefficients: Vec<_> = coefficients.iter().copied().map(Scalar::from).collect();
        let Message::Deal(deal) = deal(&coefficients, 0) else { panic!() };
        deal
    };
    let wrong = [
        Deal { share: [0; 32], ..sound.clone() },
        Deal { share: [0xff; 32], ..sound.clone() },
        Deal { commitments: of(points[..1].to_vec()), ..sound.clone() },
        Deal { commitments: of([&points[..], &points[..1]].concat()), ..sound.clone() },
        Deal { commitments: of([&points[..1], &[[0xff; 32]]].concat()), ..sound.clone() },
        Deal { commitments: of(vec![]), ..sound.clone() },
        // Shares that are their polynomials', of a degree too low, which fewer recover, and too
        // high, of which f + 1 recover anything.
        held(&[7]),
        held(&[7, 8, 9]),
    ];
    for deal in wrong {
        let mut server = restore(setup(&roster(4), 0), vec![]).unwrap();
        let found = faults(&mut server, 1, Message::Deal(deal.clone()));
        assert_eq!(found, [FaultKind::InvalidProof]);
        // Whoever mends its deal is heard.
        assert_eq!(faults(&mut server, 1, Message::Deal(sound.clone())), []);
        assert_eq!(faults(&mut server, 1, Message::Deal(sound.clone())), []);
        assert_eq!(faults(&mut server, 1, Message::Deal(deal)), [FaultKind::Equivocation]);
    }
}

/// A server that says all that it can, in all rounds and on all dealers, fills its slots and
/// nothing else: an honest run ends beside it.
#[test]
fn a_server_that_says_everything_fills_its_slots() {
    let roster = roster(4);
    let mut words = vec![Word::Echo(DealId([3; 32])), Word::Ready(DealId([4; 32]))];
    for round in 1..=u8::MAX {
        words.extend([true, false].map(|value| Word::Estimate(round, value)));
        words.push(Word::Auxiliary(round, Values::Both));
    }
    let mut sent = false;
    let corrupt = |from: u16, _: u16, message: Message| {
        if from != 3 || sent {
            return vec![message];
        }
        sent = true;
        let votes = |dealer| {
            let votes = words.iter().map(|word| Vote { dealer, word: *word });
            Message::Votes(BoundedVec::new(votes.collect()).unwrap())
        };
        (0..4).map(votes).chain([message]).collect()
    };
    let mut net = Net::with(&roster, 1, Box::new(corrupt));
    net.run(Duration::from_secs(20));
    net.output(0..3);
    let held = format!("{:?}", net.servers[&1]).matches("Round {").count();
    assert!(held <= 4 * 255, "{held} rounds");
}

/// Whoever discloses twice is heard once, and full messages fit their bounds.
#[test]
fn bounds_are_reached() {
    let share = Disclosed { dealer: 1, share: [1; 32] };
    assert!(BoundedVec::<_, MAX_SERVERS>::new(vec![share; MAX_SERVERS]).is_some());
    assert!(BoundedVec::<_, MAX_SERVERS>::new(vec![share; MAX_SERVERS + 1]).is_none());
    assert_eq!(roster(64).faulty() + 1, MAX_COMMITMENTS as u64);
    let mut server = restore(setup(&roster(4), 0), vec![]).unwrap();
    let disclosed = |dealers| {
        let shares = BoundedVec::new(vec![share; MAX_SERVERS]).unwrap();
        Message::Disclosed(dealers, shares)
    };
    for dealers in 0..100 {
        assert_eq!(faults(&mut server, 1, disclosed(dealers)), []);
    }
    let held = format!("{server:?}").matches("Disclosed {").count();
    assert_eq!(held, MAX_SERVERS);
}

/// A server that saw no agreement takes its outcome from f + 1 servers, and from no fewer.
#[test]
fn the_outcome_is_taken_from_no_fewer_than_f_plus_one() {
    let mut net = Net::new(&roster(4), 1);
    net.run(Duration::from_secs(1));
    let mut server = restore(setup(&roster(4), 0), vec![net.journals[&0][0].clone()]).unwrap();
    let mut hear = |from, message| {
        let mut rng = rng(5);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let from = roster(4).index(from).unwrap();
        let (records, _) = server.handle_message(&mut cx, from, message).into_records();
        records.into_iter().find_map(|record| match record {
            Record::Agreed(dealers, _) => Some(dealers),
            _ => None,
        })
    };
    let to_it = net.delivered.iter().filter(|(_, to, _)| *to == 0);
    let mut disclosed = Vec::new();
    for (from, _, message) in to_it {
        match message {
            Message::Votes(votes) => {
                let ready = votes.iter().filter(|vote| matches!(vote.word, Word::Ready(_)));
                let ready = BoundedVec::new(ready.cloned().collect()).unwrap();
                assert_eq!(hear(*from, Message::Votes(ready)), None);
            }
            Message::Disclosed(..) => disclosed.push((*from, message.clone())),
            _ => {}
        }
    }
    let (liar, _) = disclosed.remove(0);
    let lie = Message::Disclosed(0b0111, BoundedVec::default());
    assert_eq!(hear(liar, lie), None);
    let (first, message) = disclosed.remove(0);
    assert_eq!(hear(first, message), None);
    let (second, message) = disclosed.remove(0);
    assert_eq!(hear(second, message), Some(0b1111));
}
