//! A validator's part in the identity chain: with all others it draws the epoch's randomness.
//!
//! [`epoch`](crate::epoch) has the protocol. The chain has one block in this version.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use byzcoin::{
    Height, Replica, View,
    votes::{self, CosiVotes},
};
use cosi::{
    keys::{PeerId, SigningKey},
    machine::{Cx, StepOf, Time, To},
    merkle::tree,
    roster::{Index, Roster},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use pvss::ShareSecret;
use randhound::{
    Committee, Draw, GroupTranscript, Randomness, Session, Statement, Transcript,
    draw::{self, Choice},
    message::MAX_GROUPS,
};
use skipchain::{Header, Spine};

use crate::{
    decision::Decision,
    epoch::{Attestation, EPOCH, Epoch, EpochProof, statement_leaf},
    genesis::{Genesis, GenesisError},
    message::{Message, Peer, Sync},
    validator::{ChainName, Event, Record, Step},
};

/// How a validator works on the identity chain.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) secret: Arc<ShareSecret>,
    pub(crate) timing: byzcoin::Timing,
    pub(crate) votes: votes::Timing,
    pub(crate) retry: Duration,
}

/// What a validator wrote down of its part.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) identity: Vec<byzcoin::RecordOf<CosiVotes>>,
    pub(crate) beacon: Vec<draw::Record>,
    pub(crate) epoch: Option<EpochProof>,
}

/// Why there is no such part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Genesis(GenesisError),
    Journal(byzcoin::RestoreError),
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Identity {
    committee: Committee,
    me: Index,
    replica: Replica<CosiVotes>,
    draw: Draw,
    /// RandHound's session, which the genesis names.
    session: Session,
    spine: Spine,
    /// The turn to propose that waits for a choice.
    turn: Option<(Height, View)>,
    decided: Option<(Statement, Attestation)>,
    /// Whether a quorum decided what does not hold.
    unsound: bool,
    proof: Option<EpochProof>,
    retry: Duration,
    /// When to ask for the proof of the epoch, and who was asked and has not answered: at most
    /// all validators.
    next_ask: Time,
    asked: BTreeSet<PeerId>,
}

impl Identity {
    /// This validator's part, as its journal left it. The epoch is returned once it is known.
    pub(crate) fn restore(
        config: Config,
        genesis: &Genesis,
        (committee, me): (Committee, Index),
        journal: Journal,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step, Option<Epoch>), Unfit> {
        let Config { key, secret, timing, votes, retry } = config;
        let retry = retry.max(Duration::from_nanos(1));
        let roster = committee.roster().clone();
        let first = genesis.identity_header(&roster);
        let replica = byzcoin::Config {
            chain: first.chain.0,
            epoch: EPOCH,
            roster,
            me,
            genesis: first.id().0,
            votes: votes::Config { key: Arc::clone(&key), timing: votes },
            timing,
            limits: byzcoin::Limits { max_body: u32::MAX, ..byzcoin::Limits::default() },
            rotation: 16,
        };
        let session = Session::new(committee.clone(), &genesis.terms());
        let session = session.map_err(|error| Unfit::Genesis(error.into()))?;
        let (replica, child) =
            Replica::restore(replica, journal.identity, cx).map_err(Unfit::Journal)?;
        let setup = draw::Setup {
            session: session.clone(),
            index: me,
            key: (*key).clone(),
            secret,
            retry,
            grace: retry,
        };
        let (draw, drawn) = Draw::restore(setup, journal.beacon, cx).map_err(|_| Unfit::Foreign)?;
        let spine = Spine::new(first).map_err(|_| Unfit::Genesis(GenesisError::Chain))?;
        let mut identity = Self {
            committee,
            me,
            replica,
            draw,
            session,
            spine,
            turn: None,
            decided: None,
            unsound: false,
            proof: None,
            retry,
            next_ask: cx.now().after(retry.saturating_mul(4)),
            asked: BTreeSet::new(),
        };
        let mut output = None;
        let step = identity.drive(cx, child, &mut output);
        let step = step.and(identity.follow(cx, identity.replica.view(), &mut output));
        let step = step.and(identity.on_draw(cx, drawn, &mut output));
        let step = step.and(identity.pending(cx, &mut output));
        let mut epoch = identity.conclude(genesis, output);
        if let Some(proof) = journal.epoch {
            let known = Epoch::verify_for(genesis, &identity.committee, &proof);
            epoch = Some(known.map_err(|_| Unfit::Foreign)?);
            identity.proof = Some(proof);
        }
        Ok((identity, step, epoch))
    }

