//! Committees, and a network in which client and servers are nodes of one kind.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use cosi::{
    keys::{Seed, SigningKey},
    machine::{Cx, Output, Step, Time, To},
    roster::{Index, Member, Roster},
    round::Offer,
    sim::{Boundary, Network},
};
use curve25519_dalek::rand_core::CryptoRng;
use pvss::{Scheme, ShareKeys, ShareSecret};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
pub(crate) use randhound::sim::{
    Command as NodeCommand, Error as NodeError, Event as NodeEvent, Node, Setup as NodeSetup,
};
use randhound::{
    Client, Committee, Message, Peer, Randomness, Server, Session, Terms, Transcript, Void, client,
    coded::Coded,
    draw,
    message::{Ask, ByClient, Dealing, Deals, Said, Shown, Statement},
    rescuer, server,
};

/// Where a server may crash.
pub(crate) const BOUNDARIES: [Boundary; 4] =
    [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];

/// A quarter of what is sent is lost, a tenth comes twice, and clocks ring early.
pub(crate) fn lossy(seed: u64) -> Network {
    Network {
        seed,
        loss_per_mille: 250,
        duplicate_per_mille: 100,
        spurious_per_mille: 200,
        ..Network::default()
    }
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Some servers, and the client.
pub(crate) struct World {
    pub(crate) committee: Committee,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) secrets: Vec<Arc<ShareSecret>>,
    pub(crate) client: SigningKey,
    pub(crate) terms: Terms,
    /// What opens the terms' attempt.
    pub(crate) void: Option<Void>,
}

pub(crate) fn world(servers: u16, group_size: u16) -> World {
    let mut rng = rng(1);
    let seeds: Vec<_> = (0..servers)
        .map(|at| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&at.to_le_bytes());
            Seed::from_bytes(seed)
        })
        .collect();
    let keys: Vec<_> = seeds.iter().map(Seed::signing_key).collect();
    let secrets: Vec<_> =
        seeds.iter().map(|seed| Arc::new(ShareSecret::derive(seed, Scheme::Dhpvss))).collect();
    let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap();
    let registered = keys.iter().zip(&secrets);
    let registered =
        registered.map(|(key, own)| (*key.public(), own.register(key.public(), &mut rng)));
    let share_keys = ShareKeys::new(Scheme::Dhpvss, registered.collect::<Vec<_>>()).unwrap();
    let committee = Committee::new(roster, share_keys).unwrap();
    let client = Seed::from_bytes([9; 32]).signing_key();
    let terms = Terms {
        purpose: *b"a lottery that draws six numbers",
        slot: 3,
        attempt: 0,
        client: client.public().to_bytes(),
        group_size,
        prior: [5; 32],
    };
    World { committee, keys, secrets, client, terms, void: None }
}

impl World {
    pub(crate) fn session(&self) -> Session {
        Session::new(self.committee.clone(), &self.terms).unwrap()
    }

    pub(crate) fn index(&self, at: u16) -> Index {
        self.committee.roster().index(at).unwrap()
    }

    pub(crate) fn server_setup(&self, at: u16) -> server::Setup {
        server::Setup {
            session: self.session(),
            index: self.index(at),
            key: self.keys[usize::from(at)].clone(),
            secret: self.secrets[usize::from(at)].clone(),
            void: self.void.clone(),
        }
    }

    pub(crate) fn client_setup(&self) -> client::Setup {
        client::Setup {
            session: self.session(),
            key: self.client.clone(),
            retry: Duration::from_millis(400),
            grace: Duration::from_millis(200),
            patience: Duration::from_secs(10),
            rounds: 2,
        }
    }

    pub(crate) fn rescuer_setup(&self) -> rescuer::Setup {
        rescuer::Setup {
            session: self.session(),
            retry: Duration::from_millis(400),
            patience: Duration::from_secs(10),
        }
    }

    pub(crate) fn draw_setup(&self, at: u16) -> draw::Setup {
        draw::Setup {
            session: self.session(),
            index: self.index(at),
            key: self.keys[usize::from(at)].clone(),
            secret: self.secrets[usize::from(at)].clone(),
            retry: Duration::from_millis(400),
            grace: Duration::from_secs(2),
        }
    }

    pub(crate) fn server(&self, at: u16) -> Server {
        let mut rng = rng(at.into());
        let mut cx = Cx::new(Time::default(), &mut rng);
        Server::restore(self.server_setup(at), [], &mut cx).unwrap().0
    }

    pub(crate) fn client(&self) -> Client {
        let mut rng = rng(77);
        let mut cx = Cx::new(Time::default(), &mut rng);
        Client::restore(self.client_setup(), [], &mut cx).unwrap().0
    }

