//! Checks a ledger from its genesis and receipts, by arithmetic of its own.

use std::collections::BTreeMap;

use cosi::wire::Wire;
use omniledger::{Genesis, Receipt, Stranger, ledger::Ledger, skipchain::Header};

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

/// Audits a chain that ends at `head`, of which `receipts` prove every transaction: each is
/// proven, none is left out, no output is spent twice, no value made or lost, and what is left
/// is what the head's state root says.
pub(crate) fn audit(
    genesis: &Genesis,
    head: &Header,
    receipts: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Audit, Broken> {
    let genesis_broken = |error: omniledger::genesis::GenesisError| Broken::whole("genesis", error);
    let mut stranger = Stranger::new(genesis).map_err(genesis_broken)?;
    let mut ledger = genesis.ledger().map_err(genesis_broken)?;
    let mut unspent: BTreeMap<[u8; 32], u64> =
        genesis.granted().map(|grant| (grant.outpoint.id, grant.value)).collect();
    let (mut audit, mut order) = (Audit::default(), BTreeMap::new());
    for (number, bytes) in receipts.into_iter().enumerate() {
        let receipt =
            Receipt::decode(&bytes).map_err(|error| Broken::of(number, "encoding", error))?;
        let proven =
            stranger.verify(&receipt).map_err(|error| Broken::of(number, "proof", error))?;
        audit.receipts.push(bytes.len());
        let place = (proven.header.index, proven.at);
        if order.insert(place, (number, proven, receipt.transaction)).is_some() {
            return Err(Broken::of(number, "order", "another receipt has the same place"));
        }
    }
    let mut expected = (1u64, 0u64);
    for (place, (number, proven, transaction)) in order {
        if place != expected || proven.header.index > head.index {
            let why = format!("a transaction is missing: {expected:?} before {place:?}");
            return Err(Broken::of(number, "completeness", why));
        }
        expected = if proven.at.checked_add(1) == Some(proven.of) {
            (place.0.saturating_add(1), 0)
        } else {
            (place.0, place.1.saturating_add(1))
        };
        let declared = &transaction.declaration;
        let (mut spent, mut created) = (0u128, 0u128);
        for input in declared.inputs.iter() {
            if unspent.remove(&input.outpoint.id) != Some(input.value) {
                return Err(Broken::of(number, "double spend", "an input is not unspent"));
            }
            spent = spent.saturating_add(input.value.into());
        }
        for output in declared.created(proven.session) {
            unspent.insert(output.outpoint.id, output.value);
            created = created.saturating_add(output.value.into());
        }
        if spent != created {
            let why = format!("{spent} came in and {created} went out");
            return Err(Broken::of(number, "conservation", why));
        }
        audit.verified = audit.verified.saturating_add(1);
        audit.value_in = audit.value_in.saturating_add(spent);
        audit.value_out = audit.value_out.saturating_add(created);
        let checked = ledger.check(vec![transaction]).results.pop();
        let checked = checked
            .and_then(Result::ok)
            .ok_or_else(|| Broken::of(number, "transaction", "it is not well-formed"))?;
        ledger.apply(&checked).map_err(|error| Broken::of(number, "transaction", error))?;
    }
    if expected != (head.index.saturating_add(1), 0) {
        let why =
            format!("no receipts from {expected:?} on, and the chain goes on to {}", head.index);
        return Err(Broken::whole("completeness", why));
    }
    audit.unspent = unspent.len();
    audit.value_unspent = unspent.values().map(|value| u128::from(*value)).sum();
    let granted: u128 = genesis.grants.iter().map(|grant| u128::from(grant.value)).sum();
    if granted != audit.value_unspent {
        let why = format!("{granted} were granted and {} are left", audit.value_unspent);
        return Err(Broken::whole("conservation", why));
    }
    if head.state_root != Some(ledger.root()) {
        return Err(Broken::whole(
            "state",
            "the head's state root is not that of its transactions",
        ));
    }
    Ok(audit)
}
