//! Collective signing, beside plain Ed25519 and FROST.

#[path = "../../../../cosi/benches/cosi/work.rs"]
pub(crate) mod work;

mod round;

use std::{cell::LazyCell, time::Duration};

use self::{
    round::Rounds,
    work::{
        Costs, Frost, Round, Signed, Single, decode, decompress, encoded, keys, members, register,
    },
};
use crate::{
    samples::{compare, sample},
    section::{Ask, Findings, Found, Kind, Peer, Section, Target, Unsound},
};

pub(crate) const SECTION: Section = Section {
    name: "cosi",
    about: "collective signing: what verifying, registering and a round of signing take",
    references: "the Go implementation, kyber v3.1.0, on another machine, where Go's standard \
                 library verifies a plain Ed25519 signature in 38 us; for the rounds the CoSi \
                 authors' data",
    run,
};

/// What Go's standard library takes to verify a plain signature, in microseconds, where kyber was
/// measured.
const GO_SINGLE: f64 = 38.0;

const VERIFY_144: Target = Target {
    metric: "verify 144 signers all present / one ed25519-dalek strict verify",
    kind: Kind::Measured,
    reference: Some(175.0 / GO_SINGLE),
    at_most: 1.15,
    unit: "ratio",
};
const VERIFY_1024: Target = Target {
    metric: "verify 1024 signers a third absent",
    kind: Kind::Measured,
    reference: Some(453.0),
    at_most: 80.0,
    unit: "us",
};
const VERIFY_4096: Target = Target {
    metric: "verify 4096 signers all present / one ed25519-dalek strict verify",
    kind: Kind::Measured,
    reference: Some(1409.0 / GO_SINGLE),
    at_most: 1.15,
    unit: "ratio",
};
const DECODE: Target = Target {
    metric: "decode 4096 keys",
    kind: Kind::Measured,
    reference: Some(24.7),
    at_most: 15.0,
    unit: "ms",
};
const REGISTER: Target = Target {
    metric: "register 4096 keys",
    kind: Kind::Measured,
    reference: None,
    at_most: 32.0,
    unit: "us a key",
};

const ROUND: Target = Target {
    metric: "round of 8421 witnesses at depth 3 with 100 ms round trips",
    kind: Kind::Simulated,
    reference: Some(2.11),
    at_most: 0.66,
    unit: "s",
};
const ROUND_AHEAD: Target = Target {
    metric: "round of 8421 witnesses at depth 3 with nonces sent ahead",
    kind: Kind::Simulated,
    reference: Some(2.11),
    at_most: 0.36,
    unit: "s",
};

fn run(findings: &mut Findings<'_>) -> Result<(), Unsound> {
    findings.row(&VERIFY_144, |ask| verify_ratio(ask, 144))?;
    findings.row(&VERIFY_1024, verify_1024)?;
    findings.row(&VERIFY_4096, |ask| verify_ratio(ask, 4096))?;
    findings.row(&DECODE, decode_keys)?;
    findings.row(&REGISTER, register_keys)?;
    let rounds = LazyCell::new(round::run);
    let round = |which: usize| match &*rounds {
        Ok(rounds) => Ok(simulated(rounds, which)),
        Err(why) => Err(why.clone()),
    };
    findings.row(&ROUND, |_| round(0))?;
    findings.row(&ROUND_AHEAD, |_| round(1))?;
    findings.peers("peers", peers)
}

/// What a verification by `size` signers costs, in strict verifications of a plain signature.
fn verify_ratio(ask: &Ask, size: u16) -> Result<Found, String> {
    let (signed, single) = (signed(size, size)?, plain()?);
    let count = ask.samples(400);
    let ratio = compare(count, 25, || hold(signed.verify()), || hold(single.verify()));
    let how = format!(
        "the median of {count} ratios, each of 25 runs to 25 runs in turn; policy: complete; the \
         signature holds, and with a bit flipped, a member fewer or another statement does not"
    );
    Ok(Found::new(ratio.median(), how))
}

fn verify_1024(ask: &Ask) -> Result<Found, String> {
    let signed = signed(1024, 683)?;
    let samples = sample(ask.samples(400), 10, || hold(signed.verify()));
    let how = format!(
        "the fastest of {} samples of 10 runs, their median is {:.3} us; 683 drawn by lot have \
         signed; policy: quorum; checked as above",
        samples.count(),
        samples.median() * 1e6
    );
    Ok(Found::new(samples.least() * 1e6, how))
}

