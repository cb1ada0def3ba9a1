//! The work that is measured: committees, a whole run on a simulated network, and its transcript.
//!
//! The binary `evaluate` of the package `examples` measures the same, from this file.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use cosi::{
    keys::{Seed, SigningKey},
    machine::{Fault, Index, Time},
    sim::{Application, Counters, Cpu, Latency, Network, Simulation},
    wire::Wire,
};
use pvss::{Scheme, ShareSecret};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use randhound::{
    Candidate, Committee, Peer, Randomness, Session, Terms, Transcript, client, server,
    sim::{Command, Error, Event, Node, Setup},
};

/// Half a round trip of the authors' network.
pub(crate) const HOP: Duration = Duration::from_millis(100);
/// Its 100 Mbps, in bytes a second.
const BANDWIDTH: u64 = 12_500_000;
/// Longer than any run, in simulated time.
const LIMIT: Duration = Duration::from_secs(120);

/// Some servers and a client, each with keys of this program's own.
pub(crate) struct World {
    pub(crate) committee: Committee,
    pub(crate) terms: Terms,
    keys: Vec<SigningKey>,
    secrets: Vec<Arc<ShareSecret>>,
    client: SigningKey,
}

impl World {
    pub(crate) fn new(servers: u16, group_size: u16) -> Result<Self, String> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let seed = |position: u16| {
            let mut seed = [3; 32];
            seed.iter_mut().zip(position.to_le_bytes()).for_each(|(to, from)| *to = from);
            Seed::from_bytes(seed)
        };
        let seeds: Vec<_> = (0..servers).map(seed).collect();
        let keys: Vec<_> = seeds.iter().map(Seed::signing_key).collect();
        let secrets = seeds.iter().map(|seed| ShareSecret::derive(seed, Scheme::Dhpvss));
        let secrets: Vec<_> = secrets.map(Arc::new).collect();
        let candidates: Vec<_> = seeds.iter().map(|seed| Candidate::new(seed, &mut rng)).collect();
        let committee = Committee::of(&candidates).map_err(text)?;
        let client = Seed::from_bytes([9; 32]).signing_key();
        let terms = Terms {
            purpose: *b"a lottery that draws six numbers",
            slot: 1,
            attempt: 0,
            client: client.public().to_bytes(),
            group_size,
            prior: [5; 32],
        };
        Ok(Self { committee, terms, keys, secrets, client })
    }

    pub(crate) fn session(&self) -> Result<Session, String> {
        Session::new(self.committee.clone(), &self.terms).map_err(text)
    }

    /// Seats the session's client, who asks again after `retry`, and its servers.
    pub(crate) fn seat<A: Application<Node>>(
        &self,
        simulation: &mut Simulation<Node, A>,
        acknowledging: Acknowledging,
        retry: Duration,
    ) -> Result<(), String> {
        let (session, second) = (self.session()?, Duration::from_secs(1));
        let servers = session.roster().size().try_into().map_err(text)?;
        let client = client::Setup {
            session: session.clone(),
            key: self.client.clone(),
            retry,
            // I2 to a third of the servers takes about half as long.
            grace: Duration::from_millis(servers).max(second),
            patience: Duration::from_secs(60),
            rounds: match acknowledging {
                Acknowledging::Collective => 2,
                Acknowledging::Individual => 0,
            },
        };
        simulation.add(Peer::Client, Setup::Client(client));
        let nodes = session.roster().indices().zip(self.keys.iter().zip(&self.secrets));
        for (index, (key, secret)) in nodes {
            let (key, secret) = (key.clone(), Arc::clone(secret));
            let session = session.clone();
            let server = server::Setup { session, index, key, secret, void: None };
            simulation.add(Peer::Server(index), Setup::Server(server));
        }
        Ok(())
    }

    /// A server's keys.
    pub(crate) fn server(&self, server: Index) -> Option<(&SigningKey, &ShareSecret)> {
        let at = usize::from(server.get());
        Some((self.keys.get(at)?, self.secrets.get(at)?))
    }

    /// A run without faults on the authors' network, whose nodes' processors take as long as this
    /// one takes for the same work. Each does all of its own.
    pub(crate) fn run(&self, acknowledging: Acknowledging) -> Result<Run, String> {
        let session = self.session()?;
        let network = Network {
            latency: Latency::Fixed(HOP),
            uplink: NonZeroU64::new(BANDWIDTH),
            downlink: NonZeroU64::new(BANDWIDTH),
            cpu: Cpu::Measured,
            ..Network::default()
        };
        let mut simulation = Simulation::new(network, Told::default());
        self.seat(&mut simulation, acknowledging, Duration::from_secs(30))?;
        let began = Time::at(Duration::from_secs(1));
        simulation.command(began, Peer::Client, Command::Client(client::Command::Start));
        let over = |simulation: &Simulation<_, Told>| simulation.application().finished.is_some();
        let outcome = simulation.run_until(began.after(LIMIT), over);
        let outcome = outcome.map_err(text)?;
        let busy = |peer| simulation.counters(peer).map_or(Duration::ZERO, |it| it.busy);
        let servers: Vec<_> = session.roster().indices().map(Peer::Server).map(busy).collect();
        let client = simulation.counters(Peer::Client).cloned().unwrap_or_default();
        let total = simulation.total();
        let told = simulation.application_mut();
        let Some((at, output, transcript)) = told.finished.take() else {
            return Err(format!("the run has no output within {LIMIT:?}: {outcome:?}"));
        };
        if told.wrong > 0 {
            return Err(format!("{} faults are found among honest nodes", told.wrong));
        }
        Ok(Run {
            took: at.since_epoch().saturating_sub(began.since_epoch()),
            client,
            servers,
            total,
            output,
            bytes: transcript.encode().len(),
            transcript,
        })
    }
}

