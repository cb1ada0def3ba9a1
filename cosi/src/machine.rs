//! What every protocol machine has in common: an input goes in, its whole consequence comes out.

use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize, io};
use curve25519_dalek::rand_core::CryptoRng;

pub use crate::{
    domain::Domain,
    roster::Index,
    step::{Evidence, Fault, FaultKind, Held, Output, Signed, Step, To},
};

/// A reading of the host's clock: nanoseconds since the Unix epoch, as that clock tells it.
///
/// Survives encoding, unlike `std::time::Instant`. The last one is in the year 2554.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Time(u64);

impl Time {
    /// The time `elapsed` after the Unix epoch, or the last one.
    pub fn at(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after the Unix epoch this is.
    pub const fn since_epoch(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time `delay` later, or the last one.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::at(self.since_epoch().saturating_add(delay))
    }
}

/// What there is none of: the record of a machine that keeps nothing. No bytes are its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl BorshSerialize for Never {
    fn serialize<W: io::Write>(&self, _: &mut W) -> io::Result<()> {
        match *self {}
    }
}

impl BorshDeserialize for Never {
    fn deserialize_reader<R: io::Read>(_: &mut R) -> io::Result<Self> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// The world, as one input sees it: what time it is and where entropy comes from.
#[expect(missing_debug_implementations, reason = "nobody keeps one")]
pub struct Cx<'a> {
    now: Time,
    rng: &'a mut dyn CryptoRng,
}

impl<'a> Cx<'a> {
    /// A context for one input. `rng` must be cryptographically secure outside of tests.
    pub fn new(now: Time, rng: &'a mut dyn CryptoRng) -> Self {
        Self { now, rng }
    }

    /// The time of this input.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The host's entropy.
    pub fn rng(&mut self) -> &mut dyn CryptoRng {
        self.rng
    }
}

/// A protocol, seen by drivers, simulators and fuzzers.
///
/// Every machine has the same operations as plain methods; import this trait only to
/// write code that works for any machine.
pub trait Machine {
    /// Whom it talks to.
    type Peer: Copy + Ord;
    /// What peers say to each other.
    type Message;
    /// What the application asks for.
    type Command;
    /// What the application is told.
    type Event;
    /// What must survive a crash.
    type Record;
    /// Why a command was turned down.
    type Error: core::error::Error;

    /// Takes in what `from` said. Whatever it is, this neither fails nor panics.
    fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: Self::Peer,
        message: Self::Message,
    ) -> StepOf<Self>;

    /// Does what the application asks, or refuses and is as before.
    fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Self::Command,
    ) -> Result<StepOf<Self>, Self::Error>;

    /// Acts on the time in `cx`. Harmless when early, or when called twice.
    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> StepOf<Self>;

    /// When [`handle_timeout`](Self::handle_timeout) next has something to do. `None`: never.
    fn next_timeout(&self) -> Option<Time>;
}

/// A machine that outlives crashes by its records.
pub trait Restore: Machine + Sized {
    /// What the application decides before the machine runs.
    type Config;
    /// Why the records cannot be this machine's.
    type RestoreError: core::error::Error;

    /// The machine that wrote `records`, and the step that says again what a crash may have
    /// swallowed. Without records, a fresh one.
    fn restore(
        config: Self::Config,
        records: impl IntoIterator<Item = Self::Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, StepOf<Self>), Self::RestoreError>;
}

/// The step of a machine.
pub type StepOf<T> = Step<
    <T as Machine>::Message,
    <T as Machine>::Event,
    <T as Machine>::Record,
    <T as Machine>::Peer,
>;

/// Implements [`Machine`], and [`Restore`] where asked, by the plain methods of the same names.
#[macro_export]
macro_rules! impl_machine {
    ($machine:ty { $($name:ident = $type:ty),* } restore { $($restore:ident = $with:ty),* }) => {
        $crate::impl_machine!($machine { $($name = $type),* });
        const _: () = {
            use $crate::machine::{Cx, StepOf};
            impl $crate::machine::Restore for $machine {
                $(type $restore = $with;)*
                fn restore(
                    config: Self::Config,
                    records: impl IntoIterator<Item = Self::Record>,
                    cx: &mut Cx<'_>,
                ) -> Result<(Self, StepOf<Self>), Self::RestoreError> {
                    <$machine>::restore(config, records, cx)
                }
            }
        };
    };
    ($machine:ty { $($name:ident = $type:ty),* }) => {
        const _: () = {
            use $crate::machine::{Cx, StepOf, Time};
            impl $crate::machine::Machine for $machine {
                $(type $name = $type;)*
                fn handle_message(
                    &mut self, cx: &mut Cx<'_>, from: Self::Peer, message: Self::Message,
                ) -> StepOf<Self> {
                    <$machine>::handle_message(self, cx, from, message)
                }
                fn handle_command(
                    &mut self, cx: &mut Cx<'_>, command: Self::Command,
                ) -> Result<StepOf<Self>, Self::Error> {
                    <$machine>::handle_command(self, cx, command)
                }
                fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> StepOf<Self> {
                    <$machine>::handle_timeout(self, cx)
                }
                fn next_timeout(&self) -> Option<Time> {
                    <$machine>::next_timeout(self)
                }
            }
        };
    };
}
