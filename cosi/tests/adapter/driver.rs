//! The driver, run in virtual time.

use std::{future::Future, time::Duration};

use cosi::{
    machine::{Cx, Fault, FaultKind, Time, To},
    tokio::{BACKLOG, Channels, Clock, Endpoint, Journal, Memory, Network, Notice, Request, run},
    wire::DecodeError,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use crate::ringer::{Command, Event, RUDE, Refused, Ringer};

#[derive(Clone, Copy)]
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Time {
        Time::at(self.0.elapsed())
    }
}

/// What comes within a virtual minute or two.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(100), coming).await.unwrap()
}

type Commands = mpsc::Sender<Request<Ringer>>;
type Notices = mpsc::Receiver<Notice<Event, u8>>;

/// The host of ringer 1.
struct Host<E> {
    commands: Commands,
    notices: Notices,
    clock: Virtual,
    driver: JoinHandle<Result<(), E>>,
}

impl<E: Send + 'static> Host<E> {
    /// Restores the ringer from `journal` and runs it. One notice has room beside the driver.
    fn start(
        records: Vec<u64>,
        network: impl Network<u8, u64> + 'static,
        journal: impl Journal<u64, Error = E> + 'static,
    ) -> Self {
        let (mut rng, clock) = (ChaCha20Rng::seed_from_u64(0), Virtual(Instant::now()));
        let restored = Ringer::restore((), records, &mut Cx::new(clock.now(), &mut rng)).unwrap();
        let (commands, requests) = mpsc::channel(8);
        let (events, notices) = mpsc::channel(1);
        let driver = tokio::spawn(run(restored, network, journal, clock, rng, requests, events));
        Self { commands, notices, clock, driver }
    }

    async fn command(&self, command: Command) -> Option<Result<(), Refused>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.unwrap();
        soon(answer).await.ok()
    }

    async fn event(&mut self) -> Event {
        let Some(Notice::Event(event)) = soon(self.notices.recv()).await else { panic!() };
        event
    }

    async fn fault(&mut self) -> (u8, FaultKind) {
        let Some(Notice::Fault(fault)) = soon(self.notices.recv()).await else { panic!() };
        let Fault { culprit, kind, evidence: None } = fault else { panic!() };
        (culprit, kind)
    }
}

async fn heard(other: &mut Endpoint<u8, u64>) -> u64 {
    let Some((1, Ok(word))) = soon(other.recv()).await else { panic!() };
    word
}

