//! Collecting shares from trustees until enough of them verify.

use alloc::{collections::BTreeMap, vec::Vec};
use core::convert::Infallible;

use cosi::{
    impl_machine,
    machine::{Cx, Fault, FaultKind, Never, Step, Time},
};

use crate::{
    chosen::Chosen,
    secret::Secret,
    share::{DecryptedShare, VerifiedShare, recover, verify_shares},
};

/// What a recovery tells.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// What was chosen: one secret as a sum, else one for each dealer in order. Told once.
    Recovered(Vec<Secret>),
}

/// The step of a [`Recovery`], whose peers are trustees by position.
pub type RecoveryStep = Step<DecryptedShare, Event, Never, u16>;

/// Collects shares until t verify, and names the trustees that sent bad ones.
///
/// Upon receiving a share from its trustee, the first of that trustee, keep it. As soon as the
/// shares that verified and those not looked at could be t, verify the latter as a batch; those
/// that do not hold are faults. With t that hold, tell what they recover, and drop all else.
///
/// Upon receiving a share that verified already, keep it, whatever its trustee sent before.
///
/// It holds at most one share a trustee, and has no timeouts: ask trustees again as you see fit,
/// whose first share counts. Nothing has to survive a crash: it records nothing, and begins anew.
///
/// Duties of the caller: `from` is who sent the share, as the transport knows it. Give a share
/// that anybody else relays, or that another thread looks at, to
/// [`handle_verified`](Self::handle_verified).
///
/// ```
/// # use std::sync::Arc;
/// # use cosi::{keys::Seed, machine::{Cx, Time}};
/// # use pvss::*;
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]));
/// # let owners = seeds.each_ref().map(|seed| *seed.signing_key().public());
/// # let secrets = seeds.map(|seed| Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss)));
/// # let members = owners.iter().zip(&secrets);
/// # let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
/// # let keys = ShareKeys::new(Scheme::Dhpvss, members.collect::<Vec<_>>())?;
/// # let sharing = Sharing::new([7; 32], &keys, 2)?;
/// # let alice = owners[0].to_bytes();
/// # let (deal, secret) = deal(&sharing, &alice, &secrets[0], &mut rng);
/// # let chosen = Chosen::sum(&sharing, &[1; 32], [&deal.verify(&sharing, &alice)?])?;
/// # let mut open = |at: usize| {
/// #     let mut trustee = Trustee::new(sharing.clone(), secrets[at].clone()).unwrap();
/// #     trustee.decrypt(&chosen, &mut rng).unwrap()
/// # };
/// # let (bobs, carols) = (open(1), open(2));
/// # let mut rng = ChaCha20Rng::seed_from_u64(8);
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let mut recovery = Recovery::new(chosen);
/// assert!(recovery.handle_message(&mut cx, 1, bobs).into_records().1.release().events.is_empty());
/// let output = recovery.handle_message(&mut cx, 2, carols).into_records().1.release();
/// assert_eq!(output.events, [recovery::Event::Recovered(vec![secret])]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recovery {
    chosen: Chosen,
    state: State,
}

#[derive(Debug)]
enum State {
    /// At most one slot a trustee.
    Collecting(BTreeMap<u16, Slot>),
    Done,
}

#[derive(Debug)]
enum Slot {
    Unchecked(DecryptedShare),
    Verified(VerifiedShare),
    Bad,
}

impl Recovery {
    /// Opens a recovery of what was chosen.
    pub const fn new(chosen: Chosen) -> Self {
        Self { chosen, state: State::Collecting(BTreeMap::new()) }
    }

    /// The same after a crash, which lost what had arrived: ask for it again.
    pub fn restore(
        chosen: Chosen,
        _records: impl IntoIterator<Item = Never>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, RecoveryStep), Infallible> {
        Ok((Self::new(chosen), Step::none()))
    }

    /// Whether the secrets were told.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes in a share from the trustee at position `from`.
    pub fn handle_message(
        &mut self,
        _cx: &mut Cx<'_>,
        from: u16,
        share: DecryptedShare,
    ) -> RecoveryStep {
        if usize::from(from) >= self.chosen.sharing().keys().len() {
            return Step::none();
        }
        let State::Collecting(slots) = &mut self.state else {
            return Step::none();
        };
        if slots.contains_key(&from) {
            return Step::none();
        }
        if share.trustee != from {
            slots.insert(from, Slot::Bad);
            return Step::none().fault(fault(from));
        }
        slots.insert(from, Slot::Unchecked(share));
        self.advance()
    }

    /// Takes in a share that [`DecryptedShare::verify`] or [`verify_shares`] verified, whoever
    /// brought it. One of another choice is dropped.
    pub fn handle_verified(&mut self, _cx: &mut Cx<'_>, share: VerifiedShare) -> RecoveryStep {
        if share.chosen() != self.chosen.id() {
            return Step::none();
        }
        let State::Collecting(slots) = &mut self.state else {
            return Step::none();
        };
        slots.insert(share.trustee(), Slot::Verified(share));
        self.advance()
    }

    /// Nothing is asked of a recovery.
    pub fn handle_command(
        &mut self,
        _cx: &mut Cx<'_>,
        command: Infallible,
    ) -> Result<RecoveryStep, Infallible> {
        match command {}
    }

    /// Nothing is ever due.
    pub fn handle_timeout(&mut self, _cx: &mut Cx<'_>) -> RecoveryStep {
        Step::none()
    }

    /// Never.
    pub const fn next_timeout(&self) -> Option<Time> {
        None
    }

    fn advance(&mut self) -> RecoveryStep {
        let State::Collecting(slots) = &mut self.state else {
            return Step::none();
        };
        let hopeful = slots.values().filter(|slot| !matches!(slot, Slot::Bad)).count();
        if hopeful < self.chosen.sharing().threshold() {
            return Step::none();
        }
        let mut step = check(slots, &self.chosen);
        let verified = slots.values().filter_map(|slot| match slot {
            Slot::Verified(share) => Some(share),
            Slot::Unchecked(_) | Slot::Bad => None,
        });
        if let Ok(secrets) = recover(&self.chosen, verified) {
            self.state = State::Done;
            step = step.event(Event::Recovered(secrets));
        }
        step
    }
}

/// Looks at every share not looked at.
fn check(slots: &mut BTreeMap<u16, Slot>, chosen: &Chosen) -> RecoveryStep {
    let unchecked = slots.iter().filter_map(|(trustee, slot)| match slot {
        Slot::Unchecked(share) => Some((*trustee, share)),
        Slot::Verified(_) | Slot::Bad => None,
    });
    let (trustees, shares): (Vec<_>, Vec<_>) = unchecked.unzip();
    let verdicts = verify_shares(chosen, shares);
    let mut step = Step::none();
    for (trustee, verdict) in trustees.into_iter().zip(verdicts) {
        let slot = verdict.map_or(Slot::Bad, Slot::Verified);
        if matches!(slot, Slot::Bad) {
            step = step.fault(fault(trustee));
        }
        slots.insert(trustee, slot);
    }
    step
}

/// Without evidence: whoever has the deals sees that the proof fails, but not who sent it.
fn fault(culprit: u16) -> Fault<u16> {
    Fault { culprit, kind: FaultKind::InvalidProof, evidence: None }
}

impl_machine!(Recovery {
    Peer = u16,
    Message = DecryptedShare,
    Command = Infallible,
    Event = Event,
    Record = Never,
    Error = Infallible
} restore {
    Config = Chosen,
    RestoreError = Infallible
});
