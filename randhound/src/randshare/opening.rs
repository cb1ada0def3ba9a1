//! How a server of RandShare discloses its shares, and recovers the secrets.

use alloc::{collections::BTreeMap, vec::Vec};

use cosi::{
    domain::RANDSHARE_OUTPUT,
    machine::{FaultKind, Index, Step, To},
    transcript::Hash,
};
use curve25519_dalek::{RistrettoPoint, Scalar};

use super::{
    dealing::{interpolate, is_valid},
    machine::{Agreed, RandShare, RandShareStep, Shares, State},
    set::Set,
    words::{Disclosed, Event, Record},
};
use crate::transcript::Randomness;

impl RandShare {
    /// Who contributes, once that is certain.
    fn agreed(&self) -> Option<Set> {
        let mut dealers = Set::default();
        for (dealer, ballot) in (0..).zip(&self.ballots) {
            match ballot.decided() {
                Some(true) => drop(dealers.insert(dealer)),
                Some(false) => {}
                None => return self.hearsay(),
            }
        }
        Some(dealers)
    }

    /// Who contributes by the word of f + 1 servers, of whom one is honest.
    fn hearsay(&self) -> Option<Set> {
        let words = || self.disclosed.values().map(|(dealers, _)| *dealers);
        let count = |dealers| words().filter(|word| *word == dealers).count();
        let threshold = usize::try_from(self.threshold()).ok()?;
        words().find(|dealers| count(*dealers) >= threshold)
    }

    /// Discloses the shares of all who contribute, once it is clear who that is.
    pub(super) fn disclose(&mut self) -> RandShareStep {
        if !matches!(self.state, State::Agreeing) {
            return Step::none();
        }
        let Some(dealers) = self.agreed() else { return Step::none() };
        if dealers.iter().any(|dealer| self.delivered(dealer).is_none()) {
            return Step::none();
        }
        let shares = dealers.iter().filter_map(|dealer| {
            let deal = self.kept.get(&dealer)?;
            let is_it = Some(self.name(dealer, &deal.commitments)) == self.delivered(dealer);
            is_it.then_some(Disclosed { dealer, share: deal.share })
        });
        let own = Shares::new(shares.collect()).unwrap_or_default();
        let agreed = Agreed { dealers, own: own.clone() };
        let step =
            Step::none().record(Record::Agreed(dealers.0, own)).send(To::All, agreed.disclosure());
        self.grace = None;
        self.state = State::Opening(agreed, BTreeMap::new());
        let lacks = dealers.iter().any(|dealer| self.commitments(dealer).is_none());
        if lacks { step.and(self.ask()) } else { step }
    }

    /// With enough shares of all who contribute, tells the output.
    pub(super) fn finish(&mut self) -> RandShareStep {
        let State::Opening(agreed, recovered) = &self.state else { return Step::none() };
        let disclosers = u64::try_from(self.disclosed.len()).unwrap_or(u64::MAX);
        if disclosers < self.rules.faulty {
            return Step::none();
        }
        let missing = agreed.dealers.iter().filter(|dealer| !recovered.contains_key(dealer));
        let (mut secrets, mut liars) = (Vec::new(), Vec::new());
        for dealer in missing {
            let (secret, wrong) = self.recover(agreed, dealer);
            secrets.extend(secret.map(|secret| (dealer, secret)));
            liars.extend(wrong);
        }
        let mut step = Step::none();
        for liar in liars {
            // Nothing that it discloses is needed.
            self.disclosed.entry(liar.get()).and_modify(|(_, shares)| *shares = Shares::default());
            step = step.and(self.blamed.fault(liar, FaultKind::InvalidProof, None));
        }
        step.and(self.draw(secrets))
    }

    /// Takes in secrets, and with the last one tells the output.
    fn draw(&mut self, secrets: Vec<(u16, Scalar)>) -> RandShareStep {
        let State::Opening(agreed, recovered) = &mut self.state else { return Step::none() };
        recovered.extend(secrets);
        if agreed.dealers.iter().any(|dealer| !recovered.contains_key(&dealer)) {
            return Step::none();
        }
        let (agreed, sum) = (agreed.clone(), recovered.values().sum::<Scalar>());
        let hash = Hash::new(RANDSHARE_OUTPUT).fixed(&self.roster.id().0).fixed(&self.session);
        let hash = hash.number(agreed.dealers.0).fixed(&sum.to_bytes());
        let output = Randomness(hash.digest());
        let event = Event::Drawn(output, self.indices(agreed.dealers));
        let mut others = Set::default();
        for (server, (dealers, _)) in core::mem::take(&mut self.disclosed) {
            if dealers == agreed.dealers {
                others.insert(server);
            }
        }
        self.state = State::Drawn(agreed, others);
        Step::none().record(Record::Drawn(output)).event(event)
    }

    /// A dealer's secret, once enough valid shares of it are there, and who disclosed others.
    fn recover(&self, agreed: &Agreed, dealer: u16) -> (Option<Scalar>, Vec<Index>) {
        let others = self.disclosed.iter().map(|(server, (_, shares))| (*server, shares));
        let shares =
            others.chain([(self.rules.own, &agreed.own)]).filter_map(|(server, shares)| {
                let share = shares.iter().find(|share| share.dealer == dealer)?;
                Some((server, share.share))
            });
        let shares: Vec<_> = shares.collect();
        let Ok(threshold) = usize::try_from(self.threshold()) else { return (None, Vec::new()) };
        if shares.len() < threshold {
            return (None, Vec::new());
        }
        let commitments = self.commitments(dealer);
        let Some(points) = commitments.and_then(|known| known.decode(self.threshold())) else {
            return (None, Vec::new());
        };
        let secret_of = |shares: &[(u16, [u8; 32])]| {
            let secret = interpolate(shares.get(..threshold)?)?;
            (points.first() == Some(&RistrettoPoint::mul_base(&secret))).then_some(secret)
        };
        if let Some(secret) = secret_of(&shares) {
            return (Some(secret), Vec::new());
        }
        let (valid, invalid): (Vec<_>, Vec<_>) =
            shares.into_iter().partition(|(server, share)| is_valid(&points, *server, share));
        let liars = invalid.into_iter().filter_map(|(server, _)| self.roster.index(server));
        (secret_of(&valid), liars.collect())
    }
}
