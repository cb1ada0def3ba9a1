//! Faulty members in a tree cost time, and neither the signature nor an innocent's name.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use cosi::{
    machine::{FaultKind, Index, To},
    mask::Mask,
    message::{Account, Message, Response, Said, Sum, Tuple},
    session::SessionId,
    sim::{Deliveries, Delivery},
    tree::{Shape, Tree},
    wire::BoundedVec,
};
use curve25519_dalek::{Scalar, edwards::CompressedEdwardsY};

use crate::grove::{Grove, Node, grove, kary, key};

const SIZE: u16 = 15;

/// The first tree of a run, whoever is faulty in it: the leader alone decides it.
pub(crate) fn first_tree(size: u16, shape: Shape) -> Tree {
    let mut grove = grove(size, shape);
    grove.sign(b"x", u64::from(size));
    grove.trees().remove(0)
}

/// The leader's children that have children themselves.
pub(crate) fn heads(tree: &Tree) -> Vec<u16> {
    tree.children(0).filter(|head| tree.children(*head).next().is_some()).collect()
}

/// Runs with this member faulty: each message it sends goes through `strategy`.
fn with(
    shape: Shape,
    member: u16,
    strategy: impl Fn(&Tree, u16, To<Index>, Message) -> Deliveries<Node> + 'static,
) -> (Grove, Vec<u16>) {
    let tree = first_tree(SIZE, shape);
    let mut grove = grove(SIZE, shape);
    let inner = tree.clone();
    grove.corrupt([member], move |me, output| {
        output.into_iter().flat_map(|(to, message)| strategy(&inner, me, to, message)).collect()
    });
    let (_, absent, _) = grove.sign(b"x", u64::from(SIZE) - 1);
    assert!(grove.trees()[0] == tree);
    (grove, absent)
}

/// With the first head faulty.
fn with_a_head(
    shape: Shape,
    strategy: impl Fn(&Tree, u16, To<Index>, Message) -> Deliveries<Node> + 'static,
) -> (Grove, Tree, u16, Vec<u16>) {
    let tree = first_tree(SIZE, shape);
    let head = heads(&tree)[0];
    let (grove, absent) = with(shape, head, strategy);
    (grove, tree, head, absent)
}

/// Each place below the leader at which somebody may be faulty: a head, an inner node below one,
/// and a leaf.
fn places() -> Vec<(Shape, u16)> {
    let mut places = vec![];
    for shape in SHAPES() {
        let tree = first_tree(SIZE, shape);
        let head = heads(&tree)[0];
        let below = tree.children(head).next().unwrap();
        let leaf = tree.children(below).next().unwrap_or(below);
        places.extend(BTreeSet::from([head, below, leaf]).into_iter().map(|at| (shape, at)));
    }
    places
}

pub(crate) fn send(to: To<Index>, message: Message) -> Deliveries<Node> {
    vec![(to, Delivery::Message(message))]
}

/// Something said, changed, and signed again by who said it.
pub(crate) fn again<T: cosi::message::Speech>(
    said: Said<T>,
    change: impl FnOnce(T) -> T,
) -> Said<T> {
    let key = key(said.what.speaker());
    Said::new(&key, change(said.what))
}

pub(crate) fn tuple(
    said: Said<Tuple>,
    session: SessionId,
    change: impl FnOnce(Tuple) -> Tuple,
) -> Message {
    Message::Tuple(again(said, change), session)
}

pub(crate) fn more(bytes: [u8; 32]) -> [u8; 32] {
    (Scalar::from_canonical_bytes(bytes).unwrap() + Scalar::ONE).to_bytes()
}

pub(crate) fn wrong_sum(said: Said<Sum>) -> Said<Sum> {
    again(said, |what| Sum { sum: more(what.sum), ..what })
}

pub(crate) fn wrong_response(said: Said<Response>) -> Said<Response> {
    again(said, |what| Response { response: more(what.response), ..what })
}

