//! The same machines in one process, in virtual time.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use cosi::{
    keys::Seed,
    machine::{Fault, Time},
    sim::{Application, Boundary, Cpu, Crash, Latency, Network, Simulation, When},
};
use curve25519_dalek::rand_core::Rng as _;
use examples::{Bar, entropy};
use pvss::{Scheme, ShareSecret};
use randhound::{
    Peer, Session,
    client::{self, Abort},
    server,
    sim::{Command, Error, Event, Node, Setup},
};

use crate::run::{Drawn, Gone, RunError};

/// One way, so that a round trip takes 200 ms.
pub(crate) const LATENCY: Duration = Duration::from_millis(100);
/// 100 Mbit/s, up and down.
pub(crate) const BYTES_A_SECOND: u64 = 12_500_000;

/// What the nodes tell.
#[derive(Debug, Default)]
struct Heard {
    ended: Option<Result<Drawn, Abort>>,
    faults: u64,
}

impl Application<Node> for Heard {
    fn on_event(&mut self, _: Peer, now: Time, event: Event, _: &mut Vec<Command>) {
        let Event::Client(event) = event else { return };
        self.ended = match event {
            client::Event::Finished(output, transcript) => {
                Some(Ok(Drawn::new(output, transcript, now.since_epoch())))
            }
            client::Event::Aborted(why) => Some(Err(why)),
            _ => return,
        };
    }

    fn on_fault(&mut self, _: Peer, _: Time, _: Fault<Peer>) {
        self.faults = self.faults.saturating_add(1);
    }

    fn on_error(&mut self, _: Peer, _: Time, _: Error) {}
}

/// Draws the output of one session.
pub(crate) fn draw(
    seeds: &[Seed],
    session: &Session,
    client: client::Setup,
    gone: Gone,
    bar: &Bar,
) -> Result<Drawn, RunError> {
    let rate = NonZeroU64::new(BYTES_A_SECOND);
    let network = Network {
        seed: entropy().next_u64(),
        latency: Latency::Fixed(LATENCY),
        uplink: rate,
        downlink: rate,
        cpu: Cpu::Measured,
        ..Network::default()
    };
    let mut network = Simulation::new(network, Heard::default());
    bar.start(seeds.len(), "servers");
    network.add(Peer::Client, Setup::Client(client));
    for (index, seed) in session.roster().indices().zip(seeds) {
        let secret = Arc::new(ShareSecret::derive(seed, Scheme::Dhpvss));
        let (session, key) = (session.clone(), seed.signing_key());
        let setup = server::Setup { session, index, key, secret, void: None };
        let peer = Peer::Server(index);
        network.add(peer, Setup::Server(setup));
        if gone.is_absent(index.get()) {
            let (when, boundary) = (When::At(Time::default()), Boundary::Idle);
            network.crash(peer, Crash { when, boundary, down_for: None });
        } else if gone.is_killed(index.get()) {
            // Its start is its first step, and its deal the second.
            let (when, boundary) = (When::Step(2), Boundary::Idle);
            network.crash(peer, Crash { when, boundary, down_for: None });
        }
        bar.set(index.get().into());
    }
    network.command(Time::default(), Peer::Client, Command::Client(client::Command::Start));

    bar.start(seeds.len().saturating_mul(3), "answers");
    let mut steps = 0_u64;
    let over = |network: &Simulation<Node, Heard>| {
        steps = steps.saturating_add(1);
        if steps.is_multiple_of(64)
            && let Some(counters) = network.counters(Peer::Client)
        {
            bar.set(usize::try_from(counters.received.messages).unwrap_or(usize::MAX));
        }
        network.application().ended.is_some()
    };
    let limit = Time::at(Duration::from_secs(86_400));
    network.run_until(limit, over).map_err(|bug| RunError::Simulation(bug.to_string()))?;
    let counters = network.counters(Peer::Client).cloned().unwrap_or_default();
    let shared = network.application();
    match shared.ended.clone() {
        Some(Ok(drawn)) => Ok(Drawn {
            client_cpu: Some(counters.busy),
            sent: counters.sent.bytes,
            received: counters.received.bytes,
            faults: shared.faults,
            ..drawn
        }),
        Some(Err(why)) => Err(RunError::Aborted(why)),
        None => Err(RunError::Simulation("nothing happens any more".into())),
    }
}
