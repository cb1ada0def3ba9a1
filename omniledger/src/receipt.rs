//! What proves to anyone who has the genesis that a transaction is in the ledger for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{mask::Mask, merkle::tree::Path};
use skipchain::{Header, LightClient, Proof, ProofError};

use crate::{
    chain::{Entry, Verdict, genesis_header},
    decision::Decision,
    genesis::{Genesis, GenesisError},
    transaction::{Rejection, Session, Transaction},
};

/// A transaction, the chain from the genesis to its block, and the way to it in that block.
///
/// A file, or a message between phones: whoever has the [`Genesis`] checks it offline. A wallet
/// [makes](crate::Wallet::receipt) it and a [`Stranger`] checks it; [`node`](crate::node) shows
/// both.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The transaction, with its owners' signatures.
    pub transaction: Transaction,
    /// From the genesis to the block.
    pub chain: Proof<Decision>,
    /// From the entry to the block's payload root.
    pub path: Path,
}

/// What a [`Receipt`] proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The transaction's name.
    pub session: Session,
    /// The block.
    pub header: Header,
    /// The transaction's position in the block, from 0.
    pub at: u64,
    /// How many transactions the block has.
    pub of: u64,
}

/// Why a receipt is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The chain does not lead from the genesis to the block.
    #[error("chain: {0}")]
    Chain(#[from] ProofError),
    /// The transaction is not well-formed, or an owner did not sign.
    #[error("transaction: {0}")]
    Transaction(#[from] Rejection),
    /// The transaction does not stand at its place in the block.
    #[error("inclusion: the transaction is not in the block at this place")]
    Inclusion,
}

/// What checks receipts: all that follows from a genesis.
///
/// ```
/// # use omniledger::{genesis::Genesis, receipt::{Receipt, ReceiptError, Stranger}};
/// # use cosi::wire::Wire;
/// fn check(genesis: &[u8], receipt: &[u8]) -> Result<u64, Box<dyn std::error::Error>> {
///     let mut stranger = Stranger::new(&Genesis::decode(genesis)?)?;
///     let proven = stranger.verify(&Receipt::decode(receipt)?)?;
///     Ok(proven.header.index)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Stranger {
    client: LightClient,
    rules: crate::transaction::Rules,
}

impl Stranger {
    /// Somebody who knows the genesis and nothing else.
    pub fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        Ok(Self { client: light_client(genesis)?, rules: genesis.rules() })
    }

    /// Checks every signature and hash in the receipt. Links that were checked before are taken
    /// again if they are the same to the byte.
    pub fn verify(&mut self, receipt: &Receipt) -> Result<Proven, ReceiptError> {
        let header = self.verify_chain(&receipt.chain)?;
        let mut checks = self.rules.check(alloc::vec![receipt.transaction.clone()]);
        let checked = checks.results.pop().ok_or(ReceiptError::Inclusion)??;
        let (session, path) = (checked.session(), &receipt.path);
        let (at, of) = (path.index(), path.len());
        let entry = Entry { at, of, verdict: Verdict::Committed(session) };
        if !entry.is_in(&header, path) {
            return Err(ReceiptError::Inclusion);
        }
        Ok(Proven { session, header, at, of })
    }

    /// Checks a chain from the genesis, and returns its last block.
    pub fn verify_chain(&mut self, chain: &Proof<Decision>) -> Result<Header, ProofError> {
        Ok(self.client.verify(chain)?.header().clone())
    }
}

/// A light client that trusts the genesis.
pub(crate) fn light_client(genesis: &Genesis) -> Result<LightClient, GenesisError> {
    let (header, roster) = (genesis_header(genesis)?, genesis.roster()?);
    let all = Mask::of(roster.size(), roster.indices().map(|index| index.get()));
    LightClient::new(header, roster.open(&all)).map_err(|_| GenesisError::Chain)
}