pub(crate) fn wrong_sums(what: Tuple) -> Tuple {
    Tuple { sums: plus(what.sums, what.own), ..what }
}

fn plus(points: [[u8; 32]; 2], more: [[u8; 32]; 2]) -> [[u8; 32]; 2] {
    let point = |bytes| CompressedEdwardsY(bytes).decompress().unwrap();
    let mut more = more.into_iter();
    points.map(|bytes| (point(bytes) + point(more.next().unwrap())).compress().to_bytes())
}

const SHAPES: fn() -> [Shape; 3] = || [kary(2), kary(3), Shape::Groups];

/// The one conviction that there is, if there is one: a name, and what proves it to anybody.
fn convicted(grove: &Grove) -> Option<u16> {
    let convicted: Vec<_> = grove
        .sim
        .application()
        .faults
        .iter()
        .filter(|(_, fault)| fault.evidence.is_some())
        .map(|(by, fault)| (by.get(), fault.culprit.get(), fault.kind))
        .collect();
    match convicted[..] {
        [] => None,
        [(0, culprit, FaultKind::InvalidProof)] => Some(culprit),
        _ => panic!("{convicted:?}"),
    }
}

/// Its sum is not what it told of: convicted, at whatever place, and no attempt is lost.
#[test]
fn a_wrong_sum_is_convicted_by_the_own_account() {
    for (shape, member) in places() {
        let (grove, absent) = with(shape, member, |_, _, to, message| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![], 1), "{shape:?}: {member}");
        assert_eq!(convicted(&grove), Some(member));
        assert_eq!(grove.sim.application().faults.len(), 1);
    }
}

/// Its own share is wrong, and it stands by it: convicted, and the others sign without it.
#[test]
fn a_wrong_share_is_convicted() {
    for (shape, member) in places() {
        let (mut grove, absent) = with(shape, member, |_, _, to, message| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let said =
                    again(said, |what| Account { response: wrong_response(what.response), ..what });
                send(to, Message::Account(said, ahead))
            }
            Message::Response(said) => send(to, Message::Response(wrong_response(said))),
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![member], 2), "{shape:?}: {member}");
        assert_eq!(convicted(&grove), Some(member));
        // The branches that held did not have to commit anew.
        assert_eq!((grove.trees().len(), grove.said("announcement")), (1, 0));
        // From then on the tree does without it.
        for statement in [b"y", b"z"] {
            assert_eq!(grove.sign(statement, u64::from(SIZE) - 1).1, [member]);
        }
        assert_eq!((grove.attempts(), grove.trees().len()), (4, 2));
        assert!(!grove.trees()[1].contains(member));
    }
}

