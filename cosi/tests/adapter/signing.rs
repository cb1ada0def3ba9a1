//! End to end: witnesses on loopback sign together, one of them is killed, and comes back.

use std::{net::SocketAddr, time::Duration};

use cosi::{
    Policy, cosigner, leader,
    machine::{Cx, Index},
    message::Message,
    roster::{Member, Roster},
    session::Digest,
    tokio::{Clock, NoJournal, Notice, Request, SystemClock, Tcp, run, tcp},
    witness::{Command, Config, Event, Witness},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use crate::common::{key, listen, millis, soon};

const MEMBERS: u8 = 5;

fn roster() -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    Roster::new((0..MEMBERS).map(|who| Member::new(&key(who), &mut rng))).unwrap()
}

/// A witness with its application, which signs whatever it is asked to.
struct Host {
    commands: mpsc::Sender<Request<Witness>>,
    signed: mpsc::Receiver<leader::Event>,
    network: tcp::Handle<Index>,
}

impl Host {
    fn start(me: u8, listener: TcpListener, addresses: &[SocketAddr]) -> Self {
        let (roster, mut rng) = (roster(), ChaCha20Rng::seed_from_u64(me.into()));
        let mut config = tcp::Config::of(&roster, key(me)).unwrap();
        config.addresses = roster.indices().zip(addresses.iter().copied()).collect();
        config.limits = tcp::Limits { retry: millis(20), ..tcp::Limits::default() };
        let index = config.me;
        let tcp: Tcp<Index, Message> = Tcp::start(listener, config).unwrap();
        let network = tcp.handle();

        let mut config = Config::new(roster, index, key(me));
        config.leader.timing.patience = Duration::from_secs(1);
        let clock = SystemClock::new();
        let witness = Witness::restore(config, [], &mut Cx::new(clock.now(), &mut rng)).unwrap();
        let (commands, requests) = mpsc::channel(8);
        let (events, notices) = mpsc::channel(8);
        let driver = run(witness, tcp, NoJournal, clock, rng, requests, events);
        let runtime = Handle::current();
        std::thread::spawn(move || runtime.block_on(driver));

        let (news, signed) = mpsc::channel(8);
        tokio::spawn(application(commands.clone(), notices, news));
        Self { commands, signed, network }
    }

    /// Has `statement` signed, and tells who was missing.
    async fn sign(&mut self, statement: &[u8], policy: Policy) -> Vec<u16> {
        let announce = leader::Command::Announce { statement: statement.to_vec(), policy };
        command(&self.commands, Command::Lead(announce)).await;
        let event = soon(self.signed.recv()).await.unwrap();
        let leader::Event::Signed { digest, signature, absent, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!(digest, Digest::of(statement));
        assert_eq!(signature.verify(&roster(), statement, &policy), Ok(()));
        absent.into_iter().map(Index::get).collect()
    }

    /// Ends the witness, and what it knows with it.
    async fn kill(self) {
        let Self { commands, signed, network } = self;
        drop((commands, signed));
        soon(network.closed()).await;
    }
}

async fn command(commands: &mpsc::Sender<Request<Witness>>, command: Command) {
    let (reply, answer) = oneshot::channel();
    commands.send((command, reply)).await.unwrap();
    soon(answer).await.unwrap().unwrap();
}

/// Signs whatever it is asked to, until nobody wants to hear of it.
async fn application(
    commands: mpsc::Sender<Request<Witness>>,
    mut notices: mpsc::Receiver<Notice<Event, Index>>,
    news: mpsc::Sender<leader::Event>,
) {
    loop {
        let notice = tokio::select! {
            () = news.closed() => return,
            notice = notices.recv() => notice,
        };
        match notice {
            Some(Notice::Event(Event::Led(event))) => news.send(event).await.unwrap(),
            Some(Notice::Event(Event::Cosigned(cosigner::Event::Validate { digest, .. }))) => {
                let verdict = cosigner::Command::Validated { digest, accept: true };
                command(&commands, Command::Cosign(verdict)).await;
            }
            Some(other) => panic!("{other:?}"),
            None => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witnesses_sign_over_tcp_while_one_dies_and_comes_back() {
    let mut listeners = Vec::new();
    for _ in 0..MEMBERS {
        listeners.push(listen().await);
    }
    let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    let start = |(me, listener)| Host::start(me, listener, &addresses);
    let mut hosts: Vec<Host> = (0..).zip(listeners).map(start).collect();

    assert_eq!(hosts[0].sign(b"one", Policy::Complete).await, [0; 0]);
    assert_eq!(hosts[1].sign(b"two", Policy::Complete).await, [0; 0]);

    hosts.pop().unwrap().kill().await;
    assert_eq!(hosts[0].sign(b"three", Policy::Quorum).await, [4]);

    let listener = TcpListener::bind(addresses[4]).await.unwrap();
    hosts.push(start((4, listener)));
    assert_eq!(hosts[0].sign(b"four", Policy::Complete).await, [0; 0]);
    assert_eq!(hosts[4].sign(b"five", Policy::Complete).await, [0; 0]);
}
