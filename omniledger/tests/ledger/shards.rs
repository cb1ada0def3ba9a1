//! Payments within and across shards, on a simulated network.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    machine::{Time, To},
    sim::{self, Boundary, Crash, Delivery, Network, When},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Epoch, EpochProof, Genesis, Message, Node, Peer, Receipt, Refusal, Stranger, Transaction,
    atomix::{Input, Outcome},
    message::Guest,
    validator::ChainName,
    wallet::Reason,
};
use rand_chacha::rand_core::CryptoRng;

use crate::{
    adversary::{Corrupt, Said, equivocating, garbage, silent, tampering},
    network::{self, Sim, WALLETS, pay, seconds, settle, simulate, validator, wallet},
    town::{Town, WORTH, to, town},
};

/// Whether the output can be spent, by the state of the validator that has most of its shard.
fn spendable(sim: &Sim, output: &Input) -> bool {
    let states = sim.peers().filter_map(|peer| match sim.machine(peer)? {
        Node::Validator(node) => node.state(),
        Node::Wallet(_) => None,
    });
    let own = states.filter(|state| state.shard() == output.outpoint.shard);
    own.max_by_key(|state| state.index()).unwrap().spendable(output).is_ok()
}

/// The output at its latest version, if it is unspent.
pub(crate) fn unspent(sim: &Sim, output: &Input) -> Option<Input> {
    let versions = std::iter::successors(Some(*output), Input::given_back).take(8);
    versions.into_iter().find(|version| spendable(sim, version))
}

/// Σ of what can be spent, of all that was granted or that these create.
fn worth(town: &Town, sim: &Sim, pays: &[Transaction]) -> u64 {
    let created =
        pays.iter().flat_map(|pay| pay.declaration.created(town.session(pay)).collect::<Vec<_>>());
    let all = town.genesis.granted().chain(created);
    all.filter_map(|output| unspent(sim, &output)).map(|output| output.value).sum()
}

/// What was committed is proven from bytes to a stranger by the wallet that paid it.
fn proven(town: &Town, sim: &Sim) {
    for (peer, session) in &sim.application().committed {
        let node = wallet(sim, *peer);
        let proof = node.epoch_proof().unwrap().encode();
        let genesis = Genesis::decode(&town.genesis.encode()).unwrap();
        let mut stranger = Stranger::new(&genesis, &EpochProof::decode(&proof).unwrap()).unwrap();
        let receipt = node.receipt(session).unwrap().encode();
        let proven = stranger.verify(&Receipt::decode(&receipt).unwrap()).unwrap();
        assert_eq!(proven.session, *session);
        assert!(proven.verdicts.iter().all(|said| said.outcome == Outcome::Created));
    }
    assert!(
        sim.application()
            .aborted
            .keys()
            .all(|(peer, session)| { wallet(sim, *peer).receipt(session).is_none() })
    );
}

/// Payments without conflicts, most of them across shards: one in three spends what the one
/// before it creates.
fn payments(town: &Town) -> Vec<Transaction> {
    let mut pays: Vec<Transaction> = Vec::new();
    for at in 0..6 {
        let before = pays.last().filter(|_| at % 3 == 1);
        let coin = before.map_or(town.coin(at), |pay| town.created(pay, 0));
        let half = coin.value / 2;
        let outputs = [to(0, half), to(1, half)];
        pays.push(town.pay(at.try_into().unwrap(), &[coin], &outputs[at / 3..]));
    }
    pays
}

/// What these spend and do not create.
fn burnt(pays: &[Transaction]) -> u64 {
    let burns = |pay: &Transaction| {
        let spent: u64 = pay.declaration.inputs.iter().map(|input| input.value).sum();
        spent - pay.declaration.outputs.iter().map(|output| output.value).sum::<u64>()
    };
    pays.iter().map(burns).sum()
}

/// A simulation of the town, seated, and the town as that draw dealt it.
fn seated(town: &Town, network: Network) -> (Town, Sim) {
    let mut sim = simulate(&town.genesis, network);
    network::seat(&mut sim, town.genesis.validators.len());
    let proof = validator(&sim, crate::town::peer(0)).epoch_proof().unwrap().clone();
    let epoch = Epoch::verify(&town.genesis, &proof).unwrap();
    (Town { proof, epoch, ..town.clone() }, sim)
}

