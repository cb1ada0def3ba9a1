//! Those who wish the machines ill: the adversary, and the network's scheduler.

use alloc::{boxed::Box, vec, vec::Vec};
use core::time::Duration;

use curve25519_dalek::rand_core::CryptoRng;

use crate::machine::{Machine, Time, To};

/// Who has the Byzantine nodes in hand, all of them at once.
///
/// Their machines run as everyone's do, and know their keys. What they receive goes through
/// [`receive`](Self::receive), what they would send through [`corrupt`](Self::corrupt), and
/// [`act`](Self::act) sends at any time. So it can read, withhold, forge, reorder, delay and
/// drop whatever its nodes send or receive, say one thing here and another there, and let its
/// nodes act as one.
///
/// That is all its power: every message bears the true sender, one of its nodes that is up,
/// passes that node's uplink, and takes the wire's time; it sees and moves nothing between
/// honest nodes, which never hear of the Byzantine nodes' events, faults and errors. Power over
/// the wire is another matter: see [`Simulation::schedule`](super::Simulation::schedule).
///
/// # Example
///
/// Two nodes withhold their greetings, and send others at noon.
///
/// ```
/// # mod greeter { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/greeter.rs")); }
/// # use greeter::*;
/// use core::time::Duration;
/// use cosi::{
///     machine::{Time, To},
///     sim::{Act, Adversary, Deliveries, Delivery, Network, Simulation},
/// };
/// use curve25519_dalek::rand_core::CryptoRng;
///
/// fn noon() -> Time {
///     Time::at(Duration::from_secs(12 * 3600))
/// }
///
/// #[derive(Default)]
/// struct Surprise {
///     withheld: Vec<u8>,
/// }
///
/// impl Adversary<Greeter> for Surprise {
///     fn corrupt(
///         &mut self,
///         peer: u8,
///         _: Time,
///         _: &mut dyn CryptoRng,
///         output: Vec<(To<u8>, String)>,
///     ) -> Deliveries<Greeter> {
///         self.withheld.extend(output.iter().map(|_| peer));
///         Vec::new()
///     }
///
///     fn next_timeout(&self) -> Option<Time> {
///         (!self.withheld.is_empty()).then(noon)
///     }
///
///     fn act(&mut self, _: Time, _: &mut dyn CryptoRng) -> Vec<Act<Greeter>> {
///         let greeters = self.withheld.drain(..);
///         greeters.map(|peer| (peer, To::One(3), Delivery::Message("Eve".into()))).collect()
///     }
/// }
///
/// let mut simulation = Simulation::new(Network::default(), Guestbook::default());
/// (1..=3).for_each(|peer| simulation.add(peer, ()));
/// simulation.byzantine([1, 2], Surprise::default());
/// [1, 2].map(|peer| simulation.command(Time::default(), peer, "Bob".into()));
/// simulation.run_until(noon().after(Duration::from_secs(1)), |_| false)?;
/// let arrival = noon().after(Duration::from_millis(50));
/// assert_eq!(simulation.application().0, [(3, arrival, 1), (3, arrival, 2)]);
/// # Ok::<(), cosi::sim::Bug<u8>>(())
/// ```
pub trait Adversary<M: Machine> {
    /// What `peer` sends, in place of the `output` of a step of its machine, which may be empty.
    fn corrupt(
        &mut self,
        peer: M::Peer,
        now: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<M::Peer>, M::Message)>,
    ) -> Deliveries<M>;

    /// What `peer`'s machine hears, and from whom, in place of what it received. The same, unless
    /// overridden.
    ///
    /// It takes in all of it in one step.
    fn receive(
        &mut self,
        _peer: M::Peer,
        _now: Time,
        _rng: &mut dyn CryptoRng,
        from: M::Peer,
        message: M::Message,
    ) -> Vec<(M::Peer, M::Message)> {
        vec![(from, message)]
    }

    /// Hears news of `peer`'s machine, as its application would. Ignores it unless overridden.
    fn on_event(
        &mut self,
        _peer: M::Peer,
        _now: Time,
        _event: M::Event,
        _commands: &mut Vec<M::Command>,
    ) {
    }

    /// When it next wishes to [`act`](Self::act); now, if that is past. Asked after every event.
    /// Never, unless overridden.
    fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Acts of its own accord at [`next_timeout`](Self::next_timeout), which must then be later:
    /// which of its nodes sends what. Nothing, unless overridden.
    ///
    /// What a node sends that is down is gone. A sender that is not in its hands makes the step
    /// fail with [`Flaw::Forged`](super::Flaw::Forged).
    fn act(&mut self, _now: Time, _rng: &mut dyn CryptoRng) -> Vec<Act<M>> {
        Vec::new()
    }
}

/// What an adversary sends, and to whom.
pub type Deliveries<M> = Vec<(To<<M as Machine>::Peer>, Delivery<<M as Machine>::Message>)>;

/// What an adversary sends, by which of its nodes, and to whom.
pub type Act<M> =
    (<M as Machine>::Peer, To<<M as Machine>::Peer>, Delivery<<M as Machine>::Message>);

/// What an adversary sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery<T> {
    /// A message.
    Message(T),
    /// Bytes, which may be no message. A receiver that cannot decode them blames their sender
    /// with [`FaultKind::Malformed`](crate::machine::FaultKind::Malformed), once in each life.
    Bytes(Vec<u8>),
}

/// A copy of a message as it is sent, seen by an asynchronous network's scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter<'a, P> {
    /// Who sent it.
    pub from: P,
    /// Whom it goes to.
    pub to: P,
    /// Its [label](super::Simulation::label).
    pub label: &'static str,
    /// Its encoding.
    pub bytes: &'a [u8],
}

/// Who delays messages on the wire, and by how much at most.
pub(super) struct Scheduler<P> {
    bound: Duration,
    delay: Box<Delay<P>>,
}

type Delay<P> = dyn FnMut(Time, &mut dyn CryptoRng, Letter<'_, P>) -> Duration;

impl<P> Scheduler<P> {
    pub(super) fn new(bound: Duration, delay: Box<Delay<P>>) -> Self {
        Self { bound, delay }
    }

    pub(super) fn delay(
        &mut self,
        now: Time,
        rng: &mut dyn CryptoRng,
        letter: Letter<'_, P>,
    ) -> Duration {
        (self.delay)(now, rng, letter).min(self.bound)
    }
}
