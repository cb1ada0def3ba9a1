//! Honest members over trees: all sign, and the leader's work follows the branching.

use std::time::Duration;

use cosi::{
    Policy, leader,
    machine::Time,
    message::Message,
    sim::{Boundary, Crash, Latency, Network, Outcome, Simulation, When},
    tree::Shape,
};

use crate::grove::{Config, Node, Notes, grove, honestly, kary, planted, tuned};

const HOP: Duration = Duration::from_millis(50);

/// What the leader sends and receives follows its children, not the members.
#[test]
fn all_of_forty_sign_and_the_leader_speaks_to_its_children_alone() {
    let cases = [(Shape::balanced(40), 4, 3), (Shape::Groups, 6, 2), (kary(7), 7, 2)];
    for (shape, children, depth) in cases {
        let mut grove = grove(40, shape);
        let (signature, absent, took) = grove.sign(b"x", 40);
        assert_eq!((signature.mask.count(), absent), (40, vec![]));
        signature.verify(&grove.roster, b"x", &Policy::Complete).unwrap();
        assert_eq!(took, HOP * 4 * depth);
        let counters = grove.sim.counters(grove.at(0)).unwrap();
        assert_eq!(
            (counters.sent.messages, counters.received.messages),
            (2 * children, 2 * children)
        );
        for (label, sent) in [("call", true), ("challenge", true), ("tuple", false), ("sum", false)]
        {
            let by = if sent { &counters.sent_by_label } else { &counters.received_by_label };
            assert_eq!(by[label].messages, children, "{label}");
        }
        // Everybody else hears each thing once.
        for label in ["call", "tuple", "challenge", "sum"] {
            assert_eq!(grove.sim.total().sent_by_label[label].messages, 39, "{label}");
        }
        assert_eq!((grove.trees().len(), grove.attempts()), (1, 1));
        assert_eq!(grove.trees()[0].depth(), depth as usize);
        // From then on the same tree signs in one round trip, with what it committed to ahead.
        for number in 1..20u8 {
            let (_, absent, took) = grove.sign(&[number], 40);
            assert_eq!((absent, took), (vec![], HOP * 2 * depth));
            let said = ["call", "tuple", "challenge", "sum"].map(|label| grove.said(label));
            let rounds = 39 * (u64::from(number) + 1);
            assert_eq!(said, [39, 39, rounds, rounds], "{number}");
        }
        assert_eq!((grove.trees().len(), grove.attempts()), (1, 20));
        assert_eq!(grove.said("announcement") + grove.said("inquiry"), 0);
    }
}

/// Two statements at once: what came ahead serves one of them, a call the other.
#[test]
fn what_came_ahead_is_spent_once() {
    let mut grove = grove(13, kary(3));
    grove.sign(b"first", 13);
    for statement in [b"second", b"third."] {
        grove.announce(0, statement, Policy::Complete);
    }
    grove.run();
    assert!(grove.signed(b"second").1.is_empty() && grove.signed(b"third.").1.is_empty());
    assert_eq!((grove.said("call"), grove.attempts()), (2 * 12, 3));
    // Both committed ahead; the next two need no call.
    for statement in [b"fourth", b"fifth."] {
        grove.announce(0, statement, Policy::Complete);
    }
    grove.run();
    assert!(grove.signed(b"fourth").1.is_empty() && grove.signed(b"fifth.").1.is_empty());
    assert_eq!((grove.said("call"), grove.attempts()), (2 * 12, 5));
    assert_eq!(grove.sim.application().faults, []);
}

/// A challenge may come before the statement was validated: it is passed on at once.
#[test]
fn slow_verdicts_do_not_add_up() {
    let mut grove = tuned(40, Shape::balanced(40), |mut config| {
        config.verdict = Duration::from_millis(100);
        config
    });
    let (_, _, took) = grove.sign(b"first", 40);
    // Everybody has its verdict on its way while the call goes on: the last one counts.
    assert_eq!(took, HOP * 12 + Duration::from_millis(100));
    let (_, _, took) = grove.sign(b"after", 40);
    assert_eq!(took, HOP * 6 + Duration::from_millis(100));
}

