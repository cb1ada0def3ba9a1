//! How a server of RandShare comes up.

use alloc::{collections::BTreeMap, vec::Vec};

use cosi::{
    machine::{Cx, Step, To},
    transcript::fresh,
};

use super::{
    machine::{Agreed, RandShare, RandShareStep, State},
    set::Set,
    words::{Deal, Event, Record, Setup, SetupError, Vote, Word},
};

impl RandShare {
    /// The server that wrote `records`, and the step that asks for what it missed. Without
    /// records, a fresh one that deals.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, RandShareStep), SetupError> {
        let mut records = records.into_iter();
        match records.next() {
            None => {
                let seed = *fresh(cx.rng());
                let mut server = Self::new(setup, &seed, cx.now())?;
                let step = server.deal(&seed);
                let step = step.and(server.advance(cx.now()));
                Ok((server, step))
            }
            Some(Record::Dealt(seed)) => {
                let mut server = Self::new(setup, &seed, cx.now())?;
                server.keep_own();
                let mut step = Step::none();
                for record in records {
                    step = step.and(server.replay(record)?);
                }
                let step = step.and(server.resume(cx));
                Ok((server, step))
            }
            Some(_) => Err(SetupError::Foreign),
        }
    }

    /// Deals to all.
    fn deal(&mut self, seed: &[u8; 32]) -> RandShareStep {
        let mut step = Step::none().record(Record::Dealt(*seed));
        for index in self.roster.indices().filter(|index| *index != self.index) {
            step = step.send(To::One(index), self.deal_for(index.get()));
        }
        self.keep_own();
        step.and(self.echo(self.rules.own, &self.polynomial.commitments().clone()))
    }

    /// Keeps the own share of the own deal.
    fn keep_own(&mut self) {
        let (commitments, share) =
            (self.polynomial.commitments().clone(), self.polynomial.share(self.rules.own));
        self.kept.insert(self.rules.own, Deal { commitments, share });
    }

    fn replay(&mut self, record: Record) -> Result<RandShareStep, SetupError> {
        match (record, &self.state) {
            (Record::Kept(dealer, deal), State::Agreeing)
                if dealer < self.rules.servers && dealer != self.rules.own =>
            {
                deal.verify(self.rules.own, self.threshold()).ok_or(SetupError::Foreign)?;
                self.kept.insert(dealer, deal);
            }
            (Record::Voted(votes), _) => {
                for vote in votes.into_inner() {
                    let ballot = self.ballots.get_mut(usize::from(vote.dealer));
                    let ballot = ballot.ok_or(SetupError::Foreign)?;
                    let heard = ballot.hear(&self.rules, self.rules.own, vote.word);
                    heard.map_err(|_| SetupError::Foreign)?;
                    self.said.push(vote);
                }
            }
            (Record::Agreed(dealers, own), State::Agreeing) => {
                self.grace = None;
                let recovered = BTreeMap::new();
                self.state = State::Opening(Agreed { dealers: Set(dealers), own }, recovered);
            }
            (Record::Drawn(output), State::Opening(agreed, _)) => {
                let (agreed, dealers) = (agreed.clone(), self.indices(agreed.dealers));
                self.state = State::Drawn(agreed, Set::default());
                return Ok(Step::none().event(Event::Drawn(output, dealers)));
            }
            _ => return Err(SetupError::Foreign),
        }
        Ok(Step::none())
    }

    /// Goes on where it stopped: says again what may not have left, and asks.
    fn resume(&mut self, cx: &Cx<'_>) -> RandShareStep {
        for ballot in &mut self.ballots {
            ballot.resume(&self.rules);
        }
        self.touched = Set::all();
        let echoes = self.kept.iter().map(|(dealer, deal)| {
            let word = Word::Echo(self.name(*dealer, &deal.commitments));
            (*dealer, deal.commitments.clone(), word)
        });
        let mut step = Step::none();
        for (dealer, commitments, word) in echoes.collect::<Vec<_>>() {
            if !self.said.contains(&Vote { dealer, word }) {
                step = step.and(self.echo(dealer, &commitments));
            }
        }
        if let State::Opening(agreed, _) | State::Drawn(agreed, _) = &self.state {
            step = step.send(To::All, agreed.disclosure());
        }
        step.and(self.ask()).and(self.advance(cx.now()))
    }
}