#[tokio::test(start_paused = true)]
async fn events_faults_and_errors_reach_the_host_and_a_restart_says_again() {
    let (channels, journal) = (Channels::new([1, 2], 8), Memory::new());
    let mut other = channels.join(2);
    let mut host = Host::start(vec![], channels.join(1), journal.clone());
    assert_eq!(host.command(Command::Say(7)).await, Some(Ok(())));
    assert_eq!(host.command(Command::Say(7)).await, Some(Err(Refused::Said)));
    assert_eq!(heard(&mut other).await, 7);
    other.send(To::All, 9);
    assert_eq!(host.event().await, Event::Heard { from: 2, word: 9 });
    other.send(To::All, RUDE);
    assert_eq!(host.fault().await, (2, FaultKind::WrongRole));

    host.driver.abort();
    let records: Vec<u64> = journal.clone().replay().await.unwrap();
    assert_eq!(records, [7]);
    let mut host = Host::start(records, channels.join(1), journal);
    assert_eq!(host.event().await, Event::Told(7));
    assert_eq!(heard(&mut other).await, 7);
    assert_eq!(host.command(Command::Say(7)).await, Some(Err(Refused::Said)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_delays_no_deadline_and_no_command() {
    let channels = Channels::new([1, 2], 8);
    let mut other = channels.join(2);
    let mut host = Host::start(vec![], channels.join(1), Memory::new());
    host.command(Command::Wake(Duration::from_secs(5))).await.unwrap().unwrap();
    let deadline = host.clock.now().after(Duration::from_secs(5));
    (1..=8).for_each(|word| other.send(To::All, word));
    // One notice fills the channel, the next waits in the driver, and the rest in the network,
    // which has room for two more.
    tokio::time::sleep(Duration::from_secs(60)).await;
    (9..=11).for_each(|word| other.send(To::All, word));
    assert_eq!(channels.dropped(), 1);
    assert_eq!(host.command(Command::Wake(Duration::from_secs(5))).await, Some(Ok(())));

    let mut words = Vec::new();
    let rang = loop {
        match host.event().await {
            Event::Heard { word, .. } => words.push(word),
            Event::Rang { at } => break at,
            Event::Told(_) => panic!(),
        }
    };
    assert_eq!(words, [1, 2]);
    assert!(rang >= deadline && rang < deadline.after(Duration::from_millis(10)), "{rang:?}");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_never_listens_counts_as_gone() {
    let host = Host::start(vec![], Channels::new([1], 8).join(1), Memory::new());
    // One notice is in the channel.
    for _ in 0..BACKLOG + 1 {
        assert_eq!(host.command(Command::Tell(1)).await, Some(Ok(())));
    }
    assert!(!host.driver.is_finished());
    assert_eq!(host.command(Command::Tell(0)).await, Some(Ok(())), "nothing to tell");
    assert_eq!(host.command(Command::Tell(1)).await, Some(Ok(())));
    assert_eq!(soon(host.driver).await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn however_much_a_step_tells_the_application_hears_all_of_it() {
    let much = 3 * u64::try_from(BACKLOG).unwrap();
    let (records, network) = ((1..=much).collect(), Channels::new([1], 8).join(1));
    let mut host = Host::start(records, network, Memory::new());
    host.command(Command::Wake(Duration::from_secs(1))).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(host.command(Command::Tell(much)).await, Some(Ok(())));
    for word in 1..=much {
        assert_eq!(host.event().await, Event::Told(word));
    }
    assert!(matches!(host.event().await, Event::Rang { .. }));
    for at in 0..much {
        assert_eq!(host.event().await, Event::Told(at));
    }
}

/// Keeps the first words, and then fails.
struct Failing(Vec<u64>);

impl Journal<u64> for Failing {
    type Error = &'static str;

    async fn append(&mut self, records: Vec<u64>) -> Result<(), &'static str> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.extend(records);
        if self.0.len() < 3 { Ok(()) } else { Err("full") }
    }

    async fn replay(&mut self) -> Result<Vec<u64>, &'static str> {
        Ok(self.0.clone())
    }

    async fn rewrite(&mut self, records: Vec<u64>) -> Result<(), &'static str> {
        self.0 = records;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_released_before_its_record_is_durable_or_when_it_never_is() {
    let channels = Channels::new([1, 2], 8);
    let mut other = channels.join(2);
    let host = Host::start(vec![], channels.join(1), Failing(vec![]));
    for word in [1, 2] {
        let before = host.clock.now();
        assert_eq!(host.command(Command::Say(word)).await, Some(Ok(())));
        assert!(host.clock.now() >= before.after(Duration::from_secs(1)));
        assert_eq!(heard(&mut other).await, word);
    }
    assert_eq!(host.command(Command::Say(3)).await, None, "neither done nor refused");
    assert_eq!(soon(host.driver).await.unwrap(), Err("full"));
    let silence = tokio::time::timeout(Duration::from_secs(100), other.recv());
    assert!(silence.await.is_err(), "the third word was never said");
}

/// Delivers what it was given, and ends.
struct Script(std::vec::IntoIter<(u8, Result<u64, DecodeError>)>);

impl Network<u8, u64> for Script {
    fn send(&mut self, _: To<u8>, _: u64) {}

    async fn recv(&mut self) -> Option<(u8, Result<u64, DecodeError>)> {
        self.0.next()
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_message_are_one_fault_a_peer() {
    let malformed = |from| (from, Err(DecodeError));
    let script = [malformed(2), malformed(2), (2, Ok(5)), malformed(3), malformed(2)];
    let mut host = Host::start(vec![], Script(Vec::from(script).into_iter()), Memory::new());
    assert_eq!(host.fault().await, (2, FaultKind::Malformed));
    assert_eq!(host.event().await, Event::Heard { from: 2, word: 5 });
    assert_eq!(host.fault().await, (3, FaultKind::Malformed));
    assert_eq!(soon(host.notices.recv()).await, None);
    assert_eq!(soon(host.driver).await.unwrap(), Ok(()), "the network went away");
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_application_or_its_place_in_the_network() {
    let channels = Channels::new([1, 2], 8);
    let host = Host::start(vec![], channels.join(1), Memory::new());
    drop(host.commands);
    assert_eq!(soon(host.driver).await.unwrap(), Ok(()));

    let host = Host::start(vec![], channels.join(1), Memory::new());
    drop(host.notices);
    channels.join(2).send(To::All, 1);
    assert_eq!(soon(host.driver).await.unwrap(), Ok(()));

    let host = Host::start(vec![], channels.join(1), Memory::new());
    let _other = channels.join(1);
    assert_eq!(soon(host.driver).await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_delays_no_deadline_and_no_command() {
    struct Flood;
    impl Network<u8, u64> for Flood {
        fn send(&mut self, _: To<u8>, _: u64) {}
        async fn recv(&mut self) -> Option<(u8, Result<u64, DecodeError>)> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((2, Err(DecodeError)))
        }
    }
    let mut host = Host::start(vec![], Flood, Memory::new());
    assert_eq!(host.fault().await, (2, FaultKind::Malformed));
    let deadline = host.clock.now().after(Duration::from_secs(5));
    host.command(Command::Wake(Duration::from_secs(5))).await.unwrap().unwrap();
    let Event::Rang { at } = host.event().await else { panic!() };
    assert!(at >= deadline && at < deadline.after(Duration::from_millis(10)));
}
