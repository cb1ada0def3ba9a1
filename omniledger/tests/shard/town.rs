//! Four validators whose keys are all at hand, so that any decision can be made: sound or not.

use cosi::{
    Certificate,
    domain::BYZCOIN,
    keys::{PeerId, Seed, SigningKey},
    machine::{Cx, Fault, Output as Done, Step, Time, To},
    merkle::tree::Tree,
    roster::{Member, Roster},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use omniledger::{
    Decision, Genesis, Message, Peer, PoolLimits, Receipt, Session, Stranger, Transaction,
    Validator, Wallet,
    byzcoin::{self, Body, Height, Kind, Proposal, Scope, View, message},
    chain::{self, Entry, Verdict, genesis_header},
    genesis::{Grant, Limits},
    ledger::Ledger,
    message::{Answer, Found, Guest},
    skipchain::{Header, Link, Proof, Spine},
    transaction::{Declaration, Input, Output},
    utxo::Utxo,
    validator, wallet,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn key(number: u8) -> SigningKey {
    Seed::from_bytes([number; 32]).signing_key()
}

/// Who owns all coins.
pub(crate) fn owner() -> SigningKey {
    key(200)
}

pub(crate) fn to_owner(value: u64) -> Output {
    Output { shard: 0, value, owner: owner().public().to_bytes() }
}

/// A ledger with coins of 100, and its chain as far as the test has decided it.
pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    pub(crate) roster: Roster,
    pub(crate) spine: Spine,
    pub(crate) state: Utxo,
    pub(crate) links: Vec<Link<Decision>>,
    pub(crate) blocks: Vec<Tree>,
    pub(crate) parent: [u8; 32],
}

/// A block that may come next, and its proposal.
pub(crate) struct Draft {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
    pub(crate) state: Utxo,
    pub(crate) entries: Tree,
}

impl Town {
    pub(crate) fn new(coins: usize) -> Self {
        Self::with(coins, Limits::default())
    }

    pub(crate) fn with(coins: usize, limits: Limits) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let members = (0..4).map(|number| Member::new(&key(number), &mut rng)).collect();
        let grant = Grant { owner: owner().public().to_bytes(), value: 100 };
        let genesis = Genesis::new("town", members, vec![grant; coins]).unwrap();
        let genesis = Genesis { limits, ..genesis };
        let spine = Spine::new(genesis_header(&genesis).unwrap()).unwrap();
        Self {
            roster: genesis.roster().unwrap(),
            state: genesis.ledger().unwrap(),
            parent: spine.tip_id().0,
            spine,
            links: Vec::new(),
            blocks: Vec::new(),
            genesis,
        }
    }

    pub(crate) fn coin(&self, at: usize) -> Input {
        self.genesis.granted().nth(at).unwrap()
    }

    pub(crate) fn pay(&self, nonce: u64, inputs: &[Input], outputs: &[Output]) -> Transaction {
        let declared = Declaration::new(0, nonce, inputs.to_vec(), outputs.to_vec()).unwrap();
        let owner = owner();
        declared.sign(&self.genesis.id(), |_| Some(&owner)).unwrap()
    }

    /// Sends coin `at` back to its owner.
    pub(crate) fn spend(&self, at: usize) -> Transaction {
        self.pay(at.try_into().unwrap(), &[self.coin(at)], &[to_owner(100)])
    }

    pub(crate) fn session(&self, transaction: &Transaction) -> Session {
        transaction.declaration.session(&self.genesis.id())
    }

    /// The block of these transactions; what of them cannot be executed leaves no trace in it.
    pub(crate) fn draft(&self, transactions: &[Transaction]) -> Draft {
        let mut state = self.state.clone();
        for transaction in transactions {
            if let Ok(checked) = state.check(vec![transaction.clone()]).results.remove(0) {
                let _ = state.apply(&checked);
            }
        }
        let of = transactions.len().try_into().unwrap();
        let entries = Tree::new((0..).zip(transactions).map(|(at, transaction)| {
            Entry { at, of, verdict: Verdict::Committed(self.session(transaction)) }.leaf()
        }));
        let header = self.spine.next(self.roster.id(), entries.root(), Some(state.root()));
        let transactions = BoundedVec::new(transactions.to_vec()).unwrap();
        Draft { header, body: chain::Body { transactions }.encode(), state, entries }
    }

    pub(crate) fn height(&self) -> Height {
        Height::new(self.spine.tip().index + 1)
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope { chain: self.genesis.id().0, epoch: 0, roster: self.roster.id() }
    }

    pub(crate) fn proposal(&self, app: &[u8], body: &[u8]) -> (Proposal, Body) {
        let body = Body::new(body).unwrap();
        let header = byzcoin::Header {
            parent: self.parent,
            height: self.height(),
            first_view: View::ZERO,
            next_roster: self.roster.id(),
            next_start: 0,
            app: BoundedBytes::new(app.to_vec()).unwrap(),
        };
        (Proposal::new(header, &body), body)
    }

    /// What view 0's leader says when it proposes this.
    pub(crate) fn propose(&self, app: &[u8], body: &[u8]) -> Vec<Message> {
        let (proposal, body) = self.proposal(app, body);
        let digest = proposal.digest();
        let statement = self.scope().statement(Kind::Proposal, self.height(), View::ZERO, digest);
        let signature = key(0).sign(&BYZCOIN, &statement.encode());
        let propose = message::Propose { view: View::ZERO, proposal, signer: 0, signature };
        let chunks = self.chunks(digest, &body);
        std::iter::once(shard(byzcoin::Message::Propose(propose))).chain(chunks).collect()
    }

    fn chunks(&self, digest: [u8; 32], body: &Body) -> Vec<Message> {
        let height = self.height();
        let chunk = |chunk| shard(byzcoin::Message::Chunk { height, digest, chunk });
        body.chunks().iter().cloned().map(chunk).collect()
    }

    pub(crate) fn certify(&self, signers: &[u16], statement: &impl cosi::Statement) -> Certificate {
        let signed = signers.iter().map(|at| {
            let key = key((*at).try_into().unwrap());
            let signature =
                cosi::certificate::sign(&key, &self.roster.id(), &statement.to_signed());
            (self.roster.index(*at).unwrap(), signature)
        });
        Certificate::individual(&self.roster, signed).unwrap()
    }

    pub(crate) fn decision(&self, signers: &[u16], proposal: Proposal) -> Decision {
        let statement = self.scope().statement(
            Kind::Commit,
            proposal.header.height,
            View::ZERO,
            proposal.digest(),
        );
        let certificate = self.certify(signers, &statement);
        Decision { epoch: 0, view: View::ZERO, proposal, certificate }
    }

    /// What a quorum says that decides this, whatever it is.
    pub(crate) fn decided(&self, app: &[u8], body: &[u8]) -> Vec<Message> {
        let (proposal, body) = self.proposal(app, body);
        let digest = proposal.digest();
        let Decision { view, proposal, certificate, .. } = self.decision(&[0, 2, 3], proposal);
        let decided = message::Decided { proposal, view, certificate };
        let chunks = self.chunks(digest, &body);
        std::iter::once(shard(byzcoin::Message::Decided(decided))).chain(chunks).collect()
    }

    /// Has the quorum decide on these transactions.
    pub(crate) fn commit(&mut self, transactions: &[Transaction]) -> Vec<Message> {
        let Draft { header, body, state, entries } = self.draft(transactions);
        let app = header.id().encode();
        let messages = self.decided(&app, &body);
        let (proposal, _) = self.proposal(&app, &body);
        self.parent = proposal.digest();
        let decision = self.decision(&[0, 2, 3], proposal);
        let back = self.spine.back_links();
        self.links.push(Link::new(0, self.spine.tip(), &header, &back, decision, None).unwrap());
        self.spine.push(&header).unwrap();
        self.blocks.push(entries);
        self.state = state;
        messages
    }

    /// The links after the block at `head`.
    pub(crate) fn links_after(&self, head: usize) -> Proof<Decision> {
        let mut from = genesis_header(&self.genesis).unwrap();
        for link in &self.links[..head] {
            from = link.follow(&from, &from.id()).unwrap();
        }
        Proof::new(&from, self.links[head..].to_vec()).unwrap()
    }

    pub(crate) fn found(&self, transaction: &Transaction, block: usize, at: u64) -> Found {
        let path = self.blocks[block - 1].path(at).unwrap();
        Found { session: self.session(transaction), block: block.try_into().unwrap(), path }
    }

    pub(crate) fn receipt(&self, transaction: &Transaction, block: usize, at: u64) -> Receipt {
        let chain =
            Proof::new(&genesis_header(&self.genesis).unwrap(), self.links[..block].to_vec());
        let path = self.blocks[block - 1].path(at).unwrap();
        Receipt { transaction: transaction.clone(), chain: chain.unwrap(), path }
    }

    pub(crate) fn stranger(&self) -> Stranger {
        Stranger::new(&self.genesis).unwrap()
    }

    pub(crate) fn validator_config(&self, number: u8) -> validator::Config {
        validator::Config {
            genesis: self.genesis.clone(),
            key: key(number),
            timing: byzcoin::Timing::default(),
            votes: byzcoin::votes::Timing::default(),
            pool: PoolLimits::default(),
            block_bytes: 1 << 18,
        }
    }

    pub(crate) fn validator(&self, number: u8) -> Validator {
        self.validator_with(self.validator_config(number))
    }

    pub(crate) fn validator_with(&self, config: validator::Config) -> Validator {
        now(|cx| Validator::restore(config, [], cx).unwrap().0)
    }

    pub(crate) fn wallet_config(&self) -> wallet::Config {
        let poll = core::time::Duration::from_millis(200);
        wallet::Config { genesis: self.genesis.clone(), poll }
    }

    pub(crate) fn wallet(&self) -> Wallet {
        now(|cx| Wallet::restore(self.wallet_config(), [], cx).unwrap().0)
    }
}