/// The sums of its tuple are wrong, and it stands by them.
#[test]
fn a_wrong_tuple_is_convicted() {
    for (shape, member) in places() {
        let tree = first_tree(SIZE, shape);
        let is_leaf = tree.children(member).next().is_none();
        let (grove, absent) = with(shape, member, |_, _, to, message| match message {
            Message::Tuple(said, session) => send(to, tuple(said, session, wrong_sums)),
            Message::Account(said, ahead) => {
                let said =
                    again(said, |what| Account { tuple: again(what.tuple, wrong_sums), ..what });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        });
        if is_leaf {
            // A leaf's sums are its own points, or it is as if it had said nothing.
            assert_eq!((absent, grove.attempts(), convicted(&grove)), (vec![], 1, None));
        } else {
            assert_eq!((absent, grove.attempts()), (vec![member], 2), "{shape:?}: {member}");
            assert_eq!(convicted(&grove), Some(member));
        }
    }
}

/// It tells its parent one tuple and the leader another: nobody is convicted, and both ends stand
/// aside.
#[test]
fn two_tuples_convict_nobody() {
    for (shape, member) in places() {
        let tree = first_tree(SIZE, shape);
        if tree.children(member).next().is_none() {
            continue;
        }
        let (mut grove, absent) = with(shape, member, |_, _, to, message| match message {
            Message::Tuple(said, session) => send(to, tuple(said, session, wrong_sums)),
            other => send(to, other),
        });
        assert_eq!((absent, convicted(&grove)), (vec![], None), "{shape:?}: {member}");
        assert_eq!(grove.attempts(), 2);
        grove.sign(b"y", u64::from(SIZE));
        let parent = tree.parent(member).filter(|parent| *parent != 0);
        let aside = parent.into_iter().chain([member]).collect::<BTreeSet<_>>();
        assert_eq!(grove.plans()[1].aside.iter().collect::<BTreeSet<_>>(), aside);
    }
}

/// It quotes its child as saying what it did not, to the leader: it cannot produce that, and
/// stands aside alone. Nobody is convicted.
#[test]
fn a_parent_that_misquotes_frames_nobody() {
    for (shape, member) in places() {
        let tree = first_tree(SIZE, shape);
        if tree.children(member).next().is_none() {
            continue;
        }
        let (mut grove, absent) = with(shape, member, |_, _, to, message| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let said = again(said, |mut what| {
                    let mut children = what.children.into_inner();
                    let quote = children[0].1.as_mut().unwrap();
                    quote.sum = more(quote.sum);
                    what.children = BoundedVec::new(children).unwrap();
                    what
                });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![], 1), "{shape:?}: {member}");
        assert_eq!(grove.sim.application().faults, []);
        grove.sign(b"y", u64::from(SIZE));
        assert_eq!(grove.plans()[1].aside.iter().collect::<Vec<_>>(), [member]);
    }
}

/// It tells its parent another sum than it tells the leader of: its own signature is on both.
/// And if it leaves out what it heard, it stands aside.
#[test]
fn a_parent_that_forgets_a_child_is_not_believed() {
    for shape in SHAPES() {
        let (mut grove, _, head, absent) = with_a_head(shape, |_, _, to, message| match message {
            Message::Sum(..) => vec![],
            Message::Account(said, ahead) => {
                let said = again(said, |mut what| {
                    let mut children = what.children.into_inner();
                    children.iter_mut().for_each(|(_, quote)| *quote = None);
                    what.children = BoundedVec::new(children).unwrap();
                    what
                });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![], 1));
        assert_eq!(grove.sim.application().faults, []);
        grove.sign(b"y", u64::from(SIZE));
        assert_eq!(grove.plans()[1].aside.iter().collect::<Vec<_>>(), [head], "it alone");
    }
}

/// It names other children than its tuple does: as if it were silent.
#[test]
fn whoever_cannot_produce_its_children_is_silent() {
    for shape in SHAPES() {
        let (mut grove, _, head, absent) = with_a_head(shape, |_, _, to, message| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let said = again(said, |mut what| {
                    what.children = BoundedVec::new(vec![]).unwrap();
                    what
                });
                send(to, Message::Account(said, ahead))
            }
            other => send(to, other),
        });
        assert_eq!((absent, grove.attempts()), (vec![head], 2), "{shape:?}");
        assert_eq!(grove.sim.application().faults, []);
        // It owes an account: it stands aside, and is not relied upon.
        assert_eq!(grove.sign(b"y", u64::from(SIZE) - 1).1, [head]);
        assert_eq!(grove.plans()[1].aside.iter().collect::<Vec<_>>(), [head]);
    }
}