fn decode_keys(ask: &Ask) -> Result<Found, String> {
    let encoded = encoded(&members(&keys(4096)));
    let mut bad = encoded.clone();
    if let Some(key) = bad.get_mut(2048) {
        // y = p, a second encoding of 0.
        *key = [0xff; 32];
        (key[0], key[31]) = (0xed, 0x7f);
    }
    require(decode(&encoded).is_some(), "sound keys are refused")?;
    require(decode(&bad).is_none(), "a key in a second encoding is decoded")?;
    let samples = sample(ask.samples(60), 1, || hold(decode(&encoded).is_some()));
    let bare = sample(ask.samples(60), 1, || hold(decompress(&encoded) == encoded.len()));
    let how = format!(
        "the fastest of {} runs, their median is {:.3} ms; of that, curve25519-dalek's decompression \
         takes {:.3} ms alone; each key is checked to be canonical, and a second encoding is refused",
        samples.count(),
        samples.median() * 1e3,
        bare.least() * 1e3
    );
    Ok(Found::new(samples.least() * 1e3, how))
}

fn register_keys(ask: &Ask) -> Result<Found, String> {
    let members = members(&keys(4096));
    let mut bad = members.clone();
    if let Some(member) = bad.get_mut(2048) {
        member.proof.response[0] ^= 1;
    }
    require(register(members.clone()).is_some(), "sound members make no roster")?;
    require(register(bad).is_none(), "a member without proof of possession is registered")?;
    let samples = sample(ask.samples(20), 1, || hold(register(members.clone()).is_some()));
    let a_key = |seconds: f64| seconds * 1e6 / 4096.0;
    let how = format!(
        "a roster of all, the fastest of {} runs, their median is {:.3} us; keys decoded, free of \
         torsion and no two alike, proofs of possession batched, the Merkle tree built; one proof \
         with a bit flipped is found",
        samples.count(),
        a_key(samples.median())
    );
    Ok(Found::new(a_key(samples.least()), how))
}

/// One of the two rounds.
fn simulated(rounds: &Rounds, which: usize) -> Found {
    let Rounds { took, said, leader, all } = rounds;
    let took = took.get(which).map_or(f64::INFINITY, Duration::as_secs_f64);
    let how = match which {
        0 => format!(
            "all sign, over a tree of branching 21, with keys that are registered; every processor \
             is charged what this one took for the same input, and no work is shared; no link is \
             limited; the signature holds, and with a bit flipped does not. In both rounds: {said}; \
             the leader worked for {leader:.1?}, all together for {all:.1?}"
        ),
        _ => "the second round of the same witnesses, over the same tree; each committed ahead in \
              the first"
            .into(),
    };
    Found::new(took, how)
}

/// What stands beside the rows.
fn peers(ask: &Ask) -> Result<Vec<Peer>, String> {
    let count = ask.samples(100);
    let micros = |work: &mut dyn FnMut()| sample(count, 10, work).least() * 1e6;
    let peer = |work, here| Peer { work, here, unit: "us" };

    let frost = Frost::new(100, 67).map_err(|error| error.to_string())?;
    require(frost.verify(), "the signature of FROST does not hold")?;
    let (single, few, most) = (plain()?, signed(144, 144)?, signed(4096, 4096)?);
    let mut peers = vec![
        peer("ed25519-dalek strict verify", micros(&mut || hold(single.verify()))),
        peer("cosi verify 144 signers", micros(&mut || hold(few.verify()))),
        peer("cosi verify 4096 signers", micros(&mut || hold(most.verify()))),
        peer("frost-ed25519 verify 67 of 100", micros(&mut || hold(frost.verify()))),
    ];

    let round = Round::new(100, 67);
    let rounds = ask.samples(20);
    let cosi = fastest((0..rounds).map(|_| Some(round.sign().1)))?;
    let frost = fastest((0..rounds).map(|_| frost.sign()))?;
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    peers.extend([
        peer("cosi round 67 of 100 at the leader", micros(cosi.leader)),
        peer("frost-ed25519 round 67 of 100 at the coordinator", micros(frost.leader)),
        peer("cosi round 67 of 100 at a cosigner", micros(cosi.signer)),
        peer("frost-ed25519 round 67 of 100 at a signer", micros(frost.signer)),
    ]);
    Ok(peers)
}

/// The least at either side.
fn fastest(rounds: impl Iterator<Item = Option<Costs>>) -> Result<Costs, String> {
    let rounds: Option<Vec<Costs>> = rounds.collect();
    let rounds = rounds.ok_or("a round of FROST fails")?;
    let least = |side: fn(&Costs) -> Duration| rounds.iter().map(side).min();
    let leader = least(|costs| costs.leader).unwrap_or_default();
    Ok(Costs { leader, signer: least(|costs| costs.signer).unwrap_or_default() })
}

fn signed(size: u16, present: u16) -> Result<Signed, String> {
    let signed = Signed::new(&Round::new(size, present));
    require(signed.is_sound(), "a sound signature is refused, or an unsound one accepted")?;
    Ok(signed)
}

fn plain() -> Result<Single, String> {
    let single = Single::new();
    require(single.verify(), "the plain signature does not hold")?;
    Ok(single)
}

fn require(holds: bool, or: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(or.into()) }
}

/// In the midst of being measured: no result but the right one is worth a time.
fn hold(holds: bool) {
    assert!(holds, "a result changed while it was measured");
}