    pub(crate) const fn proof(&self) -> Option<&EpochProof> {
        self.proof.as_ref()
    }

    pub(crate) fn handle_consensus(
        &mut self,
        cx: &mut Cx<'_>,
        genesis: &Genesis,
        from: PeerId,
        message: byzcoin::MessageOf<CosiVotes>,
    ) -> (Step, Option<Epoch>) {
        if self.unsound {
            return (Step::none(), None);
        }
        let child = self.replica.handle_message(cx, from, message);
        let mut output = None;
        let step = self.drive(cx, child, &mut output);
        (step, self.conclude(genesis, output))
    }

    pub(crate) fn handle_beacon(
        &mut self,
        cx: &mut Cx<'_>,
        genesis: &Genesis,
        from: PeerId,
        message: draw::Message,
    ) -> (Step, Option<Epoch>) {
        let Some(from) = self.roster().index_of(from) else { return (Step::none(), None) };
        let child = self.draw.handle_message(cx, from, message);
        let mut output = None;
        let step = self.on_draw(cx, child, &mut output);
        (step, self.conclude(genesis, output))
    }

    /// Upon a proof of the epoch from who was asked for it. `Err`: it does not hold.
    pub(crate) fn handle_proof(
        &mut self,
        genesis: &Genesis,
        from: PeerId,
        proof: EpochProof,
    ) -> Result<(Step, Option<Epoch>), ()> {
        if self.proof.is_some() || !self.asked.remove(&from) {
            return Ok((Step::none(), None));
        }
        let epoch = Epoch::verify_for(genesis, &self.committee, &proof).map_err(|_| ())?;
        self.proof = Some(proof.clone());
        Ok((Step::none().record(Record::Epoch(Box::new(proof))), Some(epoch)))
    }

    pub(crate) fn handle_timeout(
        &mut self,
        cx: &mut Cx<'_>,
        genesis: &Genesis,
    ) -> (Step, Option<Epoch>) {
        let (mut output, mut step) = (None, Step::none());
        if self.is_deciding() {
            let child = self.replica.handle_timeout(cx);
            step = self.drive(cx, child, &mut output);
        }
        let child = self.draw.handle_timeout(cx);
        let step = step.and(self.on_draw(cx, child, &mut output));
        let epoch = self.conclude(genesis, output);
        (step.and(self.ask(cx)), epoch)
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let ask = self.proof.is_none().then_some(self.next_ask);
        // Nothing follows the first block, whoever proposes it: to answer who asks takes no clock.
        let replica = self.replica.next_timeout().filter(|_| self.is_deciding());
        [replica, self.draw.next_timeout(), ask].into_iter().flatten().min()
    }

    /// Whether the first block is yet to be decided.
    const fn is_deciding(&self) -> bool {
        self.decided.is_none() && !self.unsound
    }

    fn roster(&self) -> &Roster {
        self.committee.roster()
    }

    /// Asks any validator for the proof of the epoch, if it is time.
    fn ask(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.proof.is_some() || self.next_ask > cx.now() {
            return Step::none();
        }
        self.next_ask = cx.now().after(self.retry.saturating_mul(4));
        let others = self.others();
        let Some(to) = any(&others, cx) else { return Step::none() };
        if let Peer::Validator(peer) = to {
            self.asked.insert(peer);
        }
        Step::none().send(To::One(to), Message::Sync(Sync::Ask))
    }

