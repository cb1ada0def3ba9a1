//! A round of signing over a tree of thousands of witnesses, on a simulated network whose
//! processors take as long as this one takes for the same work. Each does all of its own.

use std::{sync::Arc, time::Duration};

use cosi::{
    CollectiveSignature, Policy, cosigner, leader,
    machine::{Fault, Index, Time},
    message::Message,
    roster::Roster,
    sim::{Application, Bug, Counters, Cpu, Latency, Network, Outcome, Simulation},
    tree::Shape,
    witness::{Command, Config, Error, Event, Witness},
};

use super::work::{keys, members};

/// As many as the CoSi authors' data has.
pub(crate) const WITNESSES: u16 = 8421;
/// Half a round trip.
const HOP: Duration = Duration::from_millis(50);
/// Longer than any round, in simulated time.
const LIMIT: Duration = Duration::from_secs(60);

/// Two rounds by the same witnesses: the second spends what was committed to in the first.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// From the announcement to the verified signature, in simulated time.
    pub(crate) took: [Duration; 2],
    /// How many sent what in both, by kind.
    pub(crate) said: String,
    /// How long the leader's processor worked, in both together.
    pub(crate) leader: Duration,
    /// How long all processors worked.
    pub(crate) all: Duration,
}

/// Who has heard what.
#[derive(Debug, Default)]
struct Hall {
    signed: Option<(Time, CollectiveSignature, usize)>,
    faults: usize,
}

impl Application<Witness> for Hall {
    fn on_event(&mut self, _: Index, now: Time, event: Event, commands: &mut Vec<Command>) {
        if let Event::Led(leader::Event::Signed { signature, absent, .. }) = event {
            self.signed = Some((now, signature, absent.len()));
        } else if let Event::Cosigned(cosigner::Event::Validate { digest, .. }) = event {
            let verdict = cosigner::Command::Validated { digest, accept: true };
            commands.push(Command::Cosign(verdict));
        }
    }

    fn on_fault(&mut self, _: Index, _: Time, _: Fault<Index>) {
        self.faults = self.faults.saturating_add(1);
    }

    fn on_error(&mut self, _: Index, _: Time, _: Error) {
        self.faults = self.faults.saturating_add(1);
    }
}

/// Has them sign twice.
pub(crate) fn run() -> Result<Rounds, String> {
    let keys = keys(WITNESSES);
    let roster = Roster::new(members(&keys)).map_err(|error| error.to_string())?;
    let network =
        Network { latency: Latency::Fixed(HOP), cpu: Cpu::Measured, ..Network::default() };
    let mut simulation = Simulation::new(network, Hall::default());
    for (me, key) in roster.indices().zip(&keys) {
        let mut config = Config::new(roster.clone(), me, Arc::clone(key));
        config.leader.shape = Shape::balanced(roster.size());
        config.cosigner.limits.calls = 4;
        simulation.add(me, config);
    }
    simulation.label(label);
    let bug = |bug: Bug<Index>| bug.to_string();
    let Some(lead) = roster.index(0) else { return Err("there is no witness".into()) };
    // Everybody is up before the first round, and done with it before the second.
    let quiet = |simulation: &mut Simulation<Witness, Hall>| -> Result<Time, Bug<Index>> {
        simulation.run_until(simulation.now().after(Duration::from_secs(5)), |_| false)?;
        Ok(simulation.now())
    };
    let mut took = [Duration::ZERO; 2];
    for (took, statement) in took.iter_mut().zip([[1; 32], [2; 32]]) {
        let began = quiet(&mut simulation).map_err(bug)?;
        let policy = Policy::Complete;
        let announce = leader::Command::Announce { statement: statement.to_vec(), policy };
        simulation.command(began, lead, Command::Lead(announce));
        let limit = began.after(LIMIT);
        let signed = |simulation: &Simulation<_, Hall>| simulation.application().signed.is_some();
        let outcome = simulation.run_until(limit, signed).map_err(bug)?;
        let signed = simulation.application_mut().signed.take();
        let Some((at, signature, absent)) = signed.filter(|_| outcome == Outcome::Done) else {
            return Err(format!("{WITNESSES} witnesses do not sign within {LIMIT:?}"));
        };
        let holds = signature.verify(&roster, &statement, &Policy::Complete);
        holds.map_err(|error| error.to_string())?;
        let mut flipped = signature;
        flipped.response[0] ^= 1;
        if flipped.verify(&roster, &statement, &policy).is_ok() {
            return Err("a signature with a bit flipped holds".into());
        }
        let faults = simulation.application().faults;
        if absent > 0 || faults > 0 {
            return Err(format!("{absent} honest witnesses are absent, {faults} faults are found"));
        }
        *took = at.since_epoch().saturating_sub(began.since_epoch());
    }
    let total = simulation.total();
    let said = total.sent_by_label.iter();
    let said: Vec<_> = said.map(|(label, sent)| format!("{} {label}s", sent.messages)).collect();
    let busy = |counters: &Counters| counters.busy;
    Ok(Rounds {
        took,
        said: said.join(", "),
        leader: simulation.counters(lead).map_or(Duration::ZERO, busy),
        all: busy(&total),
    })
}

const fn label(message: &Message) -> &'static str {
    if matches!(message, Message::Call(..)) {
        "call"
    } else if matches!(message, Message::Tuple(..)) {
        "tuple"
    } else if matches!(message, Message::Challenge(..)) {
        "challenge"
    } else if matches!(message, Message::Sum(..)) {
        "sum"
    } else {
        "message outside the tree"
    }
}
