//! RandHound as it was published, in a few lines over `pvss`: servers agree on who deals, by index,
//! and the verifier of the public code takes thresholds from the transcript.

use cosi::{domain::RANDOMNESS, transcript::Hash, wire::Wire};
use curve25519_dalek::{RistrettoPoint, ristretto::CompressedRistretto};
use pvss::{
    Chosen, Deal, DecryptedShare, Secret, Sharing, Trustee, VerifiedDeal, deal, recover,
    verify_shares,
};
use randhound::Session;

use super::common::{World, rng, world};

/// What an adversary wishes for: one output in 32.
fn liked(output: &[u8; 32]) -> bool {
    output[0] >= 248
}

fn output(session: &Session, sum: &[u8; 32]) -> [u8; 32] {
    Hash::new(RANDOMNESS).fixed(&session.id().0).fixed(sum).digest()
}

fn deal_by(world: &World, sharing: &Sharing, at: u16, seed: u64) -> (Deal, Secret) {
    let at = usize::from(at);
    let own = world.keys[at].public().to_bytes();
    deal(sharing, &own, &world.secrets[at], &mut rng(seed))
}

fn verified(world: &World, sharing: &Sharing, dealer: u16, deal: &Deal) -> VerifiedDeal {
    let dealer = world.keys[usize::from(dealer)].public().to_bytes();
    deal.verify(sharing, &dealer).unwrap()
}

fn open(world: &World, chosen: &Chosen, sharing: &Sharing, trustee: u16) -> DecryptedShare {
    let secret = world.secrets[usize::from(trustee)].clone();
    let mut trustee = Trustee::new(sharing.clone(), secret).unwrap();
    trustee.decrypt(chosen, &mut rng(3)).unwrap()
}

/// What these shares recover.
fn recovered(chosen: &Chosen, shares: &[DecryptedShare]) -> Option<Secret> {
    let shares = verify_shares(chosen, shares).into_iter().collect::<Result<Vec<_>, _>>().ok()?;
    Some(recover(chosen, &shares).ok()?.remove(0))
}

/// A run with an honest client, in which these servers deal and then say nothing more: its output,
/// and how many bytes the busiest server sent and received, at most.
fn run(world: &World, silent: impl Fn(u16) -> bool) -> Option<([u8; 32], usize)> {
    let session = world.session();
    let (mut secrets, mut busiest) = (Vec::new(), 0);
    for (group, members) in session.groups().iter() {
        let sharing = session.sharing(group).unwrap();
        let members: Vec<u16> = members.iter().map(|member| member.get()).collect();
        let deals = members.iter().map(|at| (*at, deal_by(world, sharing, *at, 5).0));
        let deals: Vec<_> = deals.collect();
        let sent: usize = deals.iter().map(|(_, deal)| deal.encode().len()).sum();
        let deals = deals.iter().take(session.threshold(group));
        let deals: Vec<_> =
            deals.map(|(dealer, deal)| verified(world, sharing, *dealer, deal)).collect();
        let chosen = Chosen::sum(sharing, &[0; 32], &deals).ok()?;
        let awake = members.iter().filter(|at| !silent(**at));
        let shares = awake.map(|at| open(world, &chosen, sharing, *at));
        let shares: Vec<_> = shares.take(session.threshold(group)).collect();
        secrets.push(recovered(&chosen, &shares)?);
        busiest = busiest.max(sent + shares.first()?.encode().len());
    }
    Some((output(&session, &Secret::sum(&secrets).to_bytes()), busiest))
}

/// A third of the servers fall silent: the output is that of the others.
pub(crate) fn silent_servers_stop_nothing() {
    let world = world(16, 8);
    let whole = run(&world, |_| false).unwrap().0;
    assert_eq!(run(&world, |at| at < 5).unwrap().0, whole);
    assert!(run(&world, |at| at < 15).is_none(), "all but one are too many");
}

