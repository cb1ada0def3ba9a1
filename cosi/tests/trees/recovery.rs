//! Whoever fails costs time once, and is back; and the others stay where they are.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use cosi::{
    mask::Mask,
    message::{Ask, Message, Tuple},
    sim::{Boundary, Crash, Latency, When},
    tree::Shape,
};

use crate::{
    attacks::{again, first_tree, heads, send, wrong_response, wrong_sum},
    grove::{grove, honestly, kary, tuned},
};

const HOP: Duration = Duration::from_millis(50);

/// It costs its parent's wait in the session in which it falls silent, a call in the next one, and
/// nothing from then on, until it answers: then a call, and all is as before.
#[test]
fn one_silent_member_costs_time_once() {
    for (shape, depth) in [(kary(3), 3), (Shape::Groups, 2)] {
        let tree = first_tree(20, shape);
        let head = heads(&tree)[0];
        for member in [head, tree.children(head).next().unwrap()] {
            let mut grove = grove(20, shape);
            let silent = Rc::new(RefCell::new(true));
            let is_silent = silent.clone();
            grove.corrupt(
                [member],
                move |_, output| {
                    if *is_silent.borrow() { vec![] } else { honestly(output) }
                },
            );
            let mut took = vec![];
            for number in 0..8u8 {
                if number == 5 {
                    *silent.borrow_mut() = false;
                }
                let (_, absent, time) = grove.sign(&[number], 19);
                // It is asked whenever it is absent, and is back as soon as it has answered.
                assert_eq!(absent.is_empty(), number > 5, "{number}: {absent:?}");
                took.push(time);
            }
            assert!(took[0] > Duration::from_secs(1), "{took:?}");
            let [call, ahead] = [HOP * 4 * depth, HOP * 2 * depth];
            // Aside, though its term is over: it has not answered.
            assert_eq!(took[1..6], [call, ahead, ahead, ahead, ahead], "{shape:?}");
            assert_eq!(took[6..], [call, ahead], "back in its place");
            assert_eq!((grove.attempts(), grove.plans().len()), (8, 3));
            assert_eq!(grove.plans()[2].aside.count(), 0);
            assert_eq!(grove.trees()[2], grove.trees()[0]);
        }
    }
}

/// One of its own group takes the place of a silent sub-leader, and nobody else moves.
#[test]
fn a_silent_sub_leader_is_replaced_within_its_group() {
    let tree = first_tree(40, Shape::Groups);
    let head = heads(&tree)[1];
    let mut grove = grove(40, Shape::Groups);
    grove.corrupt([head], |_, _| vec![]);
    for statement in [b"x", b"y"] {
        assert_eq!(grove.sign(statement, 39).1, [head]);
    }
    let after = grove.trees().remove(1);
    let heir = after.children(0).find(|heir| tree.parent(*heir) != Some(0)).unwrap();
    assert_eq!(tree.parent(heir), Some(head));
    let group: BTreeSet<u16> = tree.subtree(head).iter().filter(|at| *at != head).collect();
    assert_eq!(after.subtree(heir).iter().collect::<BTreeSet<_>>(), group);
    for member in (1..40).filter(|at| !group.contains(at) && *at != head) {
        assert_eq!(after.parent(member), tree.parent(member));
    }
}

/// It takes longer than the leader and its parent wait: it stands aside, and nobody is blamed.
#[test]
fn a_late_member_stands_aside() {
    let tree = first_tree(20, kary(3));
    let head = heads(&tree)[0];
    let late = tree.children(head).next().unwrap();
    let mut grove = grove(20, kary(3));
    let [from, to] = [grove.at(late), grove.at(head)];
    grove.sim.link(from, to, Latency::Fixed(Duration::from_secs(5)));
    // To its parent alone: the leader hears it in time.
    for number in 0..3u8 {
        assert_eq!(grove.sign(&[number], 20).1, vec![]);
    }
    let aside: BTreeSet<_> = grove.plans()[1].aside.iter().collect();
    assert_eq!(aside, BTreeSet::from([head, late]), "both ends of the way");
    assert_eq!((grove.attempts(), grove.sim.application().faults.len()), (3, 0));
}

/// A head that takes a little longer than the leader waits with what it says to it: its sum still
/// completes the attempt, and it stands aside.
#[test]
fn a_late_sum_is_remembered() {
    let tree = first_tree(13, kary(3));
    let head = heads(&tree)[0];
    let mut grove = grove(13, kary(3));
    grove.sign(b"before", 13);
    let [from, to] = [grove.at(head), grove.at(0)];
    grove.sim.link(from, to, Latency::Fixed(Duration::from_millis(2150)));
    let (_, absent, took) = grove.sign(b"late", 13);
    assert_eq!((absent, grove.attempts()), (vec![], 2));
    assert!(took > Duration::from_secs(2) && took < Duration::from_millis(2400), "{took:?}");
    grove.sign(b"after", 12);
    assert_eq!(grove.plans()[1].aside.iter().collect::<Vec<_>>(), [head]);
    assert_eq!(grove.sim.application().faults, []);
}

