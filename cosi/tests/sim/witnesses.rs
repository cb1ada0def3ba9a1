//! Witnesses that all lead and all cosign, at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cosi::{
    Policy, Witness, cosigner,
    keys::{Seed, Signature},
    leader,
    machine::{Fault, FaultKind, Index, Time, To},
    message::{Message, Said},
    roster::{Member, Roster},
    sim::{Application, Network, Outcome, Simulation},
    witness::{Command, Config, Error, Event},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

#[derive(Default)]
struct Notes {
    signed: BTreeMap<(Index, Vec<u8>), Vec<Index>>,
    faults: Vec<(Index, Index, FaultKind)>,
}

impl Application<Witness> for Notes {
    fn on_event(&mut self, peer: Index, _: Time, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Led(leader::Event::Signed { statement, absent, .. }) => {
                assert!(self.signed.insert((peer, statement), absent).is_none(), "signed twice");
            }
            Event::Cosigned(cosigner::Event::Validate { digest, .. }) => {
                let verdict = cosigner::Command::Validated { digest, accept: true };
                commands.push(Command::Cosign(verdict));
            }
            event @ (Event::Led(_) | Event::Cosigned(_) | _) => panic!("{event:?}"),
        }
    }

    fn on_fault(&mut self, peer: Index, _: Time, fault: Fault<Index>) {
        self.faults.push((peer, fault.culprit, fault.kind));
    }

    fn on_error(&mut self, peer: Index, _: Time, error: Error) {
        panic!("{peer:?}: {error}");
    }
}

fn configs(size: u8) -> (Roster, Vec<Config>) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys: Vec<_> =
        (1..=size).map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key())).collect();
    let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap();
    let configs = roster.indices().zip(keys);
    let configs = configs.map(|(me, key)| Config::new(roster.clone(), me, key)).collect();
    (roster, configs)
}

#[test]
fn everybody_leads_while_everybody_cosigns() {
    let (roster, configs) = configs(4);
    let mut sim = Simulation::new(Network::default(), Notes::default());
    for config in configs {
        let (me, statement) = (config.leader.me, vec![b'a'; 40]);
        sim.add(me, config);
        // The same statement, and one of its own.
        for statement in [statement, format!("of {me:?}").into_bytes()] {
            let command = leader::Command::Announce { statement, policy: Policy::Complete };
            sim.command(Time::default(), me, Command::Lead(command));
        }
    }
    let limit = Time::at(Duration::from_secs(10));
    assert_eq!(sim.run_until(limit, |_| false), Ok(Outcome::Quiet));
    let Notes { signed, faults } = sim.application();
    assert_eq!(signed.len(), 8);
    assert!(signed.values().all(Vec::is_empty), "nobody is absent");
    assert_eq!(faults, &[]);
    assert!(roster.indices().all(|i| sim.machine(i).unwrap().next_timeout().is_none()));
}

/// The machine itself, so that both halves hear the same liar.
#[test]
fn a_fault_that_both_halves_see_is_one() {
    let (roster, mut configs) = configs(2);
    let [me, liar] = [0, 1].map(|at| roster.index(at).unwrap());
    let key = configs[1].leader.key.clone();
    let mut witness = Witness::new(configs.remove(0)).unwrap();
    let statement = b"statement".to_vec();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mut cx = cosi::machine::Cx::new(Time::default(), &mut rng);
    // What the liar leads, and what it answers.
    let mut other = Witness::new(configs.remove(0)).unwrap();
    let announce = leader::Command::Announce { statement, policy: Policy::Complete };
    let step = other.handle_command(&mut cx, Command::Lead(announce)).unwrap();
    let mut said = step.into_records().1.release().messages;
    let (To::All, announcement) = said.remove(0) else { panic!() };
    let Message::Announcement(said, statement) = announcement.clone() else { panic!() };
    let forged =
        Message::Announcement(Said { signature: Signature([7; 64]), ..said.clone() }, statement);
    let verdict = cosigner::Command::Validated { digest: said.what.statement, accept: true };
    let _ = witness.handle_command(&mut cx, Command::Cosign(verdict)).unwrap();
    let step = witness.handle_message(&mut cx, liar, announcement);
    let (_, commitment) = step.into_records().1.release().messages.remove(0);
    let Message::Commitment(mut said) = commitment else { panic!() };
    (said.what.leader, said.what.member) = (me.get(), liar.get());
    let honest = Said::new(&key, said.what);
    let lie = Said { signature: Signature([7; 64]), ..honest.clone() };

    let mut faults = Vec::new();
    let said = [honest, lie].map(Message::Commitment);
    for message in said.into_iter().chain([forged.clone(), forged]) {
        let step = witness.handle_message(&mut cx, liar, message);
        faults.extend(step.into_records().1.release().faults);
    }
    assert_eq!(
        faults,
        [Fault { culprit: liar, kind: FaultKind::BadSignature, evidence: None }],
        "one for each member and kind"
    );
}
