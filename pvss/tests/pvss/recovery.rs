//! Trustees that answer late, twice, wrongly and for others, or not at all.

use cosi::machine::{Cx, FaultKind, Machine, Output, Restore, Time};
use pvss::{Chosen, DecryptedShare, Recovery, Scheme, Secret, VerifiedShare, recovery::Event};

use crate::common::*;

fn tell(
    recovery: &mut Recovery,
    from: u16,
    share: &DecryptedShare,
) -> Output<DecryptedShare, Event, u16> {
    let mut rng = rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    Machine::handle_message(recovery, &mut cx, from, share.clone()).into_records().1.release()
}

fn chosen(n: usize, t: usize, scheme: Scheme) -> (Chosen, Secret) {
    let sharing = group(n, t, scheme);
    let (deals, secrets): (Vec<_>, Vec<_>) =
        [0, 1].map(|number| verified(&sharing, number)).into_iter().unzip();
    (Chosen::sum(&sharing, &[2; 32], &deals).unwrap(), Secret::sum(&secrets))
}

#[test]
fn liars_are_named_once_and_do_not_stand_in_the_way() {
    for scheme in [Scheme::Dhpvss, Scheme::Schoenmakers] {
        let (chosen, secret) = chosen(7, 3, scheme);
        let mut recovery = Recovery::new(chosen.clone());
        let share = |at: usize| opened(&chosen, at);
        let forged = DecryptedShare { trustee: 4, ..share(2) };
        let quiet = |output: Output<_, _, _>| {
            assert!(output.events.is_empty() && output.faults.is_empty(), "{output:?}");
        };
        quiet(tell(&mut recovery, 0, &share(0)));
        quiet(tell(&mut recovery, 4, &forged));
        quiet(tell(&mut recovery, 4, &share(4)));
        quiet(tell(&mut recovery, 9, &share(1)));

        let named = |output: &Output<_, _, u16>| -> Vec<_> {
            output.faults.iter().map(|fault| (fault.culprit, fault.kind)).collect()
        };
        let output = tell(&mut recovery, 5, &share(1));
        assert_eq!(named(&output), [(5, FaultKind::InvalidProof)], "another's share");
        quiet(tell(&mut recovery, 5, &share(5)));

        let output = tell(&mut recovery, 6, &share(6));
        assert_eq!(named(&output), [(4, FaultKind::InvalidProof)], "looked at with t in hand");
        assert!(output.events.is_empty() && !recovery.is_done());
        quiet(tell(&mut recovery, 4, &share(4)));
        quiet(tell(&mut recovery, 0, &share(0)));

        let output = tell(&mut recovery, 2, &share(2));
        let [Event::Recovered(secrets)] = &output.events[..] else { panic!("{output:?}") };
        assert_eq!(secrets[..], [Secret::sum([&secret])]);
        assert!(recovery.is_done() && named(&output).is_empty());
        quiet(tell(&mut recovery, 3, &share(3)));
    }
}

#[test]
fn a_recovery_holds_one_share_a_trustee_whatever_arrives() {
    let (chosen, _) = chosen(3, 3, Scheme::Dhpvss);
    let mut recovery = Recovery::new(chosen.clone());
    let share = opened(&chosen, 0);
    for from in (0..=u16::MAX).chain([1, 1]) {
        let output = tell(&mut recovery, from, &DecryptedShare { trustee: from, ..share.clone() });
        assert_eq!(output.faults.len(), if from == 2 { 2 } else { 0 }, "{from}");
    }
    let slots = format!("{recovery:?}").matches("Bad").count();
    assert_eq!((slots, recovery.is_done()), (2, false), "all three slots are taken");
}

#[test]
fn a_share_that_verified_counts_whoever_brings_it() {
    for scheme in [Scheme::Dhpvss, Scheme::Schoenmakers] {
        let (chosen, secret) = chosen(4, 3, scheme);
        let (mut recovery, mut rng) = (Recovery::new(chosen.clone()), rng(1));
        let mut cx = Cx::new(Time::default(), &mut rng);
        let mut bring = |recovery: &mut Recovery, share: VerifiedShare| {
            recovery.handle_verified(&mut cx, share).into_records().1.release()
        };
        let share = |at: usize| opened(&chosen, at).verify(&chosen).unwrap();

        // Trustee 2 lies, and was heard; somebody has its true share nevertheless.
        let lie = DecryptedShare { trustee: 0, ..opened(&chosen, 2) };
        assert_eq!(tell(&mut recovery, 2, &lie).faults.len(), 1);
        assert!(bring(&mut recovery, share(2)).events.is_empty());
        assert!(bring(&mut recovery, share(2)).events.is_empty(), "twice is once");

        // Shares of another choice do not count, whatever they are.
        let deals = [0, 1].map(|number| verified(chosen.sharing(), number).0);
        let other = Chosen::sum(chosen.sharing(), &[3; 32], &deals).unwrap();
        for at in [0, 1, 3] {
            let foreign = opened(&other, at).verify(&other).unwrap();
            assert!(bring(&mut recovery, foreign).events.is_empty(), "{at}");
        }
        assert!(bring(&mut recovery, share(3)).events.is_empty());
        let output = bring(&mut recovery, share(0));
        assert_eq!(output.events, [Event::Recovered(vec![Secret::sum([&secret])])]);
        assert!(bring(&mut recovery, share(1)).events.is_empty(), "told once");
    }
}

#[test]
fn a_recovery_begins_anew_after_a_crash() {
    let (chosen, secret) = chosen(3, 2, Scheme::Dhpvss);
    let mut before = Recovery::new(chosen.clone());
    assert!(tell(&mut before, 0, &opened(&chosen, 0)).events.is_empty());
    let mut rng = rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (mut after, step) = <Recovery as Restore>::restore(chosen.clone(), [], &mut cx).unwrap();
    assert!(step.into_records().0.is_empty());
    assert!(tell(&mut after, 1, &opened(&chosen, 1)).events.is_empty(), "one is lost");
    let output = tell(&mut after, 0, &opened(&chosen, 0));
    assert_eq!(output.events, [Event::Recovered(vec![Secret::sum([&secret])])]);
}

#[test]
fn no_timeout_and_no_order_changes_what_is_recovered() {
    let (chosen, secret) = chosen(4, 2, Scheme::Dhpvss);
    for order in [[0, 1], [3, 1], [2, 3]] {
        let mut recovery = Recovery::new(chosen.clone());
        assert_eq!(Machine::next_timeout(&recovery), None);
        let mut rng = rng(1);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let idle = Machine::handle_timeout(&mut recovery, &mut cx).into_records().1.release();
        assert!(idle.messages.is_empty() && idle.events.is_empty() && idle.faults.is_empty());
        let [first, second] = order.map(|at| (u16::try_from(at).unwrap(), opened(&chosen, at)));
        assert!(tell(&mut recovery, first.0, &first.1).events.is_empty());
        let output = tell(&mut recovery, second.0, &second.1);
        assert_eq!(output.events, [Event::Recovered(vec![Secret::sum([&secret])])]);
    }
}
