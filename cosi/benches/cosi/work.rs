//! The work that is measured: made ready once, done as often as a clock asks, its results checked.
//!
//! The binary `evaluate` of the package `examples` measures the same, from this file.

use std::{sync::Arc, time::Duration};

use cosi::{
    CollectiveSignature, Cosigner, Leader, Policy, cosigner,
    domain::BATCH,
    keys::{PublicKeyBytes, Seed, SigningKey},
    leader::{self, Command, Event},
    machine::{Cx, Index, Time, To},
    mask::Mask,
    message::Message,
    raw::UnprovenKeys,
    roster::{Member, Roster, quorum},
    session::Digest,
    transcript::{Hash, HashRng},
};
use curve25519_dalek::edwards::CompressedEdwardsY;
use frost_ed25519::{
    Identifier, SigningPackage,
    keys::{IdentifierList, KeyPackage, PublicKeyPackage, generate_with_dealer},
    rand_core, round1, round2,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// What is signed: a hash, as of a release.
pub(crate) const STATEMENT: &[u8; 32] = &[7; 32];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

/// How much processor time this thread has had: other programs take none of it away.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn since(began: Duration) -> Duration {
    cpu_time().saturating_sub(began)
}

/// The key of the member at `position`, of this program's own.
pub(crate) fn key(position: u16) -> SigningKey {
    let mut seed = [3; 32];
    seed.iter_mut().zip(position.to_le_bytes()).for_each(|(to, from)| *to = from);
    Seed::from_bytes(seed).signing_key()
}

/// `size` members, each with a key of its own and proof of it.
pub(crate) fn members(keys: &[Arc<SigningKey>]) -> Vec<Member> {
    let mut rng = rng();
    keys.iter().map(|key| Member::new(key, &mut rng)).collect()
}

pub(crate) fn keys(size: u16) -> Vec<Arc<SigningKey>> {
    (0..size).map(|position| Arc::new(key(position))).collect()
}

/// Keys as they come, for raw mode.
pub(crate) fn encoded(members: &[Member]) -> Vec<PublicKeyBytes> {
    members.iter().map(|member| member.key).collect()
}

/// All keys, decoded.
pub(crate) fn decode(keys: &[PublicKeyBytes]) -> Option<UnprovenKeys> {
    UnprovenKeys::decode(keys)
}

/// How many of `keys` curve25519-dalek takes for points, without a look at how they are written.
pub(crate) fn decompress(keys: &[PublicKeyBytes]) -> usize {
    let points = keys.iter().filter_map(|key| CompressedEdwardsY(*key).decompress());
    points.collect::<Vec<_>>().len()
}

/// The roster of these members.
pub(crate) fn register(members: Vec<Member>) -> Option<Roster> {
    Roster::new(members).ok()
}

/// A plain Ed25519 signature, and the key that checks it.
pub(crate) struct Single {
    key: ed25519_dalek::VerifyingKey,
    signature: ed25519_dalek::Signature,
}

impl Single {
    pub(crate) fn new() -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let signature = ed25519_dalek::Signer::sign(&key, STATEMENT);
        Self { key: key.verifying_key(), signature }
    }

    /// ed25519-dalek's strict verification.
    pub(crate) fn verify(&self) -> bool {
        self.key.verify_strict(STATEMENT, &self.signature).is_ok()
    }
}

/// A collective signature, and the roster that checks it.
pub(crate) struct Signed {
    roster: Roster,
    signature: CollectiveSignature,
    policy: Policy,
}

impl Signed {
    /// What those who are present in `round` sign.
    pub(crate) fn new(round: &Round) -> Self {
        let complete = round.present.count() == round.keys.len();
        let policy = if complete { Policy::Complete } else { Policy::Quorum };
        let (signature, _) = round.sign();
        Self { roster: round.roster.clone(), signature, policy }
    }

    /// The strict check: policy, aggregate of decoded keys, equation.
    pub(crate) fn verify(&self) -> bool {
        self.signature.verify(&self.roster, STATEMENT, &self.policy).is_ok()
    }

