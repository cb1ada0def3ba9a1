//! A validator's part in its shard: orders, checks and keeps what wallets submit, and proves it.
//!
//! - A block is prepared only if it is a function of the parent state and its body: every
//!   transaction well-formed, signed by every owner, every foreign verdict certified by its
//!   shard's roster, and every request doable in order; and the header the one that follows. So
//!   no quorum commits what an honest validator has not checked.
//! - A validator that learns a block from others, already decided, checks it all the same. If it
//!   does not hold, more than a third of the shard's weight is faulty: [`Event::Unsound`] says
//!   so, and the validator stops.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};

use atomix::{Rosters, Rules, ShardState};
use byzcoin::{
    Height, Replica, View,
    votes::{self, CosiVotes},
};
use cosi::{
    Certificate,
    keys::{PeerId, SigningKey},
    machine::{Cx, StepOf, Time, To},
    merkle::tree::{self, Hash},
    roster::{Index, Roster},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use skipchain::{BlockId, Timeline};

use crate::{
    chain::{BadBlock, Body, Chain, Executed},
    decision::Decision,
    epoch::{EPOCH, Epoch},
    genesis::{Genesis, GenesisError},
    ledger::{Checked, check},
    message::{ANSWER_BYTES, Answer, MAX_SAID, Message, Peer, Query, Request, batches},
    pool::{Added, Pool, PoolLimits, Room, want},
    validator::{ChainName, Event, Record, Step},
};

/// How many blocks of a height are kept with what they come to.
const MAX_TRIED: usize = 8;

/// How a validator works in its shard.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) timing: byzcoin::Timing,
    pub(crate) votes: votes::Timing,
    pub(crate) pool: PoolLimits,
    pub(crate) block_bytes: u32,
}

#[derive(Debug)]
pub(crate) struct Shard {
    number: u16,
    roster: Roster,
    me: PeerId,
    replica: Replica<CosiVotes>,
    rules: Rules,
    rosters: Rosters<Decision>,
    chain: Chain,
    pool: Pool,
    room: Room,
    /// Blocks of this height that hold, so that none is checked twice: [`MAX_TRIED`] at most.
    tried: BTreeMap<(BlockId, Hash), Executed>,
    /// Whether a quorum decided what does not hold.
    unsound: bool,
}

/// Why there is no such shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Genesis(GenesisError),
    Journal(byzcoin::RestoreError),
}

impl Shard {
    /// The shard `number`, where this validator stands at `me`, as `records` left it.
    pub(crate) fn restore(
        config: Config,
        (genesis, epoch): (&Genesis, &Epoch),
        (number, me): (u16, Index),
        records: Vec<byzcoin::RecordOf<CosiVotes>>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), Unfit> {
        let Config { key, timing, votes, pool, block_bytes } = config;
        let info = epoch.shard(number).ok_or(Unfit::Genesis(GenesisError::Shards))?;
        let (roster, limits) = (info.roster().clone(), genesis.limits);
        let chain = Chain::new(genesis, info).map_err(Unfit::Genesis)?;
        let peer = PeerId::of(key.public());
        let replica = byzcoin::Config {
            chain: info.chain().0,
            epoch: EPOCH,
            roster: roster.clone(),
            me,
            genesis: chain.tip().id().0,
            votes: votes::Config { key, timing: votes },
            timing,
            limits: byzcoin::Limits { max_body: limits.max_body(), ..byzcoin::Limits::default() },
            rotation: 16,
        };
        let (replica, child) = Replica::restore(replica, records, cx).map_err(Unfit::Journal)?;
        let room = Room {
            requests: usize::try_from(limits.requests).unwrap_or(usize::MAX),
            bytes: usize::try_from(limits.bytes.min(block_bytes)).unwrap_or(usize::MAX),
        };
        let mut shard = Self {
            number,
            roster,
            me: peer,
            replica,
            rules: genesis.rules(),
            rosters: epoch.rosters(),
            chain,
            pool: Pool::new(pool),
            room,
            tried: BTreeMap::new(),
            unsound: false,
        };
        let step = shard.drive(cx, child);
        Ok((shard, step))
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    pub(crate) const fn timeline(&self) -> &Timeline<Decision> {
        self.chain.timeline()
    }

    pub(crate) const fn state(&self) -> &ShardState {
        self.chain.state()
    }

    pub(crate) fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        message: byzcoin::MessageOf<CosiVotes>,
    ) -> Step {
        if self.unsound || self.roster.index_of(from).is_none() {
            return Step::none();
        }
        let child = self.replica.handle_message(cx, from, message);
        self.drive(cx, child)
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.unsound {
            return Step::none();
        }
        let child = self.replica.handle_timeout(cx);
        self.drive(cx, child)
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.replica.next_timeout().filter(|_| !self.unsound)
    }

