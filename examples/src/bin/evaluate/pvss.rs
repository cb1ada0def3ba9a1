//! Publicly verifiable secret sharing, by both schemes, beside the crate of that name.

#[path = "../../../../pvss/benches/pvss/work.rs"]
mod work;

mod peer;

use pvss::Scheme;

use self::work::{Group, MEMBERS, Opening, THRESHOLD, verify_many};
use crate::{
    samples::{Samples, sample},
    section::{Ask, Findings, Found, Kind, Peer, Section, Target, Unsound},
};

pub(crate) const SECTION: Section = Section {
    name: "pvss",
    about: "secret sharing: what dealing to 32 trustees, checking deals and opening shares take",
    references: "the Go implementation, kyber v3.1.0, of Schoenmakers' scheme, on another machine; \
                 its verification of a deal is 28.7 ms, and 11.1 ms more for the evaluation of the \
                 commitments",
    run,
};

/// How many groups make 1,024 dealers.
const GROUPS: usize = 32;

const fn target(
    metric: &'static str,
    reference: Option<f64>,
    at_most: f64,
    unit: &'static str,
) -> Target {
    Target { metric, kind: Kind::Measured, reference, at_most, unit }
}

/// The rows of a scheme.
struct Rows {
    scheme: Scheme,
    one: Target,
    batched: Target,
    deal: Option<Target>,
    open: Target,
    many: Target,
}

static DHPVSS: Rows = Rows {
    scheme: Scheme::Dhpvss,
    one: target("verify one deal by DHPVSS", Some(39.8), 0.4, "ms"),
    batched: target("verify a deal by DHPVSS in a batch of 32", Some(39.8), 0.24, "ms"),
    deal: Some(target("deal by DHPVSS", Some(12.0), 1.2, "ms")),
    open: target("decrypt and prove a share by DHPVSS", Some(0.83), 0.08, "ms"),
    many: target("verify all deals of 1024 dealers by DHPVSS", Some(40.7), 0.25, "s"),
};
static SCHOENMAKERS: Rows = Rows {
    scheme: Scheme::Schoenmakers,
    one: target("verify one deal by Schoenmakers", Some(39.8), 0.75, "ms"),
    batched: target("verify a deal by Schoenmakers in a batch of 32", Some(39.8), 0.56, "ms"),
    deal: None,
    open: target("decrypt and prove a share by Schoenmakers", Some(0.83), 0.08, "ms"),
    many: target("verify all deals of 1024 dealers by Schoenmakers", Some(40.7), 0.58, "s"),
};

fn run(findings: &mut Findings<'_>) -> Result<(), Unsound> {
    for rows in [&DHPVSS, &SCHOENMAKERS] {
        let scheme = rows.scheme;
        findings.row(&rows.one, |ask| verify_one(ask, scheme))?;
        findings.row(&rows.batched, |ask| verify_batched(ask, scheme))?;
        if let Some(target) = &rows.deal {
            findings.row(target, |ask| deal(ask, scheme))?;
        }
        findings.row(&rows.open, |ask| decrypt(ask, scheme))?;
        findings.row(&rows.many, |ask| verify_all(ask, scheme))?;
    }
    findings.peers("peers", peers)
}

/// A group whose deals hold, and are found out with a bit flipped.
fn sound(scheme: Scheme) -> Result<Group, String> {
    let group = Group::new(scheme, 0);
    require(
        group.is_sound(),
        "a sound deal is refused, a tampered one accepted, or a secret lost",
    )?;
    Ok(group)
}

fn opening(group: &Group) -> Result<Opening, String> {
    let mut opening = group.opening().ok_or("a sound deal is refused")?;
    let share = opening.decrypt().ok_or("a trustee does not open a verified deal")?;
    require(opening.holds(&share), "a sound share is refused, or a tampered one accepted")?;
    Ok(opening)
}

fn verify_one(ask: &Ask, scheme: Scheme) -> Result<Found, String> {
    let group = sound(scheme)?;
    let samples = sample(ask.samples(1000), 5, || hold(group.verify_one(0)));
    Ok(fastest(&samples, 1e3, "decoding and hashing included; the deal with a bit flipped fails"))
}