#[test]
fn small_rosters_sign_too() {
    for size in 1..8 {
        for shape in [Shape::Star, kary(2), Shape::Groups] {
            let mut grove = grove(size, shape);
            let (signature, absent, _) = grove.sign(b"x", u64::from(size));
            assert_eq!((signature.mask.count(), absent), (usize::from(size), vec![]));
            let trees = usize::from(size > 1 && shape != Shape::Star);
            assert_eq!(grove.trees().len(), trees);
        }
    }
}

/// A silent leaf costs its parent's wait and the leader's grace, and no attempt.
#[test]
fn whoever_is_silent_is_asked_directly_and_absent() {
    let mut grove = grove(40, kary(4));
    grove.corrupt([9], |_, _| vec![]);
    let (_, absent, took) = grove.sign(b"x", 27);
    assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![9], 1, 1));
    assert!(took < Duration::from_secs(3), "{took:?}");
    let log = grove.log.borrow();
    let asked = log
        .iter()
        .any(|(from, to, m)| (*from, *to) == (0, 9) && matches!(m, Message::Announcement(..)));
    assert!(asked, "nobody is left out before the leader has asked");
}

/// A silent inner node's children are asked directly, and sign together with the tree.
#[test]
fn a_silent_parent_takes_nobody_with_it() {
    for shape in [kary(4), Shape::Groups] {
        let mut grove = grove(40, shape);
        grove.corrupt([9, 17, 30], |_, _| vec![]);
        let (_, absent, _) = grove.sign(b"x", 27);
        assert_eq!((absent, grove.attempts()), (vec![9, 17, 30], 1), "{shape:?}");
    }
}

/// All but two are silent: the tree has nothing to give.
#[test]
fn a_bare_tree_is_a_star() {
    let mut grove = grove(12, kary(2));
    grove.corrupt(2..12, |_, _| vec![]);
    let (_, absent, _) = grove.sign(b"x", 2);
    assert_eq!(absent, (2..12).collect::<Vec<_>>());
    assert_eq!(grove.attempts(), 1);
}

/// A statement that some refuse is signed by the others.
#[test]
fn a_refused_statement_is_not_signed() {
    let mut grove = grove(12, kary(3));
    grove.announce(0, b"bad", Policy::Weight(2));
    grove.run();
    let events = &grove.sim.application().events;
    assert!(matches!(events[..], [(_, _, leader::Event::Failed { .. })]), "{events:?}");
    assert_eq!(grove.attempts(), 0);
    grove.nobody_innocent_is_blamed();
}

/// Members that are configured without trees are absent from them, and no worse.
#[test]
fn cosigners_without_trees_sign_as_a_star() {
    let mut grove = tuned(12, kary(3), |mut config| {
        config.cosigner.limits.calls = 0;
        config
    });
    let (_, absent, _) = grove.sign(b"x", 12);
    assert_eq!((absent, grove.attempts()), (vec![], 1));
    assert!(grove.log.borrow().iter().all(|(_, _, m)| !matches!(m, Message::Tuple(..))));
}

/// Every member leads at the same time: their trees do not mix.
#[test]
fn many_leaders_sign_at_once() {
    let mut grove = grove(10, kary(3));
    for leader in 0..10u8 {
        for number in 0..2 {
            grove.announce(leader.into(), &[leader, number], Policy::Complete);
        }
    }
    grove.run();
    for leader in 0..10u8 {
        for number in 0..2 {
            assert!(grove.signed(&[leader, number]).1.is_empty());
        }
    }
    let challenges = grove.sim.total().sent_by_label["challenge"].messages;
    assert_eq!(challenges, 20 * 9, "each in one attempt");
}

