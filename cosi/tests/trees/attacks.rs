//! Faulty members in a tree cost time, and neither the signature nor an innocent's name.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use cosi::{
    machine::{FaultKind, Index, To},
    mask::Mask,
    message::{Message, Response, Said, Sum, Tuple},
    nonce::NonceId,
    sim::{Deliveries, Delivery},
    tree::{Shape, Tree},
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use proptest::prelude::*;

use crate::grove::{Grove, Node, Sent, grove, kary, key};

/// The first tree of a run, whoever is faulty in it: the leader alone decides it.
fn first_tree(size: u16, shape: Shape) -> Tree {
    let mut grove = grove(size, shape);
    grove.sign(b"x", u64::from(size));
    grove.trees().remove(0)
}

/// The leader's children that have children themselves.
fn heads(tree: &Tree) -> Vec<u16> {
    tree.children(0).filter(|head| tree.children(*head).next().is_some()).collect()
}

/// Runs with the first head faulty: each message it sends goes through `strategy`.
fn with_a_head(
    shape: Shape,
    strategy: impl Fn(&Tree, u16, To<Index>, Message) -> Deliveries<Node> + 'static,
) -> (Grove, Tree, u16, Vec<u16>) {
    let size = 15;
    let tree = first_tree(size, shape);
    let head = heads(&tree)[0];
    let mut grove = grove(size, shape);
    let inner = tree.clone();
    grove.corrupt([head], move |me, output| {
        output.into_iter().flat_map(|(to, message)| strategy(&inner, me, to, message)).collect()
    });
    let (_, absent, _) = grove.sign(b"x", u64::from(size) - 1);
    assert!(grove.trees()[0] == tree && grove.trees().len() <= 2);
    (grove, tree, head, absent)
}

fn send(to: To<Index>, message: Message) -> Deliveries<Node> {
    vec![(to, Delivery::Message(message))]
}

/// The tuple, changed, and signed again by who said it.
fn tuple(said: Said<Tuple>, change: impl FnOnce(Tuple) -> Tuple) -> Message {
    let key = key(said.what.member);
    Message::Tuple(Said::new(&key, change(said.what)))
}

fn sum(said: Said<Sum>, change: impl FnOnce(Scalar) -> Scalar) -> Message {
    let key = key(said.what.member);
    let sum = change(Scalar::from_canonical_bytes(said.what.sum).unwrap()).to_bytes();
    Message::Sum(Said::new(&key, Sum { sum, ..said.what }))
}

fn plus(points: [[u8; 32]; 2], more: [[u8; 32]; 2]) -> [[u8; 32]; 2] {
    let point = |bytes| CompressedEdwardsY(bytes).decompress().unwrap();
    let mut more = more.into_iter();
    points.map(|bytes| (point(bytes) + point(more.next().unwrap())).compress().to_bytes())
}

const SHAPES: fn() -> [Shape; 3] = || [kary(2), kary(3), Shape::Groups];

