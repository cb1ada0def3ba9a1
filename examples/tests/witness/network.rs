//! `serve` and `sign`: a process a witness, some of them killed, and OpenSSL as the judge.

use std::fs;

use serde_json::Value;

use crate::{
    common::{Scratch, names},
    serving::{Running, ports},
};

const SEVEN: [&str; 7] = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus"];

/// Six witnesses that serve, and ann, who publishes.
fn seven() -> (Scratch, Vec<Running>) {
    let scratch = Scratch::new();
    scratch.roster(&SEVEN, ports(7));
    scratch.write("tool", "the first version");
    let witnesses = SEVEN[1..].iter().map(|name| Running::serve(&scratch, name)).collect();
    (scratch, witnesses)
}

fn sign(version: &str, more: &str) -> String {
    format!("sign tool --version {version} --roster roster.json --key ann.key {more}")
}

/// Whether OpenSSL accepts the signature that was written beside `tool`.
fn openssl(scratch: &Scratch, expected: i32) {
    let line = "pkeyutl -verify -rawin -pubin -inkey tool.pem -sigfile tool.sig -in tool.msg";
    let said = scratch.run("openssl", &line.split(' ').collect::<Vec<_>>()).code(expected);
    let words = ["Signature Verified Successfully", "Signature Verification Failure"];
    assert!(said.contains(words[usize::from(expected != 0)]), "{said}");
}

fn flip(scratch: &Scratch, file: &str, at: usize) {
    let mut bytes = fs::read(scratch.path(file)).unwrap();
    bytes[at] ^= 1;
    scratch.write(file, bytes);
}