    /// Whether the signature holds, and with any one bit of R or s flipped does not; nor with
    /// another mask, nor on another statement.
    pub(crate) fn is_sound(&self) -> bool {
        let flipped = |bit: usize| {
            let mut signature = self.signature.clone();
            let half = if bit < 256 { &mut signature.commitment } else { &mut signature.response };
            half.iter_mut().skip(bit % 256 / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
            Self { roster: self.roster.clone(), signature, policy: self.policy }
        };
        let fewer = self.signature.mask.iter().skip(1);
        let mask = Mask::of(self.roster.size(), fewer);
        let another = CollectiveSignature { mask, ..self.signature.clone() };
        let lie = Policy::Weight(1);
        self.verify()
            && (0..512).step_by(37).all(|bit| !flipped(bit).verify())
            && another.verify(&self.roster, STATEMENT, &lie).is_err()
            && self.signature.verify(&self.roster, b"another", &self.policy).is_err()
    }
}

/// Processor time that a signing round took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// At who leads: the leader of cosi, the coordinator of FROST.
    pub(crate) leader: Duration,
    /// At each other signer, on average.
    pub(crate) signer: Duration,
}

/// A roster of which some members answer.
pub(crate) struct Round {
    keys: Vec<Arc<SigningKey>>,
    roster: Roster,
    present: Mask,
}

impl Round {
    /// Of `size` members `present` sign: the first, who leads, and others drawn by lot.
    pub(crate) fn new(size: u16, present: u16) -> Self {
        let keys = keys(size);
        let Ok(roster) = Roster::new(members(&keys)) else {
            unreachable!("each proves possession of its own key")
        };
        assert!(u64::from(present) >= quorum(size.into()), "too few sign");
        let mut others: Vec<u16> = (1..size).collect();
        HashRng::new(Hash::new(BATCH).number(size.into())).shuffle(&mut others);
        let present = others.into_iter().take(usize::from(present).saturating_sub(1));
        let present = Mask::of(size.into(), present.chain([0]));
        Self { keys, roster, present }
    }

    /// A star's whole round by machines that have not met: announcement, commitments, challenge,
    /// responses, each message signed and checked.
    pub(crate) fn sign(&self) -> (CollectiveSignature, Costs) {
        let (mut rng, mut now, mut costs) = (rng(), Time::default(), Costs::default());
        let members: Vec<Index> = self.roster.indices().collect();
        let machines = self.keys.iter().zip(&members);
        let mut machines = machines.filter(|(_, me)| self.present.contains(me.get()));
        let Some((key, lead)) = machines.next() else { unreachable!("a quorum is somebody") };
        let config = leader::Config::new(self.roster.clone(), *lead, Arc::clone(key));
        let Ok(mut leader) = Leader::new(config) else { unreachable!("the key is the leader's") };
        let mut cosigners: Vec<_> = machines.map(|(key, me)| self.cosigner(key, *me)).collect();

        let policy = Policy::Quorum;
        let announce = Command::Announce { statement: STATEMENT.to_vec(), policy };
        let began = cpu_time();
        let step = leader.handle_command(&mut Cx::new(now, &mut rng), announce);
        costs.leader = costs.leader.saturating_add(since(began));
        let Ok(mut step) = step else { unreachable!("everybody is a quorum") };
        loop {
            let output = step.into_records().1.release();
            if let Some(Event::Signed { signature, .. }) = output.events.into_iter().next() {
                costs.signer = costs.signer.div_f64(cosigners.len().max(1) as f64);
                return (signature, costs);
            }
            let began = cpu_time();
            let answers = answers(&mut cosigners, &output.messages, *lead, now, &mut rng);
            costs.signer = costs.signer.saturating_add(since(began));
            let began = cpu_time();
            let mut cx = Cx::new(now, &mut rng);
            if answers.is_empty() {
                now = leader.next_timeout().unwrap_or(now);
                step = leader.handle_timeout(&mut Cx::new(now, &mut rng));
            } else {
                let steps = answers.into_iter();
                let mut steps =
                    steps.map(|(from, said)| leader.handle_message(&mut cx, from, said));
                let Some(first) = steps.next() else { unreachable!("there are answers") };
                step = steps.fold(first, |step, next| step.and(next));
            }
            costs.leader = costs.leader.saturating_add(since(began));
        }
    }