/// Two members take turns at a wrong share and at silence: neither is let back in before it has
/// answered, so they cost an attempt each, and not one after the other for ever.
#[test]
fn two_alternating_disruptors_do_not_stall() {
    for shape in [kary(3), Shape::Groups, kary(2)] {
        let tree = first_tree(16, shape);
        let [one, other] = heads(&tree)[..2] else { panic!() };
        for turns in [[one, other], [tree.children(one).next().unwrap(), other]] {
            let mut grove = grove(16, shape);
            let mut asked = Vec::new();
            grove.corrupt(turns, move |me, output| {
                // Whoever's turn it is withholds all that the challenge is owed.
                let mut sent = vec![];
                for (to, message) in output {
                    let challenge = match &message {
                        Message::Sum(said, _) => said.what.challenge,
                        Message::Response(said) => said.what.challenge,
                        Message::Account(said, _) => said.what.response.what.challenge,
                        _ => {
                            sent.push((to, message));
                            continue;
                        }
                    };
                    if !asked.contains(&challenge) {
                        asked.push(challenge);
                    }
                    let turn = asked.iter().position(|known| *known == challenge).unwrap();
                    if turns[turn % 2] != me {
                        sent.push((to, message));
                    }
                }
                honestly(sent)
            });
            for number in 0..4u8 {
                let before = grove.attempts();
                let (_, absent, took) = grove.sign(&[number], 14);
                assert!(absent.iter().all(|member| turns.contains(member)), "{absent:?}");
                assert!(grove.attempts() - before <= 3, "{shape:?}");
                assert!(took < Duration::from_secs(20), "{took:?}");
            }
            assert_eq!(grove.sim.application().faults, []);
        }
    }
}

/// Only what a fault touches is asked again: the others need no call, and no announcement.
#[test]
fn a_retry_needs_no_call_where_nothing_failed() {
    let tree = first_tree(40, Shape::Groups);
    let head = heads(&tree)[0];
    let mut grove = grove(40, Shape::Groups);
    grove.corrupt([head], |_, output| {
        let lie = |(to, message)| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let said = again(said, |mut what| {
                    what.response = wrong_response(what.response);
                    what
                });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        };
        output.into_iter().flat_map(lie).collect()
    });
    let (_, absent, took) = grove.sign(b"x", 39);
    assert_eq!((absent, grove.attempts()), (vec![head], 2));
    // Two round trips over the tree, one to all below that head, and one over the rest.
    assert_eq!(took, HOP * (8 + 2 + 4));
    let group = tree.subtree(head).count() as u64;
    assert_eq!(grove.said("inquiry"), group);
    assert_eq!((grove.said("call"), grove.said("tuple"), grove.said("announcement")), (39, 39, 0));
    assert_eq!(grove.said("challenge"), 39 + 38);
}

/// Whoever crashes loses its pairs, those sent ahead too: the attempt is lost at most, nobody is
/// blamed, and it is back.
#[test]
fn a_member_may_crash_between_and_within_sessions() {
    let boundaries = [Boundary::BeforeRecords, Boundary::AfterRelease, Boundary::Idle];
    let tree = first_tree(13, kary(3));
    let head = heads(&tree)[0];
    let leaf = tree.children(head).next().unwrap();
    for (step, boundary) in (1..8).flat_map(|step| boundaries.map(|b| (step, b))) {
        for member in [head, leaf] {
            let mut grove = grove(13, kary(3));
            grove.sign(b"before", 13);
            let crash = Crash { when: When::Step(step), boundary, down_for: Some(HOP) };
            grove.sim.crash(grove.at(member), crash);
            for number in 0..6u8 {
                let (_, absent, _) = grove.sign(&[number], 12);
                assert!(absent.is_empty() || absent == [member], "{absent:?}");
            }
            assert_eq!(grove.signed(&[5]).1, vec![0u16; 0], "{step} {boundary:?} {member}");
            assert_eq!(grove.sim.application().faults, []);
        }
    }
}