fn verify_batched(ask: &Ask, scheme: Scheme) -> Result<Found, String> {
    let group = sound(scheme)?;
    let samples = sample(ask.samples(300), 1, || hold(group.verify().iter().all(|holds| *holds)));
    let bare = sample(ask.samples(300), 1, || hold(group.decompress() == group.points()));
    let each = |seconds: f64| seconds * 1e3 / MEMBERS as f64;
    let how = format!(
        "a deal of a group's 32, the fastest of {} batches, their median is {:.3} ms; of that, \
         curve25519-dalek's decompression of the points takes {:.3} ms alone; with a bit flipped in \
         one of the deals, that one is named",
        samples.count(),
        each(samples.median()),
        each(bare.least())
    );
    Ok(Found::new(each(samples.least()), how))
}

fn deal(ask: &Ask, scheme: Scheme) -> Result<Found, String> {
    let group = sound(scheme)?;
    let samples = sample(ask.samples(400), 5, || hold(group.deal().is_some()));
    Ok(fastest(&samples, 1e3, "the deal verifies, and 11 trustees recover what was dealt"))
}

fn decrypt(ask: &Ask, scheme: Scheme) -> Result<Found, String> {
    let mut opening = opening(&sound(scheme)?)?;
    let samples = sample(ask.samples(1000), 20, || hold(opening.decrypt().is_some()));
    Ok(fastest(&samples, 1e3, "the share verifies, and with a bit of its proof flipped does not"))
}

fn verify_all(ask: &Ask, scheme: Scheme) -> Result<Found, String> {
    let mut groups: Vec<_> = (0..GROUPS).map(|number| Group::new(scheme, number)).collect();
    let all = GROUPS.saturating_mul(MEMBERS);
    let samples = sample(ask.samples(20), 1, || hold(verify_many(&groups) == all));
    let decompressed = || groups.iter().map(Group::decompress).sum::<usize>();
    let points = groups.iter().map(Group::points).sum::<usize>();
    let bare = sample(ask.samples(10), 1, || hold(decompressed() == points));
    let how = format!(
        "the fastest of {} runs, their median is {:.3} s; 32 groups of 32, at once; of that, \
         curve25519-dalek's decompression of the {points} points takes {:.3} s alone; with a bit \
         flipped in one deal, all others hold",
        samples.count(),
        samples.median(),
        bare.least()
    );
    if let Some(group) = groups.get_mut(17) {
        *group = group.tampered(5);
    }
    let others = all.saturating_sub(1);
    require(verify_many(&groups) == others, "a tampered deal is accepted, or another refused")?;
    Ok(Found::new(samples.least(), how))
}

/// What stands beside the rows, among it Schoenmakers' deal, which has no target.
fn peers(ask: &Ask) -> Result<Vec<Peer>, String> {
    let count = ask.samples(20);
    let millis = |work: &mut dyn FnMut()| sample(count, 1, work).least() * 1e3;
    let mut peers = Vec::new();
    let mut peer = |work, here| peers.push(Peer { work, here, unit: "ms" });

    for (scheme, [dealing, recovering]) in [
        (Scheme::Dhpvss, ["", "verify 11 shares and recover by DHPVSS"]),
        (
            Scheme::Schoenmakers,
            ["deal by Schoenmakers", "verify 11 shares and recover by Schoenmakers"],
        ),
    ] {
        let group = sound(scheme)?;
        if !dealing.is_empty() {
            peer(dealing, millis(&mut || hold(group.deal().is_some())));
        }
        let mut opening = opening(&group)?;
        let shares = opening.shares();
        peer(recovering, millis(&mut || hold(opening.recover(&shares).is_some())));
    }

    let scrape = peer::Scrape::new(MEMBERS, THRESHOLD)?;
    peer("crate pvss 0.3 deal by SCRAPE", millis(&mut || scrape.deal()));
    peer("crate pvss 0.3 verify one deal by SCRAPE", millis(&mut || hold(scrape.verify())));
    peer("crate pvss 0.3 decrypt and prove a share by SCRAPE", millis(&mut || scrape.decrypt()));
    let simple = peer::Simple::new(MEMBERS, THRESHOLD)?;
    peer("crate pvss 0.3 deal by Schoenmakers", millis(&mut || simple.deal()));
    peer("crate pvss 0.3 verify one deal by Schoenmakers", millis(&mut || hold(simple.verify())));
    Ok(peers)
}

/// The least of some samples, in `unit`s of a second.
fn fastest(samples: &Samples, unit: f64, about: &str) -> Found {
    let how = format!(
        "the fastest of {} samples, their median is {:.3}; {about}",
        samples.count(),
        samples.median() * unit
    );
    Found::new(samples.least() * unit, how)
}

fn require(holds: bool, or: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(or.into()) }
}

/// In the midst of being measured: no result but the right one is worth a time.
fn hold(holds: bool) {
    assert!(holds, "a result changed while it was measured");
}