#[test]
fn a_payment_within_a_shard_and_across_is_committed_and_proven() {
    let town = town();
    let mut sim = simulate(&town.genesis, Network::default());
    let pays = payments(&town);
    for transaction in &pays {
        pay(&mut sim, Time::default(), WALLETS[0], transaction);
    }
    settle(&mut sim, pays.len());
    proven(&town, &sim);
    let world = sim.application();
    assert!(world.committed.len() == 6 && world.faults.is_empty() && world.delayed.is_empty());
    assert_eq!(worth(&town, &sim, &pays), 12 * WORTH - burnt(&pays));
    assert!(burnt(&pays) > 0);
    // Then nobody has anything to say any more.
    assert_eq!(sim.run_until(seconds(1000), |_| false), Ok(sim::Outcome::Quiet));
}

#[test]
fn of_two_that_spend_one_coin_one_commits_at_most_and_the_loser_has_the_rest_back() {
    let town = town();
    let (mut lost, mut late) = (0, 0);
    for seed in 0..6 {
        let mut sim = simulate(&town.genesis, Network { seed, ..Network::default() });
        // Each has a coin of its own in the other shard, and both spend one.
        let shared = town.coin_of(0, 0);
        let rivals = [1, 2].map(|own: usize| {
            let inputs = [shared, town.coin_of(1, own)];
            town.pay(own.try_into().unwrap(), &inputs, &[to(1, 2 * WORTH)])
        });
        for (wallet, rival) in WALLETS.iter().zip(&rivals) {
            pay(&mut sim, Time::default(), *wallet, rival);
        }
        settle(&mut sim, 2);
        proven(&town, &sim);
        let world = sim.application();
        assert!(world.committed.len() <= 1 && world.faults.is_empty());
        assert!(world.aborted.values().all(|reason| *reason == Reason::Rejected));
        assert_eq!(worth(&town, &sim, &rivals), 12 * WORTH, "no lock is left");
        let losers = world.aborted.keys().map(|(_, session)| *session).collect::<Vec<_>>();
        for session in losers {
            let loser = rivals.iter().find(|pay| town.session(pay) == session).unwrap();
            let own = loser.declaration.inputs[1];
            let back = own.given_back().unwrap();
            assert!(!spendable(&sim, &own) && spendable(&sim, &back));
            let again = town.pay(9, &[back], &[to(0, WORTH)]);
            let (now, fates) = (sim.now(), sim.application().committed.len());
            pay(&mut sim, now, WALLETS[0], &again);
            network::until(&mut sim, 900, |sim| sim.application().committed.len() > fates);
            lost += 1;
        }
        // Who comes later, with inputs of that shard alone, is told so by the validators.
        if sim
            .application()
            .committed
            .iter()
            .any(|(_, s)| rivals.iter().any(|r| town.session(r) == *s))
        {
            let spends = town.pay(7, &[shared], &[to(0, WORTH)]);
            let now = sim.now();
            pay(&mut sim, now, WALLETS[1], &spends);
            let key = (WALLETS[1], town.session(&spends));
            network::until(&mut sim, 900, |sim| sim.application().aborted.contains_key(&key));
            assert_eq!(sim.application().aborted[&key], Reason::Refused(Refusal::Spent));
            late += 1;
        }
    }
    assert!(lost >= 6 && late > 0);
}

fn joint(town: &Town) -> Transaction {
    town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[to(0, 50), to(1, 150)])
}

