//! Checks a ledger from its genesis and receipts, by arithmetic of its own.

use std::collections::BTreeMap;

use cosi::{merkle::tree, wire::Wire};
use omniledger::{
    Decision, Genesis, Receipt, Session, Stranger, Transaction,
    chain::genesis_header,
    genesis::GenesisError,
    ledger::Ledger,
    skipchain::{Header, Proof},
    utxo::Utxo,
};

/// What an audit finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Transactions proven to be in the chain.
    pub(crate) verified: usize,
    /// What they spend, and what they create, in the ledger's smallest unit.
    pub(crate) value_in: u128,
    pub(crate) value_out: u128,
    /// Outputs that are unspent at the end, and what they are worth.
    pub(crate) unspent: usize,
    pub(crate) value_unspent: u128,
    /// Bytes of each receipt.
    pub(crate) receipts: Vec<usize>,
}

/// What does not hold, and in which receipt, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {why}")]
pub(crate) struct Broken {
    pub(crate) receipt: Option<usize>,
    pub(crate) check: &'static str,
    pub(crate) why: String,
}

impl Broken {
    fn of(receipt: usize, check: &'static str, why: impl ToString) -> Self {
        Self { receipt: Some(receipt), check, why: why.to_string() }
    }

    pub(crate) fn whole(check: &'static str, why: impl ToString) -> Self {
        Self { receipt: None, check, why: why.to_string() }
    }
}

/// Where the next transaction must stand: a block's index, and the position in it.
type Place = (u64, u64);

/// Audits a chain, of which `receipts` prove every transaction in its order: each is proven, none
/// is left out, no output is spent twice, no value made or lost, and what is left is what the
/// head's state root says.
pub(crate) fn audit(
    genesis: &Genesis,
    chain: &Proof<Decision>,
    receipts: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Audit, Broken> {
    let genesis_broken = |error: GenesisError| Broken::whole(GENESIS, error);
    let mut stranger = Stranger::new(genesis).map_err(genesis_broken)?;
    stranger.verify_chain(chain).map_err(|error| Broken::whole(LINKS, error))?;
    if chain.links().iter().any(|link| link.level() != 0) {
        return Err(Broken::whole(LINKS, "the chain skips blocks, whose transactions nobody sees"));
    }
    let headers = headers(genesis, chain).map_err(genesis_broken)?;
    let mut books = Books::open(genesis).map_err(genesis_broken)?;
    let mut expected = skip_empty(&headers, (0, 0));
    for (number, bytes) in receipts.into_iter().enumerate() {
        let receipt =
            Receipt::decode(&bytes).map_err(|error| Broken::of(number, "encoding", error))?;
        let proven =
            stranger.verify(&receipt).map_err(|error| Broken::of(number, "proof", error))?;
        let place = (proven.header.index, proven.at);
        if place < expected {
            let why = "the receipt before it is of this place or of a later one";
            return Err(Broken::of(number, "order", why));
        }
        if place > expected || header(&headers, place.0) != Some(&proven.header) {
            let why = format!("a transaction is missing: {expected:?} before {place:?}");
            return Err(Broken::of(number, "completeness", why));
        }
        expected = if proven.at.checked_add(1) == Some(proven.of) {
            skip_empty(&headers, (place.0, u64::MAX))
        } else {
            (place.0, place.1.saturating_add(1))
        };
        books.enter(number, &proven.session, receipt.transaction)?;
        books.audit.receipts.push(bytes.len());
    }
    if header(&headers, expected.0).is_some() {
        let why = format!("no receipts from {expected:?} on, and the chain goes on");
        return Err(Broken::whole("completeness", why));
    }
    books.close(genesis, headers.last())
}

/// The check that a genesis fails.
pub(crate) const GENESIS: &str = "genesis";
/// The check that a chain fails.
pub(crate) const LINKS: &str = "links";

/// The headers of a chain that was verified, the genesis's first.
fn headers(genesis: &Genesis, chain: &Proof<Decision>) -> Result<Vec<Header>, GenesisError> {
    let mut headers = vec![genesis_header(genesis)?];
    for link in chain.links() {
        let next = headers.last().and_then(|from| link.follow(from, &from.id()));
        headers.extend(next);
    }
    Ok(headers)
}

fn header(headers: &[Header], index: u64) -> Option<&Header> {
    headers.get(usize::try_from(index).ok()?)
}

/// The first place after the block of this one. A block without transactions has none.
fn skip_empty(headers: &[Header], (block, _): Place) -> Place {
    let mut next = block.saturating_add(1);
    let empty = tree::root([]);
    while header(headers, next).is_some_and(|header| header.payload_root == empty) {
        next = next.saturating_add(1);
    }
    (next, 0)
}

/// The ledger kept twice: as values by output, and as a validator keeps it.
struct Books {
    unspent: BTreeMap<[u8; 32], u64>,
    ledger: Utxo,
    audit: Audit,
}

impl Books {
    fn open(genesis: &Genesis) -> Result<Self, GenesisError> {
        let unspent = genesis.granted().map(|grant| (grant.outpoint.id, grant.value)).collect();
        Ok(Self { unspent, ledger: genesis.ledger()?, audit: Audit::default() })
    }

    /// Enters the transaction that receipt `number` proves.
    fn enter(
        &mut self,
        number: usize,
        session: &Session,
        transaction: Transaction,
    ) -> Result<(), Broken> {
        let declared = &transaction.declaration;
        let (mut spent, mut created) = (0u128, 0u128);
        for input in declared.inputs.iter() {
            if self.unspent.remove(&input.outpoint.id) != Some(input.value) {
                return Err(Broken::of(number, "double spend", "an input is not unspent"));
            }
            spent = spent.saturating_add(input.value.into());
        }
        for output in declared.created(*session) {
            self.unspent.insert(output.outpoint.id, output.value);
            created = created.saturating_add(output.value.into());
        }
        if spent != created {
            let why = format!("{spent} came in and {created} went out");
            return Err(Broken::of(number, "conservation", why));
        }
        self.audit.verified = self.audit.verified.saturating_add(1);
        self.audit.value_in = self.audit.value_in.saturating_add(spent);
        self.audit.value_out = self.audit.value_out.saturating_add(created);
        let checked = self.ledger.check(vec![transaction]).results.pop();
        let checked = checked
            .and_then(Result::ok)
            .ok_or_else(|| Broken::of(number, "transaction", "it is not well-formed"))?;
        self.ledger.apply(&checked).map_err(|error| Broken::of(number, "transaction", error))
    }

    /// Compares what is left with what was granted, and with what the head says.
    fn close(mut self, genesis: &Genesis, head: Option<&Header>) -> Result<Audit, Broken> {
        self.audit.unspent = self.unspent.len();
        self.audit.value_unspent = self.unspent.values().map(|value| u128::from(*value)).sum();
        let granted: u128 = genesis.grants.iter().map(|grant| u128::from(grant.value)).sum();
        if granted != self.audit.value_unspent {
            let why = format!("{granted} were granted and {} are left", self.audit.value_unspent);
            return Err(Broken::whole("conservation", why));
        }
        if head.and_then(|head| head.state_root) != Some(self.ledger.root()) {
            let why = "the head's state root is not that of its transactions";
            return Err(Broken::whole("state", why));
        }
        Ok(self.audit)
    }
}

#[cfg(test)]
mod tests;
