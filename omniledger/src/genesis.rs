//! How a ledger begins: the one thing that a light client trusts.

use alloc::vec::Vec;

use atomix::{
    GenesisId, Input, Outpoint, Parameters, Rules,
    transaction::{self, MAX_INPUT_SHARDS},
};
use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{GENESIS, IDENTITY_CHAIN, REGISTRATION, SHARD_CHAIN},
    keys::{PublicKeyBytes, Seed},
    merkle::tree,
    roster::{MAX_MEMBERS, Member, Roster, RosterError},
    transcript::Hash,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use curve25519_dalek::rand_core::CryptoRng;
use pvss::{KeysError, Scheme, ShareKeys, ShareSecret};
use randhound::{Committee, MAX_GROUP_SIZE, SessionError, Terms};
use skipchain::{ChainId, Header, Shape};

use crate::message::{MAX_PROOFS_BYTES, MAX_REQUEST_BYTES};

/// The most outputs that a genesis grants.
pub const MAX_GRANTS: usize = 1 << 16;
/// The most shards of a ledger.
pub const MAX_SHARDS: u16 = 1024;
/// The most requests that a block of any ledger has.
pub const MAX_REQUESTS: usize = 1 << 16;
/// The most bytes of requests that a block of any ledger has: half of what byzcoin carries,
/// which leaves room for what encloses them.
pub const MAX_BLOCK_BYTES: u32 = 1 << 24;
/// The least validators of a shard: with fewer, one that fails stops it.
pub const LEAST_VALIDATORS: usize = 4;

/// An output that exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Grant {
    /// The shard that keeps it.
    pub shard: u16,
    /// Who may spend it.
    pub owner: PublicKeyBytes,
    /// How much it is worth, in the ledger's smallest unit. May be nothing.
    pub value: u64,
}

/// How much a block holds. A validator refuses larger ones, so all must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Limits {
    /// The most requests, [`MAX_REQUESTS`] at most.
    pub requests: u32,
    /// The most bytes of requests, encoded.
    pub bytes: u32,
}

impl Limits {
    /// The most bytes of a block's body: of its requests, and of their count.
    pub const fn max_body(&self) -> u32 {
        self.bytes.saturating_add(4)
    }
}

impl Default for Limits {
    /// 4,096 requests and 2 MiB.
    fn default() -> Self {
        Self { requests: 4096, bytes: 2 << 20 }
    }
}

/// A validator's keys, each with the proof that it knows the secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// The key that signs. Its extension commits to the share key.
    pub member: Member,
    /// The key that shares of random secrets are encrypted to.
    pub share: pvss::Registration,
}

impl Registration {
    /// The registration of the keys that follow from a validator's seed.
    pub fn new(seed: &Seed, rng: &mut dyn CryptoRng) -> Self {
        let key = seed.signing_key();
        let share = ShareSecret::derive(seed, Scheme::Dhpvss).register(key.public(), rng);
        let member = Member { extension: extension(&share), ..Member::new(&key, rng) };
        Self { member, share }
    }
}

/// What a member's roster entry says of its share key.
fn extension(share: &pvss::Registration) -> [u8; 32] {
    Hash::new(REGISTRATION).bytes(&share.encode()).digest()
}

