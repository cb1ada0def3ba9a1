//! A run in which as many servers are Byzantine as may be, and what it ends with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cosi::{
    machine::{Fault, FaultKind, Index, Time, To},
    message::Said,
    sim::{Adversary, Application, Deliveries, Delivery, Latency, Network, Outcome, Simulation},
    wire::{BoundedBytes, Wire},
};
use curve25519_dalek::rand_core::CryptoRng;
use randhound::{
    Message, Peer, Randomness, Session, Terms, Transcript, client,
    message::{Acknowledgement, Dealing, Word},
    rescuer,
    sim::{Command, Error, Event, Node, Setup},
};

use super::work::{Acknowledging, HOP, World, text};

/// What a Byzantine server does in place of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strategy {
    /// Say nothing.
    Silent,
    /// Say random bytes.
    Garbled,
    /// Say everything with a bit flipped somewhere.
    Tampering,
    /// Deal twice, both signed.
    TwoFaced,
    /// Deal what is made for another session, and sign it for this one.
    BadDeal,
    /// Deal, and then fall silent.
    Stalling,
    /// Acknowledge wrongly.
    BadPart,
    /// Refuse to acknowledge in any round.
    Refusing,
    /// Open nothing.
    Withholding,
    /// Open another share than the own one.
    BadShare,
    /// Show rescuers another fragment than the own one.
    BadFragment,
}

impl Strategy {
    pub(crate) const ALL: [Self; 11] = [
        Self::Silent,
        Self::Garbled,
        Self::Tampering,
        Self::TwoFaced,
        Self::BadDeal,
        Self::Stalling,
        Self::BadPart,
        Self::Refusing,
        Self::Withholding,
        Self::BadShare,
        Self::BadFragment,
    ];

    /// What the run's client or the rescuer has to hold against such a server. `None`: nothing, or
    /// one thing or another.
    fn fault(self) -> Option<FaultKind> {
        match self {
            Self::Garbled => Some(FaultKind::Malformed),
            Self::TwoFaced => Some(FaultKind::Equivocation),
            Self::BadPart | Self::BadShare | Self::BadFragment => Some(FaultKind::InvalidProof),
            Self::Silent
            | Self::Tampering
            | Self::BadDeal
            | Self::Stalling
            | Self::Refusing
            | Self::Withholding => None,
        }
    }
}

/// What a run under attack ended with.
#[derive(Debug)]
pub(crate) struct Attacked {
    /// The output: the client's, its transcript's, and a rescuer's.
    pub(crate) output: Randomness,
    /// From the first invitation to the client's output, in simulated time.
    pub(crate) took: Duration,
    /// Whether the certificate is a collective one.
    pub(crate) collective: bool,
    /// How many servers are Byzantine.
    pub(crate) byzantine: usize,
    /// How many of them were blamed.
    pub(crate) blamed: usize,
}

/// The Byzantine servers, each with its strategy.
struct Byzantine {
    world: Arc<World>,
    session: Session,
    other: Session,
    of: BTreeMap<Peer, Strategy>,
}