#[test]
fn openssl_accepts_what_witnesses_signed_and_nothing_else() {
    let (scratch, witnesses) = seven();
    let said = scratch.witness(&sign("1.0", "")).ok();
    assert!(
        said.contains("valid: 7 of 7 members signed, and 5 had to")
            && said.contains("bob committed"),
        "{said}"
    );
    let command =
        "openssl pkeyutl -verify -rawin -pubin -inkey tool.pem -sigfile tool.sig -in tool.msg";
    assert!(said.contains(command), "{said}");
    openssl(&scratch, 0);
    assert_eq!(fs::metadata(scratch.path("tool.sig")).unwrap().len(), 64);
    let length = fs::metadata(scratch.path("tool.msg")).unwrap().len();
    for (file, last) in [("tool.msg", length - 1), ("tool.sig", 63)] {
        for at in [0, last / 2, last] {
            let at = usize::try_from(at).unwrap();
            flip(&scratch, file, at);
            openssl(&scratch, 1);
            flip(&scratch, file, at);
        }
    }
    // The signed bytes name the roster, who signed, the file and its version.
    let message = fs::read(scratch.path("tool.msg")).unwrap();
    let roster = scratch.witness("roster --show roster.json --json").json(0);
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = |name: &str| format!("{:0<32}", hex_of(name.as_bytes()));
    assert!(hex.starts_with(&tag("cosi/v1/account")));
    assert_eq!(&hex[32..96], roster["roster"].as_str().unwrap());
    assert_eq!(&hex[96..98], "7f");
    assert_eq!(&hex[98..130], tag("witness/v1/file"));
    let sha512 = scratch.run("openssl", &["dgst", "-sha512", "-r", "tool"]).ok();
    assert_eq!(&hex[hex.len() - 128..], &sha512[..128]);

    // Everybody's own copy of the three files is made from the roster.
    scratch.witness("verify tool --roster roster.json --openssl own").ok();
    for suffix in ["msg", "sig", "pem"] {
        let [one, other] = ["tool", "own"].map(|name| scratch.path(&format!("{name}.{suffix}")));
        assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap());
    }
    // All seven: the key is the aggregate of the roster.
    let key =
        scratch.run("openssl", &["pkey", "-pubin", "-in", "tool.pem", "-noout", "-text"]).ok();
    let key: String = key.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(key.ends_with(roster["aggregate"].as_str().unwrap()), "{key}");

    for mut witness in witnesses {
        witness.signal("TERM");
        assert_eq!(witness.wait(), Some(0));
        witness.out.until("agrees to sign tool 1.0 (17 bytes");
        witness.out.until("stopped");
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signature_holds_for_its_file_roster_name_version_and_threshold() {
    let (scratch, mut witnesses) = seven();
    witnesses[0].kill();
    let json = scratch.witness(&sign("1.0", "--json --grace 3 --name widget --out out")).json(0);
    assert_eq!(names(&json["missing"]), ["bob"]);
    let verify = |more: &str| {
        scratch.witness(&format!("verify tool --roster roster.json --signature out.cosig {more}"))
    };
    let said = verify("").ok();
    assert!(
        said.contains("widget 1.0")
            && said.contains("valid: 6 of 7 members signed")
            && said.contains("bob"),
        "{said}"
    );
    verify("--name widget --version 1.0 --threshold 6").ok();
    verify("--threshold 1").says(0, "that is less than the quorum, 5");
    verify("--threshold 7").says(1, "invalid: 6 of 7 members signed, and 7 must");
    verify("--name tool").says(1, "invalid: it is a signature on widget, not on tool");
    verify("--version 1.1").says(1, "invalid: it is a signature on 1.0, not on 1.1");
    verify("--threshold 8").says(2, "ask for 1 to 7");
    verify("--threshold 0").says(2, "ask for 1 to 7");
    let json = verify("--threshold 7 --json").json(1);
    assert_eq!(json["valid"], false);

    let original = scratch.read("out.cosig");
    let json: Value = serde_json::from_str(&original).unwrap();
    let field = |name: &str| json[name].as_str().unwrap().to_owned();
    let (signature, sha512) = (field("signature"), field("sha512"));
    assert_eq!(&signature[128..], "7d", "all but the second");
    let other = |text: &str, at: usize| {
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &text[..at], &text[at + 1..])
    };
    for (from, to, mend) in [
        (signature.clone(), other(&signature, 0), "the signature does not hold"),
        (signature.clone(), other(&signature, 127), "the signature does not hold"),
        (signature.clone(), format!("{}7f", &signature[..128]), "the signature does not hold"),
        (signature.clone(), format!("{}3d", &signature[..128]), "the signature does not hold"),
        (signature.clone(), format!("{}fd", &signature[..128]), "the mask is not"),
        (signature.clone(), format!("{}00", &signature[..128]), "the mask is not"),
        (signature.clone(), signature[..128].into(), "the mask is not"),
        (signature.clone(), format!("{signature}00"), "the mask is not"),
        (signature.clone(), String::new(), "the signature does not hold"),
        (sha512.clone(), other(&sha512, 5), "the signature does not hold"),
        ("widget".into(), "gadget".into(), "the signature does not hold"),
        ("\"1.0\"".into(), "\"1.1\"".into(), "the signature does not hold"),
        ("\"size\": 17".into(), "\"size\": 18".into(), "the signature does not hold"),
        (field("roster"), "00".repeat(32), "it is a signature by members of another roster, 0000"),
    ] {
        scratch.write("out.cosig", original.replace(&from, &to));
        verify("").says(1, &format!("invalid: {mend}"));
        scratch.write("out.cosig", &original);
    }
    verify("").ok();
    for file in ["the first versioN", "the first version, longer", ""] {
        scratch.write("tool", file);
        verify("").says(1, "invalid: the file is not the one that was signed");
    }
    fs::remove_file(scratch.path("tool")).unwrap();
    verify("").says(2, "tool: No such file");
    scratch.write("tool", "the first version");

    // The same members in another order are another roster.
    let files = SEVEN.map(|name| format!("{name}.pub"));
    let turned: Vec<_> = files.iter().rev().map(String::as_str).collect();
    let turned = format!("roster --out turned.json --ports-from 127.0.0.1:1 {}", turned.join(" "));
    scratch.witness(&turned).ok();
    let line = "verify tool --signature out.cosig --roster";
    scratch.witness(&format!("{line} turned.json")).says(1, "members of another roster");
    scratch.witness(&format!("{line} ann.pub")).says(2, "ann.pub is not a roster");
    scratch.witness(&format!("{line} nowhere")).says(2, "nowhere: No such file");
    scratch.witness("verify tool --roster roster.json").says(2, "tool.cosig: No such file");
    for text in ["", "{}", "null", &original.replace("}\n", "},"), &original.replace(": ", ":")] {
        scratch.write("out.cosig", text);
        verify("").says(2, "out.cosig is not a signature file");
    }
}

