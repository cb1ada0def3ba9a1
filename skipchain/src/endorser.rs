//! Who signs upper links, once it was shown the lower ones.

use alloc::collections::BTreeMap;
use core::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Statement, certificate,
    keys::{Signature, SigningKey},
    machine::Step,
    mask::Mask,
    roster::{Opening, Roster, RosterId},
    wire::Wire,
};

use crate::{
    client::LightClient,
    header::{BlockId, Header},
    link::LinkStatement,
    proof::{Proof, ProofError},
};

/// A member's promise to sign no other link of this level from this block. It is durable before
/// the signature leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// From.
    pub from: BlockId,
    /// ℓ.
    pub level: u8,
    /// To.
    pub to: BlockId,
}

/// A link that its signer may sign, once the records of the step that holds it are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsed {
    statement: LinkStatement,
    roster: RosterId,
}

impl Endorsed {
    /// The link. Its bytes to sign are what a [`Leader`](cosi::Leader) of the roster announces,
    /// and a cosigner validates, for a collective certificate.
    pub const fn statement(&self) -> &LinkStatement {
        &self.statement
    }

    /// This member's signature, for an individual certificate of the roster.
    pub fn sign(&self, key: &SigningKey) -> Signature {
        certificate::sign(key, &self.roster, &self.statement.to_signed())
    }
}

/// Why a link is not endorsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndorseError {
    /// Not a block that this member's roster decides after.
    #[error("the first block is not one of this roster's; ask its own roster")]
    Roster,
    /// Level 0 is the decision on the block itself, and the heights of blocks bound the others.
    #[error("no link of this level that is to be endorsed starts at the first block")]
    Level,
    /// A header that no chain has, or of an unknown version.
    #[error("the first block is no block of such a chain")]
    Header,
    /// The proof has a link that is not lower.
    #[error("link {link} is of no lower level; show the links below")]
    Lower {
        /// Which link, from 0.
        link: usize,
    },
    /// The lower links do not hold.
    #[error("the lower links do not hold: {0}")]
    Proof(#[from] ProofError),
    /// They lead to another index. Whether they hold was not looked at.
    #[error("the lower links lead to block {index}, and the link does not end there")]
    End {
        /// Where they lead.
        index: u64,
    },
    /// A link to another block is endorsed. The proof shows a fork.
    #[error(
        "the link from {from:?} of level {level} is to {signed:?} and never to {asked:?}; \
             keep both proofs, and raise alarm"
    )]
    Conflict {
        /// From.
        from: BlockId,
        /// ℓ.
        level: u8,
        /// What this member endorsed.
        signed: BlockId,
        /// What it is asked for.
        asked: BlockId,
    },
}

/// These records are not of one member that kept the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the records endorse two links from one block on one level; never sign with this key again"
)]
pub struct RestoreError;

