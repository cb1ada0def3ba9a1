//! Who knows one block, and checks any other.

use alloc::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Policy,
    merkle::tree::{Hash, leaf_hash},
    roster::{Keys, OpenedRoster, Opening, RosterId},
    wire::Wire,
};

use crate::{
    back::{BackError, BackProof},
    header::{BlockId, Header},
    link::LinkStatement,
    proof::{Proof, ProofError},
};

/// How many verified blocks a client remembers at most, its anchor and its head aside.
pub const MEMORY: usize = 1024;

/// A block that a [`LightClient`] verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verified {
    id: BlockId,
    header: Header,
}

impl Verified {
    fn new(header: Header) -> Self {
        Self { id: header.id(), header }
    }

    /// The block's name.
    pub const fn id(&self) -> BlockId {
        self.id
    }

    /// The block's header.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

/// All that a client keeps: encode it, and [`LightClient::restore`] it after a restart.
///
/// **Keep it as safe as a key**: whoever writes it decides what the client believes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Trust {
    /// The genesis or checkpoint that the client was given.
    pub anchor: Header,
    /// The anchor's roster.
    pub opening: Opening,
    /// The latest block that the client advanced to.
    pub head: Header,
}

/// Why a client cannot start from a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// A header that no chain has, or of an unknown version.
    #[error("the anchor or the head is no block of such a chain; fetch the anchor again")]
    Header,
    /// The opening is not that of the anchor's roster.
    #[error("the opening does not show the anchor's roster; fetch it again")]
    Roster,
}

/// Checks proofs, trusting one block and no network.
///
/// See the [crate's documentation](crate) for what the trust in an old anchor is worth.
/// Remembers up to [`MEMORY`] verified blocks with the link that led to each, so that proofs
/// which share a way cost their signatures once. A link that differs in a byte is checked anew.
/// When the memory is full it is emptied, but for the anchor and the head.
///
/// ```
/// use cosi::{Certificate, keys::Seed, mask::Mask, roster::{Member, Roster}};
/// use skipchain::{ChainId, Header, LightClient, Proof, ProofError, Shape, Trust, wire::Wire};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let key = Seed::from_bytes([1; 32]).signing_key();
/// let roster = Roster::new([Member::new(&key, &mut rng)])?;
/// let of = |chain| Header::genesis(chain, Shape::default(), roster.id(), [0; 32], None);
/// let (genesis, stranger) = (of(ChainId([1; 32])), of(ChainId([2; 32])));
/// let client = LightClient::new(genesis.clone(), roster.open(&Mask::of(1, [0])))?;
///
/// let kept = client.trust().encode();
/// let mut client = LightClient::restore(Trust::decode(&kept)?)?;
/// let proof = Proof::<Certificate>::new(&genesis, vec![]).unwrap();
/// assert_eq!(client.verify(&proof)?, *client.head());
/// let foreign = Proof::<Certificate>::new(&stranger, vec![]).unwrap();
/// assert_eq!(client.verify(&foreign), Err(ProofError::Chain));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LightClient {
    trust: Trust,
    roster: OpenedRoster,
    head: Verified,
    /// By index; the anchor and the head always.
    known: BTreeMap<u64, Known>,
}

/// A block, and the hash of the last link that it was verified by.
#[derive(Clone, Debug)]
struct Known {
    block: Verified,
    by: Option<Hash>,
}

impl LightClient {
    /// A client that trusts this block, a genesis or a checkpoint, and knows nothing else.
    ///
    /// The opening may show all members, or those whom the first links need.
    pub fn new(anchor: Header, opening: Opening) -> Result<Self, AnchorError> {
        Self::restore(Trust { head: anchor.clone(), anchor, opening })
    }

    /// The client that had this [`trust`](Self::trust).
    pub fn restore(trust: Trust) -> Result<Self, AnchorError> {
        let Trust { anchor, opening, head } = &trust;
        let one_chain = (anchor.chain, anchor.shape) == (head.chain, head.shape);
        let in_order = anchor.index < head.index || anchor == head;
        if !(anchor.is_sound() && head.is_sound() && one_chain && in_order) {
            return Err(AnchorError::Header);
        }
        let roster = opening.check(anchor.roster).ok_or(AnchorError::Roster)?;
        let head = Verified::new(head.clone());
        let known = [Verified::new(anchor.clone()), head.clone()];
        let known = known.map(|block| (block.header.index, Known { block, by: None })).into();
        Ok(Self { trust, roster, head, known })
    }

    /// What to keep.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The latest block that the client advanced to. A later one may exist: no link tells that
    /// there is none.
    pub const fn head(&self) -> &Verified {
        &self.head
    }

    /// The block at this index, if it was verified and is still remembered.
    pub fn known(&self, index: u64) -> Option<&Verified> {
        self.known.get(&index).map(|known| &known.block)
    }

