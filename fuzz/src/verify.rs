//! Bytes of a stranger, taken for proofs, signatures and evidence.

mod draw;
mod ledger;
mod payments;

use std::{collections::BTreeSet, sync::LazyLock};

use byzcoin::{
    Decision as Decided, Kind, Statement, View,
    message::{Message as Bft, MessageOf},
    votes::CosiVotes,
};
use cosi::{
    Certificate, CollectiveSignature, Policy, Statement as _, certificate,
    machine::Evidence,
    mask::Mask,
    merkle::{
        map::{self, Map},
        tree::leaf_hash,
    },
    message::{Message as Speech, Said},
    roster::Opening,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use skipchain::{BackProof, Conflict, Inclusion, Link, Proof, tree::Tree};

use crate::{
    decode::samples::{bft, challenge, decision, scope, speeches},
    hops::{ENTRIES, HOPS},
    town::{QUORUM, ROSTER, SIZE, collective, individual, key, member},
};

/// One way to convince somebody.
struct Check {
    name: &'static str,
    /// What these bytes convince of, in its one form. `None`: of nothing.
    accepts: fn(&[u8]) -> Option<Vec<u8>>,
    /// All that convinces, in some form; what is not here needs a key or a broken hash.
    valid: fn() -> Vec<Vec<u8>>,
}

/// An input's first byte is a row here.
const CHECKS: &[Check] = &[
    Check { name: "proof", accepts: proof, valid: proofs },
    Check { name: "opening", accepts: opening, valid: openings },
    Check { name: "receipt", accepts: ledger::receipt, valid: ledger::receipts },
    Check { name: "chain", accepts: ledger::chain, valid: ledger::chains },
    Check { name: "collective", accepts: signature, valid: signatures },
    Check { name: "certificate", accepts: certified, valid: certificates },
    Check { name: "back", accepts: back, valid: backs },
    Check { name: "inclusion", accepts: inclusion, valid: inclusions },
    Check { name: "conflict", accepts: conflict, valid: conflicts },
    Check { name: "map", accepts: map_proof, valid: map_proofs },
    Check { name: "blame", accepts: blame, valid: blames },
    Check { name: "contradiction", accepts: contradiction, valid: contradictions },
    Check { name: "decision", accepts: decided, valid: decisions },
    Check { name: "speech", accepts: speech, valid: speech_bytes },
    Check { name: "bft", accepts: bft_message, valid: bft_messages },
    Check { name: "transcript", accepts: draw::transcript, valid: draw::transcripts },
    Check { name: "deal", accepts: draw::deal, valid: draw::deals },
    Check { name: "share", accepts: draw::share, valid: draw::shares },
    Check { name: "registration", accepts: draw::registration, valid: draw::registrations },
    Check { name: "conviction", accepts: draw::conviction, valid: draw::convictions },
    Check { name: "payment", accepts: payments::payment, valid: payments::payments },
    Check { name: "verdict", accepts: payments::verdict, valid: payments::verdicts },
    Check { name: "word", accepts: ledger::word, valid: ledger::words },
    Check { name: "epoch", accepts: ledger::epoch, valid: ledger::epochs },
    Check { name: "vrf", accepts: draw::value, valid: draw::values },
    Check { name: "vrf-key", accepts: draw::vrf_key, valid: draw::vrf_keys },
    Check { name: "void", accepts: draw::void, valid: draw::voids },
    Check { name: "publication", accepts: draw::publication, valid: draw::publications },
];

/// All that convinces, in its one form.
static VALID: LazyLock<Vec<BTreeSet<Vec<u8>>>> = LazyLock::new(|| {
    let accepted = |Check { name, accepts, valid }: &Check| {
        let accepted = valid().into_iter().map(|bytes| accepts(&bytes));
        accepted.map(|bytes| bytes.unwrap_or_else(|| unreachable!("{name} is valid"))).collect()
    };
    CHECKS.iter().map(accepted).collect()
});

/// Takes the input, but for its first byte, for the proof that this byte names.
///
/// # Panics
/// When it convinces of what is not so.
pub fn verify(input: &[u8]) {
    let Some((row, bytes)) = input.split_first() else { return };
    let row = usize::from(*row);
    if let (Some(Check { name, accepts, .. }), Some(valid)) = (CHECKS.get(row), VALID.get(row))
        && let Some(accepted) = accepts(bytes)
    {
        assert!(valid.contains(&accepted), "{name} takes what it must not: {bytes:02x?}");
    }
}

/// The inputs to begin with: all that convinces, and what almost does.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (row, Check { name, valid, .. }) in (0u8..).zip(CHECKS) {
        for (number, bytes) in valid().into_iter().enumerate() {
            let mut flipped = bytes.clone();
            let middle = flipped.len().checked_div(2).and_then(|at| flipped.get_mut(at));
            if let Some(byte) = middle {
                *byte ^= 1;
            }
            for (kind, bytes) in [("valid", bytes), ("flipped", flipped)] {
                seeds.push((format!("{name}-{number}-{kind}"), [&[row][..], &bytes].concat()));
            }
        }
    }
    seeds
}