#[test]
fn witnesses_killed_before_and_during_signing_are_named() {
    let (scratch, mut witnesses) = seven();
    // gus is dead, and fay hangs: ann waits a while for her, once the others have committed.
    witnesses[5].kill();
    witnesses[4].signal("STOP");
    let mut signing = Running::start(&scratch, &sign("1.0", "--json --threshold 4 --grace 3"));
    for name in ["bob", "cyd", "dan", "eve"] {
        signing.err.until(&format!("{name} committed"));
    }
    // So eve dies between her commitment and her signature.
    witnesses[3].kill();
    assert_eq!(signing.wait(), Some(0), "{:#?}", signing.err.all());
    let json: Value = serde_json::from_str(&signing.out.all().concat()).unwrap();
    assert_eq!(names(&json["missing"]), ["eve", "fay", "gus"]);
    assert_eq!(names(&json["signers"]), ["ann", "bob", "cyd", "dan"]);
    signing.err.until("eve is missing: the connection broke");
    signing.err.until("fay is missing: ");
    signing.err.until("gus is missing: not reached");
    openssl(&scratch, 0);
    let verify = "verify tool --roster roster.json --threshold 4 --json";
    assert_eq!(names(&scratch.witness(verify).json(0)["missing"]), ["eve", "fay", "gus"]);
    scratch
        .witness("verify tool --roster roster.json")
        .says(1, "4 of 7 members signed, and 5 must");

    // Too few for the quorum: it says who is missing, and leaves no signature behind.
    let json = scratch.witness(&sign("1.1", "--json --timeout 2 --out more")).json(1);
    assert_eq!(
        (&json["valid"], names(&json["missing"])),
        (&false.into(), vec!["eve", "fay", "gus"])
    );
    let late = scratch.witness(&sign("1.1", "--timeout 2 --out more"));
    late.says(1, "not signed in 2 s: 5 of 7 must sign; missing: eve, fay, gus");
    assert!(!scratch.path("more.cosig").exists() && !scratch.path("more.sig").exists());

    // Whoever comes back is back.
    witnesses[4].signal("CONT");
    witnesses[3] = Running::serve(&scratch, "eve");
    witnesses[3].out.until("remembers 1 releases"); // what she committed to before she died
    let json = scratch.witness(&sign("1.1", "--json --grace 3")).json(0);
    assert_eq!(names(&json["missing"]), ["gus"]);
    openssl(&scratch, 0);
}

#[test]
fn trees_sign_too_and_a_dead_member_costs_time_alone() {
    let (scratch, mut witnesses) = seven();
    for (version, shape) in [("1", "balanced"), ("2", "groups"), ("3", "star")] {
        let line = sign(version, &format!("--json --shape {shape}"));
        let json = scratch.witness(&line).json(0);
        assert_eq!(json["missing"].as_array().unwrap().len(), 0, "{shape}");
        openssl(&scratch, 0);
    }
    witnesses[2].kill();
    for (version, shape) in [("4", "balanced"), ("5", "groups")] {
        let line = sign(version, &format!("--json --grace 2 --timeout 20 --shape {shape}"));
        let json = scratch.witness(&line).json(0);
        assert_eq!(names(&json["missing"]), ["dan"], "{shape}");
        openssl(&scratch, 0);
    }
}

#[test]
fn one_version_is_one_file_whoever_publishes_and_whatever_crashes() {
    let (scratch, mut witnesses) = seven();
    scratch.witness(&sign("1.0", "")).ok();
    scratch.write("tool", "another first version");
    // The publisher's own log refuses.
    scratch.witness(&sign("1.0", "")).says(1, "this member has agreed to another file as tool 1.0");
    // One that has no scruples finds no witness, though they were killed and started again.
    for (witness, name) in witnesses.iter_mut().zip(&SEVEN[1..]) {
        witness.signal("KILL");
        witness.wait();
        *witness = Running::serve(&scratch, name);
        witness.out.until("and remembers 1 releases");
    }
    let lie = sign("1.0", "--log forgotten.log --timeout 1.5 --grace 0.2 --threshold 2");
    let all = "missing: bob, cyd, dan, eve, fay, gus";
    scratch.witness(&lie).says(1, all);
    for witness in &witnesses {
        witness.out.until("REFUSES to sign tool 1.0 (21 bytes");
        witness.out.until("has agreed to another file, tool 1.0 (17 bytes");
    }
    // Nor does another member.
    witnesses[0].signal("INT");
    assert_eq!(witnesses[0].wait(), Some(0));
    let bobs = "sign tool --version 1.0 --roster roster.json --key bob.key";
    scratch.witness(bobs).says(1, "this member has agreed to another file");
    let bobs = format!("{bobs} --log new.log --timeout 1.5 --threshold 2 --grace 0.2");
    scratch.witness(&bobs).says(1, "missing: ann, cyd, dan, eve, fay, gus");
    // As another version the file is welcome, and the first one may be signed again.
    scratch.witness(&sign("1.1", "--threshold 6")).ok();
    scratch.write("tool", "the first version");
    scratch.witness(&sign("1.0", "--threshold 6")).ok();
}

