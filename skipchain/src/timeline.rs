//! A chain as its keeper holds it: what appends to it, and what proves it to others.

use alloc::{collections::BTreeMap, vec::Vec};

use cosi::{
    Attests, Policy, VerifyError,
    merkle::tree::Hash,
    roster::{Keys, Opening, RosterId},
};

use crate::{
    back::BackProof,
    header::{BlockId, Header},
    link::{Attestation, Link, LinkStatement},
    proof::{MAX_LINKS, Proof},
    spine::{BackLinks, Spine, SpineError},
};

/// A chain, with what attests each block: appends, and makes every proof that there is.
///
/// **Guarantee.** A proof that it makes takes the fewest links that its attestations allow. Where
/// a block's attestation [spans](Attestation::SPANS), that is a logarithm of the distance as long
/// as one roster decides, and nothing but the decisions was ever signed. Where the roster
/// changed in between, an upper link wants a signature of its own, which
/// [`unattested`](Self::unattested) asks for and [`add_link`](Self::add_link) takes; without it
/// the proof goes by lower links. **Duty**: append only what holds, since attestations of blocks
/// are not checked here.
///
/// Lives in memory, and grows by a header, an id and an attestation a block, by an attestation a
/// link that was added, of which a block has fewer than its height, and by an opening a roster.
///
/// ```
/// use cosi::{Certificate, Statement, certificate, keys::Seed, mask::Mask, roster::{Member, Roster}};
/// use skipchain::{ChainId, Header, LightClient, LinkStatement, Shape, Timeline};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let key = Seed::from_bytes([1; 32]).signing_key();
/// let roster = Roster::new([Member::new(&key, &mut rng)])?;
/// let sign = |link: &LinkStatement| {
///     let signature = certificate::sign(&key, &roster.id(), &link.to_signed());
///     Certificate::individual(&roster, [(roster.index(0).unwrap(), signature)]).unwrap()
/// };
/// let of = ChainId([1; 32]);
/// let genesis = Header::genesis(of, Shape::default(), roster.id(), [0; 32], None);
/// let mut chain = Timeline::new(genesis.clone())?;
/// for entry in 1..=8 {
///     let header = chain.next(roster.id(), [entry; 32], None);
///     let decision = sign(&LinkStatement::new(0, chain.tip(), &header));
///     chain.append(&header, decision)?;
/// }
/// assert_eq!(chain.prove(0, 8).unwrap().hops(), 8);
///
/// // A certificate is on one link alone, so each upper link is signed too.
/// for end in 1..=8 {
///     for link in chain.unattested(end) {
///         chain.add_link(link.from_index, link.level, sign(&link), &roster)?;
///     }
/// }
/// let proof = chain.prove(0, 8).unwrap();
/// assert_eq!(proof.hops(), 1);
/// let mut client = LightClient::new(genesis, roster.open(&Mask::of(1, [0])))?;
/// assert_eq!(client.verify(&proof)?.header(), chain.tip());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timeline<A> {
    spine: Spine,
    genesis: (BlockId, Header),
    /// From the block after the genesis on.
    blocks: Vec<Block<A>>,
    /// What attests the upper links that no block's attestation stands for, by where they start.
    upper: BTreeMap<(u64, u8), A>,
    /// One a roster.
    openings: BTreeMap<RosterId, Opening>,
}

#[derive(Clone, Debug)]
struct Block<A> {
    id: BlockId,
    header: Header,
    /// The decision of the roster of the block before.
    attestation: A,
}

/// Why a link is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The chain has no such link, or not yet.
    #[error("no link of this level starts at this block, or it ends beyond the tip")]
    Absent,
    /// Nothing more is needed.
    #[error("the link is attested already; nothing to add")]
    Present,
    /// Other keys than those that must sign.
    #[error("the keys are not those of the roster of the link's first block; give its roster")]
    Roster,
    /// The roster did not decide on this link.
    #[error("the roster did not sign the link: {0}")]
    Attestation(#[from] VerifyError),
}