#[test]
fn a_wallet_that_crashes_at_any_step_of_a_payment_leaves_no_lock() {
    let town = town();
    let pay_both = joint(&town);
    let mut crashes = 0;
    for boundary in
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle]
    {
        for step in 1..16 {
            let mut sim = simulate(&town.genesis, Network::default());
            pay(&mut sim, seconds(2), WALLETS[0], &pay_both);
            let down_for = Some(Duration::from_millis(500));
            sim.crash(WALLETS[0], Crash { when: When::Step(step), boundary, down_for });
            // What is lost before it is recorded was never paid.
            let quiet = |sim: &Sim| sim.application().committed.len() == 1;
            let _ = sim.run_until(seconds(60), quiet).unwrap();
            crashes += sim.counters(WALLETS[0]).unwrap().restarts;
            let spent = sim.application().committed.len() == 1;
            let never = boundary == Boundary::BeforeRecords && step == 2;
            assert_eq!(spent, !never, "{boundary:?} {step}");
            assert_eq!(worth(&town, &sim, std::slice::from_ref(&pay_both)), 12 * WORTH);
            assert!(sim.application().faults.is_empty());
        }
    }
    assert!(crashes >= 40, "{crashes}");
}

#[test]
fn a_lock_whose_wallet_is_gone_is_ended_by_another_that_holds_the_transaction() {
    let town = town();
    let pay_both = joint(&town);
    for gone_at in [2_300, 2_500, 2_700, 2_900, 3_300] {
        let mut sim = simulate(&town.genesis, Network::default());
        pay(&mut sim, seconds(2), WALLETS[0], &pay_both);
        let when = When::At(network::millis(gone_at));
        sim.crash(WALLETS[0], Crash { when, boundary: Boundary::Idle, down_for: None });
        pay(&mut sim, seconds(20), WALLETS[1], &pay_both);
        let key = (WALLETS[1], town.session(&pay_both));
        network::until(&mut sim, 60, |sim| sim.application().committed.contains(&key));
        assert_eq!(worth(&town, &sim, std::slice::from_ref(&pay_both)), 12 * WORTH);
    }
}

#[test]
fn validators_and_wallets_crash_at_every_boundary_and_all_is_settled() {
    let town = town();
    let pays = payments(&town);
    let boundaries =
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
    for (seed, boundary) in (0..).zip(boundaries) {
        let mut sim = simulate(&town.genesis, Network { seed, ..Network::default() });
        let nodes = (0..8).map(crate::town::peer).chain(WALLETS);
        for (number, node) in (0..).zip(nodes) {
            for turn in 0..3 {
                let when = When::At(network::millis(70 + 350 * number + 3700 * turn));
                let down_for = Some(Duration::from_millis(300));
                sim.crash(node, Crash { when, boundary, down_for });
            }
        }
        for (at, transaction) in (0..).zip(&pays) {
            pay(&mut sim, seconds(at), WALLETS[0], transaction);
        }
        settle(&mut sim, pays.len());
        proven(&town, &sim);
        assert!(sim.total().restarts >= 15, "{}", sim.total().restarts);
        let world = sim.application();
        assert!(world.committed.len() == 6 && world.faults.is_empty(), "{boundary:?}");
        assert_eq!(sim.run_until(seconds(9_000), |_| false), Ok(sim::Outcome::Quiet));
    }
}

#[test]
fn lost_and_doubled_messages_cost_time_only() {
    let town = town();
    let pays = payments(&town);
    let run = |seed| {
        let lossy = Network {
            seed,
            loss_per_mille: 100,
            duplicate_per_mille: 100,
            spurious_per_mille: 50,
            ..Network::default()
        };
        let mut sim = simulate(&town.genesis, lossy);
        for transaction in &pays {
            pay(&mut sim, Time::default(), WALLETS[0], transaction);
        }
        settle(&mut sim, pays.len());
        proven(&town, &sim);
        let world = sim.application();
        assert_eq!((world.committed.len(), world.faults.len()), (6, 0));
        assert_eq!(worth(&town, &sim, &pays), 12 * WORTH - burnt(&pays));
        assert_eq!(sim.run_until(seconds(9_000), |_| false), Ok(sim::Outcome::Quiet));
        sim.digest()
    };
    assert_eq!(run(1), run(1), "the same seed is the same run");
    assert_ne!(run(1), run(2));
}

/// One validator of each shard, which is f of each.
fn one_a_shard(town: &Town, at: usize) -> BTreeSet<Peer> {
    (0..town.genesis.shards).map(|shard| town.peer(shard, at)).collect()
}