    /// Upon requests: checks those that are new, and lets them wait. Returns whether all are such
    /// as an honest peer sends, too.
    pub(crate) fn submit(&mut self, cx: &mut Cx<'_>, requests: Vec<Request>) -> (Step, bool) {
        let genesis = self.rules.genesis();
        let is_new = |request: &Request| {
            let (session, want) =
                (request.transaction.declaration.session(&genesis), want(&request.action));
            !self.chain.has_done(session, want) && !self.pool.has_ready(session, want)
        };
        let new: Vec<_> = requests.into_iter().filter(is_new).collect();
        let sizes: Vec<_> =
            new.iter().map(|request| borsh::object_length(request).unwrap_or(usize::MAX)).collect();
        let (checked, signatures) = self.check_requests(new);
        let (mut step, mut honest) = (Step::none().event(Event::Checked { signatures }), true);
        for (checked, size) in checked.into_iter().zip(sizes) {
            match checked.map(|request| self.add(request, size)) {
                Ok((_, Added::Taken)) => {}
                Ok((session, Added::Refused(refusal))) => {
                    step = step.event(Event::Refused { shard: self.number, session, refusal });
                }
                // Perhaps of another time.
                Err(atomix::Malformed::UnknownEpoch { .. }) => {}
                Ok((_, Added::Invalid)) | Err(_) => honest = false,
            }
        }
        (step.and(self.command(cx, self.pending())), honest)
    }

    fn add(&mut self, request: Checked, size: usize) -> (atomix::Session, Added) {
        let session = request.transaction.session();
        (session, self.pool.add(request, size, &self.chain, &self.rosters))
    }

    /// Upon questions: what the shard said, once each, until the answer is full.
    pub(crate) fn answer(&self, queries: &[Query]) -> Answer {
        let queries: BTreeSet<_> = queries.iter().collect();
        let said = queries.iter().flat_map(|Query { session, want }| {
            self.chain.find(*session, *want).into_iter().map(|proof| (*session, proof))
        });
        let mut bytes = 0usize;
        let said = said.take(MAX_SAID).take_while(|(_, proof)| {
            let is_full = bytes >= ANSWER_BYTES;
            bytes = bytes.saturating_add(borsh::object_length(proof).unwrap_or(usize::MAX));
            !is_full
        });
        let said = BoundedVec::new(said.collect()).unwrap_or_default();
        let refused = queries.iter().filter_map(|query| {
            let refusal = self.pool.refusal(&query.session)?;
            Some((query.session, refusal))
        });
        Answer {
            shard: self.number,
            said,
            refused: BoundedVec::new(refused.collect()).unwrap_or_default(),
        }
    }