    /// Takes over what the replica brought about, and answers what it asks.
    fn drive(
        &mut self,
        cx: &mut Cx<'_>,
        child: StepOf<Replica<CosiVotes>>,
        output: &mut Option<Drawn>,
    ) -> Step {
        let (mut step, mut events) = (Step::none(), VecDeque::new());
        events.extend(self.absorb(&mut step, child));
        while let Some(event) = events.pop_front() {
            let (news, command) = self.handle_event(cx, event, output);
            step = step.and(news);
            let child = command.and_then(|command| self.replica.handle_command(cx, command).ok());
            if let Some(child) = child {
                events.extend(self.absorb(&mut step, child));
            }
        }
        step
    }

    fn absorb(
        &self,
        step: &mut Step,
        child: StepOf<Replica<CosiVotes>>,
    ) -> Vec<byzcoin::EventOf<CosiVotes>> {
        let child = child.map_peers(Peer::Validator, || self.others());
        let wrap = |message| Message::Identity(Box::new(message));
        step.absorb(child, wrap, |record| Record::Identity(Box::new(record)))
    }

    fn handle_event(
        &mut self,
        cx: &mut Cx<'_>,
        event: byzcoin::EventOf<CosiVotes>,
        output: &mut Option<Drawn>,
    ) -> (Step, Option<byzcoin::Command>) {
        use byzcoin::{Command as Ask, Event as Told};
        let chain = ChainName::Identity;
        match event {
            Told::Propose { height: Height::FIRST, view, .. } => {
                self.turn = Some((Height::FIRST, view));
                (self.command_draw(cx, draw::Command::Lead, output), None)
            }
            Told::Validate { digest, header, body } => {
                let valid = header.height == Height::FIRST && self.check(&header.app, &body);
                (Step::none(), Some(Ask::Validated { digest, valid }))
            }
            Told::Decided { block, view, certificate } => {
                let byzcoin::Block { proposal, body } = block;
                let decision = Decision { epoch: EPOCH, view, proposal, certificate };
                (self.decide(cx, decision, &body, output), None)
            }
            Told::ViewChanged { height, view } => {
                let step = self.follow(cx, view, output);
                (step.event(Event::ViewChanged { chain, height, view }), None)
            }
            Told::Behind { height } => (Step::none().event(Event::Behind { chain, height }), None),
            // Deals go to whoever leads, and nothing follows the first block.
            Told::Propose { .. } | Told::Forward | _ => (Step::none(), None),
        }
    }

    /// Sends the own deal to whoever leads the view, unless this validator does.
    fn follow(&mut self, cx: &mut Cx<'_>, view: View, output: &mut Option<Drawn>) -> Step {
        let leader = self.replica.leader(view);
        if leader == self.me || self.decided.is_some() {
            return Step::none();
        }
        self.turn = None;
        self.command_draw(cx, draw::Command::Follow(leader), output)
    }

    fn command_draw(
        &mut self,
        cx: &mut Cx<'_>,
        command: draw::Command,
        output: &mut Option<Drawn>,
    ) -> Step {
        let child = self.draw.handle_command(cx, command);
        child.map_or(Step::none(), |child| self.on_draw(cx, child, output))
    }

    /// Takes over what the draw brought about.
    fn on_draw(
        &mut self,
        cx: &mut Cx<'_>,
        child: StepOf<Draw>,
        output: &mut Option<Drawn>,
    ) -> Step {
        let mut step = Step::none();
        let roster = self.roster().clone();
        let name = |index| roster.peer(index).map_or(Peer::Guest(u64::MAX), Peer::Validator);
        let child = child.map_peers(name, || self.others());
        let wrap = |message| Message::Beacon(Box::new(message));
        let events = step.absorb(child, wrap, |record| Record::Beacon(Box::new(record)));
        for event in events {
            match event {
                draw::Event::Chosen(choice) => step = step.and(self.propose(cx, &choice, output)),
                draw::Event::Drawn(randomness, groups) => *output = Some((randomness, groups)),
                _ => {}
            }
        }
        step
    }

