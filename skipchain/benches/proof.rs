//! What a proof over 10² to 10⁶ blocks takes, with a roster of 100: `cargo bench -p skipchain`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench reads the clock, and fails by panicking"
)]

use std::time::{Duration, Instant};

use cosi::{
    Certificate, CollectiveSignature, Statement,
    keys::Seed,
    mask::Mask,
    roster::{Member, Roster},
    signature::Mode,
};
use curve25519_dalek::{EdwardsPoint, Scalar, scalar::clamp_integer};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha512};
use skipchain::{
    Attestation, ChainId, Header, LightClient, Link, LinkStatement, Proof, Shape, Timeline,
    wire::Wire,
};

const SIZE: u16 = 100;
/// How many are missing where a third is: the most that leave a quorum.
const THIRD: u16 = 33;

/// A roster of 100 of 101 keys, and its secrets.
struct Group {
    roster: Roster,
    secrets: Vec<Scalar>,
}

impl Group {
    /// All but one of the members.
    fn all_but(out: usize, members: &[(Member, Scalar)]) -> Self {
        let kept = members.iter().enumerate().filter(|(at, _)| *at != out);
        let (members, secrets): (Vec<_>, _) = kept.map(|(_, member)| member.clone()).unzip();
        Self { roster: Roster::new(members).unwrap(), secrets }
    }

    /// What all but the first `absent` sign together: s = r + cΣa_i, c = SHA-512(R ‖ ΣA_i ‖ m).
    fn sign(&self, statement: &[u8], absent: u16) -> Certificate {
        let mask = Mask::of(SIZE.into(), absent..SIZE);
        let message = Mode::Accountable.signed(&self.roster.id(), &mask, statement);
        let sum = self.secrets[usize::from(absent)..].iter().sum::<Scalar>();
        let seed = Sha512::new().chain_update(sum.as_bytes()).chain_update(&message);
        let nonce = Scalar::from_bytes_mod_order_wide(&seed.finalize().into());
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let hash = Sha512::new().chain_update(commitment);
        let hash = hash.chain_update(EdwardsPoint::mul_base(&sum).compress().as_bytes());
        let c = Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into());
        let response = (nonce + c * sum).to_bytes();
        Certificate::Collective(CollectiveSignature { commitment, response, mask })
    }
}

/// Stands in for a decision: only links that a proof takes are signed.
#[derive(Clone, Debug)]
struct Unsigned;

impl Attestation for Unsigned {
    const SPANS: bool = true;
}

struct Chain<'a> {
    groups: &'a [Group],
    kept: Timeline<Unsigned>,
}

impl<'a> Chain<'a> {
    /// Of rosters that take turns, each for one block.
    fn new(groups: &'a [Group]) -> Self {
        let roster = groups[0].roster.id();
        let of = ChainId([1; 32]);
        let genesis = Header::genesis(of, Shape::default(), roster, [0; 32], None);
        Self { groups, kept: Timeline::new(genesis).unwrap() }
    }

    fn group(&self, index: u64) -> &'a Group {
        &self.groups[usize::try_from(index).unwrap() % self.groups.len()]
    }

    fn grow(&mut self, len: u64) {
        for index in self.kept.tip().index + 1..=len {
            let header = self.kept.next(self.group(index).roster.id(), [7; 32], Some([8; 32]));
            self.kept.append(&header, Unsigned).unwrap();
        }
    }

    /// By links of any level below this, each signed by all but so many.
    fn prove(&self, from: u64, target: u64, levels: u8, absent: u16) -> Proof {
        let header = |index| self.kept.header(index).unwrap();
        let mut shown = None;
        let find = |at, level| {
            let stride = header(at).shape.stride(level).filter(|_| level < levels)?;
            let (group, to) = (self.group(at), header(at + stride));
            let statement = LinkStatement::new(level, header(at), to).to_signed();
            let opens = shown.replace(group.roster.id()) != Some(group.roster.id());
            let opening = opens.then(|| group.roster.open(&Mask::of(SIZE.into(), 0..absent)));
            let back = self.kept.back_links(to.index)?;
            Link::new(level, header(at), to, &back, group.sign(&statement, absent), opening)
        };
        Proof::build(header(from), target, find).unwrap()
    }

    /// Hops, bytes, and the time to decode and verify, the best of five.
    fn measure(&self, from: u64, target: u64, levels: u8, absent: u16) -> (usize, usize, Duration) {
        let bytes = self.prove(from, target, levels, absent).encode();
        let (anchor, roster) = (self.kept.header(from).unwrap(), &self.group(from).roster);
        let opening = roster.open(&Mask::of(SIZE.into(), 0..absent));
        let client = LightClient::new(anchor.clone(), opening).unwrap();
        let run = |_| {
            let (mut client, start) = (client.clone(), Instant::now());
            let proof = Proof::<Certificate>::decode(&bytes).unwrap();
            assert_eq!(client.verify(&proof).unwrap().header().index, target);
            (proof.hops(), start.elapsed())
        };
        let best = (0..5).map(run).min_by_key(|(_, time)| *time).unwrap();
        (best.0, bytes.len(), best.1)
    }
}

fn main() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let members: Vec<_> = (0..=SIZE)
        .map(|number| {
            let seed = [number.to_le_bytes()[0]; 32];
            let hash: [u8; 64] = Sha512::digest(seed).into();
            let secret = Scalar::from_bytes_mod_order(clamp_integer(*hash.first_chunk().unwrap()));
            (Member::new(&Seed::from_bytes(seed).signing_key(), &mut rng), secret)
        })
        .collect();
    let groups: Vec<_> = (0..members.len()).map(|out| Group::all_but(out, &members)).collect();

    for (name, groups) in [
        ("one roster of 100", &groups[..1]),
        ("a roster of 100, of which one member changes every block", &groups[..]),
    ] {
        println!("{name}; every link a collective signature");
        let mut chain = Chain::new(groups);
        for power in 2..=6 {
            let blocks = 10_u64.pow(power);
            let (start, before) = (Instant::now(), chain.kept.tip().index);
            chain.grow(blocks);
            let rate = (blocks - before) as f64 / start.elapsed().as_secs_f64();
            println!("  {blocks} blocks, appended at {rate:.0} a second");
            // Up through every level and down again: the longest way that there is.
            let top = (1_u64 << blocks.ilog2()) - 1;
            for (way, from, target) in [("genesis to head", 0, blocks), ("the longest way", 1, top)]
            {
                for (who, absent) in [("all present", 0), ("a third absent", THIRD)] {
                    let (hops, bytes, time) = chain.measure(from, target, 32, absent);
                    println!("    {way}, {who}: {hops} links, {bytes} bytes, {time:.1?}");
                }
            }
            let (hops, bytes, time) = chain.measure(0, 100, 1, 0);
            let times = blocks / u64::try_from(hops).unwrap();
            let (bytes, time) = (bytes as u64 * times, time.as_secs_f64() * times as f64);
            println!("    block by block, from what 100 take: {bytes} bytes, {time:.3} s");
        }
    }
}