impl<A> Timeline<A> {
    /// The chain that has only this genesis.
    pub fn new(genesis: Header) -> Result<Self, SpineError> {
        let spine = Spine::new(genesis.clone())?;
        let genesis = (spine.tip_id(), genesis);
        let (upper, openings) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { spine, genesis, blocks: Vec::new(), upper, openings })
    }

    /// The first block.
    pub const fn genesis(&self) -> &Header {
        &self.genesis.1
    }

    /// The last block.
    pub const fn tip(&self) -> &Header {
        self.spine.tip()
    }

    /// What the next block hangs on.
    pub const fn spine(&self) -> &Spine {
        &self.spine
    }

    /// The block at this index.
    pub fn header(&self, index: u64) -> Option<&Header> {
        self.at(index).map(|(_, header)| header)
    }

    /// The name of the block at this index.
    pub fn id(&self, index: u64) -> Option<BlockId> {
        self.at(index).map(|(id, _)| id)
    }

    /// What attests the block at this index. Nothing attests the genesis.
    pub fn attestation(&self, index: u64) -> Option<&A> {
        self.block(index).map(|block| &block.attestation)
    }

    /// The links to earlier blocks that the block at this index has.
    pub fn back_links(&self, index: u64) -> Option<BackLinks> {
        let header = self.header(index)?;
        let to = |level| self.id(index.checked_sub(header.shape.stride(level)?)?);
        Some((0..header.height).map_while(to).collect())
    }

    /// The next header: with the roster that decides the block after it, and its roots.
    pub fn next(&self, roster: RosterId, payload_root: Hash, state_root: Option<Hash>) -> Header {
        self.spine.next(roster, payload_root, state_root)
    }

    /// Appends a header, if it is the next one, with the decision of the tip's roster on it,
    /// which is for the caller to have checked.
    pub fn append(&mut self, header: &Header, attestation: A) -> Result<BlockId, SpineError> {
        let id = self.spine.push(header)?;
        self.blocks.push(Block { id, header: header.clone(), attestation });
        Ok(id)
    }

    /// Shows the roster with this id in every proof with a link that it decided on, once where
    /// such links follow one another. Takes the place of what showed it before. Returns whether
    /// the opening is that roster's.
    ///
    /// Needed for each roster that clients do not hold open: all but their anchor's. The opening
    /// needs the members without whom some attestation cannot be checked: the signers of
    /// individual certificates, and the absent of collective ones.
    pub fn show(&mut self, roster: RosterId, opening: Opening) -> bool {
        let fits = opening.check(roster).is_some();
        if fits {
            self.openings.insert(roster, opening);
        }
        fits
    }

    /// The proof from the block at `from` back to the one at `target`, by hashes alone.
    pub fn prove_back(&self, from: u64, target: u64) -> Option<BackProof> {
        let find = |index| Some((self.header(index)?.clone(), self.back_links(index)?));
        BackProof::build(from, target, find)
    }

    /// Where the link of `level` from the block at `from` ends, if that block is there.
    fn end(&self, from: u64, level: u8) -> Option<u64> {
        let from = self.header(from).filter(|from| level < from.height)?;
        let end = from.index.checked_add(from.shape.stride(level)?)?;
        (end <= self.tip().index).then_some(end)
    }

    fn at(&self, index: u64) -> Option<(BlockId, &Header)> {
        if index == 0 {
            return Some((self.genesis.0, &self.genesis.1));
        }
        self.block(index).map(|block| (block.id, &block.header))
    }

    fn block(&self, index: u64) -> Option<&Block<A>> {
        self.blocks.get(usize::try_from(index.checked_sub(1)?).ok()?)
    }
}

impl<A: Attestation> Timeline<A> {
    /// The link of `level` from the block at `from`, if something attests it.
    pub fn link(&self, from: u64, level: u8) -> Option<Link<A>> {
        let opening = self.openings.get(&self.header(from)?.roster);
        self.open_link(from, level, opening)
    }