    /// A run in which nothing goes wrong, without a network.
    pub(crate) fn run(&self) -> (Randomness, Transcript) {
        let mut servers: Vec<_> = (0..).zip(&self.keys).map(|(at, _)| self.server(at)).collect();
        let mut client = self.client();
        let mut rng = rng(78);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let step = client.handle_command(&mut cx, client::Command::Start).unwrap();
        let mut wire = VecDeque::new();
        let mut post = |from, messages: Vec<(To<Peer>, Message)>| {
            wire.extend(messages.into_iter().flat_map(|(to, message)| {
                let to = if let To::Some(peers) = to { peers } else { one(to) };
                to.into_iter().map(move |to| (from, to, message.clone()))
            }));
            wire.pop_front()
        };
        let mut next = post(Peer::Client, released(step).messages);
        while let Some((from, to, message)) = next {
            let messages = if let Peer::Server(index) = to {
                let server = &mut servers[usize::from(index.get())];
                let output = released(server.handle_message(&mut cx, from, message));
                assert_eq!(output.faults, []);
                output.messages
            } else {
                let output = released(client.handle_message(&mut cx, from, message));
                assert_eq!(output.faults, []);
                if let Some(client::Event::Finished(output, transcript)) =
                    output.events.into_iter().next()
                {
                    return (output, transcript);
                }
                output.messages
            };
            next = post(to, messages);
        }
        panic!("the run stopped");
    }

    /// A pair's public half, as the server could offer it.
    pub(crate) fn offer(&self, at: u16) -> Offer {
        let (mut rng, key) = (rng(79), &self.keys[usize::from(at)]);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let roster = self.committee.roster().id();
        Offer::draw(&mut cx, key, &roster, &self.session().id().0, &mut 0).0
    }

    /// R1, with some offer.
    pub(crate) fn dealt(&self, said: &Said<Dealing>) -> Message {
        Message::Dealing(said.clone(), self.offer(said.what.dealer))
    }

    /// The root over the fragments of all chosen deals.
    pub(crate) fn availability(&self, deals: &[Deals]) -> [u8; 32] {
        Coded::new(&self.session(), deals).unwrap().root()
    }

    /// I2 for a server, under the client's signature, with the fragment of these deals.
    pub(crate) fn shown(&self, statement: Statement, deals: &[Deals], to: u16) -> Shown {
        let session = self.session();
        let coded = Coded::new(&session, deals).unwrap();
        let group = session.groups().place(self.index(to)).unwrap().group;
        Shown {
            statement: ByClient::new(&self.client, statement),
            deals: deals[usize::from(group)].clone(),
            fragment: coded.fragment(self.index(to)).unwrap(),
            ask: Ask::Single,
        }
    }
}

fn one(to: To<Peer>) -> Vec<Peer> {
    let To::One(peer) = to else { panic!("{to:?}") };
    vec![peer]
}

pub(crate) fn invitation(world: &World) -> Message {
    let config = world.session().config().clone();
    Message::Invitation(ByClient::new(&world.client, config))
}

/// Hands a fresh server a message of the client's, and returns its one answer.
pub(crate) fn answer(world: &World, at: u16, message: Message) -> Message {
    let mut rng = rng(5);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let output = released(world.server(at).handle_message(&mut cx, Peer::Client, message));
    output.messages.into_iter().next().unwrap().1
}

/// The deals of all servers, as the client gets them.
pub(crate) fn dealings(world: &World) -> Vec<Said<Dealing>> {
    let deal = |(at, _)| {
        let Message::Dealing(dealing, _) = answer(world, at, invitation(world)) else { panic!() };
        dealing
    };
    (0..).zip(&world.keys).map(deal).collect()
}

/// Another deal by the same server, made for `session` and signed for that of `said`.
pub(crate) fn deal_again(
    world: &World,
    session: &Session,
    said: &Said<Dealing>,
    rng: &mut dyn CryptoRng,
) -> Said<Dealing> {
    let at = usize::from(said.what.dealer);
    let group = world.session().groups().place(world.index(said.what.dealer)).unwrap().group;
    let (own, sharing) = (world.keys[at].public().to_bytes(), session.sharing(group).unwrap());
    let (deal, _) = pvss::deal(sharing, &own, &world.secrets[at], rng);
    let what = Dealing { deal, ..said.what.clone() };
    Said::new(&world.keys[at], what)
}

pub(crate) fn released<M, E, R, P>(step: Step<M, E, R, P>) -> Output<M, E, P> {
    step.into_records().1.release()
}