/// A network that loses, doubles and reorders costs time, and neither signatures nor names.
#[test]
fn a_bad_network_costs_time_alone() {
    for (seed, loss_per_mille) in [(1, 0), (2, 20), (3, 100), (4, 200)] {
        let network = Network {
            seed,
            latency: Latency::Jittered { least: HOP, jitter: 4 * HOP },
            loss_per_mille,
            duplicate_per_mille: 100,
            spurious_per_mille: 100,
            ..Network::default()
        };
        let mut grove = planted(network, 12, kary(3), |config| config);
        let (signature, ..) = grove.sign(b"x", 8);
        assert!(signature.mask.count() >= 8);
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// A sum that comes after the patience, while all are asked what became of it, still completes its
/// attempt.
#[test]
fn a_late_sum_completes_the_old_attempt() {
    let mut grove = grove(12, kary(3));
    grove.announce(0, b"x", Policy::Complete);
    let challenged =
        |sim: &Simulation<Node, Notes>| sim.total().sent_by_label.contains_key("challenge");
    let limit = Time::at(Duration::from_secs(60));
    assert_eq!(grove.sim.run_until(limit, challenged).unwrap(), Outcome::Done);
    // From here on all is late that reaches the leader.
    for member in 1..12 {
        let (from, leader) = (grove.at(member), grove.at(0));
        grove.sim.link(from, leader, Latency::Fixed(Duration::from_secs(3)));
    }
    grove.run();
    let (_, absent, at) = grove.signed(b"x");
    assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1));
    assert!(at > Duration::from_secs(3) && at < Duration::from_secs(4), "{at:?}");
}

/// Whoever crashes loses its pair and its children's tuples: it is back in the next attempt, and
/// nobody is blamed.
#[test]
fn a_member_may_crash_at_any_step() {
    let boundaries = [Boundary::BeforeRecords, Boundary::AfterRelease];
    for (step, boundary) in (1..6).flat_map(|step| boundaries.map(|b| (step, b))) {
        for member in [3, 8] {
            let mut grove = grove(12, kary(3));
            let crash = Crash { when: When::Step(step), boundary, down_for: Some(HOP) };
            grove.sim.crash(grove.at(member), crash);
            for statement in [b"first", b"after"] {
                let (_, absent, _) = grove.sign(statement, 11);
                assert!(absent.is_empty() || absent == [member], "{absent:?}");
            }
            assert_eq!(grove.signed(b"after").1, vec![]);
            assert_eq!(grove.sim.application().faults, []);
        }
    }
}

/// A leader that crashed calls under other names, and contradicts itself in none.
#[test]
fn a_leader_may_crash_at_any_step() {
    for step in 1..10 {
        let mut grove = grove(12, kary(3));
        let crash = Crash { when: When::Step(step), boundary: Boundary::Idle, down_for: Some(HOP) };
        grove.sim.crash(grove.at(0), crash);
        grove.announce(0, b"lost", Policy::Complete);
        grove.run();
        grove.announce(0, b"lost", Policy::Complete);
        grove.run();
        let signed = grove.sim.application().events.iter();
        let signed = signed.filter(|(_, _, event)| matches!(event, leader::Event::Signed { .. }));
        assert!(signed.count() > 0);
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// It takes part, and withholds what it sums up: all have answered rightly, so its branch's answers
/// are told one by one. It stands aside, for longer each time; no attempt is lost, and nobody is
/// absent.
#[test]
fn whoever_withholds_stands_aside() {
    let mut grove = grove(13, kary(3));
    grove.corrupt([4], |_, output| {
        let kept = output.into_iter().filter(|(_, m)| !matches!(m, Message::Sum(..)));
        honestly(kept.collect())
    });
    let (mut calls, mut late) = (vec![], vec![]);
    for number in 0..12u8 {
        let before = grove.trees().len();
        let (_, absent, took) = grove.sign(&[number], 9);
        assert_eq!(absent, vec![]);
        calls.push(grove.trees().len() - before);
        late.push(took > Duration::from_secs(2));
    }
    let late: Vec<_> = (0..12).filter(|at| late[*at]).collect();
    assert_eq!(late, [0, 2, 5, 10], "aside for one session, two, and four");
    assert_eq!(calls, [1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1]);
    assert_eq!(grove.attempts(), 12);
}

/// No tree is tried that could take the star's time.
#[test]
fn a_session_too_short_for_trees_is_a_star() {
    for (limit, trees) in [(15, 0), (16, 1)] {
        let mut grove = tuned(13, kary(3), |config: Config| {
            let mut timing = config.leader.timing;
            timing.limit = Duration::from_secs(limit);
            Config { leader: leader::Config { timing, ..config.leader }, ..config }
        });
        grove.corrupt([4], |_, output| {
            let kept = output.into_iter().filter(|(_, m)| !matches!(m, Message::Sum(..)));
            honestly(kept.collect())
        });
        assert_eq!(grove.sign(b"x", 13).1, vec![]);
        assert_eq!(grove.trees().len(), trees);
    }
}