/// How a ledger begins.
///
/// Its [`id`](Self::id) is in every session and names the ledger's chains, so who trusts the id
/// can check everything else. [`roster`](Self::roster), [`committee`](Self::committee) and all
/// that build on them refuse a genesis that is unsafe or contradicts itself, wherever it comes
/// from.
///
/// ```
/// use cosi::{keys::Seed, wire::BoundedVec};
/// use omniledger::genesis::{Genesis, GenesisError, Grant, Registration};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let seeds: Vec<_> = (1..=8).map(|seed| Seed::from_bytes([seed; 32])).collect();
/// let validators = seeds.iter().map(|seed| Registration::new(seed, &mut rng)).collect();
/// let owner = Seed::from_bytes([9; 32]).signing_key().public().to_bytes();
/// let genesis = Genesis::new("town", 2, validators, vec![Grant { shard: 1, owner, value: 100 }])?;
///
/// assert_eq!(genesis.roster()?.quorum(), 6);
/// assert_eq!(genesis.granted().next().unwrap().outpoint.shard, 1);
///
/// let crowded = Genesis { shards: 3, ..genesis };
/// assert_eq!(crowded.roster().err(), Some(GenesisError::TooFewValidators { shards: 3, least: 12 }));
/// # Ok::<(), GenesisError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// What people call the ledger: from 1 to 64 bytes of UTF-8.
    pub name: BoundedBytes<64>,
    /// Who decides.
    pub validators: BoundedVec<Registration, MAX_MEMBERS>,
    /// How many shards there are. Shards are numbered from 0.
    pub shards: u16,
    /// About how many validators a group of the beacon has, from 1 to [`MAX_GROUP_SIZE`].
    /// [`randhound::group_size`] says how many it takes.
    pub group_size: u16,
    /// Seeds the beacon's groups. **Duty of the founders**: a value that became public after the
    /// validators were fixed and that none of them chose, such as the hash of a later block of
    /// another chain. Who chooses it can give itself a group, and so withhold the randomness.
    pub prior: [u8; 32],
    /// The shape of its skipchains.
    pub shape: Shape,
    /// How much a block holds.
    pub limits: Limits,
    /// What is unspent at the start.
    pub grants: BoundedVec<Grant, MAX_GRANTS>,
}

/// Why there can be no such ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// The name is empty, too long or no text.
    #[error("a ledger's name is 1 to 64 bytes of UTF-8 without control characters")]
    Name,
    /// The validators make no roster.
    #[error("the validators make no roster: {0}")]
    Roster(#[from] RosterError),
    /// The validators' share keys do not hold.
    #[error("the share keys: {0}")]
    Shares(#[from] KeysError),
    /// These validators' roster entries do not commit to their share keys.
    #[error("validators {culprits:?} commit to other share keys; refuse their registration")]
    Extension {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// A validator has another weight than 1.
    #[error("a validator's weight is not 1; shards are dealt by heads, so give each weight 1")]
    Weight,
    /// No shards, or more than [`MAX_SHARDS`].
    #[error("a ledger has from 1 to {MAX_SHARDS} shards")]
    Shards,
    /// A shard would stop when one validator fails.
    #[error("{shards} shards take {least} validators at least")]
    TooFewValidators {
        /// How many shards there are.
        shards: u16,
        /// How many validators there must be.
        least: usize,
    },
    /// The words of all other shards, signed one by one, would not fit a request: a transaction
    /// could be accepted by all its input shards and created by none.
    #[error(
        "what {shards} shards of {members} say would fit no request; take fewer shards or smaller ones"
    )]
    Crowded {
        /// How many shards there are.
        shards: u16,
        /// How many members the largest has.
        members: usize,
    },
    /// No size of the beacon's groups.
    #[error("the beacon's groups have from 1 to {MAX_GROUP_SIZE} members")]
    GroupSize,
    /// There can be no such beacon.
    #[error("the beacon: {0}")]
    Beacon(#[from] SessionError),
    /// The shape is none that a skipchain has.
    #[error("no skipchain has this shape; take `Shape::default()`")]
    Chain,
    /// A request that is allowed would fit no block, or blocks are larger than any may be.
    #[error(
        "a block holds 1 to {MAX_REQUESTS} requests and {MAX_REQUEST_BYTES} to {MAX_BLOCK_BYTES} \
         bytes"
    )]
    Limits,
    /// More than [`MAX_GRANTS`].
    #[error("a genesis grants at most {MAX_GRANTS} outputs; split them by transactions")]
    TooManyGrants,
    /// The grant at this position is in no shard.
    #[error("grant {grant} is in a shard that does not exist")]
    UnknownShard {
        /// Its position.
        grant: usize,
    },
    /// What is granted in all is beyond 64 bits.
    #[error("the grants add up to more than 64 bits hold; grant less")]
    Overflow,
}

