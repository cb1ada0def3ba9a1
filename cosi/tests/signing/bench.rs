//! Who sits out the next sessions, and for how long.

use std::{cell::Cell, rc::Rc, time::Duration};

use cosi::{
    Policy, leader,
    message::{Message, Refusal, Response, Said},
};

use crate::common::{Fate, World, key};

fn as_it_is(message: Message) -> Fate {
    vec![(Duration::ZERO, message)]
}

/// A member that withholds every response: after 1, 2, 4 … 64, and 64 sessions more it is asked
/// again, and costs an attempt each time.
#[test]
fn a_member_sits_out_twice_as_many_sessions_each_time_and_64_at_most() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Response(_) => vec![],
        other => as_it_is(other),
    });
    let (mut asked, sessions) = (vec![], 1 + 2 + 4 + 8 + 16 + 32 + 64 + 64 + 9);
    for session in 0..sessions {
        let before = world.attempts();
        world.announce(&(session as u16).to_le_bytes());
        world.run();
        if world.attempts() - before == 2 {
            asked.push(session);
        }
        world.log.clear();
    }
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    assert_eq!(gaps, [1, 2, 4, 8, 16, 32, 64, 64]);
}

/// A session that fails tells as much of who withheld as one that is signed without them.
#[test]
fn whoever_withheld_to_the_end_of_a_failed_session_sits_out_the_next() {
    let mut world = World::new(4);
    let withholds = Rc::new(Cell::new(true));
    let still = withholds.clone();
    world.corrupt([2], move |_, message| match message {
        // Its commitment comes all the same, and the leader could spend it next.
        Message::Response(said) if still.get() => as_it_is(Message::Commitment(said.what.ahead)),
        Message::Single(_) if still.get() => vec![],
        other => as_it_is(other),
    });
    world.policy = Policy::Complete;
    world.announce(b"1");
    world.run();
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));

    withholds.set(false);
    world.policy = Policy::Quorum;
    for statement in [b"2", b"3"] {
        world.announce(statement);
        world.run();
    }
    assert_eq!(world.signed(b"2").1, [2], "the others are enough");
    assert!(world.signed(b"3").1.is_empty());
}

/// One that refuses in session after session costs an attempt in two of them, and sits out like one
/// that withholds. Having crashed once is no offence.
#[test]
fn whoever_refuses_again_before_it_signs_sits_out() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Response(said) => {
            let Response { challenge, member, nonce, ahead, .. } = said.what;
            let nonce = Some(nonce);
            as_it_is(Message::Refusal(Said::new(
                &key(3),
                Refusal { challenge, member, nonce, ahead },
            )))
        }
        other => as_it_is(other),
    });
    let mut attempts = vec![];
    for statement in 0..9u8 {
        let before = world.attempts();
        world.announce(&[statement]);
        world.run();
        attempts.push(world.attempts() - before);
    }
    assert_eq!(attempts, [2, 2, 1, 2, 1, 1, 2, 1, 1]);

    let mut world = World::new(4);
    let mut attempts = vec![];
    for statement in 0..6u8 {
        let before = world.attempts();
        if statement % 2 == 1 {
            world.start(3);
        }
        world.announce(&[statement]);
        world.run();
        attempts.push(world.attempts() - before);
    }
    assert_eq!(attempts, [1, 2, 1, 2, 1, 2]);
    for statement in [0, 2, 4] {
        assert!(world.signed(&[statement]).1.is_empty(), "it signs in between");
    }
}
