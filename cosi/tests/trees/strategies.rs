//! Any mixture of strategies, session after session.

use std::collections::{BTreeMap, BTreeSet};

use cosi::machine::{Index, To};
use cosi::{
    mask::Mask,
    message::{Account, Ask, Message, Response, Tuple},
    nonce::NonceId,
    sim::{Deliveries, Delivery},
    tree::Shape,
    wire::BoundedVec,
};
use curve25519_dalek::{EdwardsPoint, Scalar};
use proptest::prelude::*;

use crate::{
    attacks::{again, send, tuple, wrong_response, wrong_sum, wrong_sums},
    grove::{Node, Sent, grove, kary},
};

const SIZE: u16 = 16;
const STRATEGIES: usize = 20;

/// One message of a member that follows a strategy.
fn play(strategy: usize, to: To<Index>, message: Message) -> Deliveries<Node> {
    let down = matches!(message, Message::Call(..) | Message::Challenge(..));
    let up = matches!(message, Message::Tuple(..) | Message::Sum(..));
    match (strategy, message) {
        (0, _) => vec![],
        (1, _) if up => vec![],
        (2, _) if down => vec![],
        (3, Message::Sum(..) | Message::Response(_)) => vec![],
        (3, Message::Account(..)) => vec![],
        (4, Message::Sum(said, ahead)) => send(to, Message::Sum(wrong_sum(said), ahead)),
        (5, Message::Tuple(said, session)) => send(to, tuple(said, session, wrong_sums)),
        (6, Message::Tuple(said, session)) => send(
            to,
            tuple(said, session, |tuple| Tuple {
                mask: Mask::of(SIZE.into(), tuple.mask.iter().chain([tuple.member ^ 1])),
                ..tuple
            }),
        ),
        (7, Message::Tuple(said, session)) => send(
            to,
            tuple(said, session, |tuple| Tuple {
                mask: Mask::of(SIZE.into(), [tuple.member]),
                ..tuple
            }),
        ),
        (8, Message::Challenge(said, _)) => {
            send(to, Message::Challenge(said, Ask::Branch(NonceId([9; 16]))))
        }
        (9, Message::Challenge(mut said, ask)) => {
            said.what.commitments[0] = EdwardsPoint::mul_base(&Scalar::ONE).compress().to_bytes();
            send(to, Message::Challenge(said, ask))
        }
        (10, _) if up => vec![(to, Delivery::Bytes(vec![5; 40]))],
        (11, Message::Response(said)) => {
            let said = again(said, |what| Response { response: [1; 32], ..what });
            send(to, Message::Response(said))
        }
        (12, message) => [send(to.clone(), message.clone()), send(to, message)].concat(),
        (13 | 14, Message::Sum(said, ahead)) => send(to, Message::Sum(wrong_sum(said), ahead)),
        // It stands by a share that is wrong.
        (13, Message::Account(said, ahead)) => {
            let share = |what: Account| Account { response: wrong_response(what.response), ..what };
            send(to, Message::Account(again(said, share), ahead))
        }
        // It forgets what its children said.
        (14, Message::Account(said, ahead)) => {
            let forget = |what: Account| {
                let mut children = what.children.into_inner();
                children.iter_mut().for_each(|(_, quote)| *quote = None);
                Account { children: BoundedVec::new(children).unwrap(), ..what }
            };
            send(to, Message::Account(again(said, forget), ahead))
        }
        // What it commits to ahead is not what it has.
        (15, Message::Sum(said, ahead)) => send(to, Message::Sum(said, again(ahead, wrong_sums))),
        (16, Message::Sum(said, ahead)) => {
            let ahead = again(ahead, |tuple| Tuple { nonce: NonceId([3; 16]), ..tuple });
            send(to, Message::Sum(said, ahead))
        }
        // It asks its children for themselves alone, and passes nothing up.
        (17, Message::Challenge(said, Ask::Branch(nonce))) => {
            send(to, Message::Challenge(said, Ask::Own(nonce)))
        }
        // It answers only when it is asked directly, and then as if it had heard of nothing.
        (18, Message::Account(..) | Message::Refusal(_)) => vec![],
        (18, _) if up => vec![],
        // It stands by a tuple that is wrong.
        (19, Message::Tuple(said, session)) => send(to, tuple(said, session, wrong_sums)),
        (19, Message::Account(said, ahead)) => {
            let stand = |what: Account| Account { tuple: again(what.tuple, wrong_sums), ..what };
            send(to, Message::Account(again(said, stand), ahead))
        }
        (_, message) => send(to, message),
    }
}

fn mixed(shape: Shape, parts: &[(u16, usize)], sessions: u8) -> Result<(), TestCaseError> {
    let parts: BTreeMap<u16, usize> = parts.iter().copied().collect();
    let mut grove = grove(SIZE, shape);
    let strategies = parts.clone();
    grove.corrupt(parts.keys().copied(), move |me, output: Sent| {
        output.into_iter().flat_map(|(to, message)| play(strategies[&me], to, message)).collect()
    });
    for number in 0..sessions {
        let before = grove.attempts();
        let (_, absent, _) = grove.sign(&[number], u64::from(SIZE) - parts.len() as u64);
        prop_assert!(absent.iter().all(|member| parts.contains_key(member)), "{absent:?}");
        // Over trees, at most two; and in stars one for each disruptor, and one.
        let disruptors = BTreeSet::from_iter(parts.keys()).len();
        prop_assert!(grove.attempts() - before <= 2 + disruptors + 1, "{}", grove.attempts());
    }
    Ok(())
}

/// Each strategy alone, at every kind of place.
#[test]
fn every_strategy_ends_in_a_signature() {
    for strategy in 0..STRATEGIES {
        for member in [1, 4, 14] {
            mixed(kary(3), &[(member, strategy)], 2).unwrap();
            mixed(Shape::Groups, &[(member, strategy)], 2).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn mixed_strategies_end_in_a_signature(
        shape in prop_oneof![Just(kary(2)), Just(kary(3)), Just(Shape::Groups)],
        parts in prop::collection::vec((1u16..SIZE, 0..STRATEGIES), 1..6),
    ) {
        mixed(shape, &parts, 4)?;
    }
}
