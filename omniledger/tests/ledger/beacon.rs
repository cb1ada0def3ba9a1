//! How the epoch is drawn: by all, once, whoever leads.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use cosi::{
    machine::{FaultKind, Time},
    sim::{Boundary, Crash, Delivery, Latency, Network, Outcome, When},
    wire::{BoundedBytes, Wire},
};
use omniledger::{
    Epoch, Genesis, Message, Node, Peer,
    byzcoin::{self, Body, Kind, Proposal},
    keys,
    message::Sync,
    node::Record as Kept,
    randhound::draw::{self, Choice},
    skipchain::Spine,
    validator::{ChainName, Record},
    wire,
};
use rand_chacha::rand_core::CryptoRng;

use crate::{
    adversary::{Corrupt, Said, garbage, listening, silent, tampering},
    network::{self, Sim, WALLETS, millis, seat, seconds, validators},
    town::{self, genesis, key, peer},
};

type Log = Rc<RefCell<Vec<(Peer, Time, Said)>>>;
/// The encodings of all deals that were sent, by their senders.
type Dealt = BTreeSet<(Peer, Vec<u8>)>;

/// The deals that a validator has recorded: one, in all its lives.
fn deals(sim: &Sim, number: u8) -> Vec<Vec<u8>> {
    let records = sim.journal(peer(number)).unwrap().records::<Kept>().unwrap();
    let dealt = records.into_iter().filter_map(|record| match record {
        Kept::Validator(record) => match *record {
            Record::Beacon(record) => match *record {
                draw::Record::Dealt(said) => Some(said.encode()),
                _ => None,
            },
            _ => None,
        },
        Kept::Wallet(_) => None,
    });
    dealt.collect()
}

/// Of all that is sent, the deals by their senders, and who opened a share when.
fn heard(log: &Log) -> (Dealt, Vec<(Peer, Time)>) {
    let (mut dealt, mut opened) = (BTreeSet::new(), Vec::new());
    for (from, at, (_, message)) in log.borrow().iter() {
        let Message::Beacon(message) = message else { continue };
        match &**message {
            draw::Message::Dealing(said) => drop(dealt.insert((*from, said.encode()))),
            draw::Message::Opened(_) => opened.push((*from, *at)),
            _ => {}
        }
    }
    (dealt, opened)
}

/// Everybody's epoch is the same, and follows from bytes.
fn agreed(genesis: &Genesis, sim: &Sim) {
    for number in 0..u8::try_from(genesis.validators.len()).unwrap() {
        let Some(Node::Validator(node)) = sim.machine(peer(number)) else { continue };
        let Some(proof) = node.epoch_proof() else { continue };
        let epoch = Epoch::verify(genesis, &Wire::decode(&proof.encode()).unwrap()).unwrap();
        assert_eq!(epoch.randomness(), node.epoch().unwrap().randomness());
        let place = epoch.place(keys::PeerId::of(key(number).public())).unwrap();
        assert_eq!(node.shard(), Some(place.0));
    }
}

#[test]
fn all_are_seated_with_one_randomness() {
    for (validators, shards) in [(8, 2), (16, 2), (16, 4), (9, 2)] {
        let genesis = genesis(validators, shards, 0);
        let mut sim = network::validators(&genesis, Network::default());
        seat(&mut sim, validators.into());
        let world = sim.application();
        assert!(world.faults.is_empty() && world.views.is_empty());
        agreed(&genesis, &sim);
        // A handful of rounds, and then nothing more is said.
        assert!(sim.now() <= seconds(2), "{:?}", sim.now());
        assert_eq!(sim.run_until(seconds(100), |_| false), Ok(Outcome::Quiet));
    }
}

#[test]
fn the_shards_are_a_deal_of_the_randomness() {
    let town = town::Town::new(16, 4, 0);
    let mut all: Vec<u16> = Vec::new();
    for (number, shard) in (0..).zip(town.epoch.shards()) {
        assert_eq!(shard.roster().size(), 4);
        let members = town.epoch.members(number);
        assert!(members.windows(2).all(|pair| pair[0] < pair[1]), "in the genesis's order");
        for (member, at) in members.iter().zip(shard.roster().members()) {
            assert_eq!(*at, town.genesis.validators[usize::from(member.get())].member);
            all.push(member.get());
        }
        assert_eq!(shard.chain(), town.genesis.shard_chain(number));
    }
    all.sort_unstable();
    assert_eq!(all, (0..16).collect::<Vec<_>>());
    assert!(town.epoch.shard(4).is_none() && town.epoch.members(4).is_empty());
    assert!(town.epoch.place(keys::PeerId::of(key(99).public())).is_none());
    // Another prior, other groups of the beacon, another draw.
    let other = Genesis { prior: [1; 32], ..town.genesis.clone() };
    let other = town::Town::of(other);
    assert_ne!(other.epoch.randomness(), town.epoch.randomness());
    assert_ne!(other.epoch.members(0), town.epoch.members(0));
}

