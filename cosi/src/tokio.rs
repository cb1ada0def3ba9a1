//! Runs any machine on tokio: the driver, and what it stands on.
//!
//! A slow application delays no deadline. While a notice waits for it, the driver takes in no
//! message, so the load stays in the network's bounded queues; timeouts and commands go on. No
//! notice is dropped: an application that leaves [`BACKLOG`] of them waiting counts as gone.

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
    journal::{Journal, Memory},
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
