//! Verifiers that believe a transcript, as published ones did: thresholds are what the transcript
//! says, nobody's signature is checked, or deals are hashed and not verified. What passes them is
//! refused here by name.

use cosi::{domain::GROUP_SHARING, message::Said, transcript::Hash, wire::BoundedVec};
use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};
use pvss::{
    Chosen, Deal, DecryptedShare, Sharing, Trustee, VerifiedDeal, deal, recover, verify_shares,
};
use randhound::{
    DealingError, DealsError, GroupTranscript, Randomness, Statement, StatementError, Transcript,
    TranscriptError,
    message::{Dealing, Deals, root},
};

use crate::{
    common::{World, rng, world},
    transcripts::Whatever,
};

/// What the adversary would draw: one output in 32.
fn liked(output: &Randomness) -> bool {
    output.0[0] >= 248
}

/// The sharing of group 0, at a threshold that the transcript says.
fn sharing(world: &World, threshold: usize) -> Sharing {
    let session = world.session();
    let hash = Hash::new(GROUP_SHARING).fixed(&session.id().0).number(0).fixed(&world.terms.prior);
    let sharing =
        Sharing::new(hash.digest(), session.sharing(0).unwrap().keys(), threshold).unwrap();
    if threshold == session.threshold(0) {
        assert_eq!(sharing, *session.sharing(0).unwrap());
    }
    sharing
}

/// Deals in the names of these dealers of group 0, whoever makes them, signed by `signer`.
fn deals(world: &World, sharing: &Sharing, dealers: &[u16], signer: usize, seed: u64) -> Deals {
    let deal = |dealer: &u16| {
        let named = world.keys[usize::from(*dealer)].public().to_bytes();
        let (deal, _) = deal(sharing, &named, &world.secrets[signer], &mut rng(seed));
        let session = world.session().id();
        Said::new(&world.keys[signer], Dealing { session, dealer: *dealer, deal })
    };
    Deals::new(dealers.iter().map(deal).collect()).unwrap()
}

fn statement(world: &World, deals: &Deals) -> Statement {
    Statement {
        session: world.session().id(),
        dealers: cosi::mask::Mask::of(4, deals.iter().map(|said| said.what.dealer)),
        roots: BoundedVec::new(vec![root(0, deals)]).unwrap(),
        availability: [0; 32],
    }
}

fn verified(world: &World, sharing: &Sharing, deals: &Deals) -> Option<Vec<VerifiedDeal>> {
    let verify = |said: &Said<Dealing>| {
        let dealer = world.keys[usize::from(said.what.dealer)].public().to_bytes();
        said.what.deal.verify(sharing, &dealer).ok()
    };
    deals.iter().map(verify).collect()
}

/// The transcript of these deals, with the shares of these trustees.
fn transcript(
    world: &World,
    sharing: &Sharing,
    deals: Deals,
    trustees: &[usize],
) -> Transcript<Whatever> {
    let statement = statement(world, &deals);
    let verified = verified(world, sharing, &deals).unwrap();
    let chosen = Chosen::sum(sharing, &statement.id().0, &verified).unwrap();
    let open = |at: &usize| {
        let mut trustee = Trustee::new(sharing.clone(), world.secrets[*at].clone()).unwrap();
        trustee.decrypt(&chosen, &mut rng(9)).unwrap()
    };
    let shares = BoundedVec::new(trustees.iter().map(open).collect()).unwrap();
    let groups = BoundedVec::new(vec![GroupTranscript { deals, shares }]).unwrap();
    let config = world.session().config().clone();
    Transcript { config, statement, certificate: Whatever, groups }
}

/// The published verifier: deals and shares hold, at the transcript's threshold. It looks at no
/// signature.
fn believes(world: &World, transcript: &Transcript<Whatever>) -> Option<Randomness> {
    let part = &transcript.groups[0];
    let sharing = sharing(world, part.shares.len());
    let deals = verified(world, &sharing, &part.deals)?;
    let chosen = Chosen::sum(&sharing, &transcript.statement.id().0, &deals).ok()?;
    let shares: Vec<&DecryptedShare> = part.shares.iter().collect();
    let shares = verify_shares(&chosen, shares).into_iter().collect::<Result<Vec<_>, _>>().ok()?;
    let sum = recover(&chosen, &shares).ok()?.remove(0);
    let hash = Hash::new(cosi::domain::RANDOMNESS).fixed(&transcript.config.id().0);
    Some(Randomness(hash.fixed(&sum.to_bytes()).digest()))
}

/// One server, by itself, deals, opens, and draws what it likes: it says that one is enough.
fn alone(world: &World) -> Transcript<Whatever> {
    let sharing = sharing(world, 1);
    let draw = |seed| transcript(world, &sharing, deals(world, &sharing, &[2], 2, seed), &[2]);
    let liked = |draw: &Transcript<Whatever>| liked(&believes(world, draw).unwrap());
    (0..).map(draw).find(liked).unwrap()
}