#[test]
fn a_wrong_sum_costs_trees_and_blames_nobody() {
    for shape in SHAPES() {
        let (grove, _, head, absent) = with_a_head(shape, |_, _, to, message| match message {
            Message::Sum(said) => send(to, sum(said, |s| s + Scalar::ONE)),
            other => send(to, other),
        });
        assert_eq!(absent, vec![], "{shape:?}: {head} is right when asked directly");
        assert_eq!((grove.trees().len(), grove.attempts()), (2, 3));
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// It is wrong in a tree and in a star: there it is convicted.
#[test]
fn a_wrong_response_is_convicted_once_it_is_asked_directly() {
    let (grove, _, head, absent) = with_a_head(kary(3), |_, _, to, message| match message {
        Message::Sum(said) => send(to, sum(said, |s| s + Scalar::ONE)),
        Message::Response(said) => {
            let s = Scalar::from_canonical_bytes(said.what.response).unwrap() + Scalar::ONE;
            let what = Response { response: s.to_bytes(), ..said.what };
            send(to, Message::Response(Said::new(&key(what.member), what)))
        }
        other => send(to, other),
    });
    assert_eq!((absent, grove.attempts()), (vec![head], 4));
    let [(_, fault)] = &grove.sim.application().faults[..] else { panic!() };
    assert_eq!((fault.culprit.get(), fault.kind), (head, FaultKind::InvalidProof));
    assert!(fault.evidence.is_some());
}

#[test]
fn wrong_commitments_cost_trees_and_blame_nobody() {
    for shape in SHAPES() {
        let (grove, _, _, absent) = with_a_head(shape, |_, _, to, message| match message {
            Message::Tuple(said) => {
                send(to, tuple(said, |tuple| Tuple { sums: plus(tuple.sums, tuple.own), ..tuple }))
            }
            other => send(to, other),
        });
        assert_eq!((absent, grove.sim.application().faults.len()), (vec![], 0));
        assert!(grove.attempts() > 1);
    }
}

/// Whom it leaves out is asked directly, and is in the same signature.
#[test]
fn a_dropped_child_is_asked_directly() {
    for shape in SHAPES() {
        let (grove, tree, head, absent) = with_a_head(shape, |tree, me, to, message| {
            let Message::Call(..) = &message else { return send(to, message) };
            let To::Some(mut children) = to else { panic!() };
            children.retain(|child| Some(child.get()) != tree.children(me).next());
            send(To::Some(children), message)
        });
        assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1));
        let dropped = tree.children(head).next().unwrap();
        let log = grove.log.borrow();
        assert!(
            log.iter().any(|(from, _, m)| *from == dropped && matches!(m, Message::Response(_)))
        );
        assert_eq!(grove.sim.application().faults, []);
    }
}

fn announcements(grove: &Grove, member: u16) -> usize {
    let log = grove.log.borrow();
    let heard =
        log.iter().filter(|(_, to, m)| *to == member && matches!(m, Message::Announcement(..)));
    heard.count()
}

/// A branch that is silent from its head on needs no second look.
#[test]
fn the_silent_are_asked_once() {
    let tree = first_tree(15, Shape::Groups);
    let head = heads(&tree)[0];
    let mut grove = grove(15, Shape::Groups);
    grove.corrupt([head], |_, _| vec![]);
    assert_eq!(grove.sign(b"x", 14).1, [head]);
    assert_eq!((grove.attempts(), announcements(&grove, head)), (1, 1));
}

/// Two leaves leave their branches, one of them only when it is asked for the second time: it is
/// not, or they could have all branches asked directly, one after the other.
#[test]
fn branches_are_asked_directly_all_at_once_or_not_at_all() {
    let tree = first_tree(15, Shape::Groups);
    let leaves: Vec<_> =
        heads(&tree)[..2].iter().map(|head| tree.children(*head).next().unwrap()).collect();
    let [first, second] = leaves[..] else { panic!() };
    let mut grove = grove(15, Shape::Groups);
    let mut asked = 0;
    grove.corrupt([first, second], move |me, output| {
        let strategy = |(to, message)| match &message {
            Message::Tuple(_) => vec![],
            Message::Commitment(_) if me == second => {
                asked += 1;
                if asked > 1 { send(to, message) } else { vec![] }
            }
            _ => send(to, message),
        };
        output.into_iter().flat_map(strategy).collect()
    });
    let (_, absent, _) = grove.sign(b"x", 13);
    assert_eq!((absent, grove.attempts()), (vec![second], 1));
    assert_eq!((announcements(&grove, first), announcements(&grove, second)), (1, 1));
    let head = tree.parent(first).unwrap();
    assert_eq!(announcements(&grove, head), 1, "its whole branch is asked");
    let other = tree.parent(second).unwrap();
    assert_eq!(announcements(&grove, other), 0);
}