#[test]
fn no_share_is_opened_before_the_choice_is_decided() {
    let genesis = genesis(8, 2, 0);
    let mut sim = validators(&genesis, Network::default());
    let log = Log::default();
    sim.byzantine((0..8).map(peer), listening(log.clone()));
    // The adversary passes all on, so its nodes are as honest ones; it hears their events.
    let done = |sim: &Sim| (0..8).all(|at| network::validator(sim, peer(at)).epoch().is_some());
    network::until(&mut sim, 60, done);
    let (dealt, opened) = heard(&log);
    assert_eq!(dealt.len(), 7, "all but the leader send one deal");
    assert_eq!(opened.len(), 8);
    // Whoever opens has the decision in its journal, in an earlier record or the same step.
    for (from, _) in opened {
        let records = sim.journal(from).unwrap().records::<Kept>().unwrap();
        let position = |wanted: fn(&Record) -> bool| {
            let is = |record: &Kept| matches!(record, Kept::Validator(r) if wanted(r));
            records.iter().position(is).unwrap()
        };
        let decided = position(
            |record| matches!(record, Record::Identity(r) if matches!(**r, byzcoin::Record::Decided(_))),
        );
        let opened = position(
            |record| matches!(record, Record::Beacon(r) if matches!(**r, draw::Record::Opened(_))),
        );
        assert!(decided < opened);
    }
}

/// The first leader says nothing. Who leads after it chooses among the same deals.
#[test]
fn a_silent_first_leader_costs_a_view_and_no_deal_is_made_twice() {
    let genesis = genesis(8, 2, 0);
    let mut sim = validators(&genesis, Network::default());
    let log = Log::default();
    let keep = log.clone();
    let all = Corrupt(move |from, at, _: &mut dyn CryptoRng, said: Said| {
        keep.borrow_mut().push((from, at, said.clone()));
        let silent = from == peer(0);
        (!silent).then_some((said.0, Delivery::Message(said.1))).into_iter().collect()
    });
    sim.byzantine((0..8).map(peer), all);
    let done = |sim: &Sim| (1..8).all(|at| network::validator(sim, peer(at)).epoch().is_some());
    network::until(&mut sim, 60, done);
    let (dealt, opened) = heard(&log);
    let senders: BTreeSet<_> = dealt.iter().map(|(from, _)| *from).collect();
    assert_eq!(senders, (0..8).map(peer).collect(), "the second leader's went to the first");
    assert_eq!(dealt.len(), 8, "each has said one deal, to the byte");
    for (from, said) in dealt {
        let number = (0..8).find(|number| peer(*number) == from).unwrap();
        assert_eq!(deals(&sim, number), [said]);
    }
    // The first view's time is over before the first share is shown.
    assert!(opened.iter().filter(|(from, _)| *from != peer(0)).all(|(_, at)| *at > seconds(8)));
    agreed(&genesis, &sim);
    let proof = network::validator(&sim, peer(1)).epoch_proof().unwrap();
    assert_eq!(proof.transcript.certificate.decision.view.get(), 1);
    // The silent one heard the others.
    network::until(&mut sim, 60, |sim| network::validator(sim, peer(0)).epoch().is_some());
    agreed(&genesis, &sim);
}

