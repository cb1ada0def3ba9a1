//! Two links from one block on one level to different ones: who signed both broke the rule.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{Certificate, Policy, Statement, mask::Mask, roster::Keys};

use crate::link::LinkStatement;

/// Two statements about one (From, level), with their certificates.
///
/// Where a level-0 link is another engine's decision, evidence is that engine's affair.
///
/// ```
/// use cosi::{Certificate, Statement, certificate, keys::Seed, roster::{Member, Roster}};
/// use skipchain::{ChainId, Conflict, Header, LinkStatement, Shape, Spine};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let key = Seed::from_bytes([1; 32]).signing_key();
/// let roster = Roster::new([Member::new(&key, &mut rng)])?;
/// let id = roster.id();
/// let genesis = Header::genesis(ChainId([1; 32]), Shape::default(), id, [0; 32], None);
/// let spine = Spine::new(genesis.clone())?;
/// let links = [[1; 32], [2; 32]].map(|payload| {
///     let link = LinkStatement::new(0, &genesis, &spine.next(id, payload, None));
///     let signature = certificate::sign(&key, &id, &link.to_signed());
///     let signed = [(roster.index(0).unwrap(), signature)];
///     (link, Certificate::individual(&roster, signed).unwrap())
/// });
/// let culprits = Conflict { links }.verify(&roster).unwrap();
/// assert_eq!(culprits.iter().collect::<Vec<_>>(), [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Conflict {
    /// What was signed, and by whom; one certificate may be of a single member.
    pub links: [(LinkStatement, Certificate); 2],
}

impl Conflict {
    /// The members who signed both, if this is a conflict. `keys` is From's roster, with all
    /// signers opened.
    pub fn verify<K: Keys + ?Sized>(&self, keys: &K) -> Option<Mask> {
        let [(first, first_by), (second, second_by)] = &self.links;
        let slot = |link: &LinkStatement| (link.chain, link.level, link.from_index, link.from);
        if slot(first) != slot(second) || first == second {
            return None;
        }
        for (statement, certificate) in &self.links {
            certificate.verify(keys, &statement.to_signed(), &Policy::Weight(1)).ok()?;
        }
        let signed_both = first_by.signers().iter().filter(|at| second_by.signers().contains(*at));
        Some(Mask::of(keys.size(), signed_both)).filter(|culprits| culprits.count() > 0)
    }
}