/// A member of one roster, as a signer of the upper links that start at its blocks.
///
/// **Guarantee.** Endorses a link only on being shown links of lower levels from From to To that
/// hold under the rosters on the way, the first of which is its own, and at most one link a
/// block and level, also across restarts. So a quorum on an upper link adds nothing that the
/// decisions on the blocks between did not say, as long as each roster on the way has kept its
/// keys. **Duties**: store the records of a step before its release, keep them as long as
/// the roster's key, and erase both together: the key is what a [long-range
/// fork](crate#what-an-old-anchor-is-worth) needs.
///
/// The header of From may come from anyone. A block that the roster never made has no proof that
/// starts at it.
///
/// Keeps 65 bytes for each endorsed link, of which a chain has fewer than its blocks have
/// levels, and nothing for what is refused.
///
/// ```
/// use cosi::{Certificate, Statement, certificate, keys::Seed, roster::{Member, Roster}};
/// use skipchain::{
///     ChainId, Endorser, Header, LinkStatement, Shape, Timeline, endorser::EndorseError,
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let keys = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let [first, second] = [&keys[..1], &keys[..]]
///     .map(|keys| Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap());
/// # let certify = |roster: &Roster, link: LinkStatement| {
/// #     let signed = roster.indices().zip(&keys).map(|(at, key)| {
/// #         (at, certificate::sign(key, &roster.id(), &link.to_signed()))
/// #     });
/// #     Certificate::individual(roster, signed.collect::<Vec<_>>()).unwrap()
/// # };
/// // The first roster decides on block 1, and the second on block 2.
/// let (of, shape) = (ChainId([1; 32]), Shape::default());
/// let genesis = Header::genesis(of, shape, first.id(), [0; 32], None);
/// let mut chain = Timeline::new(genesis.clone())?;
/// for decides in [&first, &second] {
///     let header = chain.next(second.id(), [7; 32], None);
///     let decision = certify(decides, LinkStatement::new(0, chain.tip(), &header));
///     chain.append(&header, decision)?;
/// }
/// # chain.show(second.id(), second.open(&cosi::mask::Mask::of(2, [0, 1])));
///
/// // The member of the first is shown both links, and signs the one above.
/// let mut member = Endorser::new(&first);
/// let step = member.endorse(&genesis, 1, &chain.prove(0, 2).unwrap())?;
/// let (records, held) = step.into_records();
/// assert_eq!(records.len(), 1); // made durable, and then
/// let [endorsed] = held.release().events[..] else { panic!() };
/// let signature = endorsed.sign(&keys[0]);
/// let certificate = Certificate::individual(&first, [(first.index(0).unwrap(), signature)]);
/// chain.add_link(0, 1, certificate.unwrap(), &first)?;
/// assert_eq!(chain.prove(0, 2).unwrap().hops(), 1);
///
/// let unseen = chain.prove(0, 1).unwrap();
/// assert_eq!(member.endorse(&genesis, 1, &unseen), Err(EndorseError::End { index: 1 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorser {
    roster: RosterId,
    /// All of the roster, so that lower links need not show it.
    opening: Opening,
    endorsed: BTreeMap<(BlockId, u8), BlockId>,
}

impl Endorser {
    /// A member of this roster that has endorsed nothing.
    pub fn new(roster: &Roster) -> Self {
        let all = Mask::of(roster.size(), roster.indices().map(|index| index.get()));
        Self { roster: roster.id(), opening: roster.open(&all), endorsed: BTreeMap::new() }
    }

    /// The member of this roster that wrote these records, in any order.
    pub fn restore(
        roster: &Roster,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut endorser = Self::new(roster);
        for Record { from, level, to } in records {
            if *endorser.endorsed.entry((from, level)).or_insert(to) != to {
                return Err(RestoreError);
            }
        }
        Ok(endorser)
    }

    /// Endorses the link of `level` from `from` to the block that `lower` leads to. The same
    /// link again is endorsed again, with no further record.
    pub fn endorse<A: Attests<LinkStatement> + Wire>(
        &mut self,
        from: &Header,
        level: u8,
        lower: &Proof<A>,
    ) -> Result<Step<Infallible, Endorsed, Record>, EndorseError> {
        if from.roster != self.roster {
            return Err(EndorseError::Roster);
        }
        let links = 1..from.height;
        let stride = from.shape.stride(level).filter(|_| links.contains(&level));
        let end = stride.and_then(|stride| from.index.checked_add(stride));
        let end = end.ok_or(EndorseError::Level)?;
        if let Some(link) = lower.links().iter().position(|link| link.level() >= level) {
            return Err(EndorseError::Lower { link });
        }
        // Before any signature is checked: a request costs no more than the link it asks for.
        let index = reach(from, lower);
        if index != end {
            return Err(EndorseError::End { index });
        }
        let client = LightClient::new(from.clone(), self.opening.clone());
        let to = client.map_err(|_| EndorseError::Header)?.verify(lower)?;
        let statement = LinkStatement::new(level, from, to.header());
        let LinkStatement { from, to, .. } = statement;
        let step = Step::none().event(Endorsed { statement, roster: self.roster });
        match self.endorsed.get(&(from, level)) {
            Some(signed) if *signed == to => Ok(step),
            Some(signed) => Err(EndorseError::Conflict { from, level, signed: *signed, asked: to }),
            None => {
                self.endorsed.insert((from, level), to);
                Ok(step.record(Record { from, level, to }))
            }
        }
    }
}

/// Where the proof leads, by the levels of its links alone.
fn reach<A>(from: &Header, lower: &Proof<A>) -> u64 {
    let strides = lower.links().iter().map(|link| from.shape.stride(link.level()));
    strides.fold(lower.from_index(), |at, stride| at.saturating_add(stride.unwrap_or(u64::MAX)))
}
