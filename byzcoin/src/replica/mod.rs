//! The replica: one member's part in deciding one block after another.
//!
//! # At height h
//!
//! One function below a bullet; [`rules`] has the names, what is safe, and why.
//!
//! - *Upon payload, or a proposal, in view 0*: start T_0. (`upon_work`)
//! - *Upon half of T_0 with payload still pending*: have it forwarded to all. (`on_half`)
//! - *Upon one's turn*, in view 0 with payload or under a free NV: ask the application for a
//!   block, record it as one's own, sign it, send it, open the PREPARE votes. (`upon_turn`,
//!   `propose`)
//! - *Upon one's turn under an NV that requires a block*: propose that. (`upon_required`)
//! - *Upon a whole body of the view's block*: have it validated. (`upon_body`)
//! - *Upon its validity*: if [`may_prepare`](rules::may_prepare), record the vote, send it
//!   to the leader. (`upon_valid`)
//! - *Upon PC(h,v,d)*: keep it; if it is of this view or an earlier one and the highest so far,
//!   record it as that. (`upon_prepared`)
//! - *Upon PC(h,v,d) of this view*: if [`may_commit`](rules::may_commit), record the vote,
//!   send it to the leader. The body is not needed. (`upon_committable`)
//! - *Upon CC(h,·,d)*, whatever the view: record it, begin h + 1. (`upon_certified`)
//! - *Upon a decided block's body, the blocks below being given*: give it. (`upon_applicable`)
//! - *Upon a timeout*: ask for the next view, naming the highest PC, and say so again byte for
//!   byte with back-off. (`on_timer`, `ask`, `on_resend`)
//! - *Upon view changes of weight ≥ f + 1 for views beyond this*: ask for the lowest of them.
//!   (`upon_amplified`)
//! - *Upon view changes of weight ≥ q for the view asked for, or later ones*: start its timer.
//!   (`upon_awaited`)
//! - *Upon view changes of weight ≥ q for exactly a view that this member leads*: make its NV,
//!   record it, send it. (`upon_elected`)
//! - *Upon an NV of a later view, no lower than asked for*: record it, enter, start T_v. (`enter`)
//! - *Upon traffic of a decided height*: answer with its CC. *Of a later height*: ask for the
//!   decisions. *Upon lacking something for δ*: ask the leader for it, then all others in turn,
//!   and repeat one's votes. (`elsewhere`, `on_pull_due`)
//!
//! A view change counts only once the PC that it names is here and holds; until then that PC is
//! asked for, of each member that names it in turn.
//!
//! Departures from the paper: views change by the rule above and not by the paper's, which loses
//! prepared blocks. A new view travels ahead of the proposal, so that members enter while the
//! application still makes the block, and convinces without its leader's signature. Certificates
//! are passed on to who asks for them, and to who shows that it lacks them, but not flooded.

mod catch_up;
mod config;
mod propose;
mod restore;
mod state;
mod view_change;
mod vote;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use cosi::{
    keys::PeerId,
    machine::{self, Cx, Evidence, Fault, FaultKind, Index, StepOf, Time},
};

pub use self::config::{Command, Config, Error, Event, EventOf, Limits, RestoreError, Timing};
use self::{
    catch_up::Pull,
    state::{Chain, Round},
};
use crate::{
    message::{Message, MessageOf, Verified},
    record::RecordOf,
    rules,
    statement::{Digest, Height, Kind, Statement, View},
    votes::{self, Votes},
};

/// What one input brings about, in the roster's names for members.
type Inner<V> = machine::Step<MessageOf<V>, EventOf<V>, RecordOf<V>, Index>;

