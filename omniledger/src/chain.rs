//! A shard's chain, as a validator keeps it: the state, the blocks and where each entry stands.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    merkle::tree::{self, Path, Tree},
    wire::{BoundedVec, Wire},
};
use skipchain::{BackLinks, ChainId, Header, Link, Proof, Spine};

use crate::{
    decision::Decision,
    genesis::{Genesis, GenesisError},
    ledger::Ledger,
    message::{Found, MAX_LINKS},
    pool::Refusal,
    transaction::{Checked, Rejection, Session, Transaction},
    utxo::Utxo,
};

/// The most transactions that a block of any ledger has.
pub const MAX_TRANSACTIONS: usize = 1 << 16;

/// A block's body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// The transactions, in the order of their execution.
    pub transactions: BoundedVec<Transaction, MAX_TRANSACTIONS>,
}

/// What a block says of one transaction: a leaf under its payload root.
///
/// Says where it stands among how many, which no Merkle root tells. So a block's entries can be
/// told to be complete, and a path to one has one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// The position in the block, from 0.
    pub at: u64,
    /// How many entries the block has.
    pub of: u64,
    /// What became of the transaction.
    pub verdict: Verdict,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Verdict {
    /// It was executed whole: its inputs are spent and its outputs exist.
    Committed(Session),
}

impl Entry {
    /// The leaf.
    pub fn leaf(&self) -> tree::Hash {
        tree::leaf_hash(&self.encode())
    }

    /// Whether this entry stands at the end of the path, in a block with this header.
    pub fn is_in(&self, header: &Header, path: &Path) -> bool {
        (path.index(), path.len()) == (self.at, self.of)
            && path.verify(&header.payload_root, &self.leaf())
    }
}

/// The first header of a ledger's chain: a function of its genesis.
pub fn genesis_header(genesis: &Genesis) -> Result<Header, GenesisError> {
    let roster = genesis.roster()?;
    let state = Utxo::new(genesis.rules(), genesis.granted()).root();
    let chain = ChainId(genesis.id().0);
    Ok(Header::genesis(chain, genesis.shape, roster.id(), tree::root([]), Some(state)))
}

/// Why a block cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBlock {
    #[error("the body is no list of transactions")]
    Malformed,
    #[error("the block has more transactions than the genesis allows")]
    Size,
    #[error("the transaction at {0} is refused: {1}")]
    Transaction(usize, Rejection),
    #[error("the header is not the one that follows from the parent and the body")]
    Header,
}

/// What a block comes to.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) header: Header,
    pub(crate) block: Vec<Checked>,
    pub(crate) after: Utxo,
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    spine: Spine,
    state: Utxo,
    blocks: Vec<Block>,
    places: BTreeMap<Session, (u64, u64)>,
    /// What was spent, by its name: whoever spends it again is refused for good.
    spent: BTreeSet<[u8; 32]>,
    genesis: Header,
}

#[derive(Clone, Debug)]
struct Block {
    header: Header,
    link: Link<Decision>,
    entries: Tree,
}

impl Chain {
    pub(crate) fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        let header = genesis_header(genesis)?;
        let spine = Spine::new(header.clone()).map_err(|_| GenesisError::Chain)?;
        let state = Utxo::new(genesis.rules(), genesis.granted());
        let (blocks, places, spent) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { spine, state, blocks, places, spent, genesis: header })
    }

    pub(crate) const fn tip(&self) -> &Header {
        self.spine.tip()
    }

    pub(crate) const fn state(&self) -> &Utxo {
        &self.state
    }

    pub(crate) fn contains(&self, session: &Session) -> bool {
        self.places.contains_key(session)
    }

    /// The block of these transactions, which have been executed on the state.
    pub(crate) fn next(&self, block: Vec<Checked>, after: Utxo) -> Executed {
        let header = self.spine.next(self.tip().roster, entries(&block).root(), Some(after.root()));
        Executed { header, block, after }
    }

    /// Executes checked transactions in order, all or none.
    pub(crate) fn execute(&self, block: Vec<Checked>) -> Result<Executed, BadBlock> {
        let mut after = self.state.clone();
        for (at, checked) in block.iter().enumerate() {
            after.apply(checked).map_err(|rejection| BadBlock::Transaction(at, rejection))?;
        }
        Ok(self.next(block, after))
    }

    /// Appends what was decided.
    pub(crate) fn append(&mut self, executed: &Executed, decision: Decision) -> Option<u64> {
        let Executed { header, block, after } = executed;
        let back: BackLinks = self.spine.back_links();
        let link = Link::new(0, self.spine.tip(), header, &back, decision, None)?;
        self.spine.push(header).ok()?;
        let places = block.iter().map(|checked| checked.session()).zip(0..);
        self.places.extend(places.map(|(session, at)| (session, (header.index, at))));
        let inputs =
            block.iter().flat_map(|checked| checked.transaction().declaration.inputs.iter());
        self.spent.extend(inputs.map(|input| input.outpoint.id));
        self.blocks.push(Block { header: header.clone(), link, entries: entries(block) });
        self.state = after.clone();
        Some(header.index)
    }

    /// Why the transaction cannot be executed after the last block. For good, if one input's
    /// reason is.
    pub(crate) fn blocker(&self, checked: &Checked) -> Option<Refusal> {
        let inputs = checked.transaction().declaration.inputs.iter();
        let blockers = inputs.filter_map(|input| match self.state.spendable(input) {
            Ok(()) => None,
            Err(Rejection::WrongDeclaration { .. }) => Some(Refusal::Misdeclared),
            Err(_) if self.spent.contains(&input.outpoint.id) => Some(Refusal::Spent),
            Err(_) => Some(Refusal::Missing),
        });
        blockers.min()
    }

    /// The links from the block at `head` to later ones, [`MAX_LINKS`] at most.
    pub(crate) fn links_after(&self, head: u64) -> Option<Proof<Decision>> {
        let known = usize::try_from(head).ok()?;
        let from = known
            .checked_sub(1)
            .map_or(Some(&self.genesis), |at| self.blocks.get(at).map(|block| &block.header));
        let links = self.blocks.iter().skip(known).take(MAX_LINKS);
        Proof::new(from?, links.map(|block| block.link.clone()).collect())
    }

    pub(crate) fn find(&self, session: &Session) -> Option<Found> {
        let (block, position) = *self.places.get(session)?;
        let at = usize::try_from(block.checked_sub(1)?).ok()?;
        let path = self.blocks.get(at)?.entries.path(position)?;
        Some(Found { session: *session, block, path })
    }
}

/// The tree over a block's entries.
fn entries(block: &[Checked]) -> Tree {
    let of = u64::try_from(block.len()).unwrap_or(u64::MAX);
    Tree::new((0..).zip(block).map(|(at, checked)| {
        Entry { at, of, verdict: Verdict::Committed(checked.session()) }.leaf()
    }))
}