impl Genesis {
    /// A ledger with the default skipchains and limits, and one group of up to 47 validators or
    /// several of about 32 in its beacon, checked. Set [`prior`](Self::prior) where there are
    /// several.
    pub fn new(
        name: &str,
        shards: u16,
        validators: Vec<Registration>,
        grants: Vec<Grant>,
    ) -> Result<Self, GenesisError> {
        let genesis = Self {
            name: BoundedBytes::new(name.into()).ok_or(GenesisError::Name)?,
            validators: BoundedVec::new(validators).ok_or(RosterError::Size)?,
            shards,
            group_size: 32,
            prior: [0; 32],
            shape: Shape::default(),
            limits: Limits::default(),
            grants: BoundedVec::new(grants).ok_or(GenesisError::TooManyGrants)?,
        };
        genesis.committee()?;
        Ok(genesis)
    }

    /// Names the ledger.
    pub fn id(&self) -> GenesisId {
        GenesisId(Hash::new(GENESIS).bytes(&self.encode()).digest())
    }

    /// All validators, when the genesis is in order but for the share keys.
    pub fn roster(&self) -> Result<Roster, GenesisError> {
        self.check()?;
        Ok(Roster::new(self.validators.iter().map(|validator| validator.member.clone()))?)
    }

    /// All validators with their share keys, when all of the genesis is in order.
    pub fn committee(&self) -> Result<Committee, GenesisError> {
        let roster = self.roster()?;
        let others =
            |validator: &Registration| validator.member.extension != extension(&validator.share);
        let numbered = self.validators.iter().enumerate();
        let culprits: Vec<_> = numbered.filter(|(_, v)| others(v)).map(|(at, _)| at).collect();
        if !culprits.is_empty() {
            return Err(GenesisError::Extension { culprits });
        }
        let keys = roster.indices().filter_map(|index| roster.key(index).copied());
        let shares = keys.zip(self.validators.iter().map(|validator| validator.share));
        let shares = ShareKeys::new(Scheme::Dhpvss, shares)?;
        Committee::new(roster, shares).map_err(|_| GenesisError::Weight)
    }

    /// What the first epoch's randomness is drawn on. The client is whoever leads the identity
    /// chain's first view; see [`epoch`](crate::epoch) for who takes its place.
    pub fn terms(&self) -> Terms {
        let first = self.validators.first().map(|validator| validator.member.key);
        Terms {
            purpose: self.id().0,
            slot: 0,
            attempt: 0,
            client: first.unwrap_or_default(),
            group_size: self.group_size,
            prior: self.prior,
        }
    }

    /// What makes a transaction well-formed.
    pub fn rules(&self) -> Rules {
        Rules::new(self.id(), self.parameters())
    }

    /// What holds from the first epoch on.
    pub fn parameters(&self) -> Parameters {
        Parameters { shards: self.shards, ..Parameters::default() }
    }

    /// The outputs that exist from the start, as who spends them declares them: the one at
    /// position j has the id H(genesis id ‖ j).
    pub fn granted(&self) -> impl Iterator<Item = Input> {
        let origin = self.id().0;
        (0..).zip(self.grants.iter()).map(move |(position, Grant { shard, owner, value })| {
            let id = transaction::outpoint(&origin, position);
            let outpoint = Outpoint { shard: *shard, id, version: 0 };
            Input { outpoint, value: *value, owner: *owner }
        })
    }

    /// The chain of all validators.
    pub fn identity_chain(&self) -> ChainId {
        ChainId(Hash::new(IDENTITY_CHAIN).fixed(&self.id().0).digest())
    }

    /// A shard's chain.
    pub fn shard_chain(&self, shard: u16) -> ChainId {
        ChainId(Hash::new(SHARD_CHAIN).fixed(&self.id().0).number(shard.into()).digest())
    }

    /// The first header of the identity chain, whose roster has been checked.
    pub(crate) fn identity_header(&self, roster: &Roster) -> Header {
        Header::genesis(self.identity_chain(), self.shape, roster.id(), tree::root([]), None)
    }