/// One member of a roster that decides a chain of blocks.
///
/// # Guarantee
///
/// While members of weight at most f = ⌊(W − 1)/3⌋ are faulty: no two correct members decide
/// different blocks at a height, whatever the network does; and once messages arrive in time,
/// every correct member's payload that all know of is decided.
///
/// # Duties
///
/// Make a step's records durable before releasing the rest. Answer [`Event::Propose`] and
/// [`Event::Validate`]. Repeat [`Command::Pending`] after each decision while payload waits, and
/// upon [`Event::Forward`] send that payload to all. Messages come from authenticated peers.
///
/// # Bounds
///
/// One proposal and `limits.candidates` blocks (besides those that the rules name) of
/// `limits.max_body` bytes each, one view change and one claim of height a member, one prepare
/// certificate a view, `limits.history` decided blocks.
///
/// # Example
///
/// A roster of one, which is its own quorum:
///
/// ```
/// use byzcoin::{
///     keys::Seed, machine::{Cx, Time}, roster::{Member, Roster}, votes::{self, CosiVotes}, *,
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let key = Seed::from_bytes([1; 32]).signing_key();
/// let roster = Roster::new([Member::new(&key, &mut rng)])?;
/// let config = Config {
///     chain: [7; 32],
///     epoch: 1,
///     me: roster.index(0).unwrap(),
///     roster: roster.clone(),
///     genesis: [0; 32],
///     votes: votes::Config { key: key.into(), timing: Default::default() },
///     timing: Timing::default(),
///     limits: Limits::default(),
///     rotation: 16,
/// };
/// let scope = config.scope();
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let (mut replica, _) = Replica::<CosiVotes>::restore(config, [], &mut cx)?;
///
/// let (_, held) = replica.handle_command(&mut cx, Command::Pending)?.into_records();
/// let events = held.release().events;
/// let [Event::Propose { height, view, .. }] = events[..] else { panic!() };
/// let body = wire::BoundedBytes::new(b"payload".to_vec()).unwrap();
/// let answer = Command::Propose { height, view, app: Default::default(), body };
/// let (records, held) = replica.handle_command(&mut cx, answer)?.into_records();
/// // ... write `records`, sync, then send what the step holds, and: ...
/// let mut events = held.release().events;
/// let Some(Event::Decided { block, view, certificate }) = events.pop() else { panic!() };
/// let decision = Decision { block, view, certificate };
/// assert!(decision.verify::<CosiVotes>(&scope, &roster));
/// # assert!(!records.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica<V: Votes> {
    config: Config<()>,
    votes: V,
    chain: Chain<V::Certificate>,
    round: Round<V::Signature, V::Certificate>,
    /// The latest height beyond this one that each member spoke of: one slot a member.
    ahead: BTreeMap<Index, Height>,
    /// The height at which the application was told that this member is behind.
    behind: Option<Height>,
    pull: Option<Pull>,
    /// At most one entry for each member and kind.
    blamed: BTreeSet<(Index, FaultKind)>,
}

impl<V: Votes> machine::Machine for Replica<V> {
    type Peer = PeerId;
    type Message = MessageOf<V>;
    type Command = Command;
    type Event = EventOf<V>;
    type Record = RecordOf<V>;
    type Error = Error;

    fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        message: MessageOf<V>,
    ) -> StepOf<Self> {
        Self::handle_message(self, cx, from, message)
    }

    fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<StepOf<Self>, Error> {
        Self::handle_command(self, cx, command)
    }

    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> StepOf<Self> {
        Self::handle_timeout(self, cx)
    }

    fn next_timeout(&self) -> Option<Time> {
        Self::next_timeout(self)
    }
}

impl<V: Votes> machine::Restore for Replica<V> {
    type Config = Config<V::Config>;
    type RestoreError = RestoreError;

    fn restore(
        config: Self::Config,
        records: impl IntoIterator<Item = RecordOf<V>>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, StepOf<Self>), RestoreError> {
        Self::restore(config, records, cx)
    }
}