/// A leader that lost its plan draws another one.
#[test]
fn a_leader_may_crash_between_and_within_sessions() {
    for step in 1..9 {
        let mut grove = grove(13, kary(3));
        grove.sign(b"before", 13);
        let crash = Crash { when: When::Step(step), boundary: Boundary::Idle, down_for: Some(HOP) };
        grove.sim.crash(grove.at(0), crash);
        for number in 0..3u8 {
            let policy = cosi::Policy::Complete;
            grove.announce(0, &[number], policy);
            grove.run();
        }
        assert_eq!(grove.signed(&[2]).1, vec![0u16; 0]);
        let plans: BTreeSet<_> = grove.plans().into_iter().map(|plan| plan.seed).collect();
        assert_eq!(plans.len(), 2, "{step}");
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// All heads are silent to inquiries and sums alike: that tree was of no use, and the next sessions
/// go without, one, then two, and then by another tree.
#[test]
fn trees_of_no_use_sit_out() {
    let mut grove = grove(13, kary(3));
    // Everybody but the leader answers in stars alone.
    grove.corrupt(1..13, |_, output| {
        let alone = output.into_iter().filter(|(_, message)| {
            !matches!(message, Message::Sum(..) | Message::Account(..) | Message::Tuple(..))
        });
        honestly(alone.collect())
    });
    let mut calls = vec![];
    for number in 0..8u8 {
        let before = grove.plans().len();
        assert_eq!(grove.sign(&[number], 13).1, vec![0u16; 0]);
        calls.push(grove.plans().len() - before);
    }
    assert_eq!(calls, [1, 0, 1, 0, 0, 1, 0, 0]);
    let seeds: BTreeSet<_> = grove.plans().into_iter().map(|plan| plan.seed).collect();
    assert_eq!(seeds.len(), 3);
}

/// At most k attempts over a tree: the last one is a star's.
#[test]
fn a_tree_is_tried_so_often_and_no_more() {
    let tree = first_tree(40, kary(3));
    let liar = heads(&tree)[0];
    for (trees, over_trees) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        let mut grove = tuned(40, kary(3), |mut config| {
            config.leader.trees = trees;
            config
        });
        grove.corrupt([liar], |_, output| {
            let lie = |(to, message)| match message {
                Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
                Message::Account(said, ahead) => {
                    let said = again(said, |mut what| {
                        what.response = wrong_response(what.response);
                        what
                    });
                    send(to, Message::Account(said, ahead))
                }
                other => send(to, other),
            };
            output.into_iter().flat_map(lie).collect()
        });
        grove.sign(b"x", 39);
        let log = grove.log.borrow();
        let branches = log.iter().filter_map(|(from, _, message)| match message {
            Message::Challenge(said, Ask::Branch(_)) if *from == 0 => Some(said.what.id()),
            _ => None,
        });
        assert_eq!(branches.collect::<BTreeSet<_>>().len(), over_trees, "{trees}");
    }
}

/// A head that leaves its children out of what it commits to ahead: they are asked directly, and it
/// stands aside.
#[test]
fn children_left_out_ahead_are_missed() {
    let tree = first_tree(13, kary(3));
    let head = heads(&tree)[0];
    let mut grove = grove(13, kary(3));
    grove.corrupt([head], |_, output| {
        let alone = |(to, message)| match message {
            Message::Sum(said, ahead) => {
                let ahead = again(ahead, |what| {
                    let mask = Mask::of(13, [what.member]);
                    Tuple { mask, sums: what.own, ..what }
                });
                send(to, Message::Sum(said, ahead))
            }
            other => send(to, other),
        };
        output.into_iter().flat_map(alone).collect()
    });
    grove.sign(b"x", 13);
    let (_, absent, _) = grove.sign(b"y", 9);
    assert!(absent.iter().all(|member| tree.subtree(head).contains(*member)));
    assert_eq!(grove.sign(b"z", 9).1, vec![0u16; 0]);
    assert!(grove.plans()[1].aside.contains(head));
    assert_eq!(grove.sim.application().faults, []);
}

/// Of the branches that failed, what they committed to ahead for other statements is of no use
/// either; of the others it is, and nobody is counted twice.
#[test]
fn what_came_ahead_for_others_serves_a_retry() {
    let tree = first_tree(40, kary(3));
    let head = heads(&tree)[0];
    let mut grove = grove(40, kary(3));
    let lies = Rc::new(RefCell::new(false));
    let is_lying = lies.clone();
    grove.corrupt([head], move |_, output| {
        let lie = |(to, message)| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let said = again(said, |mut what| {
                    what.response = wrong_response(what.response);
                    what
                });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        };
        if *is_lying.borrow() {
            output.into_iter().flat_map(lie).collect()
        } else {
            honestly(output)
        }
    });
    for statement in [b"one.", b"two."] {
        grove.announce(0, statement, cosi::Policy::Complete);
    }
    grove.run();
    *lies.borrow_mut() = true;
    for statement in [b"next", b"last"] {
        grove.announce(0, statement, cosi::Policy::Weight(39));
    }
    grove.run();
    for statement in [b"next", b"last"] {
        assert_eq!(grove.signed(statement).1, [head]);
    }
    assert_eq!(grove.said("call"), 2 * 39);
}