pub(crate) fn shard(message: byzcoin::MessageOf<byzcoin::votes::CosiVotes>) -> Message {
    Message::Shard { epoch: 0, shard: 0, message: Box::new(message) }
}

/// The validator with this number, as a peer.
pub(crate) fn peer(number: u8) -> Peer {
    Peer::Validator(PeerId::of(key(number).public()))
}

pub(crate) const GUEST: Peer = Peer::Guest(1);

/// Does something at the beginning of time.
pub(crate) fn now<T>(act: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    at(0, act)
}

pub(crate) fn at<T>(seconds: u64, act: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    let mut rng = ChaCha20Rng::seed_from_u64(seconds);
    act(&mut Cx::new(Time::at(core::time::Duration::from_secs(seconds)), &mut rng))
}

/// A step taken apart.
pub(crate) struct Taken<M, E, R> {
    pub(crate) records: Vec<R>,
    pub(crate) messages: Vec<(To<Peer>, M)>,
    pub(crate) events: Vec<E>,
    pub(crate) faults: Vec<Fault<Peer>>,
}

pub(crate) fn take<M, E, R>(
    steps: impl IntoIterator<Item = Step<M, E, R, Peer>>,
) -> Taken<M, E, R> {
    let (records, messages, events, faults) = Default::default();
    let mut all = Taken { records, messages, events, faults };
    for step in steps {
        let (records, held) = step.into_records();
        let Done { messages, events, faults } = held.release();
        all.records.extend(records);
        all.messages.extend(messages);
        all.events.extend(events);
        all.faults.extend(faults);
    }
    all
}

