//! Witnesses that all lead and all cosign, at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cosi::{
    Policy, Witness, cosigner,
    keys::{Seed, Signature},
    leader,
    machine::{Cx, Fault, FaultKind, Index, Time, To},
    message::{Message, Said, Verified},
    roster::{Member, Roster},
    sim::{Application, Cpu, Network, Outcome, SharedCheck, SharedWork, Simulation},
    witness::{Command, Config, Error, Event, Step},
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

/// Verifies what is said once for all who hear it.
struct Signatures(Roster);

impl SharedCheck<Witness> for Signatures {
    type Verified = Verified<Message>;

    fn verify(&mut self, message: &Message) -> Option<Verified<Message>> {
        message.clone().verify(&self.0).ok()
    }

    fn handle(
        &mut self,
        witness: &mut Witness,
        cx: &mut Cx<'_>,
        from: Index,
        verified: Verified<Message>,
    ) -> Step {
        witness.handle_verified(cx, from, verified)
    }
}

#[test]
fn more_than_a_hundred_share_the_check_of_an_announcement_and_each_pays_for_it() {
    let (roster, configs) = configs(101);
    let run = |cpu, share: bool| {
        let mut sim = Simulation::new(Network { cpu, ..Network::default() }, Notes::default());
        for config in configs.iter().cloned() {
            sim.add(config.leader.me, config);
        }
        if share {
            sim.share(Signatures(roster.clone()));
        }
        let (statement, policy) = (b"release 1.0".to_vec(), Policy::Complete);
        let announce = leader::Command::Announce { statement, policy };
        let first = roster.index(0).unwrap();
        sim.command(Time::at(Duration::from_secs(1)), first, Command::Lead(announce));
        let limit = Time::at(Duration::from_secs(60));
        assert_eq!(sim.run_until(limit, |_| false), Ok(Outcome::Quiet));
        assert_eq!(sim.application().signed.values().map(Vec::len).collect::<Vec<_>>(), [0]);
        assert_eq!(sim.application().faults, []);
        sim
    };
    let measured = run(Cpu::Measured, true);
    let SharedWork { done, reused, spent, .. } = measured.shared_work();
    // All but the leader's own copy of the announcement arrive as bytes, and all else is for one.
    assert_eq!((done + reused, reused), (measured.total().received.messages, 99));
    let least = roster.indices().map(|me| measured.counters(me).unwrap().busy).min().unwrap();
    assert!(least > spent / u32::try_from(done).unwrap() / 4, "{least:?}");
    // Nobody's doing hangs on who checked, but for the time that it took.
    let replay = |share| run(Cpu::Replayed(measured.recording().unwrap()), share).digest();
    assert_eq!([replay(true), replay(false)], [measured.digest(); 2]);
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
    let mut cx = Cx::new(Time::default(), &mut rng);
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
