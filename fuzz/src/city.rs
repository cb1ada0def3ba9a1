//! A small city of three shards with chains, and payments that want the same coins.
//!
//! Everything follows from constants, so that a corpus can be made again to the byte.

use std::sync::LazyLock;

use atomix::{
    Action, Checked, Declaration, Done, GenesisId, InBlock, Input, Message, Outcome, Outpoint,
    Output, Parameters, Place, Proof, ProofError, Refusal, Request, Rosters, Rules, Sealed,
    ShardState, Transaction, Verdict, client::Record,
};
use cosi::{
    Certificate, Statement as _, certificate,
    keys::{Seed, SigningKey},
    mask::Mask,
    merkle::tree::{self, Tree},
    roster::{Member, Roster},
    wire::BoundedVec,
};
use skipchain::{BlockId, ChainId, Header, LinkStatement, Shape, Siblings, Spine};

use crate::town::{QUORUM, SIZE, rng};

/// How many shards there are.
pub(crate) const SHARDS: u16 = 3;
/// What every coin is worth.
pub(crate) const WORTH: u64 = 100;
/// How many coins there are in each shard.
const COINS: u8 = 3;

/// The coins' owner.
static OWNER: LazyLock<SigningKey> = LazyLock::new(|| Seed::from_bytes([31; 32]).signing_key());

/// The shards' members in each of four epochs, after which they come again. Two members stay.
static GROUPS: LazyLock<Vec<(Roster, Vec<SigningKey>)>> = LazyLock::new(|| {
    let group = |first: u8| {
        let seeds = (0..4_u8).map(|at| Seed::from_bytes([first.wrapping_add(at); 32]));
        let keys: Vec<_> = seeds.map(|seed| seed.signing_key()).collect();
        let mut rng = rng(7);
        let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)));
        (roster.expect("four sound members"), keys)
    };
    [41, 43, 45, 47].map(group).to_vec()
});

fn group(epoch: u64) -> &'static (Roster, Vec<SigningKey>) {
    let at = usize::try_from(epoch % 4).expect("below four");
    GROUPS.get(at).expect("four groups")
}

/// What is well-formed.
pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let parameters = Parameters { shards: SHARDS, deadline: 1000, ..Parameters::default() };
    Rules::new(GenesisId([7; 32]), parameters)
});

/// The coin number `coin` of a shard.
pub(crate) fn coin(shard: u16, coin: u8) -> Input {
    let outpoint = Outpoint {
        shard,
        id: [shard.to_le_bytes()[0], coin].repeat(16).try_into().expect("32 bytes"),
        version: 0,
    };
    Input { outpoint, value: WORTH, owner: OWNER.public().to_bytes() }
}

/// All coins.
pub(crate) fn coins() -> impl Iterator<Item = Input> {
    (0..SHARDS).flat_map(|shard| (0..COINS).map(move |number| coin(shard, number)))
}

/// Whether the owner of all coins is the owner of all inputs.
pub(crate) fn is_own(transaction: &Transaction) -> bool {
    let owner = OWNER.public().to_bytes();
    transaction.declaration.inputs.iter().all(|input| input.owner == owner)
}

/// Eight payments. The first three want the same coins, and so do the next two; the others are
/// within one shard, short of time, and of a later epoch.
pub(crate) static PAYMENTS: LazyLock<Vec<Checked>> = LazyLock::new(|| {
    let to = |shard, value| Output { shard, value, owner: OWNER.public().to_bytes() };
    let sign = |epoch, deadline, inputs: Vec<Input>, outputs| {
        let declared = Declaration::new(epoch, 0, deadline, inputs, outputs);
        let signed = declared.and_then(|it| it.sign(&RULES.genesis(), |_| Some(&*OWNER)));
        RULES.check_one(signed.expect("the key is at hand")).expect("well-formed")
    };
    let first = sign(0, 1000, vec![coin(0, 0), coin(1, 0)], vec![to(2, 150), to(2, 40)]);
    let made = first.declaration().created(first.session()).next().expect("two outputs");
    let again = coin(2, 0).given_back().expect("a new coin");
    let others = [
        sign(0, 1000, vec![coin(0, 0)], vec![to(1, 100)]),
        sign(0, 1000, vec![coin(1, 0), coin(2, 0)], vec![to(0, 200)]),
        sign(0, 1000, vec![made, coin(0, 1)], vec![to(1, 250)]),
        sign(0, 1000, vec![again, coin(0, 1)], vec![to(1, 99), to(2, 101)]),
        sign(0, 1000, vec![coin(1, 1)], vec![to(1, 1), to(1, 99)]),
        sign(0, 3, vec![coin(0, 2), coin(1, 2), coin(2, 2)], vec![to(0, 300)]),
        sign(1, 1000, vec![coin(2, 1)], vec![to(0, 50), to(1, 50)]),
    ];
    [first].into_iter().chain(others).collect()
});

/// The payment at a position, which is taken modulo eight.
pub(crate) fn payment(at: u8) -> &'static Checked {
    PAYMENTS.get(usize::from(at & 7)).expect("eight payments")
}

