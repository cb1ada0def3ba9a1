//! How votes become certificates: what a [`Replica`](crate::Replica) asks of the machine below.

mod collective;

use core::{convert::Infallible, fmt::Debug};

use cosi::{
    keys,
    machine::{self, Index, Machine},
    roster::Roster,
    wire::Wire,
};

pub use self::collective::{Config, CosiVotes, Message, Single, Timing};
use crate::statement::{Height, Statement, View};

/// What a replica asks of its votes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// This member leads: collects votes on the statement until a quorum's are here.
    Open {
        /// What is voted on.
        statement: Statement,
    },
    /// This member votes for the statement. It may be said again at any time.
    Vote {
        /// What it votes for.
        statement: Statement,
        /// Who collects.
        leader: Index,
    },
    /// Nothing before this height and view matters any more.
    Drop {
        /// The first that matters.
        before: (Height, View),
    },
}

/// What the votes came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<C> {
    /// Members of weight ≥ q voted for the statement.
    Certified {
        /// What they voted for.
        statement: Statement,
        /// The proof.
        certificate: C,
    },
}

/// A machine that makes certificates.
///
/// # Duties
///
/// - Signs nothing but the statements of its `Vote` commands and of [`sign`](Votes::sign): the
///   replica has recorded them. It keeps no records itself.
/// - `Vote` and `Open` are repeated after a restart, and while a certificate stays out: a repeat
///   says again what may have been lost.
/// - Liveness never hangs on cooperation. Whenever a quorum votes for an open statement and their
///   messages arrive, it comes to [`Event::Certified`], whatever the others do.
/// - A certificate on a statement is verified by the roster and the statement alone.
pub trait Votes:
    Machine<
        Peer = Index,
        Message: Wire + Clone + Eq + Debug,
        Command = Command,
        Event = Event<Self::Certificate>,
        Record = Infallible,
        Error = Infallible,
    > + Sized
{
    /// What the embedder decides: at least how to sign.
    type Config: Clone;
    /// One member's signature.
    type Signature: Wire + Clone + Eq + Debug;
    /// The votes of weight ≥ q.
    type Certificate: Wire + Clone + Eq + Debug;

    /// The votes of the member `me`. `None` when the configuration is not that member's.
    fn new(config: Self::Config, roster: &Roster, me: Index) -> Option<Self>;

    /// Signs a proposal or a view change.
    fn sign(&self, statement: &Statement) -> Self::Signature;

    /// Whether `signer` signed the statement by [`sign`](Votes::sign).
    fn verify_signature(
        roster: &Roster,
        signer: Index,
        statement: &Statement,
        signature: &Self::Signature,
    ) -> bool;

    /// Whether members of weight ≥ q voted for the statement.
    fn verify_certificate(
        roster: &Roster,
        statement: &Statement,
        certificate: &Self::Certificate,
    ) -> bool;

    /// The signature as evidence holds it: see [`evidence`](crate::evidence). `None` when
    /// it is of another kind and convinces nobody else.
    fn plain(signature: &Self::Signature) -> Option<keys::Signature>;
}

/// The step of a replica's votes.
pub(crate) type Step<V> = machine::StepOf<V>;