pub(crate) type Heard = Taken<Message, validator::Event, validator::Record>;
pub(crate) type Answered = Taken<Message, wallet::Event, wallet::Record>;

/// Has a validator hear messages, one after the other.
pub(crate) fn tell(node: &mut Validator, from: Peer, messages: Vec<Message>) -> Heard {
    let hear = |message| now(|cx| node.handle_message(cx, from, message));
    take(messages.into_iter().map(hear))
}

pub(crate) fn submit(transactions: &[Transaction]) -> Vec<Message> {
    vec![Message::Guest(Guest::Submit(BoundedVec::new(transactions.to_vec()).unwrap()))]
}

/// What a validator says of these payments.
pub(crate) fn ask(node: &mut Validator, head: u64, sessions: &[Session]) -> Answer {
    let sessions = BoundedVec::new(sessions.to_vec()).unwrap();
    let heard = tell(node, GUEST, vec![Message::Guest(Guest::Ask { head, sessions })]);
    match heard.messages.into_iter().next() {
        Some((To::One(GUEST), Message::Guest(Guest::Answer(answer)))) => answer,
        other => panic!("{other:?}"),
    }
}

/// Has a wallet pay.
pub(crate) fn pay(node: &mut Wallet, transaction: &Transaction) -> Answered {
    let pay = wallet::Command::Pay(Box::new(transaction.clone()));
    take([now(|cx| node.handle_command(cx, pay).unwrap())])
}

/// Has a wallet hear an answer.
pub(crate) fn answer(node: &mut Wallet, from: Peer, answer: Answer) -> Answered {
    take([now(|cx| node.handle_message(cx, from, Message::Guest(Guest::Answer(answer))))])
}

pub(crate) fn nothing() -> Answer {
    Answer { links: None, found: BoundedVec::default(), refused: BoundedVec::default() }
}