    /// Checks all but the validators' keys.
    fn check(&self) -> Result<(), GenesisError> {
        let name = core::str::from_utf8(&self.name).map_err(|_| GenesisError::Name)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(GenesisError::Name);
        }
        if self.validators.iter().any(|validator| validator.member.weight != 1) {
            return Err(GenesisError::Weight);
        }
        if self.shards == 0 || self.shards > MAX_SHARDS {
            return Err(GenesisError::Shards);
        }
        let least = usize::from(self.shards).saturating_mul(LEAST_VALIDATORS);
        if self.validators.len() < least {
            return Err(GenesisError::TooFewValidators { shards: self.shards, least });
        }
        let members = self.validators.len().div_ceil(self.shards.into());
        let others = usize::from(self.shards).min(MAX_INPUT_SHARDS).saturating_sub(1);
        if others.saturating_mul(proof_bytes(members)) > MAX_PROOFS_BYTES {
            return Err(GenesisError::Crowded { shards: self.shards, members });
        }
        if self.group_size == 0 || self.group_size > MAX_GROUP_SIZE {
            return Err(GenesisError::GroupSize);
        }
        let holds_any = usize::try_from(self.limits.bytes).is_ok_and(|b| b >= MAX_REQUEST_BYTES);
        let requests = usize::try_from(self.limits.requests).unwrap_or(usize::MAX);
        let countable = (1..=MAX_REQUESTS).contains(&requests);
        if !countable || !holds_any || self.limits.bytes > MAX_BLOCK_BYTES {
            return Err(GenesisError::Limits);
        }
        if let Some(grant) = self.grants.iter().position(|grant| grant.shard >= self.shards) {
            return Err(GenesisError::UnknownShard { grant });
        }
        let sum = |sum: u64, grant: &Grant| sum.checked_add(grant.value);
        self.grants.iter().try_fold(0, sum).ok_or(GenesisError::Overflow)?;
        Ok(())
    }
}

/// The most bytes of what a shard of so many members says on a session, with a certificate of
/// single signatures: a header and a path, a proposal, and 64 bytes and a bit for each member.
const fn proof_bytes(members: usize) -> usize {
    members.saturating_mul(65).saturating_add(2048)
}

// A commit carries a proof of each other input shard.
const _: () = assert!(MAX_INPUT_SHARDS <= MAX_SHARDS as usize);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use atomix::{Outcome, Place, Sealed};
    use byzcoin::{Height, Proposal, View};
    use cosi::{Certificate, keys::Signature, mask::Mask, merkle::tree::Path};
    use skipchain::{BlockId, Siblings};

    use super::*;
    use crate::{decision::Decision, message::Proof};

    #[test]
    fn a_proof_has_no_more_bytes_than_a_genesis_reckons_with() {
        for members in [4, 9, 600] {
            let (chain, roster) = (ChainId([1; 32]), cosi::roster::RosterId([2; 32]));
            let header = Header::genesis(chain, Shape::default(), roster, [3; 32], Some([4; 32]));
            let proposal = byzcoin::Header {
                parent: [5; 32],
                height: Height::FIRST,
                first_view: View::ZERO,
                next_roster: roster,
                next_start: 0,
                app: BoundedBytes::new(vec![6; 32]).unwrap(),
            };
            let proposal = Proposal::new(proposal, &byzcoin::Body::new(b"").unwrap());
            let signature = Signature::decode(&[7; 64]).unwrap();
            let certificate = Certificate::Individual {
                mask: Mask::of(members, 0..u16::try_from(members).unwrap()),
                signatures: BoundedVec::new(vec![signature; members]).unwrap(),
            };
            let attestation = Decision { epoch: 0, view: View::ZERO, proposal, certificate };
            // Two verdicts for each of the most requests that a block has.
            let siblings = BoundedVec::new(vec![[8; 32]; 17]).unwrap();
            let place = Place::Logged(Path::new(0, 2 << 16, siblings));
            let (from, back) = (BlockId([9; 32]), Siblings::new(vec![[9; 32]; 6]).unwrap());
            let inclusion = Sealed { header, from, back, attestation, place };
            let proof = Proof { shard: 0, outcome: Outcome::Accepted, height: 1, inclusion };
            assert!(proof.encode().len() <= proof_bytes(members), "{members}");
        }
    }
}
