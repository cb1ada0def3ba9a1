//! Runs any machine on tokio: the driver, networks, journals and a clock.
//!
//! # Guarantees
//!
//! - **Records before messages.** Nothing is sent, told or answered before the records of its step
//!   are durable. When they never are, [`run`] ends with the journal's error, and nothing has been
//!   released that depends on them.
//! - **A slow application delays no deadline.** While a notice waits for it, the driver takes in no
//!   message, so the load stays in the network's bounded queues; timeouts and commands go on. No
//!   notice is dropped: an application that leaves [`BACKLOG`] of them waiting counts as gone.
//! - **Faults reach the host**, the machine's and those that the network finds: bytes that are no
//!   message, once a peer.
//!
//! # What there is
//!
//! | | for one process | for production |
//! |---|---|---|
//! | [`Network`] | [`Channels`] | [`Tcp`]: mutual TLS 1.3 by raw keys, bounded in all it takes |
//! | [`Journal`] | [`Memory`] | `Disk`, on redb (feature `redb`, Rust 1.90) |
//!
//! [`NoJournal`] is for machines without records, and [`SystemClock`] for all. Networks, journals
//! and clocks of your own are as welcome: the driver knows the traits alone.
//!
//! # What is yours to do
//!
//! - Restore the machine from its journal before it runs, and again after an error or a crash. One
//!   journal a machine.
//! - Read the notices, and answer the machine's questions by commands.
//! - Give a generator that is cryptographically secure and seeded by the system.
//! - Give the driver processor time. A machine checks signatures on the thread that polls the
//!   driver, for up to tens of milliseconds a message. Where that may not delay other tasks, the
//!   network's connections among them, give it a thread, with `runtime` a handle of the runtime:
//!   `std::thread::spawn(move || runtime.block_on(run(..)))`.
//! - Serve guests: peers here are members. Who is none needs a port of the host's own.
//!
//! # Example
//!
//! Two witnesses in one process sign a statement.
//!
//! ```
//! use std::sync::Arc;
//! use cosi::{
//!     Policy, cosigner, leader, keys::Seed, machine::Cx, roster::{Member, Roster},
//!     tokio::{Channels, Clock, NoJournal, Notice, SystemClock, run},
//!     witness::{Command, Config, Event, Witness},
//! };
//! use tokio::sync::{mpsc, oneshot};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys = [1, 2].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()));
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! let channels = Channels::new(roster.indices(), 1024);
//! let clock = SystemClock::new();
//!
//! let mut hosts = Vec::new();
//! for (me, key) in roster.indices().zip(keys) {
//!     # let mut rng = ChaCha20Rng::seed_from_u64(me.get().into());
//!     let mut cx = Cx::new(clock.now(), &mut rng);
//!     let restored = Witness::restore(Config::new(roster.clone(), me, key), [], &mut cx)?;
//!     let (commands, requests) = mpsc::channel(16);
//!     let (events, notices) = mpsc::channel(16);
//!     let network = channels.join(me);
//!     tokio::spawn(run(restored, network, NoJournal, clock.clone(), rng, requests, events));
//!     hosts.push((commands, notices));
//! }
//! let [(ada, mut adas_notices), (bob, mut bobs_notices)] = <[_; 2]>::try_from(hosts).unwrap();
//!
//! let announce = leader::Command::Announce {
//!     statement: b"log head 42".to_vec(),
//!     policy: Policy::Complete,
//! };
//! let (reply, answer) = oneshot::channel();
//! ada.send((Command::Lead(announce), reply)).await?;
//! answer.await??;
//!
//! let Some(Notice::Event(Event::Cosigned(question))) = bobs_notices.recv().await else { panic!() };
//! let cosigner::Event::Validate { digest, .. } = question else { panic!() };
//! // ... look at the statement, and say yes:
//! let verdict = cosigner::Command::Validated { digest, accept: true };
//! let (reply, answer) = oneshot::channel();
//! bob.send((Command::Cosign(verdict), reply)).await?;
//! answer.await??;
//!
//! let Some(Notice::Event(Event::Led(news))) = adas_notices.recv().await else { panic!() };
//! let leader::Event::Signed { signature, .. } = news else { panic!() };
//! signature.verify(&roster, b"log head 42", &Policy::Complete)?;
//! # Ok(())
//! # })
//! # }
//! ```

mod channels;
mod clock;
#[cfg(feature = "redb")]
mod disk;
mod journal;
pub mod tcp;

use alloc::collections::{BTreeSet, VecDeque};
use core::{future::Future, time::Duration};