    fn propose(&mut self, cx: &mut Cx<'_>, choice: &Choice, output: &mut Option<Drawn>) -> Step {
        let Some((height, view)) = self.turn.take() else { return Step::none() };
        let app = BoundedBytes::new(self.header(&choice.statement).id().encode());
        let (Some(app), Some(body)) = (app, BoundedBytes::new(choice.encode())) else {
            return Step::none();
        };
        let command = byzcoin::Command::Propose { height, view, app, body };
        match self.replica.handle_command(cx, command) {
            Ok(child) => self.drive(cx, child, output),
            Err(_) => Step::none(), // the view is over
        }
    }

    /// Starts the clock of the first view, unless a block is decided: its body may still be on its
    /// way, and nothing follows it.
    fn pending(&mut self, cx: &mut Cx<'_>, output: &mut Option<Drawn>) -> Step {
        if self.replica.height() != Height::FIRST {
            return Step::none();
        }
        let child = self.replica.handle_command(cx, byzcoin::Command::Pending);
        child.map_or(Step::none(), |child| self.drive(cx, child, output))
    }

    /// The header of the block that fixes a statement.
    fn header(&self, statement: &Statement) -> Header {
        let payload = tree::root([statement_leaf(statement)]);
        self.spine.next(self.roster().id(), payload, None)
    }

    /// Whether the block may be the first: its deals hold, and its header follows.
    fn check(&mut self, app: &[u8], body: &[u8]) -> bool {
        let Ok(choice) = Choice::decode(body) else { return false };
        let follows = self.header(&choice.statement).id().encode() == app;
        follows && self.draw.check(&choice).is_ok()
    }

    /// Upon a decision: the choice is final.
    fn decide(
        &mut self,
        cx: &mut Cx<'_>,
        decision: Decision,
        body: &[u8],
        output: &mut Option<Drawn>,
    ) -> Step {
        let height = decision.proposal.header.height;
        let sound = height == Height::FIRST && self.check(&decision.proposal.header.app, body);
        let (true, Ok(choice)) = (sound, Choice::decode(body)) else {
            self.unsound = true;
            return Step::none().event(Event::Unsound { chain: ChainName::Identity, height });
        };
        let header = self.header(&choice.statement);
        let attestation = Attestation { header, decision };
        self.decided = Some((choice.statement.clone(), attestation));
        self.command_draw(cx, draw::Command::Decided(Box::new(choice)), output)
    }

    /// The epoch, once its randomness is known.
    fn conclude(&mut self, genesis: &Genesis, output: Option<Drawn>) -> Option<Epoch> {
        let (randomness, groups) = output?;
        let (statement, certificate) = self.decided.clone()?;
        if self.proof.is_some() {
            return None;
        }
        let config = self.session.config().clone();
        let transcript = Transcript { config, statement, certificate, groups };
        self.proof = Some(EpochProof { transcript });
        Epoch::new(genesis, self.committee.roster(), randomness).ok()
    }

    fn others(&self) -> Vec<Peer> {
        let others = self.roster().indices().filter(|index| *index != self.me);
        others.filter_map(|index| self.roster().peer(index)).map(Peer::Validator).collect()
    }
}

/// What a draw yields.
type Drawn = (Randomness, BoundedVec<GroupTranscript, MAX_GROUPS>);

/// Any one of them.
pub(crate) fn any(peers: &[Peer], cx: &mut Cx<'_>) -> Option<Peer> {
    let size = u64::try_from(peers.len()).ok()?;
    let at = usize::try_from(cx.rng().next_u64().checked_rem(size)?).ok()?;
    peers.get(at).copied()
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "each test looks for one kind of message")]
mod tests;