#[test]
fn f_in_every_shard_stop_no_payment_whatever_they_say() {
    let town = town();
    let pays = payments(&town);
    for at in [0, 2] {
        for strategy in 0..4 {
            let (town, mut sim) = seated(&town, Network::default());
            let hand = one_a_shard(&town, at);
            match strategy {
                0 => sim.byzantine(hand.clone(), silent()),
                1 => sim.byzantine(hand.clone(), garbage()),
                2 => sim.byzantine(hand.clone(), tampering()),
                _ => sim.byzantine(hand.clone(), equivocating(town.clone())),
            }
            for transaction in &pays {
                pay(&mut sim, seconds(1), WALLETS[0], transaction);
            }
            settle(&mut sim, pays.len());
            proven(&town, &sim);
            let world = sim.application();
            assert_eq!(world.committed.len(), 6);
            assert!(world.faults.iter().all(|(culprit, _)| hand.contains(culprit)), "{strategy}");
            assert_eq!(world.faults.is_empty(), strategy == 0 || strategy == 3);
            // A leader that falls silent or proposes two blocks is replaced.
            let is_replaced = world.views.iter().any(|(_, chain, _)| *chain != ChainName::Identity);
            assert!(is_replaced == (at == 0) || strategy == 1 || strategy == 2);
        }
    }
}

/// Tells wallets that all was refused, and gives the first proof for every session.
fn liar(
    _: Peer,
    _: Time,
    _: &mut dyn CryptoRng,
    (to, message): Said,
) -> Vec<(To<Peer>, Delivery<Message>)> {
    let Message::Guest(Guest::Answer(mut answer)) = message else {
        return vec![(to, Delivery::Message(message))];
    };
    let said = answer.said.to_vec();
    let refused: BTreeSet<_> = said.iter().map(|(session, _)| *session).collect();
    let refused = refused.into_iter().map(|session| (session, Refusal::Spent)).collect();
    answer.refused = BoundedVec::new(refused).unwrap();
    let first = said.first().map(|(_, proof)| proof.clone());
    let moved = said.iter().filter_map(|(session, _)| Some((*session, first.clone()?)));
    answer.said = BoundedVec::new(moved.collect()).unwrap();
    vec![(to, Delivery::Message(Message::Guest(Guest::Answer(answer))))]
}

#[test]
fn a_liar_aborts_nothing_and_proves_nothing() {
    let town = town();
    let pays = payments(&town);
    let mut blamed = 0;
    for seed in 0..6 {
        let (town, mut sim) = seated(&town, Network { seed, ..Network::default() });
        let hand = one_a_shard(&town, 1);
        sim.byzantine(hand.clone(), Corrupt(liar));
        for transaction in &pays {
            pay(&mut sim, seconds(1), WALLETS[0], transaction);
        }
        settle(&mut sim, pays.len());
        proven(&town, &sim);
        let world = sim.application();
        assert_eq!((world.committed.len(), world.aborted.len()), (6, 0));
        assert!(world.faults.iter().all(|(culprit, _)| hand.contains(culprit)));
        blamed += world.faults.len();
    }
    assert!(blamed > 0, "one of the seeds has the liars asked in time");
}