use ::tokio::sync::{mpsc, oneshot};
use curve25519_dalek::rand_core::CryptoRng;

#[cfg(feature = "redb")]
pub use self::disk::{Disk, DiskError};
pub use self::{
    channels::{Channels, Endpoint},
    clock::{Clock, SystemClock},
    journal::{Journal, Memory, NoJournal},
    tcp::Tcp,
};
use crate::{
    machine::{Cx, Fault, FaultKind, Machine, Output, Step, StepOf, To},
    wire::DecodeError,
};

/// How many notices may wait for the application, beside those of the step that the machine began
/// with.
pub const BACKLOG: usize = 1024;

/// Carries messages.
pub trait Network<P, M>: Send {
    /// Queues a message. Never waits: a network that cannot keep up drops.
    fn send(&mut self, to: To<P>, message: M);

    /// What comes next, and who sent it: a message, or bytes that are none, which is the sender's
    /// fault. `None`: no more will come. Cancel safe.
    fn recv(&mut self) -> impl Future<Output = Option<(P, Result<M, DecodeError>)>> + Send;
}

/// A command, and where to answer: `Ok` once its records are durable and its messages queued.
pub type Request<T> = (<T as Machine>::Command, oneshot::Sender<Result<(), <T as Machine>::Error>>);

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<E, P> {
    /// News of the protocol.
    Event(E),
    /// A peer broke a rule.
    Fault(Fault<P>),
}

/// Runs what [`Restore::restore`](crate::machine::Restore::restore) returned, until the network
/// or the application goes away. The error is the journal's, and nothing was sent that depends
/// on the records it lost: restore the machine.
///
/// The application is gone when it drops `commands` or `events`, or leaves [`BACKLOG`] notices
/// waiting. Dropping the future stops the machine as a crash does.
pub async fn run<T: Machine, J: Journal<T::Record>>(
    (mut machine, mut step): (T, StepOf<T>),
    mut network: impl Network<T::Peer, T::Message>,
    mut journal: J,
    clock: impl Clock,
    mut rng: impl CryptoRng,
    mut commands: mpsc::Receiver<Request<T>>,
    events: mpsc::Sender<Notice<T::Event, T::Peer>>,
) -> Result<(), J::Error> {
    let (mut backlog, mut done) = (VecDeque::new(), None::<oneshot::Sender<_>>);
    let (mut limit, mut malformed) = (None, BTreeSet::new());
    loop {
        let (records, held) = step.into_records();
        if !records.is_empty() {
            journal.append(records).await?;
        }
        let Output { messages, events: news, faults } = held.release();
        messages.into_iter().for_each(|(to, message)| network.send(to, message));
        if let Some(reply) = done.take() {
            reply.send(Ok(())).ok();
        }
        let waiting = backlog.len();
        backlog.extend(faults.into_iter().map(Notice::Fault));
        backlog.extend(news.into_iter().map(Notice::Event));
        let limit = *limit.get_or_insert(backlog.len().saturating_add(BACKLOG));
        if backlog.len() > waiting && waiting >= limit {
            return Ok(());
        }

        let wait = machine
            .next_timeout()
            .map(|deadline| deadline.since_epoch().saturating_sub(clock.now().since_epoch()));
        step = ::tokio::select! {
            () = sleep(wait) => machine.handle_timeout(&mut Cx::new(clock.now(), &mut rng)),
            room = events.reserve(), if !backlog.is_empty() => {
                let Ok(room) = room else { return Ok(()) };
                if let Some(notice) = backlog.pop_front() {
                    room.send(notice);
                }
                Step::none()
            }
            input = network.recv(), if backlog.is_empty() => match input {
                None => return Ok(()),
                Some((from, Ok(message))) => {
                    machine.handle_message(&mut Cx::new(clock.now(), &mut rng), from, message)
                }
                Some((culprit, Err(DecodeError))) if malformed.insert(culprit) => {
                    Step::none().fault(Fault { culprit, kind: FaultKind::Malformed, evidence: None })
                }
                Some((_, Err(DecodeError))) => Step::none(),
            },
            input = commands.recv() => {
                let Some((command, reply)) = input else { return Ok(()) };
                match machine.handle_command(&mut Cx::new(clock.now(), &mut rng), command) {
                    Ok(step) => {
                        done = Some(reply);
                        step
                    }
                    Err(error) => {
                        reply.send(Err(error)).ok();
                        Step::none()
                    }
                }
            }
        };
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => ::tokio::time::sleep(wait).await,
        None => core::future::pending().await,
    }
}
