//! `keygen`, `roster` and usage: what needs no network.

use std::fs;

use serde_json::Value;

use crate::common::Scratch;

#[test]
fn help_tells_what_there_is() {
    let scratch = Scratch::new();
    let help = scratch.witness("--help").ok();
    for word in ["keygen", "roster", "serve", "sign", "verify", "Exit codes", "A first round"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for (verb, words) in [
        ("keygen", &["--pkcs8", "--name", "--json", "PREFIX.pub"][..]),
        ("roster", &["--out", "--ports-from", "--show", "--json", "[=IP:PORT]"]),
        ("serve", &["--roster", "--key", "--log", "--listen", "SIGTERM"]),
        (
            "sign",
            &["--version", "--threshold", "--timeout", "--grace", "--shape", "groups", "--out"],
        ),
        ("verify", &["--raw", "--keys", "--message-hex", "--signature-hex", "Exit codes", "rogue"]),
    ] {
        let help = scratch.witness(&format!("{verb} --help")).ok();
        for word in words {
            assert!(help.contains(word), "{verb}: {word}: {help}");
        }
    }
    assert!(scratch.witness("--version").ok().starts_with("witness "));
    for line in ["", "frobnicate", "keygen", "roster", "serve", "sign file", "verify"] {
        scratch.witness(line).code(2);
    }
}

#[test]
fn a_key_is_secret_and_never_overwritten() {
    let scratch = Scratch::new();
    let said = scratch.witness("keygen ann").ok();
    assert!(said.contains("ann.key") && said.contains("ann.pub"), "{said}");
    let (secret, public) = (scratch.read("ann.key"), scratch.read("ann.pub"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name| fs::metadata(scratch.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("ann.key"), 0o600);
        assert_eq!(mode("ann.pub") & 0o600, 0o600);
    }
    scratch.witness("keygen ann").says(2, "ann.key exists already");
    fs::remove_file(scratch.path("ann.key")).unwrap();
    scratch.witness("keygen ann").says(2, "ann.pub exists already");
    assert!(!scratch.path("ann.key").exists() && scratch.read("ann.pub") == public);
    scratch.write("ann.key", "");
    scratch.witness("keygen ann").says(2, "ann.key exists already");
    assert_eq!(scratch.read("ann.key"), "");

    let registration: Value = serde_json::from_str(&public).unwrap();
    assert_eq!(registration["name"], "ann");
    let json = scratch.witness("keygen sub --name bob --json").json(0);
    assert_eq!((&json["name"], &json["secret_file"]), (&"bob".into(), &"sub.key".into()));
    assert_ne!(json["key"], registration["key"]);
    assert_ne!(scratch.read("sub.key"), secret);
    let said = scratch.run(env!("CARGO_BIN_EXE_witness"), &["keygen", "x", "--name", "a b"]);
    said.says(2, "printable ASCII");
    scratch.witness(&format!("keygen {}", "n".repeat(33))).says(2, "give --name");
    scratch.witness("keygen nowhere/ann").says(2, "No such file");
}

#[test]
fn a_key_that_openssl_made_is_taken_over() {
    let scratch = Scratch::new();
    let openssl = |line: &str| {
        let line: Vec<_> = line.split_whitespace().collect();
        scratch.run("openssl", &line).ok()
    };
    openssl("genpkey -algorithm ed25519 -out theirs.pem");
    openssl("pkey -in theirs.pem -outform DER -out theirs.der");
    openssl("pkcs8 -topk8 -in theirs.pem -passout pass:secret -out encrypted.pem");
    openssl("genpkey -algorithm x25519 -out other.pem");
    openssl("pkey -in theirs.pem -pubout -outform DER -out public.der");
    openssl("pkey -in theirs.pem -pubout -out public.pem");
    let key = fs::read(scratch.path("public.der")).unwrap();
    let key: String = key[12..].iter().map(|byte| format!("{byte:02x}")).collect();

    for (name, file) in [("ann", "theirs.pem"), ("bob", "theirs.der")] {
        let json = scratch.witness(&format!("keygen {name} --pkcs8 {file} --json")).json(0);
        assert_eq!(json["key"], key.as_str());
        assert_eq!(openssl(&format!("pkey -in {name}.key -pubout")), scratch.read("public.pem"));
        let roster = format!("roster --out {name}.json {name}.pub=127.0.0.1:1");
        assert!(scratch.witness(&roster).ok().contains(&key));
    }
    for (file, mend) in [
        ("encrypted.pem", "decrypt it with `openssl pkey"),
        ("other.pem", "no Ed25519 key"),
        ("public.pem", "no Ed25519 key"),
        ("public.der", "no Ed25519 key"),
        ("ann.pub", "no Ed25519 key"),
        ("missing", "No such file"),
    ] {
        scratch.witness(&format!("keygen x --pkcs8 {file}")).says(2, mend);
        assert!(!scratch.path("x.key").exists() && !scratch.path("x.pub").exists());
    }
    // And the other way round: openssl reads what keygen writes.
    scratch.witness("keygen own").ok();
    assert!(openssl("pkey -in own.key -noout -text").contains("ED25519 Private-Key"));
}

/// The bytes of the hex after `"field": "` in a file.
fn hex(scratch: &Scratch, file: &str, field: &str) -> String {
    let json: Value = serde_json::from_str(&scratch.read(file)).unwrap();
    json[field].as_str().unwrap().to_owned()
}

#[test]
fn a_roster_holds_what_was_registered_in_order() {
    let scratch = Scratch::new();
    for name in ["ann", "bob", "cyd", "dan", "eve"] {
        scratch.witness(&format!("keygen {name}")).ok();
    }
    let line =
        "roster --ports-from 127.0.0.1:7001 ann.pub bob.pub cyd.pub=[::1]:80 dan.pub eve.pub";
    let json = scratch.witness(&format!("{line} --out one.json --json")).json(0);
    assert_eq!((&json["faulty"], &json["quorum"]), (&1.into(), &4.into()));
    let member = |at: usize, field: &str| json["members"][at][field].as_str().unwrap().to_owned();
    assert_eq!(member(1, "address"), "127.0.0.1:7002");
    assert_eq!(member(2, "address"), "[::1]:80");
    assert_eq!(member(4, "address"), "127.0.0.1:7004");
    for (at, name) in ["ann", "bob", "cyd", "dan", "eve"].iter().enumerate() {
        assert_eq!(member(at, "name"), *name);
        assert_eq!(member(at, "key"), hex(&scratch, &format!("{name}.pub"), "key"));
    }
    let said = scratch.witness("roster --show one.json").ok();
    for words in ["roster", "quorum", "aggregate key", "cyd", "[::1]:80"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let again = scratch.witness("roster --show one.json --json").json(0);
    assert_eq!(again, json);
    scratch.witness(&format!("{line} --out one.json")).says(2, "one.json exists already");

    // Elsewhere, the same roster; in another order, another one.
    let moved = "roster --ports-from 10.0.0.1:1 ann.pub bob.pub cyd.pub dan.pub eve.pub";
    let moved = scratch.witness(&format!("{moved} --out two.json --json")).json(0);
    assert_eq!(moved["roster"], json["roster"]);
    let turned = "roster --ports-from 10.0.0.1:1 bob.pub ann.pub cyd.pub dan.pub eve.pub";
    let turned = scratch.witness(&format!("{turned} --out three.json --json")).json(0);
    assert_ne!(turned["roster"], json["roster"]);
    assert_eq!(turned["aggregate"], json["aggregate"]);
}

#[test]
fn registrations_that_do_not_hold_are_named() {
    let scratch = Scratch::new();
    for name in ["ann", "bob", "cyd"] {
        scratch.witness(&format!("keygen {name}")).ok();
    }
    let original = scratch.read("bob.pub");
    let roster = |files: &str| {
        let _ = fs::remove_file(scratch.path("r.json"));
        scratch.witness(&format!("roster --out r.json --ports-from 127.0.0.1:9 {files}"))
    };

    // Another's key under one's own proof, as for a rogue key.
    let [anns, bobs] = ["ann.pub", "bob.pub"].map(|file| hex(&scratch, file, "key"));
    scratch.replace("bob.pub", &bobs, &hex(&scratch, "cyd.pub", "key"));
    roster("ann.pub bob.pub").says(1, "bob.pub: the proof of possession does not hold");
    // Two keys that are none.
    for key in [format!("01{}", "00".repeat(31)), format!("02{}", "00".repeat(31))] {
        scratch.write("bob.pub", original.replace(&bobs, &key));
        roster("ann.pub bob.pub").says(1, "bob.pub: the key is no canonical point");
    }
    scratch.write("bob.pub", original.replace("bob", "rob"));
    roster("ann.pub bob.pub").ok();
    // One key, twice.
    fs::copy(scratch.path("ann.pub"), scratch.path("copy.pub")).unwrap();
    roster("ann.pub cyd.pub copy.pub").says(2, "copy.pub has a name that another member has");
    scratch.replace("copy.pub", "\"ann\"", "\"amy\"");
    roster("ann.pub cyd.pub copy.pub").says(1, "copy.pub: the key is registered further up");

    scratch.write("bob.pub", &original);
    for (from, to, mend) in [
        ("bob", "b b", "printable ASCII"),
        ("bob", r"b\u001b[31m", "printable ASCII"),
        ("version 1", "version 2", "bob.pub is not a witness's registration"),
        ("proof", r"\u001b[31m", "unknown field `?[31m`"),
        ("proof", "prove", "bob.pub is not a witness's registration"),
        ("\"key\": \"", "\"key\": \"00", "33 bytes are too few or too many"),
        ("\"key\": \"", "\"key\": \"0x", "leave the 0x out"),
        ("{\n", "{\n\n", "line 2 is not in the form"),
        ("}\n", "}\n\n", "line 7 is not in the form"),
        ("}\n", "}", "is not in the form"),
        ("}\n", "}\n}", "bob.pub is not a witness's registration"),
        ("{", &"[".repeat(3000), "bob.pub is not a witness's registration"),
        ("{", &" ".repeat(4096), "longer than 4096 bytes"),
    ] {
        scratch.replace("bob.pub", from, to);
        roster("ann.pub bob.pub").says(2, mend);
        scratch.write("bob.pub", &original);
    }
    let upper = original.replace(&bobs, &bobs.to_uppercase());
    scratch.write("bob.pub", upper);
    roster("ann.pub bob.pub").says(2, "line 4 is not in the form");
    scratch.write("bob.pub", &original);

    assert_ne!(anns, bobs);
    let line = "roster --out x.json";
    scratch.witness(&format!("{line} ann.pub")).says(2, "ann.pub has no address");
    scratch.witness(&format!("{line} ann.pub=localhost")).says(2, "is no address");
    scratch.witness(&format!("{line} ann.pub=127.0.0.1:0")).says(2, "or port 0");
    let twice = format!("{line} ann.pub=127.0.0.1:1 bob.pub=127.0.0.1:1");
    scratch.witness(&twice).says(2, "bob.pub has an address that another member has");
    let last = format!("{line} --ports-from 127.0.0.1:65535 ann.pub bob.pub");
    scratch.witness(&last).says(2, "bob.pub has no address");
    scratch.witness(&format!("{line} dan.pub=127.0.0.1:1")).says(2, "dan.pub: No such file");
    scratch.witness(line).code(2);
    assert!(!scratch.path("x.json").exists());
}

#[test]
fn a_roster_file_is_checked_when_it_is_read() {
    let scratch = Scratch::new();
    scratch.roster(&["ann", "bob", "cyd", "dan"], 7001);
    let original = scratch.read("roster.json");
    let [bobs, cyds] = ["bob.pub", "cyd.pub"].map(|file| hex(&scratch, file, "key"));
    let proof = hex(&scratch, "bob.pub", "proof");
    let shows = || scratch.witness("roster --show roster.json");
    shows().ok();
    scratch.replace("roster.json", "127.0.0.1:7002", "127.0.0.1:7999");
    shows().ok();
    for (code, from, to, mend) in [
        (1, &bobs[..], &cyds[..], "member cyd: the key is registered further up"),
        (1, &proof[..], &"00".repeat(64), "member bob: the proof of possession does not hold"),
        (2, "\"bob\"", "\"ann\"", "member ann has a name that another member has"),
        (2, "127.0.0.1:7002", "127.0.0.1:7001", "member bob has an address"),
        (2, "127.0.0.1:7002", "127.0.0.1:07002", "is not a roster"),
        (2, "version 1", "version 9", "is not a roster"),
        (2, "  \"members\"", "\"members\"", "is not in the form"),
    ] {
        scratch.write("roster.json", &original);
        scratch.replace("roster.json", from, to);
        shows().says(code, mend);
    }
    // A member left out: the keys are sound, and it is another roster.
    let mut json: Value = serde_json::from_str(&original).unwrap();
    let id = json["roster"].as_str().unwrap().to_owned();
    json["members"].as_array_mut().unwrap().pop();
    scratch.write("roster.json", &original);
    scratch.replace("roster.json", &id, &"00".repeat(32));
    shows().says(1, "has another id");
}