/// A block, and the shard's state after it.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) state: ShardState,
    header: Header,
    from: BlockId,
    back: Siblings,
    attestation: Certificate,
}

impl Block {
    /// A verdict that stands somewhere in this block.
    fn proof(&self, verdict: &Verdict, place: Place) -> Proof<Sealed> {
        let Self { header, from, back, attestation, .. } = self.clone();
        Proof::new(verdict, Sealed { header, from, back, attestation, place })
    }

    /// What the state says of a payment.
    pub(crate) fn kept(&self, checked: &Checked, outcome: Outcome) -> Option<Proof<Sealed>> {
        let verdict = self.state.said(checked, outcome)?;
        Some(self.proof(&verdict, self.state.place(checked.session(), outcome)?))
    }
}

/// A shard with its chain.
struct Shard {
    state: ShardState,
    spine: Spine,
}

/// The shards, and what each knows of the others.
pub(crate) struct City {
    shards: Vec<Shard>,
    pub(crate) rosters: Rosters,
    /// Of all shards, in order: one for each step at most.
    pub(crate) blocks: Vec<Block>,
}

fn chain(shard: u16) -> ChainId {
    ChainId([shard.to_le_bytes()[0].wrapping_add(1); 32])
}

impl City {
    pub(crate) fn new() -> Self {
        let shard = |shard| {
            let state = ShardState::new(chain(shard), shard, RULES.clone(), coins());
            let (id, root) = (group(0).0.id(), Some(state.root()));
            let genesis = Header::genesis(chain(shard), Shape::default(), id, tree::root([]), root);
            Shard { state, spine: Spine::new(genesis).expect("a genesis") }
        };
        let shards = (0..SHARDS).map(shard).collect();
        let mut city = Self { shards, rosters: Rosters::new(), blocks: Vec::new() };
        (0..SHARDS).for_each(|shard| city.believe(shard, 0));
        city
    }

    /// All shards believe the members that a shard has in this epoch.
    fn believe(&mut self, shard: u16, epoch: u64) {
        let roster = &group(epoch).0;
        let opening = roster.open(&Mask::of(SIZE.into(), 0..SIZE));
        let opened = opening.check(roster.id()).expect("all members");
        self.rosters.turn(shard, chain(shard), opened);
    }

    fn shard(&mut self, shard: u16) -> &mut Shard {
        self.shards.get_mut(usize::from(shard)).expect("three shards")
    }

    pub(crate) fn state(&self, shard: u16) -> &ShardState {
        &self.shards.get(usize::from(shard)).expect("three shards").state
    }

    /// Decides on a request in a block of its own, and proves what is new.
    ///
    /// # Panics
    /// When the state changes although nothing is new.
    pub(crate) fn decide(
        &mut self,
        shard: u16,
        checked: &Checked,
        action: &Action<Sealed>,
    ) -> Result<(Done, Option<Proof<Sealed>>), Refusal> {
        let mut state = self.begin(shard, 0);
        let before = state.root();
        let done = state.apply(checked, action, &self.rosters);
        let Ok(Done::New(verdict)) = &done else {
            assert_eq!(state.root(), before, "a refusal or a repetition that changes the state");
            return done.map(|done| (done, None));
        };
        let entries = Tree::new([tree::leaf_hash(b"another entry"), verdict.entry(1, 2)]);
        let block = self.seal(shard, state, entries.root());
        let place = Place::Logged(entries.path(1).expect("the second of two"));
        let proof = block.proof(verdict, place);
        done.map(|done| (done, Some(proof)))
    }

    /// A block without a request.
    pub(crate) fn pass(&mut self, shard: u16) -> Block {
        let state = self.begin(shard, 0);
        self.seal(shard, state, tree::root([]))
    }

    /// A shard enters the next epoch with other members, unless another shard is behind it.
    pub(crate) fn turn(&mut self, shard: u16) {
        let epoch = self.state(shard).epoch();
        if self.shards.iter().all(|other| other.state.epoch() >= epoch) {
            let state = self.begin(shard, 1);
            self.believe(shard, state.epoch());
            self.seal(shard, state, tree::root([]));
        }
    }

    fn begin(&mut self, shard: u16, epochs: u64) -> ShardState {
        let Shard { state, spine } = self.shard(shard);
        let mut state = state.clone();
        let (epoch, index) = (state.epoch(), spine.tip().index);
        state.begin(epoch.wrapping_add(epochs), index.wrapping_add(1)).expect("the next block");
        state
    }

    /// Appends a block that ends in this state, decided by the shard's members.
    fn seal(&mut self, shard: u16, state: ShardState, payload: [u8; 32]) -> Block {
        let (roster, keys) = group(state.epoch());
        let kept = self.shard(shard);
        let from = kept.spine.tip().clone();
        let header = kept.spine.next(roster.id(), payload, Some(state.root()));
        let back = kept.spine.back_links().open(0).expect("a link to the block before");
        let statement = LinkStatement::new(0, &from, &header).to_signed();
        let signed = QUORUM.iter().map(|at| {
            let key = keys.get(usize::from(*at)).expect("four keys");
            let index = roster.index(*at).expect("a member");
            (index, certificate::sign(key, &roster.id(), &statement))
        });
        let attestation = Certificate::individual(roster, signed).expect("there are signers");
        kept.spine.push(&header).expect("the next header");
        kept.state = state.clone();
        let block = Block { state, header, from: from.id(), back, attestation };
        self.blocks.push(block.clone());
        block
    }
}

