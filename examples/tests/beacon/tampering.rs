//! A file that was changed, in whatever byte, is refused, and the check that fails is named.

use std::collections::BTreeSet;

use cosi::{
    Certificate,
    keys::{Seed, Signature},
    mask::Mask,
    roster::RosterId,
    wire::{BoundedVec, Wire as _},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use randhound::{Candidate, GroupTranscript, Publication};

use crate::common::{Scratch, text};

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn publication(scratch: &Scratch) -> Publication {
    Publication::decode(&std::fs::read(scratch.path("draw.bin")).unwrap()).unwrap()
}

fn change<T: Clone, const N: usize>(items: &mut BoundedVec<T, N>, how: impl FnOnce(&mut Vec<T>)) {
    let mut all = items.clone().into_inner();
    how(&mut all);
    *items = BoundedVec::new(all).unwrap();
}

/// A file, what was changed in it, and the check that fails.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Publication));

#[test]
fn each_check_is_named() {
    let scratch = Scratch::new();
    let drawn = scratch.draw("--servers 8 --group-size 4 --simulated --out draw.bin");
    let (sound, roster) = (publication(&scratch), text(&drawn["roster_id"]));
    scratch.verify("draw.bin", roster, 1).ok();
    let stranger = Candidate::new(&Seed::from_bytes([9; 32]), &mut ChaCha20Rng::seed_from_u64(1));
    let groups = |it: &mut Publication, how: &dyn Fn(&mut Vec<GroupTranscript>)| {
        change(&mut it.transcript.groups, how);
    };
    let cases: [Case<'_>; 21] = [
        ("purpose", &|it| it.transcript.config.purpose[0] ^= 1),
        ("slot", &|it| it.transcript.config.slot = 0),
        ("members", &|it| change(&mut it.members, |all| all[1].possession.response[0] ^= 1)),
        ("members", &|it| change(&mut it.members, |all| all[1] = all[0].clone())),
        ("share keys", &|it| change(&mut it.members, |all| all[1].share.commitment = [0xff; 32])),
        ("share keys", &|it| change(&mut it.members, |all| all[1].share = all[0].share)),
        ("roster", &|it| change(&mut it.members, |all| all[7] = stranger.clone())),
        ("roster", &|it| change(&mut it.members, |all| all.swap(0, 1))),
        ("config", &|it| it.transcript.config.roster.0[0] ^= 1),
        ("config", &|it| it.transcript.config.client = [0; 32]),
        ("config", &|it| it.transcript.config.group_size = 0),
        ("statement", &|it| it.transcript.config.client = it.members[0].key),
        ("statement", &|it| it.transcript.config.group_size = 3),
        ("statement", &|it| it.transcript.statement.dealers = Mask::of(8, 0..3)),
        ("certificate", &|it| it.transcript.statement.availability[0] ^= 1),
        ("certificate", &|it| {
            let signature = Signature([1; 64]);
            let (mask, signatures) = (Mask::of(8, 0..6), vec![signature; 6]);
            let signatures = BoundedVec::new(signatures).unwrap();
            it.transcript.certificate = Certificate::Individual { mask, signatures };
        }),
        ("groups", &|it| groups(it, &|all| drop(all.pop()))),
        ("deals", &|it| groups(it, &|all| all.swap(0, 1))),
        ("deals", &|it| groups(it, &|all| change(&mut all[0].deals, |deals| deals.swap(0, 1)))),
        ("shares", &|it| {
            groups(it, &|all| change(&mut all[1].shares, |shares| drop(shares.pop())))
        }),
        ("shares", &|it| {
            groups(it, &|all| change(&mut all[1].shares, |shares| shares[0].trustee ^= 1));
        }),
    ];
    for (at, (check, tamper)) in cases.into_iter().enumerate() {
        let mut changed = sound.clone();
        tamper(&mut changed);
        scratch.write("changed.bin", changed.encode());
        let reason = scratch.verify("changed.bin", roster, 1).json(1);
        let reason = text(&reason["reason"]);
        assert!(reason.starts_with(&format!("invalid: {check}: ")), "{at} {check}: {reason}");
    }

    let bytes = sound.encode();
    for (other, what) in [
        (&bytes[..bytes.len() - 1], "cut off"),
        (&[&bytes[..], &[0]].concat()[..], "with more at its end"),
        (&[][..], "empty"),
        (b"a letter", "a letter"),
        (&[0xff; 5000], "of no publication's length"),
    ] {
        scratch.write("changed.bin", other);
        let reason = scratch.verify("changed.bin", roster, 1).json(1);
        assert!(text(&reason["reason"]).starts_with("invalid: format: "), "{what}");
    }
}

/// Whoever brings a sound file of other servers, purpose or slot.
#[test]
fn another_draw_is_refused() {
    let scratch = Scratch::new();
    let run = "--servers 4 --group-size 4 --simulated";
    let mine = scratch.draw(&format!("{run} --out draw.bin"));
    let theirs = scratch.draw(&format!("{run} --out theirs.bin"));
    let roster = text(&mine["roster_id"]);
    scratch.verify("theirs.bin", text(&theirs["roster_id"]), 1).ok();
    scratch.verify("theirs.bin", roster, 1).says(1, "invalid: roster: ");
    scratch.verify("draw.bin", roster, 2).says(1, "invalid: slot: the output is that of slot 1");
    let other = format!("verify draw.bin --roster-id {roster} --purpose Test --slot 1");
    scratch.beacon(&other).says(1, "invalid: purpose: ");

    scratch.verify("nowhere.bin", roster, 1).says(2, "nowhere.bin: ");
    std::fs::create_dir(scratch.path("folder")).unwrap();
    scratch.verify("folder", roster, 1).says(2, "folder: ");
    scratch.verify("draw.bin", &roster[1..], 1).says(2, "63 hex digits");
    scratch.verify("draw.bin", &roster[2..], 1).says(2, "31 bytes; give 32");
    scratch.verify("draw.bin", &format!("0x{roster}"), 1).says(2, "leave the 0x out");
    scratch.beacon("verify draw.bin --purpose test --slot 1").says(2, "--roster-id");
}

/// Every byte of a small file, and many of a large one; a few by the program itself.
#[test]
fn a_change_to_any_byte_is_refused() {
    let scratch = Scratch::new();
    let help = scratch.beacon("verify --help").ok();
    for (run, step) in [
        ("--servers 4 --group-size 4 --simulated", 1),
        ("--servers 9 --group-size 4 --simulated", 31),
        ("--servers 64 --group-size 16 --simulated", 2999),
    ] {
        let _ = std::fs::remove_file(scratch.path("draw.bin"));
        let drawn = scratch.draw(&format!("{run} --out draw.bin"));
        let (sound, roster) = (publication(&scratch), text(&drawn["roster_id"]));
        let config = &sound.transcript.config;
        let verify = |bytes: &[u8]| match Publication::<Certificate>::decode(bytes) {
            Ok(it) => it
                .verify(RosterId(unhex(roster)), &config.purpose, config.slot)
                .map_err(|error| error.to_string()),
            Err(_) => Err("format: ".into()),
        };
        let (bytes, mut checks) = (sound.encode(), BTreeSet::new());
        verify(&bytes).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = verify(&bytes).expect_err(&format!("byte {at} of {run}"));
            checks.insert(error.split_once(": ").expect(&error).0.to_owned());
            if at % (step * 500) == 0 {
                scratch.write("changed.bin", bytes);
                let reason = scratch.verify("changed.bin", roster, 1).json(1);
                let reason = text(&reason["reason"]);
                assert!(reason.starts_with(&format!("invalid: {error}")), "{reason}");
            }
        }
        assert!(step > 1 || checks.len() >= 9, "{checks:?}");
        let unknown = |check: &&String| !help.contains(&format!("\n  {check} "));
        assert_eq!(checks.iter().find(unknown), None, "every check is in the help");
    }
}
