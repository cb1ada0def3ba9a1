//! How a ledger begins: the one thing that a light client trusts.

use alloc::vec::Vec;
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::GENESIS,
    keys::PublicKeyBytes,
    roster::{MAX_MEMBERS, Member, Roster, RosterError},
    transcript::Hash,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use skipchain::Shape;

use crate::{
    chain::MAX_TRANSACTIONS,
    transaction::{self, Input, Outpoint, Rules, sum},
    utxo::Utxo,
};

/// The most outputs that a genesis grants.
pub const MAX_GRANTS: usize = 1 << 16;
/// The most bytes of transactions that a block of any ledger has: half of what byzcoin carries,
/// which leaves room for what encloses them.
pub const MAX_BLOCK_BYTES: u32 = 1 << 24;

/// Names a ledger: H(its genesis).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct GenesisId(pub [u8; 32]);

impl fmt::Display for GenesisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GenesisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GenesisId({self})")
    }
}

/// An output that exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Grant {
    /// Who may spend it.
    pub owner: PublicKeyBytes,
    /// How much it is worth, in the ledger's smallest unit. May be nothing.
    pub value: u64,
}

/// How much a block holds. A validator refuses larger ones, so all must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Limits {
    /// The most transactions, [`MAX_TRANSACTIONS`] at most.
    pub transactions: u32,
    /// The most bytes of transactions, encoded.
    pub bytes: u32,
}

impl Limits {
    /// The most bytes of a block's body: of its transactions, and of their count.
    pub const fn max_body(&self) -> u32 {
        self.bytes.saturating_add(4)
    }
}

impl Default for Limits {
    /// 4,096 transactions and 1 MiB.
    fn default() -> Self {
        Self { transactions: 4096, bytes: 1 << 20 }
    }
}

/// How a ledger begins.
///
/// Its [`id`](Self::id) is in every session and names the ledger's chain, so who trusts the id
/// can check everything else. [`roster`](Self::roster) and [`ledger`](Self::ledger) refuse a
/// genesis that is unsafe or contradicts itself, wherever it comes from.
///
/// ```
/// use cosi::{keys::Seed, roster::Member, wire::BoundedVec};
/// use omniledger::{genesis::{Genesis, Grant}, ledger::Ledger};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let validators = keys.iter().map(|key| Member::new(key, &mut rng)).collect();
/// let owner = Seed::from_bytes([9; 32]).signing_key().public().to_bytes();
/// let genesis = Genesis::new("town", validators, vec![Grant { owner, value: 100 }])?;
///
/// assert_eq!(genesis.roster()?.quorum(), 3);
/// let [coin] = genesis.granted().collect::<Vec<_>>()[..] else { panic!() };
/// assert!(genesis.ledger()?.spendable(&coin).is_ok());
///
/// let lonely = Genesis { validators: BoundedVec::default(), ..genesis };
/// assert!(lonely.ledger().is_err());
/// # Ok::<(), omniledger::genesis::GenesisError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// What people call the ledger: from 1 to 64 bytes of UTF-8.
    pub name: BoundedBytes<64>,
    /// Who decides.
    pub validators: BoundedVec<Member, MAX_MEMBERS>,
    /// The shape of its skipchain.
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
    /// A validator whose failure alone stops the ledger.
    #[error("no validator may weigh a third or more of all; take at least 4 alike")]
    Fragile,
    /// The shape is none that a skipchain has.
    #[error("no skipchain has this shape; take `Shape::default()`")]
    Chain,
    /// A transaction that is allowed would fit no block, or blocks are larger than any may be.
    #[error(
        "a block holds 1 to {MAX_TRANSACTIONS} transactions and {} to {MAX_BLOCK_BYTES} bytes",
        transaction::MAX_BYTES
    )]
    Limits,
    /// More than [`MAX_GRANTS`].
    #[error("a genesis grants at most {MAX_GRANTS} outputs; split them by transactions")]
    TooManyGrants,
    /// What is granted in all is beyond 64 bits.
    #[error("the grants add up to more than 64 bits hold; grant less")]
    Overflow,
}

impl Genesis {
    /// A ledger with the default skipchain and limits, checked.
    pub fn new(
        name: &str,
        validators: Vec<Member>,
        grants: Vec<Grant>,
    ) -> Result<Self, GenesisError> {
        let genesis = Self {
            name: BoundedBytes::new(name.into()).ok_or(GenesisError::Name)?,
            validators: BoundedVec::new(validators).ok_or(RosterError::Size)?,
            shape: Shape::default(),
            limits: Limits::default(),
            grants: BoundedVec::new(grants).ok_or(GenesisError::TooManyGrants)?,
        };
        genesis.roster()?;
        Ok(genesis)
    }

    /// Names the ledger.
    pub fn id(&self) -> GenesisId {
        GenesisId(Hash::new(GENESIS).bytes(&self.encode()).digest())
    }

    /// Who decides, when all of the genesis is in order.
    pub fn roster(&self) -> Result<Roster, GenesisError> {
        self.check()?;
        let roster = Roster::new(self.validators.iter().cloned())?;
        let heaviest = self.validators.iter().map(|member| u64::from(member.weight)).max();
        if heaviest > Some(roster.faulty()) {
            return Err(GenesisError::Fragile);
        }
        Ok(roster)
    }

    /// The state at the start, when all of the genesis is in order.
    pub fn ledger(&self) -> Result<Utxo, GenesisError> {
        self.roster()?;
        Ok(Utxo::new(self.rules(), self.granted()))
    }

    /// What makes a transaction well-formed in the first epoch.
    pub fn rules(&self) -> Rules {
        Rules { genesis: self.id(), epoch: 0, shards: 1 }
    }

    /// The outputs that exist from the start, as who spends them declares them: the one at
    /// position j has the id H(genesis id ‖ j), and is in shard 0.
    pub fn granted(&self) -> impl Iterator<Item = Input> {
        let origin = self.id().0;
        (0..).zip(self.grants.iter()).map(move |(position, Grant { owner, value })| {
            let id = transaction::outpoint(&origin, position);
            Input { outpoint: Outpoint { shard: 0, id, version: 0 }, value: *value, owner: *owner }
        })
    }

    /// Checks all but the validators.
    fn check(&self) -> Result<(), GenesisError> {
        let name = core::str::from_utf8(&self.name).map_err(|_| GenesisError::Name)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(GenesisError::Name);
        }
        let holds_any =
            usize::try_from(self.limits.bytes).is_ok_and(|b| b >= transaction::MAX_BYTES);
        let transactions = usize::try_from(self.limits.transactions).unwrap_or(usize::MAX);
        let countable = (1..=MAX_TRANSACTIONS).contains(&transactions);
        if !countable || !holds_any || self.limits.bytes > MAX_BLOCK_BYTES {
            return Err(GenesisError::Limits);
        }
        sum(self.grants.iter().map(|grant| grant.value)).ok_or(GenesisError::Overflow)?;
        Ok(())
    }
}
