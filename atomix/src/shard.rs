//! What a shard keeps, and the three steps of the protocol on it.

use alloc::boxed::Box;
use core::fmt;

use cosi::{
    domain::ATOMIX_STATE,
    merkle::map::{Hash, Map},
    transcript,
    wire::Wire,
};
use skipchain::ChainId;

use crate::{
    inclusion::{Place, Roots, height},
    message::Action,
    proof::{Proof, Shards},
    refusal::{OutOfOrder, Refusal},
    rules::{Checked, Parameters, Rules},
    transaction::{Input, Session},
    verdict::{Outcome, Verdict},
};

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a new verdict is an entry of the block's payload"]
pub enum Done {
    /// It decided this. **Duty**: put the verdict's [`entry`](Verdict::entry) into the payload
    /// of the block that is being made, behind those before it.
    New(Verdict),
    /// This was decided before, and stays. The state is as before.
    Repeated(Verdict),
}

impl Done {
    /// The verdict, new or not.
    pub const fn verdict(&self) -> &Verdict {
        let (Self::New(verdict) | Self::Repeated(verdict)) = self;
        verdict
    }
}

/// A shard's part in all sessions: its unspent outputs, and what it said.
///
/// **Guarantee.** It says of each session either accepted or rejected and never both, it gives
/// inputs back at most once and only if another input shard rejected the session, and it creates
/// outputs at most once and only if every input shard accepted it. A step does all of this or
/// refuses and changes nothing. So while every shard is safe, either all outputs of a session
/// appear and all of its inputs are gone, or none appears and each input can be spent again.
///
/// **Duties of the host.**
/// - Begin each block with [`begin`](Self::begin), on a [clone](Clone) of the parent's state;
///   log the entry of each new verdict in it, and put [`root`](Self::root) into its header.
/// - Let all validators of the shard do the same: every method is a function of the state and
///   its arguments.
/// - Keep it for ever. `accepted`, `given_back` and `created` take about 100 bytes a session
///   and are never pruned; a shard that forgets them is replayed.
///
/// Nothing is forgotten but rejections of sessions that it could not accept any more. A session
/// whose time is over is rejected without a trace in the state: it can be asked again.
///
/// Locked inputs are those that are not unspent: after a commit an input shard has nothing left
/// to do. A clone shares what neither side changes, so it costs next to nothing.
///
/// Who holds a signed transaction can have it executed, and after its time rejected.
///
/// ```
/// use atomix::{
///     Declaration, Done, GenesisId, Input, Outcome, Outpoint, Output, Refusal, Rosters, Rules,
///     ShardState, keys::Seed,
/// };
/// use skipchain::ChainId;
/// let rules = Rules::new(GenesisId([7; 32]), Default::default());
/// let [alice, bob] = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let outpoint = Outpoint { shard: 0, id: [9; 32], version: 0 };
/// let coin = Input { outpoint, value: 50, owner: alice.public().to_bytes() };
/// let gift = Output { shard: 0, value: 50, owner: bob.public().to_bytes() };
/// let pay = Declaration::new(0, 0, 100, vec![coin], vec![gift])?;
/// let pay = rules.check_one(pay.sign(&rules.genesis(), |_| Some(&alice))?)?;
///
/// let mut shard = ShardState::new(ChainId([1; 32]), 0, rules, [coin]);
/// shard.begin(0, 1)?;
/// let others = Rosters::<cosi::Certificate>::new();
/// let Done::New(verdict) = shard.lock(&pay, None, &others)? else { panic!() };
/// assert_eq!((verdict.outcome, verdict.height), (Outcome::Accepted, 1));
/// assert!(matches!(shard.create(&pay, &[], &others)?, Done::New(_)));
/// assert!(matches!(shard.create(&pay, &[], &others)?, Done::Repeated(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ShardState {
    chain: ChainId,
    shard: u16,
    rules: Rules,
    clock: Clock,
    /// [`Input::leaf`] by id: a transaction adds its outputs here at most once.
    unspent: Map,
    /// For ever, the height by session: an entry costs its owner an unspent input.
    accepted: Map,
    /// Of sessions of this epoch: an entry costs another shard's verdict on the session, and the
    /// first verdict on a session is given to none but the owner of an unspent input.
    rejected: Map,
    /// Of sessions of the epoch before.
    rejected_before: Map,
    /// For ever, and a part of `accepted`.
    given_back: Map,
    /// For ever: an entry costs an acceptance in every input shard.
    created: Map,
}

/// Where the shard's chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    epoch: u64,
    /// The index of the block that is being made.
    index: u64,
    /// The index of the first block of this epoch.
    first: u64,
    /// That of the epoch before.
    first_before: u64,
}