/// Whom it leaves out is asked directly, and is in the same signature.
#[test]
fn a_dropped_child_is_asked_directly() {
    for shape in SHAPES() {
        let (mut grove, tree, head, absent) = with_a_head(shape, |tree, me, to, message| {
            let Message::Call(..) = &message else { return send(to, message) };
            let To::Some(mut children) = to else { panic!() };
            children.retain(|child| Some(child.get()) != tree.children(me).next());
            send(To::Some(children), message)
        });
        assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1));
        let dropped = tree.children(head).next().unwrap();
        {
            let log = grove.log.borrow();
            let responses = log.iter().filter(|(_, _, m)| matches!(m, Message::Response(_)));
            // It alone is asked for itself, and whoever stood below it: its branch signs too.
            let below = tree.subtree(dropped).count();
            assert_eq!(responses.count(), below, "{shape:?}");
        }
        assert_eq!(grove.sim.application().faults, []);
        // The way failed: both ends stand aside.
        grove.sign(b"y", u64::from(SIZE));
        let aside: Vec<_> = grove.plans()[1].aside.iter().collect();
        assert_eq!(BTreeSet::from_iter(aside), BTreeSet::from([head, dropped]));
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

/// Z names a child that never heard of the call.
#[test]
fn a_child_that_did_not_commit_is_claimed_in_vain() {
    for shape in SHAPES() {
        let (mut grove, tree, head, absent) = with_a_head(shape, |tree, me, to, message| {
            let first = tree.children(me).next();
            match message {
                Message::Call(said, statement) => {
                    let To::Some(mut children) = to else { panic!() };
                    children.retain(|child| Some(child.get()) != first);
                    send(To::Some(children), Message::Call(said, statement))
                }
                Message::Tuple(said, session) => send(
                    to,
                    tuple(said, session, |tuple| {
                        let mask = Mask::of(15, tuple.mask.iter().chain(first));
                        Tuple { mask, ..tuple }
                    }),
                ),
                other => send(to, other),
            }
        });
        assert_eq!((absent, grove.sim.application().faults.len()), (vec![], 0));
        assert_eq!(grove.attempts(), 2, "{shape:?}: that child's share is missing");
        grove.sign(b"y", u64::from(SIZE));
        assert!(grove.plans()[1].aside.contains(head));
        let child = tree.children(head).next().unwrap();
        assert!(grove.plans()[1].aside.count() <= 1 + usize::from(child > 0));
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
                Message::Tuple(said, session) => {
                    let stolen = said_before.borrow_mut().replace(said.what.clone());
                    let Some(stolen) = stolen else {
                        return send(to, Message::Tuple(said, session));
                    };
                    send(
                        to,
                        tuple(said, session, |tuple| Tuple {
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
            Message::Tuple(said, session) => {
                let mut bytes = said.what.mask.as_bytes().to_vec();
                bytes.resize(len, 0);
                let mask = Mask::from_bytes(bytes).unwrap();
                send(to, tuple(said, session, |tuple| Tuple { mask, ..tuple }))
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
        Message::Tuple(..) => vec![(to, Delivery::Bytes(vec![7; 99]))],
        other => send(to, other),
    });
    assert_eq!((absent, grove.attempts()), (vec![], 1));
    let [(by, fault)] = &grove.sim.application().faults[..] else { panic!() };
    assert_eq!((by.get(), fault.culprit.get(), fault.kind), (0, head, FaultKind::Malformed));

    let (grove, _, head, _) = with_a_head(kary(3), |_, _, to, message| match message {
        Message::Sum(said, ahead) => {
            let said = again(said, |what| Sum { sum: [0xff; 32], ..what });
            send(to, Message::Sum(said, ahead))
        }
        other => send(to, other),
    });
    for (_, fault) in &grove.sim.application().faults {
        assert_eq!((fault.culprit.get(), fault.kind), (head, FaultKind::Malformed));
    }
    assert!(!grove.sim.application().faults.is_empty());
}

/// Honest members, all through: the world that the attacks are measured against.
#[test]
fn without_a_strategy_all_sign_in_one_tree() {
    let (grove, _, _, absent) = with_a_head(kary(3), |_, _, to, message| send(to, message));
    assert_eq!((absent, grove.attempts(), grove.trees().len()), (vec![], 1, 1));
}