/// A value, if it is one and `holds` says so.
fn taken<T: Wire>(bytes: &[u8], holds: impl FnOnce(&T) -> bool) -> Option<Vec<u8>> {
    T::decode(bytes).ok().filter(holds).map(|_| bytes.to_vec())
}

/// The proof without the openings, which may show more than is needed: a row of their own holds
/// what they show.
fn bare<A: Clone + Wire>(proof: &Proof<A>) -> Vec<u8> {
    let links: Vec<Link<A>> =
        proof.links().iter().map(|link| link.clone().without_opening()).collect();
    let from = (proof.chain(), proof.from_index(), proof.from());
    (from, BoundedVec::<_, { 1 << 16 }>::new(links).expect("as many as before")).encode()
}

fn proof(bytes: &[u8]) -> Option<Vec<u8>> {
    let proof = Proof::<Certificate>::decode(bytes).ok()?;
    HOPS.client().verify(&proof).ok()?;
    Some(bare(&proof))
}

fn proofs() -> Vec<Vec<u8>> {
    HOPS.ways().iter().map(|way| HOPS.proof(way).encode()).collect()
}

fn opening(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |opening: &Opening| opening.check(ROSTER.id()).is_some())
}

/// Every set of members.
fn openings() -> Vec<Vec<u8>> {
    let open = |set| ROSTER.open(&Mask::from_bytes(vec![set]).expect("a byte")).encode();
    (0..1 << SIZE).map(open).collect()
}

const STATEMENT: &[u8] = b"statement";

fn signature(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |signature: &CollectiveSignature| {
        signature.verify(&*ROSTER, STATEMENT, &Policy::Quorum).is_ok()
    })
}

fn signatures() -> Vec<Vec<u8>> {
    vec![collective(STATEMENT).encode()]
}

fn certified(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |certificate: &Certificate| {
        certificate.verify(&*ROSTER, STATEMENT, &Policy::Quorum).is_ok()
    })
}

fn certificates() -> Vec<Vec<u8>> {
    let all = Certificate::Collective(collective(STATEMENT));
    [individual(&ROSTER, 0, &QUORUM, STATEMENT), all]
        .map(|certificate| certificate.encode())
        .to_vec()
}

fn back(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |proof: &BackProof| proof.verify(HOPS.head()).is_ok())
}

/// Every way back from the head.
fn backs() -> Vec<Vec<u8>> {
    HOPS.ways_back()
}

fn inclusion(bytes: &[u8]) -> Option<Vec<u8>> {
    let [one, two, three] = ENTRIES;
    taken(bytes, |inclusion: &Inclusion| {
        [one, two, three].iter().any(|entry| inclusion.verify(HOPS.head(), entry))
    })
}

fn inclusions() -> Vec<Vec<u8>> {
    let entries = Tree::new(ENTRIES.map(leaf_hash));
    let path = |at| Inclusion { path: entries.path(at).expect("one of three") }.encode();
    [0, 1, 2].map(path).to_vec()
}

fn conflict(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |conflict: &Conflict| conflict.verify(&*ROSTER).is_some())
}

fn conflicts() -> Vec<Vec<u8>> {
    let Conflict { links: [first, second] } = HOPS.conflict();
    let swapped = Conflict { links: [second.clone(), first.clone()] };
    vec![Conflict { links: [first, second] }.encode(), swapped.encode()]
}

fn map() -> Map {
    (0..20).map(|number: u8| (leaf_hash(&[number]), [number; 32])).collect()
}

/// Proofs about one key that is there and one that is not.
fn map_proof(bytes: &[u8]) -> Option<Vec<u8>> {
    static ROOT: LazyLock<[u8; 32]> = LazyLock::new(|| map().root());
    taken(bytes, |proof: &map::Proof| {
        let found = [7, 77].map(|number| proof.verify(&ROOT, &leaf_hash(&[number])));
        assert!(found.iter().all(|found| !matches!(found, Ok(Some(value)) if *value != [7; 32])));
        found.iter().any(Result::is_ok)
    })
}