impl fmt::Debug for ShardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ShardState");
        let shown = shown.field("shard", &self.shard).field("clock", &self.clock);
        let shown = shown.field("unspent", &self.unspent.len());
        shown.field("accepted", &self.accepted.len()).finish_non_exhaustive()
    }
}

impl ShardState {
    /// The state of a shard at index 0 of its chain, in epoch 0, with these unspent outputs.
    /// Outputs of other shards are left out.
    pub fn new(
        chain: ChainId,
        shard: u16,
        rules: Rules,
        unspent: impl IntoIterator<Item = Input>,
    ) -> Self {
        let own = unspent.into_iter().filter(|output| output.outpoint.shard == shard);
        Self {
            chain,
            shard,
            rules,
            clock: Clock { epoch: 0, index: 0, first: 0, first_before: 0 },
            unspent: own.map(|output| (output.outpoint.id, output.leaf())).collect(),
            accepted: Map::new(),
            rejected: Map::new(),
            rejected_before: Map::new(),
            given_back: Map::new(),
            created: Map::new(),
        }
    }

    /// The shard.
    pub const fn shard(&self) -> u16 {
        self.shard
    }

    /// The shard's skipchain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// What makes a transaction well-formed here.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The shard's epoch.
    pub const fn epoch(&self) -> u64 {
        self.clock.epoch
    }

    /// The index of the block that is being made.
    pub const fn index(&self) -> u64 {
        self.clock.index
    }

    /// The leaves of unspent outputs by id: what proves that an output can be spent.
    pub const fn unspent(&self) -> &Map {
        &self.unspent
    }

    /// Sets what holds from an epoch on that the shard has not entered.
    pub fn publish(&mut self, epoch: u64, parameters: Parameters) -> Result<(), OutOfOrder> {
        if epoch <= self.clock.epoch {
            return Err(OutOfOrder::Epoch(self.clock.epoch));
        }
        self.rules.publish(epoch, parameters);
        Ok(())
    }

    /// Begins the block at `index` of the shard's skipchain, which never restarts, in this epoch
    /// or as the first of the next. What was rejected two epochs ago is forgotten: the shard
    /// could not accept it any more.
    pub fn begin(&mut self, epoch: u64, index: u64) -> Result<(), OutOfOrder> {
        if index <= self.clock.index {
            return Err(OutOfOrder::Index(self.clock.index));
        }
        let enters = self.clock.epoch.checked_add(1) == Some(epoch);
        if epoch != self.clock.epoch && !enters {
            return Err(OutOfOrder::Epoch(self.clock.epoch));
        }
        if enters {
            let first_before = self.clock.first;
            self.clock = Clock { epoch, index, first: index, first_before };
            self.rejected_before = core::mem::take(&mut self.rejected);
        }
        self.clock.index = index;
        Ok(())
    }

    /// What the state root is the hash of.
    pub fn roots(&self) -> Roots {
        let Clock { epoch, index, first, first_before } = self.clock;
        let clock = transcript::Hash::new(ATOMIX_STATE).bytes(&self.shard.encode());
        let clock = clock.fixed(&self.chain.0).number(epoch).number(index);
        Roots {
            clock: clock.number(first).number(first_before).digest(),
            unspent: self.unspent.root(),
            accepted: self.accepted.root(),
            rejected: self.rejected.root(),
            rejected_before: self.rejected_before.root(),
            given_back: self.given_back.root(),
            created: self.created.root(),
        }
    }

    /// The hash over the whole state.
    pub fn root(&self) -> Hash {
        self.roots().root()
    }

    /// Whether exactly this output is unspent and not locked; why not, if not.
    pub fn spendable(&self, output: &Input) -> Result<(), Refusal> {
        let outpoint = output.outpoint.id;
        match self.unspent.get(&outpoint) {
            Some(leaf) if *leaf == output.leaf() => Ok(()),
            Some(_) => Err(Refusal::WrongDeclaration { outpoint }),
            None => Err(Refusal::UnknownOutpoint { outpoint }),
        }
    }

    /// What the shard said of a session, as far as the state holds it.
    pub fn said(&self, checked: &Checked, outcome: Outcome) -> Option<Verdict> {
        let value = self.map_of(checked.session(), outcome)?.get(&checked.session().0)?;
        let height = value.first_chunk().map(|low| u64::from_le_bytes(*low))?;
        Some(Verdict::new(self.chain, self.shard, checked, outcome, height))
    }