    /// The proof from the block at `from` to the one at `target` by the fewest links. `None`
    /// when either is not there, `target` is the earlier, or it takes more than [`MAX_LINKS`].
    pub fn prove(&self, from: u64, target: u64) -> Option<Proof<A>> {
        self.build(from, target, self.tip().shape.max_height())
    }

    /// The proof by the links of level 0 from the block at `from`, at most so many, up to the
    /// tip: all that happened since, block by block. `None` when the block is not there.
    pub fn plain(&self, from: u64, most: usize) -> Option<Proof<A>> {
        let most = u64::try_from(most.min(MAX_LINKS)).ok()?;
        let target = from.saturating_add(most).min(self.tip().index);
        self.build(from, target, 1)
    }

    /// What is to be signed so that every link exists that ends in the block at `to`: each by
    /// the roster of the block that it starts at.
    pub fn unattested(&self, to: u64) -> Vec<LinkStatement> {
        let wanted = |(level, from): (u8, BlockId)| {
            let (to_id, to) = self.at(to)?;
            let from_index = to.index.checked_sub(to.shape.stride(level)?)?;
            let is_wanted = self.attesting(from_index, level, to.index).is_none();
            let earlier = self.header(from_index).filter(|_| is_wanted)?;
            Some(LinkStatement::between(level, earlier, from, to, to_id))
        };
        let back = self.back_links(to).unwrap_or_default();
        (0..).zip(back.ids().iter().copied()).filter_map(wanted).collect()
    }

    /// Adds what attests the link of `level` from the block at `from`, once it holds under the
    /// keys of that block's roster, of which [`show`](Self::show) shows clients as much.
    pub fn add_link<K: Keys + ?Sized>(
        &mut self,
        from: u64,
        level: u8,
        attestation: A,
        keys: &K,
    ) -> Result<(), LinkError>
    where
        A: Attests<LinkStatement>,
    {
        let end = self.end(from, level).ok_or(LinkError::Absent)?;
        if self.attesting(from, level, end).is_some() {
            return Err(LinkError::Present);
        }
        let (start, to) = self.at(from).zip(self.at(end)).ok_or(LinkError::Absent)?;
        if start.1.roster != keys.id() {
            return Err(LinkError::Roster);
        }
        let statement = LinkStatement::between(level, start.1, start.0, to.1, to.0);
        attestation.attests(&statement, keys, &Policy::Quorum)?;
        self.upper.insert((from, level), attestation);
        Ok(())
    }

    /// The proof by links of so many levels. Opens a roster where its links begin alone, which
    /// spares a copy of the opening for each link that [`Proof::build`] would drop it from.
    fn build(&self, from: u64, target: u64, levels: u8) -> Option<Proof<A>> {
        let mut shown = None;
        Proof::build(self.header(from)?, target, |at, level| {
            let roster = self.header(at).filter(|_| level < levels)?.roster;
            let opening = self.openings.get(&roster).filter(|_| shown != Some(roster));
            let link = self.open_link(at, level, opening)?;
            shown = Some(roster);
            Some(link)
        })
    }

    fn open_link(&self, from: u64, level: u8, opening: Option<&Opening>) -> Option<Link<A>> {
        let end = self.end(from, level)?;
        let attestation = self.attesting(from, level, end)?.clone();
        let (from, to) = (self.header(from)?, self.header(end)?);
        Link::new(level, from, to, &self.back_links(end)?, attestation, opening.cloned())
    }

    /// What attests the link of `level` from `from` to `end`: the decision on `end`, if it was
    /// that of From's roster, or what was added.
    fn attesting(&self, from: u64, level: u8, end: u64) -> Option<&A> {
        let decider = self.header(end.checked_sub(1)?)?.roster;
        let spans = A::SPANS && self.header(from)?.roster == decider;
        let decided = self.attestation(end).filter(|_| level == 0 || spans);
        decided.or_else(|| self.upper.get(&(from, level)))
    }
}