    /// The block that `proof` leads to, once each link holds. The head stays where it is.
    ///
    /// The proof starts at any block that the client remembers, and goes past the head only
    /// through the head: a client that has come so far lets no older roster overrule it. Blocks on the way are
    /// remembered even if a later link fails, since they hold without it.
    pub fn verify<A: Attests<LinkStatement> + Wire>(
        &mut self,
        proof: &Proof<A>,
    ) -> Result<Verified, ProofError> {
        if proof.chain() != self.trust.anchor.chain {
            return Err(ProofError::Chain);
        }
        let start = self.known(proof.from_index()).filter(|start| start.id == proof.from());
        let mut from = start.cloned().ok_or(ProofError::Start)?;
        let mut signers = Signers::default();
        for (at, link) in proof.links().iter().enumerate() {
            let next = link.follow(&from.header, &from.id).ok_or(ProofError::Level { link: at })?;
            let to = Verified::new(next);
            let head = self.head.header.index;
            if from.header.index < head && head < to.header.index {
                return Err(ProofError::PassesHead { link: at });
            }
            signers.shown = link.opening().map(Shown::Here).or(signers.shown);
            let by = leaf_hash(&link.encode());
            let known = self.known.get(&to.header.index);
            if known.is_none_or(|known| known.block != to || known.by != Some(by)) {
                let statement =
                    LinkStatement::between(link.level(), &from.header, from.id, &to.header, to.id);
                let keys = signers.open(from.header.roster, &self.roster);
                let keys = keys.ok_or(ProofError::Roster { link: at })?;
                let holds = link.attestation().attests(&statement, keys, &Policy::Quorum);
                holds.map_err(|error| ProofError::Certificate { link: at, error })?;
                if known.is_some_and(|known| known.block != to) {
                    return Err(ProofError::Fork { link: at });
                }
                self.remember(to.clone(), Some(by));
            }
            signers.shown = signers.shown.map(Shown::earlier);
            from = to;
        }
        Ok(from)
    }

    /// Verifies `proof` and moves the head to the block that it leads to.
    pub fn advance<A: Attests<LinkStatement> + Wire>(
        &mut self,
        proof: &Proof<A>,
    ) -> Result<Verified, ProofError> {
        let target = self.verify(proof)?;
        if target.header.index <= self.head.header.index {
            return Err(ProofError::Stale);
        }
        self.trust.head = target.header.clone();
        self.head = target.clone();
        // What was verified beyond the head did not pass through it.
        self.known.retain(|index, _| *index <= target.header.index);
        Ok(target)
    }

    /// The earlier block that `proof` leads back to, by hashes alone.
    pub fn verify_back(&mut self, proof: &BackProof) -> Result<Verified, BackError> {
        let start = self.known(proof.from_index()).ok_or(BackError::Start)?;
        let block = Verified::new(proof.verify(&start.header)?);
        match self.known(block.header.index) {
            Some(known) if *known != block => return Err(BackError::Fork),
            Some(_) => {}
            None => self.remember(block.clone(), None),
        }
        Ok(block)
    }

    fn remember(&mut self, block: Verified, by: Option<Hash>) {
        let index = block.header.index;
        let is_full = self.known.len() >= MEMORY.saturating_add(2);
        if is_full && !self.known.contains_key(&index) {
            let (anchor, head) = (self.trust.anchor.index, self.head.header.index);
            self.known.retain(|index, _| *index == anchor || *index == head);
        }
        self.known.insert(index, Known { block, by });
    }
}

/// The roster that signs at this point of a proof.
#[derive(Default)]
struct Signers<'a> {
    /// The last opening on the way.
    shown: Option<Shown<'a>>,
    opened: Option<OpenedRoster>,
}

/// An opening, and whether it stands at this link or at one before.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Here(&'a Opening),
    Before(&'a Opening),
}

impl Shown<'_> {
    const fn earlier(self) -> Self {
        let (Self::Here(opening) | Self::Before(opening)) = self;
        Self::Before(opening)
    }
}

impl Signers<'_> {
    /// The roster with this id: what stands at this link shows it, or is refused; else the last
    /// opening before, or the anchor's.
    fn open<'b>(&'b mut self, id: RosterId, anchor: &'b OpenedRoster) -> Option<&'b OpenedRoster> {
        match self.shown {
            Some(Shown::Here(opening)) => self.opened = Some(opening.check(id)?),
            Some(Shown::Before(opening)) => {
                let opened = self.opened.take().filter(|opened| opened.id() == id);
                self.opened = opened.or_else(|| opening.check(id));
            }
            None => {}
        }
        self.opened.as_ref().or_else(|| Some(anchor).filter(|anchor| anchor.id() == id))
    }
}