    /// The shard's verdict on a session, as far as the state holds it.
    pub fn verdict(&self, checked: &Checked) -> Option<Verdict> {
        let accepted = self.said(checked, Outcome::Accepted);
        accepted.or_else(|| self.said(checked, Outcome::Rejected))
    }

    /// Where a verdict stands under this state's root: proves an old one anew.
    pub fn place(&self, session: Session, outcome: Outcome) -> Option<Place> {
        let proof = self.map_of(session, outcome)?.prove(&session.0);
        Some(Place::Kept { roots: Box::new(self.roots()), proof })
    }

    fn map_of(&self, session: Session, outcome: Outcome) -> Option<&Map> {
        let maps = match outcome {
            Outcome::Accepted => [&self.accepted; 2],
            Outcome::Rejected => [&self.rejected, &self.rejected_before],
            Outcome::GivenBack => [&self.given_back; 2],
            Outcome::Created => [&self.created; 2],
        };
        maps.into_iter().find(|map| map.get(&session.0).is_some())
    }

    /// Does what a [`Request`](crate::message::Request) asks for.
    pub fn apply<S: Shards>(
        &mut self,
        checked: &Checked,
        action: &Action<S::Inclusion>,
        shards: &S,
    ) -> Result<Done, Refusal> {
        match action {
            Action::Initialize { shown } => self.lock(checked, shown.as_ref(), shards),
            Action::Commit { proofs } => self.create(checked, proofs, shards),
            Action::Abort { proof } => self.give_back(checked, proof, shards),
        }
    }

    /// What [`apply`](Self::apply) would do.
    pub fn validate<S: Shards>(
        &self,
        checked: &Checked,
        action: &Action<S::Inclusion>,
        shards: &S,
    ) -> Result<Done, Refusal> {
        self.clone().apply(checked, action, shards)
    }

    /// **Lock.** Upon a transaction with inputs in this shard: the one verdict on its session.
    ///
    /// Accepts it if all of its inputs here are unspent and as declared, the epoch is the
    /// session's or the one after, and the deadline has not passed; afterwards rejects it. An
    /// input that is not so gets no verdict, lest strangers fill the state with rejections,
    /// unless `shown` proves that another input shard has accepted: then there is a lock that
    /// needs an exit, and the session is rejected.
    pub fn lock<S: Shards>(
        &mut self,
        checked: &Checked,
        shown: Option<&Proof<S::Inclusion>>,
        shards: &S,
    ) -> Result<Done, Refusal> {
        self.admit(checked)?;
        self.owns_inputs(checked)?;
        if let Some(verdict) = self.verdict(checked) {
            return Ok(Done::Repeated(verdict));
        }
        let mut own = checked.declaration().inputs_of(self.shard);
        if let Err(refusal) = own.try_for_each(|input| self.spendable(input)) {
            let shown = shown.ok_or(refusal)?;
            self.hear(shown, Outcome::Accepted, checked, shards)?;
            return Ok(self.reject(checked));
        }
        if self.is_closed(checked) {
            return Ok(self.reject(checked));
        }
        for input in checked.declaration().inputs_of(self.shard) {
            self.unspent.remove(&input.outpoint.id);
        }
        self.accepted.insert(checked.session().0, height(self.clock.index));
        Ok(self.log(checked, Outcome::Accepted))
    }

    /// **Unlock to commit.** Upon a transaction with outputs in this shard and a proof of
    /// acceptance from every input shard but this one, in the shards' order: creates its
    /// outputs, once, however long ago the inputs were locked.
    pub fn create<S: Shards>(
        &mut self,
        checked: &Checked,
        proofs: &[Proof<S::Inclusion>],
        shards: &S,
    ) -> Result<Done, Refusal> {
        self.admit(checked)?;
        if !checked.declaration().output_shards().contains(&self.shard) {
            return Err(Refusal::NotParty);
        }
        if let Some(verdict) = self.said(checked, Outcome::Created) {
            return Ok(Done::Repeated(verdict));
        }
        let mut inputs = checked.declaration().input_shards();
        let is_own = inputs.remove(&self.shard);
        if is_own && self.said(checked, Outcome::Accepted).is_none() {
            return Err(Refusal::Proofs);
        }
        if !proofs.iter().map(|proof| proof.shard).eq(inputs) {
            return Err(Refusal::Proofs);
        }
        for proof in proofs {
            self.hear(proof, Outcome::Accepted, checked, shards)?;
        }
        let created = checked.declaration().created(checked.session());
        let own = created.filter(|output| output.outpoint.shard == self.shard);
        self.unspent.extend(own.map(|output| (output.outpoint.id, output.leaf())));
        self.created.insert(checked.session().0, height(self.clock.index));
        Ok(self.log(checked, Outcome::Created))
    }