#[test]
fn thresholds_from_the_transcript_breaks_published() {
    let world = world(4, 4);
    assert!(liked(&believes(&world, &alone(&world)).unwrap()), "one server chose the output");
}

#[test]
fn thresholds_are_the_verifiers() {
    let world = world(4, 4);
    let verdict = alone(&world).verify(&world.committee, &world.terms);
    let why = StatementError::Threshold { group: 0, have: 1, need: 2 };
    assert_eq!(verdict, Err(TranscriptError::Statement(why)));
}

/// Server 3 deals in the names of servers 0 and 1, whose trustees open what holds. It knows all
/// secrets beforehand, so that it may choose among sums.
fn in_others_names(world: &World) -> Transcript<Whatever> {
    let sharing = sharing(world, 2);
    let draw =
        |seed| transcript(world, &sharing, deals(world, &sharing, &[0, 1], 3, seed), &[0, 2]);
    let liked = |draw: &Transcript<Whatever>| liked(&believes(world, draw).unwrap());
    (0..).map(draw).find(liked).unwrap()
}

#[test]
fn signatures_that_nobody_checks_breaks_published() {
    let world = world(4, 4);
    assert!(liked(&believes(&world, &in_others_names(&world)).unwrap()), "no dealer dealt");
}

#[test]
fn nobody_deals_in_anothers_name() {
    let world = world(4, 4);
    let verdict = in_others_names(&world).verify(&world.committee, &world.terms);
    let why = DealsError::Deal { dealer: 0, why: DealingError::Signature };
    assert_eq!(verdict, Err(TranscriptError::Deals(why)));
}

/// Shares of no polynomial of degree 1, at 1, …, 4.
fn crooked() -> [RistrettoPoint; 4] {
    [3_u64, 14, 15, 92].map(|share| RistrettoPoint::mul_base(&Scalar::from(share)))
}

/// What two shares recover, by Lagrange's formula.
fn secret(shares: &[RistrettoPoint; 4], [i, j]: [usize; 2]) -> RistrettoPoint {
    let weight = |own: usize, other: usize| {
        let [own, other] = [own, other].map(|at| Scalar::from(at as u64 + 1));
        other * (other - own).invert()
    };
    shares[i] * weight(i, j) + shares[j] * weight(j, i)
}

/// With deals that are hashed and not verified, a dealer's shares lie on no polynomial. Every
/// pair of trustees recovers another secret, and whoever picks the pair picks the output.
#[test]
fn deals_that_nobody_verifies_breaks_published() {
    let shares = crooked();
    let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
    let mut secrets: Vec<_> = pairs.map(|pair| secret(&shares, pair).compress().to_bytes()).into();
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 6, "six outputs to choose from");
    // Other dealers' shares add one secret to all of these.
}

/// A deal by server 0 whose shares are shifted by the crooked ones, and its proof left as it was.
fn crooked_deal(world: &World, sharing: &Sharing) -> Deal {
    let sound = deals(world, sharing, &[0], 0, 4)[0].what.deal.clone();
    let Deal::Dhpvss(mut deal) = sound else { panic!() };
    let shares = deal.shares.iter().zip(crooked()).map(|(share, shift)| {
        let share = CompressedRistretto(*share).decompress().unwrap();
        (share + shift).compress().to_bytes()
    });
    deal.shares = BoundedVec::new(shares.collect()).unwrap();
    Deal::Dhpvss(deal)
}

#[test]
fn deals_of_no_polynomial_are_refused_under_any_decision() {
    let world = world(4, 4);
    let sharing = sharing(&world, 2);
    let mut deals = deals(&world, &sharing, &[0], 0, 4).into_inner();
    deals.extend(self::deals(&world, &sharing, &[1], 1, 4).into_inner());
    let sound = transcript(&world, &sharing, Deals::new(deals.clone()).unwrap(), &[0, 1]);
    assert!(sound.verify(&world.committee, &world.terms).is_ok());
    // The dealer encrypts its crooked shares, signs them, and the servers decide on the deal.
    let crooked = crooked_deal(&world, &sharing);
    deals[0] = Said::new(&world.keys[0], Dealing { deal: crooked, ..deals[0].what.clone() });
    let deals = Deals::new(deals).unwrap();
    let bad = Transcript { statement: statement(&world, &deals), ..sound.clone() };
    let part = GroupTranscript { deals, ..sound.groups[0].clone() };
    let bad = Transcript { groups: BoundedVec::new(vec![part]).unwrap(), ..bad };
    let why = DealingError::Deal(pvss::DealError::Proof);
    let why = DealsError::Deal { dealer: 0, why };
    let verdict = bad.verify(&world.committee, &world.terms);
    assert_eq!(verdict, Err(TranscriptError::Deals(why)));
}