impl World {
    /// A run with f Byzantine servers, which share out these strategies. Afterwards a rescuer, who
    /// knows nothing but the session, asks the servers too.
    ///
    /// # Errors
    ///
    /// Whatever of this does not hold: client, transcript and rescuer have the same output, and no
    /// honest node is blamed.
    pub(crate) fn attacked(self: &Arc<Self>, strategies: &[Strategy]) -> Result<Attacked, String> {
        let session = self.session()?;
        let f = usize::try_from(session.roster().faulty()).map_err(text)?;
        let servers = session.roster().indices().map(Peer::Server);
        let of: BTreeMap<_, _> = servers.take(f).zip(strategies.iter().copied().cycle()).collect();
        let network = Network { latency: Latency::Fixed(HOP), ..Network::default() };
        let mut simulation = Simulation::new(network, Court::default());
        let retry = Duration::from_secs(1);
        self.seat(&mut simulation, Acknowledging::Collective, retry)?;
        let guest = Peer::Guest(0);
        let rescuer =
            rescuer::Setup { session: session.clone(), retry, patience: Duration::from_secs(60) };
        simulation.add(guest, Setup::Rescuer(rescuer));
        let terms = Terms { slot: self.terms.slot.saturating_add(1), ..self.terms.clone() };
        let other = Session::new(self.committee.clone(), &terms).map_err(text)?;
        let adversary = Byzantine { world: Arc::clone(self), session, other, of: of.clone() };
        simulation.byzantine(of.keys().copied(), adversary);

        let began = Time::at(retry);
        let start = [
            (Peer::Client, Command::Client(client::Command::Start)),
            (guest, Command::Rescuer(rescuer::Command::Start)),
        ];
        let mut at = began;
        for (peer, command) in start {
            simulation.command(at, peer, command);
            let over = |simulation: &Simulation<_, Court>| {
                simulation.application().outputs.contains_key(&peer)
            };
            let limit = at.after(Duration::from_secs(200));
            let outcome = simulation.run_until(limit, over).map_err(text)?;
            if outcome != Outcome::Done {
                let why = &simulation.application().aborted;
                return Err(format!("{peer:?} has no output: {outcome:?}, {why:?}"));
            }
            at = simulation.now();
        }
        let Court { outputs, faults, .. } = simulation.application_mut();
        let [client, rescued] = [Peer::Client, guest].map(|peer| outputs.remove(&peer));
        let (Some((took, output, transcript)), Some((_, rescued, other))) = (client, rescued)
        else {
            return Err("there are no two outputs".into());
        };
        for transcript in [&transcript, &other] {
            let verified = transcript.verify(&self.committee, &self.terms).map_err(text)?;
            if verified != output || rescued != output {
                return Err(format!("{output:?}, {rescued:?} and {verified:?} are one session's"));
            }
        }
        if let Some((culprit, kind)) = faults.iter().find(|(culprit, _)| !of.contains_key(culprit))
        {
            return Err(format!("{culprit:?} is honest and blamed for {kind:?}"));
        }
        for (peer, kind) in of.iter().filter_map(|(peer, it)| Some((*peer, it.fault()?))) {
            if strategies.len() == 1 && faults.iter().all(|fault| fault.1 != kind) {
                return Err(format!("nobody is blamed for {kind:?}, and {peer:?} did that"));
            }
        }
        let blamed: BTreeSet<_> = faults.iter().map(|(culprit, _)| *culprit).collect();
        Ok(Attacked {
            output,
            took: took.since_epoch().saturating_sub(began.since_epoch()),
            collective: matches!(transcript.certificate, cosi::Certificate::Collective(_)),
            byzantine: of.len(),
            blamed: blamed.len(),
        })
    }
}

/// What honest nodes tell, and whom they blame.
#[derive(Debug, Default)]
struct Court {
    outputs: BTreeMap<Peer, (Time, Randomness, Transcript)>,
    aborted: Vec<String>,
    faults: Vec<(Peer, FaultKind)>,
}

impl Application<Node> for Court {
    fn on_event(&mut self, peer: Peer, now: Time, event: Event, _: &mut Vec<Command>) {
        match event {
            Event::Client(client::Event::Finished(output, transcript))
            | Event::Rescuer(rescuer::Event::Finished(output, transcript)) => {
                self.outputs.insert(peer, (now, output, transcript));
            }
            Event::Client(other) => self.aborted.push(format!("{other:?}")),
            Event::Rescuer(other) => self.aborted.push(format!("{other:?}")),
            Event::Server(_) => {}
        }
    }

    fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
        self.faults.push((fault.culprit, fault.kind));
    }

    fn on_error(&mut self, _: Peer, _: Time, error: Error) {
        self.aborted.push(error.to_string());
    }
}