/// What view 0's leader proposes instead.
fn instead(
    genesis: &Genesis,
    change: fn(&mut Choice),
    header: bool,
) -> impl FnMut(&Message) -> Option<Vec<Message>> + use<> {
    let roster = genesis.roster().unwrap();
    let town = town::Town::of(genesis.clone());
    let transcript = town.proof.transcript;
    let first = {
        let chain = genesis.identity_chain();
        skipchain::Header::genesis(
            chain,
            genesis.shape,
            roster.id(),
            cosi::merkle::tree::root([]),
            None,
        )
    };
    let spine = Spine::new(first.clone()).unwrap();
    move |message| {
        let Message::Identity(message) = message else { return None };
        let byzcoin::Message::Propose(proposed) = &**message else { return None };
        let deals = transcript.groups.iter().map(|group| group.deals.clone()).collect();
        let deals = wire::BoundedVec::new(deals).unwrap();
        let mut choice = Choice { statement: transcript.statement.clone(), deals };
        change(&mut choice);
        let leaf = cosi::Statement::to_signed(&choice.statement);
        let payload = cosi::merkle::tree::root([cosi::merkle::tree::leaf_hash(&leaf)]);
        let named = spine.next(roster.id(), payload, header.then_some([7; 32]));
        let body = Body::new(&choice.encode()).unwrap();
        let app = BoundedBytes::new(named.id().encode()).unwrap();
        let header = byzcoin::Header { app, ..proposed.proposal.header.clone() };
        let proposal = Proposal::new(header, &body);
        let scope = byzcoin::Scope { chain: first.chain.0, epoch: 0, roster: roster.id() };
        let digest = proposal.digest();
        let height = proposal.header.height;
        let statement = scope.statement(Kind::Proposal, height, proposed.view, digest);
        let signature = key(0).sign(&cosi::domain::BYZCOIN, &statement.encode());
        let propose =
            byzcoin::message::Propose { view: proposed.view, proposal, signer: 0, signature };
        let chunk = |chunk: &byzcoin::Chunk| byzcoin::Message::Chunk {
            height,
            digest,
            chunk: chunk.clone(),
        };
        let all = std::iter::once(byzcoin::Message::Propose(propose))
            .chain(body.chunks().iter().map(chunk));
        Some(all.map(|message| Message::Identity(Box::new(message))).collect())
    }
}