/// One server fewer than the threshold recovers nothing of what an honest server dealt.
pub(crate) fn too_few_shares_recover_nothing() {
    let world = world(7, 7);
    let session = world.session();
    let sharing = session.sharing(0).unwrap();
    let (deal, secret) = deal_by(&world, sharing, 6, 1);
    let chosen = Chosen::sum(sharing, &[0; 32], [&verified(&world, sharing, 6, &deal)]).unwrap();
    let shares: Vec<_> = (0..3).map(|at| open(&world, &chosen, sharing, at)).collect();
    assert!(recovered(&chosen, &shares) == Some(secret));
    assert!(recovered(&chosen, &shares[..2]).is_none());
}

/// The servers' signatures are on the dealers' indices. Once a dealer has seen the sum of all, it
/// deals again, until the output is one that it likes: the same signatures hold.
pub(crate) fn a_second_deal_chooses_the_output() {
    let world = world(4, 4);
    let session = world.session();
    let sharing = session.sharing(0).unwrap();
    let sum = |first: &Deal, second: &Deal| {
        let deals = [(0, first), (1, second)];
        let deals = deals.map(|(dealer, deal)| verified(&world, sharing, dealer, deal));
        let chosen = Chosen::sum(sharing, &[0; 32], &deals).unwrap();
        let shares: Vec<_> = [2, 3].map(|at| open(&world, &chosen, sharing, at)).into();
        recovered(&chosen, &shares).unwrap()
    };
    let point = |secret: &Secret| CompressedRistretto(*secret.to_bytes()).decompress().unwrap();
    let of = |sum: RistrettoPoint| output(&session, &sum.compress().to_bytes());
    let (honest, _) = deal_by(&world, sharing, 0, 1);
    let (first, own) = deal_by(&world, sharing, 1, 2);
    let honest_secret = point(&sum(&honest, &first)) - point(&own);
    let mut again = (3..).map(|seed| deal_by(&world, sharing, 1, seed));
    let (second, _) = again.find(|(_, own)| liked(&of(honest_secret + point(own)))).unwrap();
    assert!(liked(&of(point(&sum(&honest, &second)))), "the adversary chose the output");
}

/// What the verifier of the public code makes of the deals and shares in a transcript.
fn believes(
    world: &World,
    deals: &[(u16, Deal)],
    shares: impl Fn(&Sharing, &Chosen) -> Vec<DecryptedShare>,
    threshold: usize,
) -> Option<[u8; 32]> {
    let session = world.session();
    let sharing = Sharing::new([8; 32], session.sharing(0).unwrap().keys(), threshold).unwrap();
    let deals = deals.iter().map(|(dealer, deal)| verified(world, &sharing, *dealer, deal));
    let chosen = Chosen::sum(&sharing, &[0; 32], &deals.collect::<Vec<_>>()).ok()?;
    let shares = shares(&sharing, &chosen);
    assert_eq!(shares.len(), threshold, "as many as the transcript says");
    Some(output(&session, &recovered(&chosen, &shares)?.to_bytes()))
}

/// One server says that one is enough, deals until it likes the output, and opens it.
pub(crate) fn one_server_convinces_the_published_verifier() {
    let world = world(4, 4);
    let session = world.session();
    let sharing = Sharing::new([8; 32], session.sharing(0).unwrap().keys(), 1).unwrap();
    let alone = |seed| {
        let deals = [(2, deal_by(&world, &sharing, 2, seed).0)];
        believes(&world, &deals, |sharing, chosen| vec![open(&world, chosen, sharing, 2)], 1)
    };
    assert!((0..).filter_map(alone).any(|output| liked(&output)));
}

/// With twice and four times the servers in groups of one size, none sends or receives more.
pub(crate) fn work_a_server_does_not_grow() {
    let [few, some, many] =
        [16, 32, 64].map(|servers| run(&world(servers, 8), |_| false).unwrap().1);
    assert_eq!([some, many], [few, few]);
}