/// Z names a child that never heard of the call.
#[test]
fn a_child_that_did_not_commit_is_claimed_in_vain() {
    for shape in SHAPES() {
        let (grove, tree, head, absent) = with_a_head(shape, |tree, me, to, message| {
            let first = tree.children(me).next();
            match message {
                Message::Call(said, statement) => {
                    let To::Some(mut children) = to else { panic!() };
                    children.retain(|child| Some(child.get()) != first);
                    send(To::Some(children), Message::Call(said, statement))
                }
                Message::Tuple(said) => send(
                    to,
                    tuple(said, |tuple| {
                        let mask = Mask::of(15, tuple.mask.iter().chain(first));
                        Tuple { mask, ..tuple }
                    }),
                ),
                other => send(to, other),
            }
        });
        assert_eq!((absent, grove.sim.application().faults.len()), (vec![], 0));
        // Where others stand below that child, they are asked directly, and so is the branch.
        let child = tree.children(head).next().unwrap();
        assert_eq!(grove.attempts() > 1, tree.children(child).next().is_none(), "{shape:?}");
    }
}

/// What it makes of the challenge is not the leader's word: nobody below answers it, and whoever
/// gets it knows who delivered it.
#[test]
fn other_challenges_than_the_leaders_are_not_answered() {
    for shape in SHAPES() {
        let (grove, _, head, absent) = with_a_head(shape, |_, _, to, message| match message {
            Message::Challenge(mut said, nonce) => {
                let To::One(child) = &to else { panic!() };
                said.what.mask = Mask::of(15, said.what.mask.iter().filter(|at| *at != 0));
                said.what.session.attempt += u32::from(child.get() % 2);
                send(to, Message::Challenge(said, nonce))
            }
            other => send(to, other),
        });
        assert_eq!(absent, vec![]);
        let faults = &grove.sim.application().faults;
        assert!(!faults.is_empty());
        for (_, fault) in faults {
            assert_eq!((fault.culprit.get(), fault.kind), (head, FaultKind::BadSignature));
        }
    }
}

/// Two sub-leaders both claim the members below one of them: were they counted twice, the sums
/// would be wrong and the attempt lost.
#[test]
fn a_grandchild_counts_once() {
    for shape in SHAPES() {
        let tree = first_tree(15, shape);
        let [one, other] = heads(&tree)[..2] else { panic!("{shape:?}") };
        let mut grove = grove(15, shape);
        let said_before = Rc::new(RefCell::new(None));
        grove.corrupt([one, other], move |_, output| {
            let steal = |(to, message)| match message {
                Message::Tuple(said) => {
                    let stolen = said_before.borrow_mut().replace(said.what.clone());
                    let Some(stolen) = stolen else { return send(to, Message::Tuple(said)) };
                    send(
                        to,
                        tuple(said, |tuple| Tuple {
                            sums: plus(tuple.sums, stolen.sums),
                            mask: Mask::of(15, tuple.mask.iter().chain(stolen.mask.iter())),
                            ..tuple
                        }),
                    )
                }
                other => send(to, other),
            };
            output.into_iter().flat_map(steal).collect()
        });
        let (_, absent, _) = grove.sign(b"x", 13);
        assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1), "{shape:?}");
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// Z of another shape than the roster's is nobody's.
#[test]
fn masks_that_do_not_fit_are_dropped() {
    for len in [0, 1, 3, 8192] {
        let (grove, _, _, absent) = with_a_head(kary(3), move |_, _, to, message| match message {
            Message::Tuple(said) => {
                let mut bytes = said.what.mask.as_bytes().to_vec();
                bytes.resize(len, 0);
                let mask = Mask::from_bytes(bytes).unwrap();
                send(to, tuple(said, |tuple| Tuple { mask, ..tuple }))
            }
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![], 1), "all below are asked directly");
        grove.nobody_innocent_is_blamed();
    }
}

#[test]
fn garbage_is_a_fault_of_who_delivers_it() {
    let (grove, _, head, absent) = with_a_head(kary(3), |_, _, to, message| match message {
        Message::Tuple(_) => vec![(to, Delivery::Bytes(vec![7; 99]))],
        other => send(to, other),
    });
    assert_eq!((absent, grove.attempts()), (vec![], 1));
    let [(by, fault)] = &grove.sim.application().faults[..] else { panic!() };
    assert_eq!((by.get(), fault.culprit.get(), fault.kind), (0, head, FaultKind::Malformed));

    let (grove, _, head, _) = with_a_head(kary(3), |_, _, to, message| match message {
        Message::Sum(said) => {
            let what = Sum { sum: [0xff; 32], ..said.what };
            send(to, Message::Sum(Said::new(&key(what.member), what)))
        }
        other => send(to, other),
    });
    for (_, fault) in &grove.sim.application().faults {
        assert_eq!((fault.culprit.get(), fault.kind), (head, FaultKind::Malformed));
    }
    assert!(!grove.sim.application().faults.is_empty());
}