/// How servers acknowledge the client's choice.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Acknowledging {
    Collective,
    Individual,
}

/// What a run yielded, and what it cost.
pub(crate) struct Run {
    /// From the first invitation to the output, in simulated time.
    pub(crate) took: Duration,
    pub(crate) client: Counters,
    /// How long each server's processor worked.
    pub(crate) servers: Vec<Duration>,
    pub(crate) total: Counters,
    pub(crate) output: Randomness,
    pub(crate) transcript: Transcript,
    /// The transcript's size.
    pub(crate) bytes: usize,
}

impl Run {
    /// Checks the transcript as a third party does, whose roster is built.
    pub(crate) fn verify(&self, world: &World) -> Result<Randomness, String> {
        self.transcript.verify(&world.committee, &world.terms).map_err(text)
    }

    /// Whether the transcript tells the output, and tampered with tells none.
    pub(crate) fn is_sound(&self, world: &World) -> bool {
        let mut other = self.transcript.clone();
        other.statement.availability[0] ^= 1;
        self.verify(world) == Ok(self.output)
            && other.verify(&world.committee, &world.terms).is_err()
    }
}

/// What the client tells.
#[derive(Debug, Default)]
struct Told {
    finished: Option<(Time, Randomness, Transcript)>,
    wrong: usize,
}

impl Application<Node> for Told {
    fn on_event(&mut self, _: Peer, now: Time, event: Event, _: &mut Vec<Command>) {
        if let Event::Client(client::Event::Finished(output, transcript)) = event {
            self.finished = Some((now, output, transcript));
        }
    }

    fn on_fault(&mut self, _: Peer, _: Time, _: Fault<Peer>) {
        self.wrong = self.wrong.saturating_add(1);
    }

    fn on_error(&mut self, _: Peer, _: Time, _: Error) {
        self.wrong = self.wrong.saturating_add(1);
    }
}

pub(crate) fn text(error: impl ToString) -> String {
    error.to_string()
}