impl Adversary<Node> for Byzantine {
    fn corrupt(
        &mut self,
        peer: Peer,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let Some((strategy, index)) = self.of.get(&peer).copied().zip(index(peer)) else {
            return Vec::new();
        };
        let mut deliveries = Vec::new();
        for (to, message) in output {
            let said = self.say(strategy, index, message, rng);
            deliveries.extend(said.into_iter().map(|said| (to.clone(), said)));
        }
        deliveries
    }
}

const fn index(peer: Peer) -> Option<Index> {
    match peer {
        Peer::Server(index) => Some(index),
        Peer::Client | Peer::Guest(_) => None,
    }
}

impl Byzantine {
    /// What such a server says in place of a message.
    fn say(
        &self,
        strategy: Strategy,
        server: Index,
        message: Message,
        rng: &mut dyn CryptoRng,
    ) -> Vec<Delivery<Message>> {
        let honest = |message| vec![Delivery::Message(message)];
        match (strategy, message) {
            (Strategy::Silent, _)
            | (
                Strategy::Stalling,
                Message::Acknowledgement(_) | Message::Opened(_) | Message::Kept(_),
            )
            | (Strategy::Withholding, Message::Opened(_)) => Vec::new(),
            (Strategy::Garbled, _) => vec![Delivery::Bytes(random::<300>(rng).into())],
            (Strategy::Tampering, message) => {
                let mut bytes = message.encode();
                let at = u32::from_le_bytes(random(rng));
                let at = usize::try_from(at).unwrap_or_default().checked_rem(bytes.len());
                if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 1;
                }
                vec![Delivery::Bytes(bytes)]
            }
            (Strategy::TwoFaced, Message::Dealing(said, offer)) => {
                let again = Message::Dealing(self.deal(server, &self.session, rng), offer);
                vec![Delivery::Message(Message::Dealing(said, offer)), Delivery::Message(again)]
            }
            (Strategy::BadDeal, Message::Dealing(_, offer)) => {
                honest(Message::Dealing(self.deal(server, &self.other, rng), offer))
            }
            (Strategy::BadPart, Message::Acknowledgement(said)) => {
                let word = match said.word {
                    Word::Part { attempt, ahead, .. } => {
                        Word::Part { attempt, response: [1; 32], ahead }
                    }
                    Word::Single(_) => Word::Single(cosi::keys::Signature([7; 64])),
                    refusal @ Word::Refusal { .. } => refusal,
                };
                honest(Message::Acknowledgement(Acknowledgement { word, ..said }))
            }
            (Strategy::Refusing, Message::Acknowledgement(said)) => match said.word {
                Word::Part { attempt, ahead, .. } | Word::Refusal { attempt, ahead } => {
                    let word = Word::Refusal { attempt, ahead };
                    honest(Message::Acknowledgement(Acknowledgement { word, ..said }))
                }
                Word::Single(_) => Vec::new(),
            },
            (Strategy::BadShare, Message::Opened(mut opened)) => {
                opened.share.proof.response = [1; 32];
                honest(Message::Opened(opened))
            }
            (Strategy::BadFragment, Message::Kept(mut kept)) => {
                if let Some((_, fragment)) = &mut kept.acknowledged {
                    fragment.bytes =
                        BoundedBytes::new(random::<64>(rng).into()).unwrap_or_default();
                }
                honest(Message::Kept(kept))
            }
            (_, message) => honest(message),
        }
    }

    /// A deal made for `session`, signed for the one that runs.
    fn deal(&self, server: Index, session: &Session, rng: &mut dyn CryptoRng) -> Said<Dealing> {
        let place = session.groups().place(server).expect("a server of the roster");
        let sharing = session.sharing(place.group).expect("a group");
        let (key, secret) = self.world.server(server).expect("a server of the roster");
        let (deal, _) = pvss::deal(sharing, &key.public().to_bytes(), secret, rng);
        Said::new(key, Dealing { session: self.session.id(), dealer: server.get(), deal })
    }
}

fn random<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