const STRATEGIES: usize = 13;

/// One message of a member that follows a strategy.
fn play(strategy: usize, to: To<Index>, message: Message) -> Deliveries<Node> {
    let down = matches!(message, Message::Call(..) | Message::Challenge(..));
    let up = matches!(message, Message::Tuple(_) | Message::Sum(_));
    match (strategy, message) {
        (0, _) => vec![],
        (1, _) if up => vec![],
        (2, _) if down => vec![],
        (3, Message::Sum(_) | Message::Response(_)) => vec![],
        (4, Message::Sum(said)) => send(to, sum(said, |s| s + Scalar::ONE)),
        (5, Message::Tuple(said)) => {
            send(to, tuple(said, |tuple| Tuple { sums: plus(tuple.sums, tuple.own), ..tuple }))
        }
        (6, Message::Tuple(said)) => send(
            to,
            tuple(said, |tuple| Tuple {
                mask: Mask::of(16, tuple.mask.iter().chain([tuple.member ^ 1])),
                ..tuple
            }),
        ),
        (7, Message::Tuple(said)) => {
            send(to, tuple(said, |tuple| Tuple { mask: Mask::of(16, [tuple.member]), ..tuple }))
        }
        (8, Message::Challenge(said, _)) => send(to, Message::Challenge(said, NonceId([9; 16]))),
        (9, Message::Challenge(mut said, nonce)) => {
            said.what.commitments[0] = EdwardsPoint::mul_base(&Scalar::ONE).compress().to_bytes();
            send(to, Message::Challenge(said, nonce))
        }
        (10, _) if up => vec![(to, Delivery::Bytes(vec![5; 40]))],
        (11, Message::Response(said)) => {
            let what = Response { response: [1; 32], ..said.what };
            send(to, Message::Response(Said::new(&key(what.member), what)))
        }
        (12, message) => [send(to.clone(), message.clone()), send(to, message)].concat(),
        (_, message) => send(to, message),
    }
}

fn mixed(shape: Shape, parts: &[(u16, usize)]) -> Result<(), TestCaseError> {
    let parts: std::collections::BTreeMap<u16, usize> = parts.iter().copied().collect();
    let mut grove = grove(16, shape);
    let strategies = parts.clone();
    grove.corrupt(parts.keys().copied(), move |me, output: Sent| {
        output.into_iter().flat_map(|(to, message)| play(strategies[&me], to, message)).collect()
    });
    for statement in [b"first", b"after"] {
        let (_, absent, _) = grove.sign(statement, 16 - parts.len() as u64);
        prop_assert!(absent.iter().all(|member| parts.contains_key(member)), "{absent:?}");
    }
    prop_assert!(grove.trees().len() <= 4);
    // Trees aside, at most one attempt for each disruptor, and one, in each session.
    let disruptors = BTreeSet::from_iter(parts.keys()).len();
    prop_assert!(grove.attempts() <= 4 + 2 * (disruptors + 1), "{}", grove.attempts());
    Ok(())
}

/// Each strategy alone, at every place.
#[test]
fn every_strategy_ends_in_a_signature() {
    for strategy in 0..STRATEGIES {
        for member in [1, 4, 9, 14] {
            mixed(kary(3), &[(member, strategy)]).unwrap();
            mixed(Shape::Groups, &[(member, strategy)]).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn mixed_strategies_end_in_a_signature(
        shape in prop_oneof![Just(kary(2)), Just(kary(3)), Just(Shape::Groups)],
        parts in prop::collection::vec((1u16..16, 0..STRATEGIES), 1..6),
    ) {
        mixed(shape, &parts)?;
    }
}

/// Honest members, all through: the world that the attacks are measured against.
#[test]
fn without_a_strategy_all_sign_in_one_tree() {
    let (grove, _, _, absent) = with_a_head(kary(3), |_, _, to, message| send(to, message));
    assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1));
}