/// What became of three of the payments, and how.
pub(crate) struct Story {
    pub(crate) city: City,
    pub(crate) requests: Vec<Request<Sealed>>,
    /// What each of them led to.
    proofs: Vec<Proof<Sealed>>,
}

/// The one story: the first payment is committed, and of what wants the same coins one is
/// rejected, and what it had locked is given back.
pub(crate) static STORY: LazyLock<Story> = LazyLock::new(|| {
    let city = City::new();
    let mut story = Story { city, requests: Vec::new(), proofs: Vec::new() };
    let (first, third) = (payment(0), payment(2));
    let ask = || Action::Initialize { shown: None };
    let accepted = [0, 1].map(|shard| story.done(shard, first, ask()));
    let proofs = BoundedVec::new(accepted.to_vec()).expect("two");
    story.done(2, first, Action::Commit { proofs });
    let shown = Some(story.done(2, third, ask()));
    let proof = story.done(1, third, Action::Initialize { shown });
    story.done(2, third, Action::Abort { proof });
    story
});

impl Story {
    fn done(&mut self, shard: u16, checked: &Checked, action: Action<Sealed>) -> Proof<Sealed> {
        let (_, proof) = self.city.decide(shard, checked, &action).expect("as the story goes");
        let proof = proof.expect("it is new");
        let transaction = checked.transaction().clone();
        self.requests.push(Request { transaction, action });
        self.proofs.push(proof.clone());
        proof
    }

    /// All that can be proved: what stands in a log, and what stands in a state, in each block.
    pub(crate) fn all_proofs(&self) -> Vec<Proof<Sealed>> {
        use Outcome::{Accepted, Created, GivenBack, Rejected};
        let logged = self.proofs.iter().cloned();
        let kept = self.city.blocks.iter().flat_map(|block| {
            let of_payment = move |checked| {
                let outcomes = [Accepted, Rejected, GivenBack, Created];
                outcomes.into_iter().filter_map(move |outcome| block.kept(checked, outcome))
            };
            PAYMENTS.iter().flat_map(of_payment)
        });
        logged.chain(kept).collect()
    }

    /// What the first shard said first.
    pub(crate) fn verdict(&self) -> Verdict {
        let said = self.city.state(0).said(payment(0), Outcome::Accepted);
        said.expect("the first payment is accepted")
    }

    fn kept(&self) -> Proof<Sealed> {
        let mut kept =
            self.city.blocks.iter().map(|block| block.kept(payment(0), Outcome::Accepted));
        kept.find_map(|proof| proof).expect("the first payment is accepted")
    }

    /// The proof of that in the log.
    pub(crate) fn logged(&self) -> Proof<Sealed> {
        self.proofs.first().expect("something is proved").clone()
    }

    /// A place in a log, and one in a state.
    pub(crate) fn places(&self) -> [Place; 2] {
        [self.logged(), self.kept()].map(|proof| proof.inclusion.place)
    }

    pub(crate) fn in_block(&self) -> Proof<InBlock> {
        let inclusion = InBlock { index: 1, place: self.logged().inclusion.place };
        Proof::new(&self.verdict(), inclusion)
    }

    /// All that client and shards say.
    pub(crate) fn messages(&self) -> Vec<Message<Sealed>> {
        let session = payment(0).session();
        let requests = self.requests.iter().cloned().map(Message::Request);
        let refused = |refusal| Message::Refused { session, refusal };
        let answers = [Message::Answer { session, proof: self.kept() }];
        requests.chain(answers).chain(refusals().into_iter().take(1).map(refused)).collect()
    }

    /// All that a client remembers.
    pub(crate) fn records(&self) -> Vec<Record<Sealed>> {
        let (transaction, session) = (payment(0).transaction().clone(), payment(0).session());
        vec![
            Record::Started(Box::new(transaction)),
            Record::Proven(session, self.logged()),
            Record::Forgotten(session),
        ]
    }
}

/// Every reason to do nothing.
pub(crate) fn refusals() -> Vec<Refusal> {
    let errors =
        [ProofError::NotParty, ProofError::Unknown, ProofError::Roster, ProofError::Absent];
    let plain = [
        Refusal::OtherRules,
        Refusal::LaterEpoch { declared: 7, current: 5 },
        Refusal::NotParty,
        Refusal::UnknownOutpoint { outpoint: [7; 32] },
        Refusal::WrongDeclaration { outpoint: [7; 32] },
        Refusal::Closed,
        Refusal::Proofs,
    ];
    plain.into_iter().chain(errors.map(|error| Refusal::Proof { shard: 1, error })).collect()
}