    /// **Unlock to abort.** Upon a transaction with inputs in this shard and a proof that
    /// another input shard rejected it: gives the inputs back, once, one version later. A
    /// session that has no verdict here is rejected, so that it is never accepted hereafter.
    pub fn give_back<S: Shards>(
        &mut self,
        checked: &Checked,
        proof: &Proof<S::Inclusion>,
        shards: &S,
    ) -> Result<Done, Refusal> {
        self.admit(checked)?;
        self.owns_inputs(checked)?;
        let over = [Outcome::GivenBack, Outcome::Rejected];
        if let Some(verdict) = over.into_iter().find_map(|over| self.said(checked, over)) {
            return Ok(Done::Repeated(verdict));
        }
        self.hear(proof, Outcome::Rejected, checked, shards)?;
        if self.said(checked, Outcome::Accepted).is_none() {
            return Ok(self.reject(checked));
        }
        let back = checked.declaration().inputs_of(self.shard).filter_map(Input::given_back);
        self.unspent.extend(back.map(|input| (input.outpoint.id, input.leaf())));
        self.given_back.insert(checked.session().0, height(self.clock.index));
        Ok(self.log(checked, Outcome::GivenBack))
    }

    /// **Within one shard.** Upon a transaction that this shard alone takes part in: locks and
    /// creates in one step, without a proof. The two verdicts go into the log in this order.
    ///
    /// Refuses what [`lock`](Self::lock) would reject, since nothing is locked elsewhere.
    pub fn execute<S: Shards>(
        &mut self,
        checked: &Checked,
        shards: &S,
    ) -> Result<[Done; 2], Refusal> {
        let declaration = checked.declaration();
        let parties = [declaration.input_shards(), declaration.output_shards()];
        if parties.iter().any(|shards| !shards.iter().eq([&self.shard])) {
            return Err(Refusal::NotParty);
        }
        let mut after = self.clone();
        let locked = after.lock(checked, None, shards)?;
        if locked.verdict().outcome != Outcome::Accepted {
            return Err(Refusal::Closed);
        }
        let created = after.create(checked, &[], shards)?;
        *self = after;
        Ok([locked, created])
    }

    /// Whether the session is for this ledger, and not of an epoch to come.
    fn admit(&self, checked: &Checked) -> Result<(), Refusal> {
        let (declared, current) = (checked.declaration().epoch, self.clock.epoch);
        if declared > current {
            return Err(Refusal::LaterEpoch { declared, current });
        }
        if self.rules.covers(checked) { Ok(()) } else { Err(Refusal::OtherRules) }
    }

    fn owns_inputs(&self, checked: &Checked) -> Result<(), Refusal> {
        let mut own = checked.declaration().inputs_of(self.shard);
        own.next().map(|_| ()).ok_or(Refusal::NotParty)
    }

    /// Takes another shard's word. This shard's own is in its state.
    fn hear<S: Shards>(
        &self,
        proof: &Proof<S::Inclusion>,
        outcome: Outcome,
        checked: &Checked,
        shards: &S,
    ) -> Result<(), Refusal> {
        if proof.outcome != outcome || proof.shard == self.shard {
            return Err(Refusal::Proofs);
        }
        let held = proof.verify(checked, shards).map(|_| ());
        held.map_err(|error| Refusal::Proof { shard: proof.shard, error })
    }

    /// Whether the time in which the session can be accepted is over, which it is for ever:
    /// epochs and indices only grow.
    fn is_closed(&self, checked: &Checked) -> bool {
        let (epoch, deadline) = (checked.declaration().epoch, checked.declaration().deadline);
        let first = match self.clock.epoch.checked_sub(epoch) {
            Some(0) => self.clock.first,
            Some(1) => self.clock.first_before,
            _ => return true,
        };
        self.clock.index > first.saturating_add(u64::from(deadline))
    }

    /// Rejects a session that has no verdict. One whose time is not over is remembered to the
    /// end of the epoch after its own, or the shard would accept what it rejected.
    fn reject(&mut self, checked: &Checked) -> Done {
        let (session, value) = (checked.session().0, height(self.clock.index));
        if !self.is_closed(checked) {
            let is_current = checked.declaration().epoch == self.clock.epoch;
            let map = if is_current { &mut self.rejected } else { &mut self.rejected_before };
            map.insert(session, value);
        }
        self.log(checked, Outcome::Rejected)
    }

    fn log(&self, checked: &Checked, outcome: Outcome) -> Done {
        let height = self.clock.index;
        Done::New(Verdict::new(self.chain, self.shard, checked, outcome, height))
    }
}