    /// Checks requests, each transaction's signatures once in the shard's life as far as it can
    /// be helped.
    fn check_requests(
        &mut self,
        requests: Vec<Request>,
    ) -> (Vec<Result<Checked, atomix::Malformed>>, usize) {
        for request in &requests {
            learn(&mut self.rosters, request);
        }
        let (transactions, actions): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|request| (request.transaction, request.action)).unzip();
        let known = |session: &_| self.pool.known(session).or_else(|| self.chain.known(session));
        let (answers, signatures) = check(&self.rules, transactions, known);
        let checked = answers
            .into_iter()
            .zip(actions)
            .map(|(answer, action)| answer.map(|transaction| Checked { transaction, action }));
        (checked.collect(), signatures)
    }

    /// Takes over what the replica brought about, and answers what it asks until it asks no more.
    fn drive(&mut self, cx: &mut Cx<'_>, child: StepOf<Replica<CosiVotes>>) -> Step {
        let (mut step, mut events) = (Step::none(), VecDeque::new());
        events.extend(self.absorb(&mut step, child));
        while let Some(event) = events.pop_front() {
            let (news, command) = self.handle_event(event);
            step = step.and(news);
            let child = command.and_then(|command| self.replica.handle_command(cx, command).ok());
            if let Some(child) = child {
                events.extend(self.absorb(&mut step, child));
            }
        }
        step
    }

    /// Passes a command to the replica. One that comes too late is as good as none.
    fn command(&mut self, cx: &mut Cx<'_>, command: Option<byzcoin::Command>) -> Step {
        let child = command.and_then(|command| self.replica.handle_command(cx, command).ok());
        child.map_or(Step::none(), |child| self.drive(cx, child))
    }

    fn absorb(
        &self,
        step: &mut Step,
        child: StepOf<Replica<CosiVotes>>,
    ) -> Vec<byzcoin::EventOf<CosiVotes>> {
        let child = child.map_peers(Peer::Validator, || self.others());
        let shard = self.number;
        let wrap = |message| Message::Shard { epoch: EPOCH, shard, message: Box::new(message) };
        step.absorb(child, wrap, |record| Record::Shard(Box::new(record)))
    }

    fn handle_event(
        &mut self,
        event: byzcoin::EventOf<CosiVotes>,
    ) -> (Step, Option<byzcoin::Command>) {
        use byzcoin::{Command as Ask, Event as Told};
        let chain = ChainName::Shard(self.number);
        match event {
            _ if self.unsound => (Step::none(), None),
            Told::Propose { height, view, .. } => (Step::none(), self.propose(height, view)),
            Told::Validate { digest, header, body } => {
                let (step, valid) = match self.check(&header.app, &body) {
                    Ok((signatures, executed)) => {
                        self.keep(executed, &body);
                        (Step::none().event(Event::Checked { signatures }), true)
                    }
                    Err(_) => (Step::none(), false),
                };
                (step, Some(Ask::Validated { digest, valid }))
            }
            Told::Decided { block, view, certificate } => {
                let step = self.decide(block, view, certificate);
                (step, self.pending())
            }
            Told::Forward => (self.forward(), None),
            Told::ViewChanged { height, view } => {
                (Step::none().event(Event::ViewChanged { chain, height, view }), None)
            }
            Told::Behind { height } => (Step::none().event(Event::Behind { chain, height }), None),
            _ => (Step::none(), None),
        }
    }

    /// Proposes what can be done.
    fn propose(&mut self, height: Height, view: View) -> Option<byzcoin::Command> {
        let draft = self.pool.build(&self.chain, &self.rosters, self.room)?;
        let executed = self.chain.next(draft);
        let requests = executed.block.iter().map(Checked::request).collect();
        let body = Body { requests: BoundedVec::new(requests)? };
        let app = BoundedBytes::new(executed.header.id().encode())?;
        let body = body.encode();
        self.keep(executed, &body);
        Some(byzcoin::Command::Propose { height, view, app, body: BoundedBytes::new(body)? })
    }

    /// Keeps what a body comes to: the header does not tell two bodies with the same verdicts
    /// apart. What is let go is checked again if it is decided.
    fn keep(&mut self, executed: Executed, body: &[u8]) {
        if self.tried.len() >= MAX_TRIED {
            self.tried.pop_first();
        }
        self.tried.insert((executed.header.id(), tree::leaf_hash(body)), executed);
    }

    /// Whether the block may follow the last one: how many signatures that took to tell, and
    /// what the block comes to.
    fn check(&mut self, app: &[u8], body: &[u8]) -> Result<(usize, Executed), BadBlock> {
        let body = Body::decode(body).map_err(|_| BadBlock::Malformed)?;
        let requests = body.requests.into_inner();
        if requests.len() > self.room.requests {
            return Err(BadBlock::Size);
        }
        let (checked, signatures) = self.check_requests(requests);
        let sound = checked
            .into_iter()
            .enumerate()
            .map(|(at, checked)| checked.map_err(|malformed| BadBlock::Transaction(at, malformed)));
        let block = sound.collect::<Result<Vec<_>, _>>()?;
        let executed = self.chain.execute(&self.rosters, &block)?;
        let follows = executed.header.id().encode() == app;
        if follows { Ok((signatures, executed)) } else { Err(BadBlock::Header) }
    }

    /// Upon a decision: appends the block, which holds, or stops.
    fn decide(&mut self, block: byzcoin::Block, view: View, certificate: Certificate) -> Step {
        let byzcoin::Block { proposal, body, .. } = block;
        let header = &proposal.header;
        let id = BlockId::decode(&header.app).ok();
        let tried = id.and_then(|id| self.tried.remove(&(id, tree::leaf_hash(&body))));
        let checked = match tried {
            Some(executed) => Ok((0, executed)),
            None => self.check(&header.app, &body),
        };
        let height = header.height;
        let Ok((signatures, executed)) = checked else { return self.stop(height) };
        let decision = Decision { epoch: EPOCH, view, proposal, certificate: certificate.clone() };
        let Some(block) = self.chain.append(&executed, decision) else { return self.stop(height) };
        self.tried.clear();
        let Executed { verdicts, .. } = executed;
        let refused = self.pool.settle(&verdicts, &self.chain, &self.rosters);
        let shard = self.number;
        let step = Step::none().event(Event::Checked { signatures }).event(Event::Committed {
            shard,
            block,
            view,
            verdicts,
            body: body.to_vec(),
            certificate,
        });
        refused.into_iter().fold(step, |step, (session, refusal)| {
            step.event(Event::Refused { shard, session, refusal })
        })
    }

    fn stop(&mut self, height: Height) -> Step {
        self.unsound = true;
        Step::none().event(Event::Unsound { chain: ChainName::Shard(self.number), height })
    }

    /// Whether something waits that the next block could do. While decided blocks are on their
    /// way here, nobody can tell: one of them may have done it.
    fn pending(&self) -> Option<byzcoin::Command> {
        let next = Height::new(self.chain.tip().index).next();
        let ready = !self.unsound && self.replica.height() == next && self.pool.is_ready();
        ready.then_some(byzcoin::Command::Pending)
    }

    /// Sends a block's worth of what waits to all of the shard: the leader may not have it.
    fn forward(&self) -> Step {
        let Some(draft) = self.pool.build(&self.chain, &self.rosters, self.room) else {
            return Step::none();
        };
        let waiting = draft.into_requests().into_iter().map(|checked| checked.request());
        let others = self.others();
        batches(self.number, waiting)
            .fold(Step::none(), |step, batch| step.send(To::Some(others.clone()), batch))
    }

    fn others(&self) -> Vec<Peer> {
        let peers = self.roster.members().iter().map(|member| member.peer);
        peers.filter(|peer| *peer != self.me).map(Peer::Validator).collect()
    }
}

