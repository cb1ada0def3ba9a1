//! Steps and times: what a parent takes over, and in which order.

use std::time::Duration;

use cosi::{
    machine::{Fault, FaultKind, Never, Step, Time, To},
    wire::Wire,
};

type Child = Step<u8, char, u8, u8>;
type Parent = Step<String, &'static str, String, u8>;

fn fault(culprit: u8, kind: FaultKind) -> Fault<u8> {
    Fault { culprit, kind, evidence: None }
}

fn child(number: u8) -> Child {
    Step::none()
        .record(number)
        .send(To::All, number)
        .send(To::One(9), number + 1)
        .event('e')
        .fault(fault(number, FaultKind::Malformed))
}

#[test]
fn a_parent_takes_over_all_but_the_events_and_in_order() {
    let mut parent: Parent = Step::none().record("own".into()).send(To::One(7), "own".into());
    let events = parent.absorb(child(1), |m| format!("m{m}"), |r| format!("r{r}"));
    assert_eq!(events, ['e']);
    let (records, held) = parent.event("mine").into_records();
    assert_eq!(records, ["own", "r1"]);
    let output = held.release();
    let said = [(To::One(7), "own"), (To::All, "m1"), (To::One(9), "m2")];
    assert_eq!(output.messages, said.map(|(to, what)| (to, what.to_owned())));
    assert_eq!(output.events, ["mine"]);
    assert_eq!(output.faults, [fault(1, FaultKind::Malformed)]);
}

#[test]
fn the_later_step_comes_after() {
    let (records, held) = child(1).and(child(5)).into_records();
    assert_eq!(records, [1, 5]);
    let output = held.release();
    let said: Vec<_> = output.messages.iter().map(|(_, what)| *what).collect();
    assert_eq!(said, [1, 2, 5, 6]);
    assert_eq!(output.events.len(), 2);
    assert_eq!(output.faults, [1, 5].map(|at| fault(at, FaultKind::Malformed)));
}

#[test]
fn all_of_a_childs_peers_are_some_of_its_parents() {
    let step = child(1).send(To::Some(vec![2, 3]), 4);
    let (_, held) = step.map_peers(u32::from, || vec![20, 30]).into_records();
    let output = held.release();
    let to: Vec<_> = output.messages.into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [To::Some(vec![20, 30]), To::One(9), To::Some(vec![2, 3])]);
    assert_eq!(output.faults[0].culprit, 1_u32);
}

#[test]
fn faults_that_do_not_pass_are_gone() {
    let step = child(1).fault(fault(2, FaultKind::Equivocation));
    let (_, held) = step.retain_faults(|fault| fault.culprit == 2).into_records();
    assert_eq!(held.release().faults, [fault(2, FaultKind::Equivocation)]);
}

#[test]
fn time_ends_and_does_not_wrap() {
    let last = Time::at(Duration::MAX);
    assert_eq!(last.since_epoch(), Duration::from_nanos(u64::MAX));
    assert_eq!(last.after(Duration::from_secs(1)), last);
    assert_eq!(Time::at(Duration::from_secs(1)).after(Duration::MAX), last);
}

#[test]
fn what_there_is_none_of_has_no_encoding() {
    assert!([&[][..], &[0], &[0; 40]].into_iter().all(|bytes| Never::decode(bytes).is_err()));
}