#[test]
fn strangers_and_members_in_anothers_place_are_refused() {
    let (scratch, mut witnesses) = seven();
    let original = scratch.read("roster.json");

    // Strangers: their key is in no roster but their own.
    scratch.witness("keygen zoe").ok();
    scratch
        .witness("serve --roster roster.json --key zoe.key")
        .says(2, "zoe.key is not in the roster");
    let files = ["zoe", "bob", "cyd", "dan", "eve", "fay", "gus"].map(|name| format!("{name}.pub"));
    let addresses: Value = serde_json::from_str(&original).unwrap();
    let address = |at: usize| addresses["members"][at]["address"].as_str().unwrap();
    let placed = files.iter().enumerate().map(|(at, file)| format!("{file}={}", address(at)));
    let line = format!("roster --out zoes.json {}", placed.collect::<Vec<_>>().join(" "));
    scratch.witness(&line).ok();
    let zoe = "sign tool --version 6 --roster zoes.json --key zoe.key --timeout 1.5 --grace 0.2";
    let said = scratch.witness(&format!("{zoe} --threshold 2")).code(1);
    assert!(said.contains("missing: bob, cyd, dan, eve, fay, gus"), "{said}");
    for name in ["bob", "gus"] {
        assert!(said.contains(&format!("{name} is missing: not reached")), "{said}");
    }

    // A member in the place of another: ann looks for bob and cyd where the other one is.
    let (bobs, cyds) = (address(1), address(2));
    let swapped = original.replace(bobs, "X").replace(cyds, bobs).replace('X', cyds);
    scratch.write("roster.json", &swapped);
    let json = scratch.witness(&sign("1.0", "--json --grace 3")).json(0);
    assert_eq!(names(&json["missing"]), ["bob", "cyd"]);
    scratch.write("roster.json", &original);
    for witness in &witnesses[..2] {
        assert!(witness.out.all().iter().all(|line| !line.contains("agrees")));
    }
    // A witness with another's key is that other one, and its log is taken.
    let gus = "serve --roster roster.json --key gus.key";
    scratch.witness(gus).says(2, "gus is at work in another process");
    scratch.witness(&format!("{gus} --log bob.log")).says(2, "bob.log");
    witnesses[5].kill();
    witnesses[0].kill();
    let foreign = scratch.witness(&format!("{gus} --log bob.log"));
    foreign.says(2, "bob.log: the journal belongs to another");
    let taken = format!("{gus} --listen {cyds}");
    scratch.witness(&taken).says(2, &format!("cannot listen at {cyds}"));

    // Who may read the secret may be the witness.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = scratch.path("gus.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        scratch.witness(gus).says(2, "others may read gus.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn what_makes_no_sense_to_sign_is_refused_with_its_mend() {
    let scratch = Scratch::new();
    scratch.roster(&["ann", "bob"], ports(2));
    scratch.write("tool", "");
    scratch.write("my tool", "");
    for (more, code, mend) in [
        ("--threshold 3", 2, "ask for 1 to 2"),
        ("--threshold 0", 2, "ask for 1 to 2"),
        ("--timeout 0", 2, "give seconds"),
        ("--timeout soon", 2, "give seconds"),
        ("--grace -1", 2, ""),
        ("--shape ring", 2, "possible values: star, balanced, groups"),
        ("--name ü", 2, "printable ASCII"),
        ("--out nowhere/tool --threshold 1", 2, "nowhere/tool.cosig"),
        ("--timeout 0.3", 1, "missing: bob"),
        ("--threshold 1 --grace 0.1", 0, ""),
    ] {
        if code == 0 {
            let said = scratch.witness(&sign("1", more)).ok();
            assert!(
                said.contains("valid: 1 of 2") && said.contains("less than the quorum, 2"),
                "{said}"
            );
            openssl(&scratch, 0);
            continue;
        }
        scratch.witness(&sign("1", more)).says(code, mend);
    }
    let long = "v".repeat(65);
    scratch.witness(&sign(&long, "")).says(2, "--version");
    let arguments =
        ["sign", "my tool", "--version", "1", "--roster", "roster.json", "--key", "ann.key"];
    scratch.run(env!("CARGO_BIN_EXE_witness"), &arguments).says(2, "--name");
    let line = "--version 1 --roster roster.json --key";
    scratch.witness(&format!("sign missing {line} ann.key")).says(2, "missing: No such file");
    scratch.witness(&format!("sign tool {line} nowhere.key")).says(2, "nowhere.key: No such file");
    scratch.witness(&format!("sign tool {line} ann.pub")).says(2, "ann.pub holds no Ed25519 key");
}