/// Judges the foreign blocks that a request shows, once for all of their verdicts.
pub(crate) fn learn(rosters: &mut Rosters<Decision>, request: &Request) {
    use atomix::{Action, Shards as _};
    let proofs = match &request.action {
        Action::Initialize { shown } => shown.as_slice(),
        Action::Commit { proofs } => proofs,
        Action::Abort { proof } => core::slice::from_ref(proof),
    };
    for proof in proofs {
        rosters.learn(proof.shard, &proof.inclusion);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec;

    use cosi::{keys::Signature, mask::Mask};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{
        message::Want,
        testing::{INITIALIZE, Town},
    };

    fn shard(town: &Town) -> Shard {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let key = Arc::new(town.seeds[0].signing_key());
        let place = town.epoch.place(PeerId::of(key.public())).unwrap();
        let config = Config {
            key,
            timing: Default::default(),
            votes: Default::default(),
            pool: PoolLimits::default(),
            block_bytes: 1 << 18,
        };
        let epoch = (&town.genesis, &town.epoch);
        Shard::restore(config, epoch, place, vec![], &mut cx).unwrap().0
    }

    /// A question of a few kilobytes does not fetch hundreds of megabytes.
    #[test]
    fn an_answer_says_all_once_until_it_is_full() {
        let mut town = Town::new(1, &[0, 0, 0]);
        let pays = [0, 1, 2].map(|at| town.pay((0, 100), &[town.coin(at)], 0));
        let asked = [0, 1, 2].map(|at| town.asks(&pays[at], INITIALIZE));
        town.decide(0, &asked);
        let mut shard = shard(&town);
        shard.chain = town.chains[0].clone();
        let query =
            |at: usize| Query { session: asked[at].transaction.session(), want: Want::Verdict };
        assert_eq!(shard.answer(&[query(0); 1024]).said.len(), 2);
        assert_eq!(shard.answer(&[0, 1, 2].map(query)).said.len(), 6);

        // A block with a certificate of 3 MiB.
        let mut chain = Town::new(1, &[0, 0, 0]).chains.remove(0);
        let executed = chain.execute(&town.rosters, &asked).unwrap();
        let mut decision = shard.chain.timeline().attestation(1).unwrap().clone();
        let signatures = vec![Signature::decode(&[0; 64]).unwrap(); 49_152];
        let signatures = BoundedVec::new(signatures).unwrap();
        decision.certificate = Certificate::Individual { mask: Mask::of(4, [0]), signatures };
        chain.append(&executed, decision).unwrap();
        shard.chain = chain;
        assert_eq!(shard.answer(&[0, 1, 2].map(query)).said.len(), 2);
    }
}
