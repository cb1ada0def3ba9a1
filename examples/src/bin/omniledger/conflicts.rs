//! Double spends: outputs that two wallets race to spend across shards.
//!
//! For each, both wallets pay with the contested output and one of their own, which lives in
//! another shard. Whichever transaction the contested output's shard orders first gets it. The
//! other one is rejected there, and its own output, locked by then, is given back. Every second
//! conflict contests two outputs in two shards, so it may be that neither wallet gets both.

use std::num::{NonZeroU16, NonZeroU64};

use cosi::keys::{Seed, SigningKey};
use omniledger::{
    Genesis, Transaction,
    atomix::{Declaration, Input, Output},
    genesis::Grant,
};

use crate::block::DEADLINE;

/// What each output is worth.
const VALUE: u64 = 1000;
/// Outputs that a conflict takes: two contested ones, and one of each wallet.
const COINS: usize = 4;

/// Double spends, before the ledger that they are for has a genesis.
pub(crate) struct Conflicts {
    key: SigningKey,
    count: u16,
    shards: NonZeroU16,
}

impl Conflicts {
    /// So many of them, on a ledger of so many shards.
    pub(crate) fn new(count: u16, shards: u16) -> Self {
        // Everybody may know this key: it owns nothing that the block's owners do.
        let key = Seed::from_bytes(*b"the key of those who spend twice").signing_key();
        Self { key, count, shards: NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN) }
    }

    /// What the genesis must grant beside the block's, last.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        let owner = self.key.public().to_bytes();
        // The wallets' own two are in another shard than those that they contest.
        let coins = (0..self.count).flat_map(|at| [0, 2, 1, 1].map(|away| at.wrapping_add(away)));
        coins.map(|at| Grant { shard: at % self.shards, owner, value: VALUE }).collect()
    }

    /// The transactions of the two wallets, conflict by conflict, signed for the ledger of
    /// `genesis`.
    pub(crate) fn sign(&self, genesis: &Genesis) -> Vec<[Transaction; 2]> {
        let granted: Vec<Input> = genesis.granted().collect();
        let count = usize::from(self.count).saturating_mul(COINS);
        let coins = granted.get(granted.len().saturating_sub(count)..).unwrap_or_default();
        let pairs = (0u64..).zip(coins.chunks_exact(COINS)).filter_map(|(at, coins)| {
            let [first, second, own, other] = coins else { return None };
            let contested: &[&Input] = if at % 2 == 0 { &[first] } else { &[first, second] };
            let spend = |own: &Input, away: u64| {
                let inputs: Vec<_> = contested.iter().copied().chain([own]).copied().collect();
                let value = inputs.iter().map(|input| input.value).sum();
                let shard = at.wrapping_add(away) % NonZeroU64::from(self.shards);
                let shard = u16::try_from(shard).unwrap_or_default();
                let output = Output { shard, value, owner: self.key.public().to_bytes() };
                let nonce = at.wrapping_mul(2).wrapping_add(away);
                let declared = Declaration::new(0, nonce, DEADLINE, inputs, vec![output]).ok()?;
                declared.sign(&genesis.id(), |_| Some(&self.key)).ok()
            };
            Some([spend(own, 3)?, spend(other, 4)?])
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use omniledger::genesis::Registration;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn two_wallets_contest_an_output_and_each_locks_one_of_its_own_elsewhere() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let conflicts = Conflicts::new(7, 4);
        let validators =
            (1..=16).map(|at| Registration::new(&Seed::from_bytes([at; 32]), &mut rng));
        let genesis = Genesis::new("x", 4, validators.collect(), conflicts.grants()).unwrap();
        let pairs = conflicts.sign(&genesis);
        assert_eq!(pairs.len(), 7);
        for (at, pair) in pairs.iter().enumerate() {
            let spent = pair.each_ref().map(|transaction| {
                assert!(genesis.rules().check_one(transaction.clone()).is_ok());
                let inputs = transaction.declaration.inputs.iter();
                inputs.map(|input| input.outpoint).collect::<BTreeSet<_>>()
            });
            let contested: BTreeSet<_> = spent[0].intersection(&spent[1]).collect();
            assert_eq!(contested.len(), 1 + at % 2);
            for spent in &spent {
                let own: Vec<_> = spent.iter().filter(|out| !contested.contains(out)).collect();
                assert!(own.iter().all(|own| contested.iter().all(|out| out.shard != own.shard)));
                assert_eq!(own.len(), 1);
            }
        }
    }
}