/// Conflicts, losses, crashes and, in most, a liar in each shard, all in one run. Whatever becomes of
/// each payment, no coin is spent twice, value is kept, and no lock is left.
fn all_at_once(seed: u64, wide: bool) {
    let town = if wide { Town::new(16, 4, 12) } else { town() };
    let lossy = Network { seed, loss_per_mille: 30, duplicate_per_mille: 30, ..Network::default() };
    let (town, mut sim) = seated(&town, lossy);
    let at = usize::try_from(seed % 4).unwrap();
    let hand = if seed % 6 == 5 { BTreeSet::new() } else { one_a_shard(&town, at) };
    match seed % 6 {
        0 => sim.byzantine(hand.clone(), silent()),
        1 => sim.byzantine(hand.clone(), garbage()),
        2 => sim.byzantine(hand.clone(), tampering()),
        3 => sim.byzantine(hand.clone(), equivocating(town.clone())),
        4 => sim.byzantine(hand.clone(), Corrupt(liar)),
        _ => {}
    }
    let start = sim.now();
    let shards = usize::from(town.genesis.shards);
    let pays: Vec<_> = (0..8)
        .map(|nonce: usize| {
            // Most coins are spent by two or more.
            let inputs = [town.coin(nonce / 2), town.coin(nonce % 2 + nonce / 2 + 4)];
            let shard = u16::try_from(nonce % shards).unwrap();
            town.pay(nonce.try_into().unwrap(), &inputs, &[to(shard, 150), to(0, 50)])
        })
        .collect();
    for (at, transaction) in (0..).zip(&pays) {
        let when = start.after(Duration::from_millis(700 * at));
        pay(&mut sim, when, WALLETS[usize::from(at % 3 == 0)], transaction);
    }
    let honest: Vec<_> = sim.peers().filter(|peer| !hand.contains(peer)).collect();
    let boundaries =
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
    for (turn, node) in (0..).zip(honest.into_iter().filter(|peer| !WALLETS.contains(peer))) {
        let boundary = boundaries[usize::try_from(seed / 5 + turn).unwrap() % 4];
        let when = When::At(start.after(Duration::from_millis(400 + 900 * turn)));
        sim.crash(node, Crash { when, boundary, down_for: Some(Duration::from_millis(500)) });
    }
    settle(&mut sim, pays.len());
    proven(&town, &sim);
    let world = sim.application();
    let committed = world.committed.iter().map(|(_, session)| *session).collect::<BTreeSet<_>>();
    let done = pays.iter().filter(|pay| committed.contains(&town.session(pay)));
    let mut spent = BTreeSet::new();
    for input in done.flat_map(|pay| pay.declaration.inputs.iter()) {
        assert!(spent.insert(input.outpoint.id), "spent twice");
    }
    assert_eq!(worth(&town, &sim, &pays), 12 * WORTH, "seed {seed}");
    assert!(world.faults.iter().all(|(culprit, _)| hand.contains(culprit)), "seed {seed}");
    if hand.is_empty() {
        let quiet = sim.run_until(seconds(9_000), |_| false);
        assert_eq!(quiet, Ok(sim::Outcome::Quiet), "seed {seed}");
    }
}

#[test]
fn all_that_goes_wrong_at_once_loses_nothing() {
    (0..6).for_each(|seed| all_at_once(seed, false));
    all_at_once(11, true);
}

#[test]
fn a_validator_seated_late_catches_up_with_its_shard() {
    let town = town();
    let pays = payments(&town);
    let mut sim = simulate(&town.genesis, Network::default());
    let away = crate::town::peer(7);
    let (when, down_for) = (When::At(Time::default()), Some(Duration::from_secs(100)));
    sim.crash(away, Crash { when, boundary: Boundary::Idle, down_for });
    for (at, transaction) in (0..).zip(&pays) {
        pay(&mut sim, seconds(10 + 3 * at), WALLETS[0], transaction);
    }
    settle(&mut sim, pays.len());
    assert!(sim.now() < seconds(100));
    // It is told of the epoch, and hears of its shard once there is something to decide.
    network::seat(&mut sim, 8);
    let node = validator(&sim, away);
    let (own, epoch) = (node.shard().unwrap(), node.epoch().unwrap().clone());
    assert_eq!(node.timeline().unwrap().tip().index, 0);
    let number = |index: &cosi::roster::Index| u8::try_from(index.get()).unwrap();
    let mut others = epoch.members(own).iter().map(number).map(crate::town::peer);
    let other = others.find(|peer| *peer != away).unwrap();
    let late = town.pay(77, &[town.coin(11)], &[to(own, WORTH)]);
    let now = sim.now();
    pay(&mut sim, now, WALLETS[1], &late);
    let tip = |sim: &Sim, peer| validator(sim, peer).timeline().unwrap().tip().index;
    network::until(&mut sim, 300, |sim| {
        sim.application().committed.len() == 7 && tip(sim, away) == tip(sim, other)
    });
    assert!(tip(&sim, away) > 1);
    assert_eq!(sim.run_until(seconds(9_000), |_| false), Ok(sim::Outcome::Quiet));
    assert_eq!(sim.application().faults, BTreeSet::new());
}