fn map_proofs() -> Vec<Vec<u8>> {
    [7, 77].map(|number| map().prove(&leaf_hash(&[number])).encode()).to_vec()
}

fn blame(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |evidence: &Evidence| cosi::blame::verify(evidence, &ROSTER).is_some())
}

/// Evidence of these statements, in either order.
fn both_ways(
    first: cosi::machine::Signed,
    second: cosi::machine::Signed,
    domain: [u8; 16],
) -> Vec<Vec<u8>> {
    let pairs = [[first.clone(), second.clone()], [second, first]];
    let evidence = pairs.map(|pair| {
        Evidence { domain, statements: BoundedVec::new(pair.into()).expect("two") }.encode()
    });
    evidence.to_vec()
}

/// A leader that signed two challenges in one session.
fn blames() -> Vec<Vec<u8>> {
    let [first, second] = [QUORUM.to_vec(), vec![0, 1, 2]].map(|signers| {
        let challenge =
            cosi::challenge::Challenge { mask: Mask::of(SIZE.into(), signers), ..challenge() };
        let Said { what, signature } = Said::new(key(0), challenge);
        let statement = BoundedBytes::new(what.encode()).expect("a short statement");
        cosi::machine::Signed { statement, signature }
    });
    both_ways(first, second, cosi::domain::BLAME)
}

fn contradiction(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |evidence: &Evidence| byzcoin::evidence::verify(evidence, &ROSTER).is_some())
}

/// A member that voted for two blocks in one view, and one that asked for it in two ways.
fn contradictions() -> Vec<Vec<u8>> {
    let votes = [[1; 32], [2; 32]].map(|digest| {
        let vote = scope().statement(Kind::Commit, byzcoin::Height::FIRST, View::ZERO, digest);
        (vote, certificate::sign(key(2), &ROSTER.id(), &vote.to_signed()))
    });
    let asked = [[1; 32], [2; 32]].map(|digest| {
        let kind = Kind::ViewChange;
        let change: Statement = scope().statement(kind, byzcoin::Height::FIRST, View::ZERO, digest);
        (change, key(2).sign(&cosi::domain::BYZCOIN, &change.encode()))
    });
    let evidence = [votes, asked].into_iter().flat_map(|[first, second]| {
        let evidence = byzcoin::evidence::contradiction(member(2), [first, second]);
        let evidence = evidence.expect("short statements");
        let [first, second] = evidence.statements.to_vec().try_into().expect("two statements");
        both_ways(first, second, evidence.domain)
    });
    evidence.collect()
}

fn decided(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |decision: &Decided<Certificate>| decision.verify::<CosiVotes>(&scope(), &ROSTER))
}

fn decisions() -> Vec<Vec<u8>> {
    vec![decision().encode()]
}

/// The pair that a challenge names stands beside what its leader signs: the cosigner looks for it
/// among its own.
fn speech(bytes: &[u8]) -> Option<Vec<u8>> {
    let speech = Speech::decode(bytes).ok()?;
    let signed =
        if let Speech::Challenge(said, _) = &speech { said.encode() } else { bytes.to_vec() };
    speech.verify(&ROSTER).ok().map(|_| signed)
}

fn speech_bytes() -> Vec<Vec<u8>> {
    speeches().iter().map(Wire::encode).collect()
}

/// What a replica says under a signature.
fn bft_message(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = MessageOf::<CosiVotes>::decode(bytes).ok()?;
    let signed =
        !matches!(message, Bft::Content(_) | Bft::Chunk { .. } | Bft::Votes(_) | Bft::Pull(_));
    let holds = message.verify::<CosiVotes>(&scope(), &ROSTER).is_ok();
    (signed && holds).then(|| bytes.to_vec())
}

fn bft_messages() -> Vec<Vec<u8>> {
    bft().iter().map(Wire::encode).filter(|bytes| bft_message(bytes).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is valid is accepted, or [`VALID`] has no value; and a flipped bit is refused.
    #[test]
    fn what_is_valid_convinces_and_what_almost_is_does_not() {
        for (Check { name, accepts, valid }, accepted) in CHECKS.iter().zip(VALID.iter()) {
            assert!(!accepted.is_empty(), "{name}");
            for bytes in valid() {
                for at in (0..bytes.len()).step_by(bytes.len().div_ceil(8)) {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1;
                    let taken = accepts(&flipped).is_none_or(|bytes| accepted.contains(&bytes));
                    assert!(taken, "{name} at {at} of {}", bytes.len());
                }
            }
        }
    }
}