    /// A cosigner that knows the statement to be valid.
    fn cosigner(&self, key: &Arc<SigningKey>, me: Index) -> (Index, Cosigner) {
        let config = cosigner::Config::new(self.roster.clone(), me, Arc::clone(key));
        let Ok(mut cosigner) = Cosigner::new(config) else { unreachable!("the key is its own") };
        let validated =
            cosigner::Command::Validated { digest: Digest::of(STATEMENT), accept: true };
        let Ok(step) =
            cosigner.handle_command(&mut Cx::new(Time::default(), &mut rng()), validated)
        else {
            unreachable!("it is the first statement")
        };
        drop(step.into_records());
        (me, cosigner)
    }
}

/// What cosigners answer to messages of the leader, who said which.
fn answers(
    cosigners: &mut [(Index, Cosigner)],
    messages: &[(To<Index>, Message)],
    lead: Index,
    now: Time,
    rng: &mut ChaCha20Rng,
) -> Vec<(Index, Message)> {
    let mut answers = Vec::new();
    for (to, message) in messages {
        for (me, cosigner) in cosigners.iter_mut() {
            let addressed = match to {
                To::All => true,
                To::One(one) => one == me,
                To::Some(some) => some.binary_search(me).is_ok(),
            };
            if addressed {
                let step = cosigner.handle_message(&mut Cx::new(now, rng), lead, message.clone());
                let output = step.into_records().1.release();
                answers.extend(output.messages.into_iter().map(|(_, answer)| (*me, answer)));
            }
        }
    }
    answers
}

/// A threshold key of `frost-ed25519`, dealt by a trusted dealer. Its signers authenticate no
/// messages: it leaves that to its channels.
pub(crate) struct Frost {
    packages: Vec<(Identifier, KeyPackage)>,
    public: PublicKeyPackage,
    signature: frost_ed25519::Signature,
}

impl Frost {
    /// A key that `least` of `size` sign with.
    pub(crate) fn new(size: u16, least: u16) -> Result<Self, frost_ed25519::Error> {
        let dealt = generate_with_dealer(size, least, IdentifierList::Default, Old(rng()))?;
        let (shares, public) = dealt;
        let packages = shares.into_iter().take(least.into());
        let packages = packages.map(|(name, share)| Ok((name, KeyPackage::try_from(share)?)));
        let packages: Vec<_> = packages.collect::<Result<_, frost_ed25519::Error>>()?;
        let (signature, _) = sign(&packages, &public)?;
        Ok(Self { packages, public, signature })
    }

    /// A round of signing: commitments, shares, and their aggregation, which verifies the whole.
    pub(crate) fn sign(&self) -> Option<Costs> {
        sign(&self.packages, &self.public).ok().map(|(_, costs)| costs)
    }

    pub(crate) fn verify(&self) -> bool {
        self.public.verifying_key().verify(STATEMENT, &self.signature).is_ok()
    }
}

fn sign(
    packages: &[(Identifier, KeyPackage)],
    public: &PublicKeyPackage,
) -> Result<(frost_ed25519::Signature, Costs), frost_ed25519::Error> {
    let mut rng = Old(rng());
    let began = cpu_time();
    let drawn = packages.iter().map(|(name, package)| {
        let (nonces, commitments) = round1::commit(package.signing_share(), &mut rng);
        (*name, nonces, commitments)
    });
    let drawn: Vec<_> = drawn.collect();
    let signer = since(began);

    let began = cpu_time();
    let commitments = drawn.iter().map(|(name, _, commitments)| (*name, *commitments)).collect();
    let package = SigningPackage::new(commitments, STATEMENT);
    let leader = since(began);

    let began = cpu_time();
    let shares = drawn
        .iter()
        .zip(packages)
        .map(|((name, nonces, _), (_, key))| Ok((*name, round2::sign(&package, nonces, key)?)));
    let shares = shares.collect::<Result<_, frost_ed25519::Error>>()?;
    let signer = signer.saturating_add(since(began));
    let signer = signer.div_f64(packages.len().max(1) as f64);

    let began = cpu_time();
    let signature = frost_ed25519::aggregate(&package, &shares, public)?;
    Ok((signature, Costs { leader: leader.saturating_add(since(began)), signer }))
}

/// A generator for crates that are on `rand_core` 0.6.
struct Old(ChaCha20Rng);

impl rand_core::RngCore for Old {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        self.0.fill_bytes(target);
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill_bytes(target);
        Ok(())
    }
}

impl rand_core::CryptoRng for Old {}