#[test]
fn a_leader_whose_choice_does_not_hold_is_not_followed() {
    let genesis = genesis(8, 2, 0);
    let swap: fn(&mut Choice) = |choice| {
        let mut groups = choice.deals.to_vec();
        let mut deals = groups[0].to_vec();
        deals.swap(0, 1);
        groups[0] = wire::BoundedVec::new(deals).unwrap();
        choice.deals = wire::BoundedVec::new(groups).unwrap();
    };
    let bad_deal: fn(&mut Choice) = |choice| {
        // Signed by the dealer in hand, and under the root that the statement names.
        let mut groups = choice.deals.to_vec();
        let mut deals = groups[0].to_vec();
        let mine = deals.iter().position(|said| said.what.dealer == 0);
        let at = mine.unwrap_or(0);
        let dealer = u8::try_from(deals[at].what.dealer).unwrap();
        let mut bytes = deals[at].what.encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let what = Wire::decode(&bytes).unwrap();
        deals[at] = cosi::message::Said::new(&key(dealer), what);
        groups[0] = wire::BoundedVec::new(deals).unwrap();
        choice.statement.roots =
            wire::BoundedVec::new(vec![randhound::message::root(0, &groups[0])]).unwrap();
        choice.deals = wire::BoundedVec::new(groups).unwrap();
    };
    let foreign: fn(&mut Choice) = |choice| choice.statement.session.0[0] ^= 1;
    let coded: fn(&mut Choice) = |choice| choice.statement.availability[0] = 1;
    let none: fn(&mut Choice) = |choice| choice.deals = Default::default();
    let same: fn(&mut Choice) = |_| {};
    for (at, (change, header)) in [
        (swap, false),
        (bad_deal, false),
        (foreign, false),
        (coded, false),
        (none, false),
        (same, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sim = validators(&genesis, Network::default());
        let mut forge = instead(&genesis, change, header);
        let forged = Rc::new(RefCell::new(0));
        let count = forged.clone();
        let mut sent = false;
        sim.byzantine(
            [peer(0)],
            Corrupt(move |_, _, _: &mut dyn CryptoRng, (to, message): Said| {
                if let Some(forgery) = forge(&message) {
                    *count.borrow_mut() += 1;
                    sent = true;
                    return forgery
                        .into_iter()
                        .map(|it| (to.clone(), Delivery::Message(it)))
                        .collect();
                }
                // Its votes are on its own block, which nobody else has.
                let quiet = sent && matches!(message, Message::Identity(_));
                (!quiet).then_some((to, Delivery::Message(message))).into_iter().collect()
            }),
        );
        network::until(&mut sim, 60, |sim| sim.application().seated.len() == 7);
        let world = sim.application();
        assert!(*forged.borrow() > 0);
        assert_eq!(world.faults, BTreeSet::from([(peer(0), FaultKind::InvalidPayload)]), "{at}");
        let changed = |number| world.views.contains(&(peer(number), ChainName::Identity, 1));
        assert!((1..8).all(changed), "{at}");
        let proof = network::validator(&sim, peer(1)).epoch_proof().unwrap();
        assert_eq!(proof.transcript.certificate.decision.view.get(), 1);
        agreed(&genesis, &sim);
    }
}

#[test]
fn crashes_at_every_boundary_change_nothing() {
    let genesis = genesis(8, 2, 0);
    let boundaries =
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
    for (seed, boundary) in (0..).zip(boundaries) {
        for down in [300, 9_000] {
            let mut sim = validators(&genesis, Network { seed, ..Network::default() });
            for number in 0..8_u8 {
                for turn in 0..4_u64 {
                    let at = 40 + 37 * u64::from(number) + 260 * turn;
                    let down_for = Some(Duration::from_millis(down + at));
                    sim.crash(
                        peer(number),
                        Crash { when: When::At(millis(at)), boundary, down_for },
                    );
                }
            }
            seat(&mut sim, 8);
            assert!(sim.total().restarts >= 8, "{}", sim.total().restarts);
            // A validator has recorded one deal in all of its lives, and nobody is to blame.
            assert!((0..8).all(|number| deals(&sim, number).len() == 1));
            assert!(sim.application().faults.is_empty());
            agreed(&genesis, &sim);
            assert_eq!(sim.run_until(seconds(2_000), |_| false), Ok(Outcome::Quiet));
        }
    }
}

#[test]
fn after_a_restart_in_a_later_view_the_deals_go_to_its_leader() {
    // View 0's leader never comes. In view 1, everybody crashes once.
    let genesis = genesis(8, 2, 0);
    let mut sim = validators(&genesis, Network::default());
    let gone = Crash { when: When::At(millis(0)), boundary: Boundary::Idle, down_for: None };
    sim.crash(peer(0), gone);
    for number in 1..8 {
        let (when, down_for) = (When::At(millis(8_130)), Some(Duration::from_millis(10)));
        sim.crash(peer(number), Crash { when, boundary: Boundary::Idle, down_for });
    }
    network::until(&mut sim, 60, |sim| sim.application().seated.len() == 7);
    let proof = network::validator(&sim, peer(1)).epoch_proof().unwrap();
    assert_eq!(proof.transcript.certificate.decision.view.get(), 1, "no view is lost by it");
    assert_eq!(sim.total().restarts, 7);
}

#[test]
fn who_was_away_for_the_whole_draw_is_told() {
    let genesis = genesis(8, 2, 0);
    for (away, latency) in [(7, 50), (0, 50), (3, 4_000)] {
        let latency = Latency::Fixed(Duration::from_millis(latency));
        let mut sim = validators(&genesis, Network { latency, ..Network::default() });
        let (when, down_for) = (When::At(Time::default()), Some(Duration::from_secs(300)));
        sim.crash(peer(away), Crash { when, boundary: Boundary::Idle, down_for });
        network::until(&mut sim, 299, |sim| sim.application().seated.len() == 7);
        assert!(network::validator(&sim, peer((away + 1) % 8)).epoch().is_some());
        seat(&mut sim, 8);
        assert!(sim.now() < seconds(400));
        agreed(&genesis, &sim);
        let told = sim.journal(peer(away)).unwrap().records::<Kept>().unwrap();
        let is_told =
            |record: &Kept| matches!(record, Kept::Validator(r) if matches!(**r, Record::Epoch(_)));
        let told = told.iter().any(is_told);
        let (now, down_for) = (sim.now(), Some(Duration::from_secs(1)));
        sim.crash(peer(away), Crash { when: When::At(now), boundary: Boundary::Idle, down_for });
        let again = now.after(Duration::from_secs(30));
        let _ = sim.run_until(again, |_| false).unwrap();
        agreed(&genesis, &sim);
        assert!(network::validator(&sim, peer(away)).epoch().is_some(), "told: {told}");
        let quiet = sim.run_until(again.after(Duration::from_secs(900)), |_| false);
        assert_eq!(quiet, Ok(Outcome::Quiet), "and nobody has anything more to say");
    }
}

#[test]
fn f_of_all_stop_no_draw_whatever_they_say() {
    for (validators, shards, faulty) in [(8, 2, 2), (16, 4, 5)] {
        let genesis = genesis(validators, shards, 0);
        for strategy in 0..3 {
            let mut sim = network::validators(&genesis, Network::default());
            let hand: BTreeSet<_> = (0..faulty).map(|at| peer(3 * at)).collect();
            match strategy {
                0 => sim.byzantine(hand.clone(), silent()),
                1 => sim.byzantine(hand.clone(), garbage()),
                _ => sim.byzantine(hand.clone(), tampering()),
            }
            let honest = usize::from(validators) - hand.len();
            seat(&mut sim, honest);
            let world = sim.application();
            assert!(world.faults.iter().all(|(culprit, _)| hand.contains(culprit)), "{strategy}");
            assert_eq!(world.faults.is_empty(), strategy == 0);
            agreed(&genesis, &sim);
        }
    }
}

/// A validator in hand answers who asks for the epoch with a proof of something else.
#[test]
fn a_forged_epoch_convinces_nobody() {
    let genesis = genesis(8, 2, 1);
    let foreign = town::Town::of(Genesis { prior: [9; 32], ..genesis.clone() }).proof;
    let mut tampered = town::Town::of(genesis.clone()).proof;
    tampered.transcript.certificate.decision.epoch = 1;
    for lie in [foreign, tampered] {
        let mut sim = network::simulate(&genesis, Network::default());
        let (when, down_for) = (When::At(Time::default()), Some(Duration::from_secs(60)));
        sim.crash(peer(7), Crash { when, boundary: Boundary::Idle, down_for });
        // All that are asked lie, but two. Nobody lies in the draw.
        sim.byzantine(
            (0..5).map(peer),
            Corrupt(move |_, _, _: &mut dyn CryptoRng, (to, message): Said| {
                let message = match message {
                    Message::Sync(Sync::Epoch(_)) => {
                        Message::Sync(Sync::Epoch(Box::new(lie.clone())))
                    }
                    other => other,
                };
                vec![(to, Delivery::Message(message))]
            }),
        );
        let coin = genesis.granted().next().unwrap();
        let town = town::Town::of(genesis.clone());
        let pay = town.pay(1, &[coin], &[town::to(1, 100)]);
        network::pay(&mut sim, seconds(10), WALLETS[0], &pay);
        network::until(&mut sim, 200, |sim| sim.application().seated.len() == 3);
        agreed(&genesis, &sim);
        let own = town.epoch.randomness();
        network::until(&mut sim, 200, |sim| network::wallet(sim, WALLETS[0]).epoch().is_some());
        assert_eq!(network::wallet(&sim, WALLETS[0]).epoch().unwrap().randomness(), own);
        let liars = sim.application().faults.iter();
        assert!(
            liars.len() > 0
                && liars.clone().all(|(liar, kind)| {
                    (0..5).map(peer).any(|one| one == *liar) && *kind == FaultKind::InvalidProof
                })
        );
    }
}

#[test]
fn a_draw_through_losses_delays_and_crashes_ends_and_then_rests() {
    let genesis = genesis(8, 2, 0);
    for seed in 0..6 {
        let jitter = Duration::from_millis(600 * seed);
        let latency = Latency::Jittered { least: Duration::from_millis(20), jitter };
        let lossy = Network { seed, latency, loss_per_mille: 100, ..Network::default() };
        let mut sim = validators(&genesis, lossy);
        for number in 0..8_u8 {
            for turn in 0..5 {
                let at = 2_500 * turn + 400 * (u64::from(number) * (seed + 3) % 7);
                let (when, down_for) = (When::At(millis(at)), Some(Duration::from_millis(2 * at)));
                sim.crash(
                    peer(number),
                    Crash { when, boundary: Boundary::BeforeRelease, down_for },
                );
            }
        }
        seat(&mut sim, 8);
        assert!(sim.application().faults.is_empty());
        assert!((0..8).all(|number| deals(&sim, number).len() == 1));
        agreed(&genesis, &sim);
        assert_eq!(sim.run_until(seconds(9_000), |_| false), Ok(Outcome::Quiet));
    }
}