impl<V: Votes> Replica<V> {
    /// Takes in what `from` said. Who is not in the roster is not heard.
    pub fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        message: MessageOf<V>,
    ) -> StepOf<Self> {
        let Some(sender) = self.config.roster.index_of(from) else {
            return StepOf::<Self>::none();
        };
        if self.knows(&message) {
            return StepOf::<Self>::none();
        }
        match message.verify::<V>(&self.config.scope(), &self.config.roster) {
            Ok(verified) => self.handle_verified(cx, from, verified),
            Err(kind) => {
                let step = self.blame(sender, kind, None);
                self.outward(step)
            }
        }
    }

    /// Takes in what was verified elsewhere. What was verified in another scope is dropped.
    pub fn handle_verified(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        verified: Verified<MessageOf<V>>,
    ) -> StepOf<Self> {
        let Verified { message, scope } = verified;
        let Some(from) = self.config.roster.index_of(from) else {
            return StepOf::<Self>::none();
        };
        if scope != self.config.scope() {
            return StepOf::<Self>::none();
        }
        let step = match message {
            Message::Propose(propose) => self.on_propose(from, propose),
            Message::Content(proposal) => self.on_content(proposal),
            Message::Chunk { height, digest, chunk } => self.on_chunk(from, height, digest, chunk),
            Message::Votes(message) => {
                let step = self.votes.handle_message(cx, from, message);
                self.absorb(step)
            }
            Message::Prepared(prepared) => self.on_prepared(from, prepared),
            Message::Decided(decided) => self.on_decided(from, decided),
            Message::ViewChange(change) => self.on_view_change(from, change),
            Message::NewView(new_view) => self.on_new_view(cx, from, new_view),
            Message::Pull(wanted) => self.on_pull(from, wanted),
        };
        self.settle(cx, step)
    }

    /// Does what the application asks, or says why that makes no sense.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command,
    ) -> Result<StepOf<Self>, Error> {
        let step = match command {
            Command::Pending => {
                self.round.pending = true;
                Inner::<V>::none()
            }
            Command::Propose { height, view, app, body } => {
                self.propose(cx, height, view, app, &body)?
            }
            Command::Validated { digest, valid } => self.validated(digest, valid),
        };
        Ok(self.settle(cx, step))
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> StepOf<Self> {
        let now = cx.now();
        let due = |time: Option<Time>| time.is_some_and(|time| time <= now);
        let mut step = Inner::<V>::none();
        if due(self.votes.next_timeout()) {
            let child = self.votes.handle_timeout(cx);
            step = step.and(self.absorb(child));
        }
        if due(self.half()) {
            step = step.and(self.on_half());
        }
        if due(self.round.timer) {
            step = step.and(self.on_timer(cx));
        }
        if due(self.round.resend.map(|(at, _)| at)) {
            step = step.and(self.on_resend(cx));
        }
        if due(self.pull.map(|pull| pull.at)) {
            step = step.and(self.on_pull_due(cx));
        }
        self.settle(cx, step)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        let resend = self.round.resend.map(|(at, _)| at);
        let pull = self.pull.map(|pull| pull.at);
        let due = [self.votes.next_timeout(), self.half(), self.round.timer, resend, pull];
        due.into_iter().flatten().min()
    }

    /// The height that is being decided.
    pub const fn height(&self) -> Height {
        self.round.height
    }

    /// The view that was last entered at this height.
    pub const fn view(&self) -> View {
        self.round.view
    }

    /// Who leads this height in `view`.
    pub fn leader(&self, view: View) -> Index {
        let leader = rules::leader(self.config.roster.size(), self.round.start, view);
        self.config.roster.index(leader).unwrap_or(self.config.me)
    }

    /// How many decided blocks are kept, and how many undecided ones.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> (usize, usize) {
        (self.chain.links.len(), self.round.candidates.len())
    }

    /// Whether this member waits for a view that it asked for.
    #[cfg(test)]
    pub(crate) fn has_asked(&self) -> bool {
        self.round.waits()
    }

    /// When payload is to be forwarded.
    fn half(&self) -> Option<Time> {
        self.round.half.filter(|_| self.round.pending)
    }

    /// Applies the rules until none has anything to do.
    fn settle(&mut self, cx: &mut Cx<'_>, mut step: Inner<V>) -> StepOf<Self> {
        while let Some(next) = self.rule(cx) {
            step = step.and(next);
        }
        self.schedule_pull(cx);
        self.outward(step)
    }

    /// The first rule that has something to do, done. Each ends the condition that it starts
    /// from, and no other restores it, so this comes to an end.
    fn rule(&mut self, cx: &mut Cx<'_>) -> Option<Inner<V>> {
        self.upon_certified(cx)
            .or_else(|| self.upon_applicable())
            .or_else(|| self.upon_prepared())
            .or_else(|| self.upon_committable(cx))
            .or_else(|| self.upon_amplified(cx))
            .or_else(|| self.upon_awaited(cx))
            .or_else(|| self.upon_elected(cx))
            .or_else(|| self.upon_work(cx))
            .or_else(|| self.upon_turn())
            .or_else(|| self.upon_required())
            .or_else(|| self.upon_body())
            .or_else(|| self.upon_valid(cx))
    }

    /// Has the votes do something, and takes in what comes of it.
    fn vote(&mut self, cx: &mut Cx<'_>, command: votes::Command) -> Inner<V> {
        match self.votes.handle_command(cx, command) {
            Ok(step) => self.absorb(step),
            Err(never) => match never {},
        }
    }

    fn absorb(&mut self, child: votes::Step<V>) -> Inner<V> {
        let mut step = Inner::<V>::none();
        let events = step.absorb(child, Message::Votes, |never| match never {});
        events.into_iter().fold(step, |step, event| step.and(self.on_certified(event)))
    }

    fn statement(&self, kind: Kind, view: View, digest: Digest) -> Statement {
        self.config.scope().statement(kind, self.round.height, view, digest)
    }

    fn leads(&self, view: View) -> bool {
        self.leader(view) == self.config.me
    }

    /// Whether the application holds the state that this height's blocks build on.
    fn has_parent(&self) -> bool {
        self.chain.applied == self.chain.tip
    }

    /// The step in names that outlive the roster.
    fn outward(&self, step: Inner<V>) -> StepOf<Self> {
        let Config { roster, me, .. } = &self.config;
        let this = roster.peer(*me);
        let name = |index| roster.peer(index).or(this).expect("a roster names its members");
        let others =
            || -> Vec<PeerId> { roster.indices().filter(|index| index != me).map(name).collect() };
        step.map_peers(name, others)
    }

    fn blame(&mut self, culprit: Index, kind: FaultKind, evidence: Option<Evidence>) -> Inner<V> {
        if self.blamed.insert((culprit, kind)) {
            Inner::<V>::none().fault(Fault { culprit, kind, evidence })
        } else {
            Inner::<V>::none()
        }
    }
}
